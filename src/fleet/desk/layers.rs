//! Merges the layers of a device, and replaces variables.
//!
//! The rule: defaults, then the groups of the device in their order, then the device. Tables are merged key by key. Lists whose
//! elements all are tables with an `id` (`camera`, `models`) are merged by it: an element with a known id is merged into that one,
//! others are appended. Every other value, also of other lists, replaces the former one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The merged values, and the place in the file of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Merged {
    pub(super) body: Map<String, Value>,
    /// Paths in the file by paths in the body.
    pub(super) sources: BTreeMap<String, String>,
}

/// A variable that could not be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VariableProblem {
    /// Path in the file.
    pub(super) path: String,
    pub(super) message: String,
}

impl Merged {
    /// Merges a layer that stands at `at` in the file.
    pub(super) fn merge(&mut self, layer: &Map<String, Value>, at: &str) {
        let Self { body, sources } = self;
        tables(body, layer, "", at, sources);
    }

    /// The path in the file of the value at `path`, or of the nearest one above it.
    pub(super) fn source(&self, path: &str) -> Option<&str> {
        let mut path = path;
        loop {
            if let Some(source) = self.sources.get(path) {
                return Some(source);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

fn tables(
    into: &mut Map<String, Value>,
    from: &Map<String, Value>,
    to_path: &str,
    from_path: &str,
    sources: &mut BTreeMap<String, String>,
) {
    for (key, value) in from {
        let to_path = match to_path {
            "" => key.clone(),
            _ => format!("{to_path}.{key}"),
        };
        let from_path = format!("{from_path}.{key}");
        match into.get_mut(key) {
            Some(former) => values(former, value, &to_path, &from_path, sources),
            None => {
                let mut empty = match value {
                    Value::Object(_) => Value::Object(Map::new()),
                    _ => Value::Null,
                };
                values(&mut empty, value, &to_path, &from_path, sources);
                into.insert(key.clone(), empty);
            }
        }
    }
}

fn values(
    into: &mut Value,
    from: &Value,
    to_path: &str,
    from_path: &str,
    sources: &mut BTreeMap<String, String>,
) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            sources.insert(to_path.to_owned(), from_path.to_owned());
            tables(into, from, to_path, from_path, sources);
        }
        (Value::Array(into), Value::Array(from)) if have_ids(into) && have_ids(from) => {
            for (index, element) in from.iter().enumerate() {
                let from_path = format!("{from_path}[{index}]");
                let same = |known: &Value| known.get("id") == element.get("id");
                let place = into.iter().position(same).unwrap_or_else(|| {
                    into.push(Value::Object(Map::new()));
                    into.len() - 1
                });
                let to_path = format!("{to_path}[{place}]");
                values(&mut into[place], element, &to_path, &from_path, sources);
            }
        }
        (into, from) => {
            forget_below(sources, to_path);
            note(from, to_path, from_path, sources);
            *into = from.clone();
        }
    }
}

fn have_ids(list: &[Value]) -> bool {
    list.iter().all(|element| element.get("id").is_some())
}

fn note(value: &Value, to: &str, from: &str, sources: &mut BTreeMap<String, String>) {
    sources.insert(to.to_owned(), from.to_owned());
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                note(
                    value,
                    &format!("{to}.{key}"),
                    &format!("{from}.{key}"),
                    sources,
                );
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                note(
                    value,
                    &format!("{to}[{index}]"),
                    &format!("{from}[{index}]"),
                    sources,
                );
            }
        }
        _ => {}
    }
}

fn forget_below(sources: &mut BTreeMap<String, String>, path: &str) {
    let is_below = |known: &str| {
        known
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    sources.retain(|known, _| !is_below(known));
}

/// Replaces `{name}` in every text of `value`, which stands at `at` in the file. A text that is only `{name}` becomes the value of
/// the variable with its type; `{{` and `}}` are braces.
pub(super) fn substitute(
    value: &Value,
    at: &str,
    vars: &Map<String, Value>,
    problems: &mut Vec<VariableProblem>,
) -> Value {
    match value {
        Value::String(text) => match text_with(text, vars) {
            Ok(value) => value,
            Err(message) => {
                let path = at.to_owned();
                problems.push(VariableProblem { path, message });
                value.clone()
            }
        },
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| substitute(value, &format!("{at}[{index}]"), vars, problems))
            .collect(),
        Value::Object(table) => table
            .iter()
            .map(|(key, value)| {
                let below = substitute(value, &format!("{at}.{key}"), vars, problems);
                (key.clone(), below)
            })
            .collect(),
        _ => value.clone(),
    }
}

fn text_with(text: &str, vars: &Map<String, Value>) -> Result<Value, String> {
    if !text.contains(['{', '}']) {
        return Ok(Value::from(text));
    }
    let mut written = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        written.push_str(before);
        if let Some(after) = brace
            .strip_prefix("{{")
            .or_else(|| brace.strip_prefix("}}"))
        {
            written.push_str(&brace[..1]);
            rest = after;
            continue;
        }
        let (name, after) = brace
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
            .ok_or("has a single { or }; write {{ or }} for a brace")?;
        let value = vars.get(name).ok_or_else(|| unknown(name, vars))?;
        if name.len() + 2 == text.len() {
            return Ok(value.clone());
        }
        match value {
            Value::String(text) => written.push_str(text),
            value => written.push_str(&value.to_string()),
        }
        rest = after;
    }
    written.push_str(rest);
    Ok(Value::from(written))
}

