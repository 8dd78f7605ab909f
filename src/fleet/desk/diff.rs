//! The difference of two documents, for people. Secrets are masked.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::config::without_secrets;

/// Maximum length of a shown value in bytes.
const VALUE_BYTES: usize = 120;
/// Keys whose plain texts are secrets.
const SECRET: [&str; 3] = ["username", "password", "http_token"];

/// One line per changed value: `+ path = new`, `- path = old`, `~ path: old → new`.
pub(super) fn diff(former: &Map<String, Value>, next: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    tables(former, next, "", &mut lines);
    lines
}

fn tables(
    former: &Map<String, Value>,
    next: &Map<String, Value>,
    at: &str,
    lines: &mut Vec<String>,
) {
    let keys: BTreeSet<&String> = former.keys().chain(next.keys()).collect();
    for key in keys {
        let path = match at {
            "" => key.clone(),
            _ => format!("{at}.{key}"),
        };
        values(former.get(key), next.get(key), key, &path, lines);
    }
}

fn values(
    former: Option<&Value>,
    next: Option<&Value>,
    key: &str,
    path: &str,
    lines: &mut Vec<String>,
) {
    match (former, next) {
        (Some(former), Some(next)) if former == next => {}
        (Some(Value::Object(former)), Some(Value::Object(next))) if !is_secret(key) => {
            tables(former, next, path, lines);
        }
        (Some(Value::Array(former)), Some(Value::Array(next)))
            if have_ids(former) && have_ids(next) =>
        {
            lists(former, next, key, path, lines);
        }
        (Some(former), Some(next)) => {
            let (former, next) = (shown(key, former), shown(key, next));
            lines.push(format!("~ {path}: {former} → {next}"));
        }
        (None, Some(next)) => lines.push(format!("+ {path} = {}", shown(key, next))),
        (Some(former), None) => lines.push(format!("- {path} = {}", shown(key, former))),
        (None, None) => {}
    }
}

/// Lists of tables with ids are compared by them. A changed order alone is told as such.
fn lists(former: &[Value], next: &[Value], key: &str, path: &str, lines: &mut Vec<String>) {
    let find =
        |list: &[Value], id: &Value| list.iter().find(|one| one.get("id") == Some(id)).cloned();
    let had = lines.len();
    let ids = |list: &[Value]| -> Vec<Value> {
        list.iter()
            .filter_map(|one| one.get("id").cloned())
            .collect()
    };
    let (former_ids, next_ids) = (ids(former), ids(next));
    let gone = former_ids.iter().filter(|id| !next_ids.contains(id));
    for id in next_ids.iter().chain(gone) {
        let path = format!("{path}[id={id}]");
        values(
            find(former, id).as_ref(),
            find(next, id).as_ref(),
            key,
            &path,
            lines,
        );
    }
    if lines.len() == had {
        lines.push(format!("~ {path}: another order"));
    }
}

fn have_ids(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(|element| element.get("id").is_some())
}

fn is_secret(key: &str) -> bool {
    SECRET.contains(&key)
}

fn shown(key: &str, value: &Value) -> String {
    let text = masked(key, value).to_string();
    match text.len() > VALUE_BYTES {
        true => format!("{}…", &text[..text.floor_char_boundary(VALUE_BYTES)]),
        false => text,
    }
}

/// The value without its secrets. References to secrets stay.
pub(super) fn masked(key: &str, value: &Value) -> Value {
    match value {
        Value::String(_) if is_secret(key) => Value::from("***"),
        Value::String(text) => Value::from(without_secrets(text)),
        Value::Array(list) => list.iter().map(|value| masked(key, value)).collect(),
        Value::Object(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), masked(key, value)))
            .collect(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(former: Value, next: Value) -> Vec<String> {
        let table = |value: Value| value.as_object().cloned().expect("a table");
        diff(&table(former), &table(next))
    }

    #[test]
    fn each_changed_value_is_a_line() {
        let former = json!({ "role": "wall", "wall": { "a": 1, "b": [1], "same": {} } });
        let next = json!({ "role": "both", "wall": { "b": [2], "c": { "d": true }, "same": {} } });
        assert_eq!(
            lines(former, next),
            [
                "~ role: \"wall\" → \"both\"",
                "- wall.a = 1",
                "~ wall.b: [1] → [2]",
                "+ wall.c = {\"d\":true}",
            ]
        );
    }

    #[test]
    fn cameras_are_compared_by_id() {
        let former = json!({ "camera": [{ "id": 1, "name": "a" }, { "id": 2 }] });
        let next = json!({ "camera": [{ "id": 3 }, { "id": 1, "name": "b" }] });
        assert_eq!(
            lines(former.clone(), next),
            [
                "+ camera[id=3] = {\"id\":3}",
                "~ camera[id=1].name: \"a\" → \"b\"",
                "- camera[id=2] = {\"id\":2}",
            ]
        );
        let turned = json!({ "camera": [{ "id": 2 }, { "id": 1, "name": "a" }] });
        assert_eq!(lines(former.clone(), turned), ["~ camera: another order"]);
        assert_eq!(lines(former.clone(), former), Vec::<String>::new());
    }

    #[test]
    fn secrets_are_masked_and_references_are_shown() {
        let former = json!({ "password": "hunter1", "uri": "rtsp://u:hunter2@h/", "x": 1 });
        let next = json!({ "password": { "file": "cam" }, "uri": "rtsp://u:hunter3@h/a", "http_token": "hunter4" });
        let told = lines(former, next).join("\n");
        assert!(!told.contains("hunter"), "{told}");
        assert!(
            told.contains("~ password: \"***\" → {\"file\":\"cam\"}"),
            "{told}"
        );
        assert!(told.contains("+ http_token = \"***\""), "{told}");
    }

    #[test]
    fn a_test_pattern_is_shown_as_it_is() {
        let uri = "test-pattern:?width=640&height=360&fps=10";
        let told = lines(json!({}), json!({ "uri": uri }));
        assert_eq!(told, [format!("+ uri = \"{uri}\"")]);
    }

    #[test]
    fn long_values_are_cut() {
        let told = lines(json!({}), json!({ "x": "é".repeat(200) }));
        assert!(told[0].len() < 150 && told[0].ends_with('…'), "{told:?}");
    }
}