fn unknown(name: &str, vars: &Map<String, Value>) -> String {
    let known: Vec<&str> = vars.keys().map(String::as_str).collect();
    let guess = crate::config::did_you_mean(name, &known);
    format!(
        "there is no variable `{name}`; {guess}known are {}",
        known.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(layers: &[Value]) -> Merged {
        let mut merged = Merged::default();
        for (index, layer) in layers.iter().enumerate() {
            let layer = layer.as_object().expect("a table");
            merged.merge(layer, &format!("layer{index}"));
        }
        merged
    }

    #[test]
    fn tables_are_merged_and_other_values_replaced() {
        let merged = merged(&[
            json!({ "wall": { "a": 1, "list": [1, 2], "head": [{ "mode": "1x1" }, {}] }, "role": "wall" }),
            json!({ "wall": { "b": 2, "list": [3], "head": [{ "mode": "2x2" }] }, "role": "both" }),
        ]);
        assert_eq!(
            Value::Object(merged.body.clone()),
            json!({ "wall": { "a": 1, "b": 2, "list": [3], "head": [{ "mode": "2x2" }] }, "role": "both" })
        );
        assert_eq!(merged.source("wall.a"), Some("layer0.wall.a"));
        assert_eq!(merged.source("wall.b"), Some("layer1.wall.b"));
        assert_eq!(merged.source("wall.list[0]"), Some("layer1.wall.list[0]"));
        assert_eq!(merged.source("wall.head[1].mode"), Some("layer1.wall.head"));
        assert_eq!(merged.source("role"), Some("layer1.role"));
        assert_eq!(merged.source("models"), None);
    }

    #[test]
    fn lists_of_tables_with_ids_are_merged_by_them() {
        let merged = merged(&[
            json!({ "camera": [{ "id": 1, "uri": "a", "name": "A" }, { "id": 2, "uri": "b" }] }),
            json!({ "camera": [{ "id": 2, "uri": "B" }, { "id": 3, "uri": "c" }, { "id": 1, "fps": 5 }] }),
        ]);
        assert_eq!(
            Value::Object(merged.body.clone()),
            json!({ "camera": [{ "id": 1, "uri": "a", "name": "A", "fps": 5 }, { "id": 2, "uri": "B" }, { "id": 3, "uri": "c" }] })
        );
        for (path, source) in [
            ("camera[0].uri", "layer0.camera[0].uri"),
            ("camera[0].fps", "layer1.camera[2].fps"),
            ("camera[1].uri", "layer1.camera[0].uri"),
            ("camera[2].uri", "layer1.camera[1].uri"),
        ] {
            assert_eq!(merged.source(path), Some(source), "{path}");
        }
    }

    #[test]
    fn an_empty_list_is_filled_and_one_without_ids_replaces() {
        let filled = merged(&[json!({ "camera": [] }), json!({ "camera": [{ "id": 1 }] })]);
        assert_eq!(filled.body["camera"], json!([{ "id": 1 }]));
        let replaced = merged(&[
            json!({ "camera": [{ "id": 1 }] }),
            json!({ "camera": [{ "uri": "x" }] }),
        ]);
        assert_eq!(replaced.body["camera"], json!([{ "uri": "x" }]));
    }

    #[test]
    fn variables_keep_their_type_where_they_stand_alone() {
        let vars = json!({ "host": "10.0.0.1", "n": 7, "on": true });
        let vars = vars.as_object().expect("a table");
        let mut problems = Vec::new();
        let value =
            json!({ "uri": "rtsp://{host}/{n}", "id": "{n}", "list": ["{on}", "{{{n}}}"], "k": 1 });
        let value = substitute(&value, "x", vars, &mut problems);
        assert_eq!(problems, []);
        assert_eq!(
            value,
            json!({ "uri": "rtsp://10.0.0.1/7", "id": 7, "list": [true, "{7}"], "k": 1 })
        );
    }

    #[test]
    fn every_unknown_variable_is_told() {
        let vars = json!({ "host": "h" });
        let vars = vars.as_object().expect("a table");
        let mut problems = Vec::new();
        let value = json!({ "a": "{hots}", "b": ["x{", "}"], "c": "{" });
        substitute(&value, "x", vars, &mut problems);
        let told: Vec<String> = problems
            .iter()
            .map(|one| format!("{}: {}", one.path, one.message))
            .collect();
        assert_eq!(
            told,
            [
                "x.a: there is no variable `hots`; did you mean `host`? known are host",
                "x.b[0]: has a single { or }; write {{ or }} for a brace",
                "x.b[1]: has a single { or }; write {{ or }} for a brace",
                "x.c: has a single { or }; write {{ or }} for a brace",
            ]
        );
    }
}
