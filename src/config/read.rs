//! Reads the tree into raw settings. Serde stops at the first error. Therefore the error is reported, its value is removed
//! from the tree, and the tree is read again. The remaining values are then checked as usual.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::document::Document;
use super::problem::{ProblemKind, Problems};
use super::serde_message::{kind_of, plain_message};
use super::{RawCamera, RawSettings};

/// Reads the raw settings. Invalid values are reported and keep their defaults.
///
/// The cameras are read one by one: after an error only that camera is read again, not all of them.
pub(super) fn read(document: &mut Document, problems: &mut Problems) -> RawSettings {
    let mut tree = Value::Object(std::mem::take(&mut document.tree));
    refuse_lists(&mut tree, "", "", document, problems);
    let listed = match tree.get_mut(CAMERAS) {
        Some(Value::Array(cameras)) => Some(std::mem::take(cameras)),
        _ => None,
    };
    let mut cameras = None;
    let mut kept = None;
    if let Some(mut values) = listed {
        let read = values.iter_mut().enumerate().map(|(index, value)| {
            let above = [Step::Key(CAMERAS.to_owned()), Step::Index(index)];
            read_value::<RawCamera>(value, &above, document, problems)
        });
        cameras = Some(read.collect());
        kept = Some(values);
    }
    let mut raw: RawSettings = read_value(&mut tree, &[], document, problems);
    if let Some(cameras) = cameras {
        raw.camera = Some(cameras);
    }
    if let (Some(kept), Some(place)) = (kept, tree.get_mut(CAMERAS)) {
        *place = Value::Array(kept);
    }
    if let Value::Object(tree) = tree {
        document.tree = tree;
    }
    raw
}

const CAMERAS: &str = "camera";

/// The tables of the file. `*` stands for any name, `[]` for any number.
const TABLES: [&str; 9] = [
    "mqtt",
    "mqtt.tls",
    "processor",
    "record",
    "wall",
    "wall.head[]",
    "wall.layout.*",
    "camera[]",
    "camera[].tls",
];

/// Reports lists where tables belong, as `[[wall]]` makes one, and replaces them by empty tables. Serde would read a list as the
/// values of the table's keys in their order. `kind` is the path as in [`TABLES`].
fn refuse_lists(
    value: &mut Value,
    path: &str,
    kind: &str,
    document: &Document,
    problems: &mut Problems,
) {
    if value.is_array() && TABLES.contains(&kind) {
        let remedy = if path.contains('[') {
            String::new()
        } else {
            format!("; in TOML write [{path}] once, not [[{path}]]")
        };
        problems.add_kind(
            ProblemKind::Type,
            path,
            document.origin(path),
            format!("invalid type: list, expected a table{remedy}"),
        );
        problems.suppress(path.to_owned());
        *value = Value::Object(Map::new());
        return;
    }
    match value {
        Value::Object(table) => {
            for (key, value) in table.iter_mut().filter(|(_, value)| is_deep(value)) {
                let name = if kind == "wall.layout" {
                    "*"
                } else {
                    key.as_str()
                };
                let (path, kind) = (below(path, key), below(kind, name));
                refuse_lists(value, &path, &kind, document, problems);
            }
        }
        Value::Array(items) => {
            let kind = format!("{kind}[]");
            for (index, item) in items.iter_mut().enumerate() {
                if is_deep(item) {
                    let path = format!("{path}[{index}]");
                    refuse_lists(item, &path, &kind, document, problems);
                }
            }
        }
        _ => {}
    }
}

fn is_deep(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn below(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// Reads a value at the path `above`. Its errors are reported and removed from it.
fn read_value<T: DeserializeOwned + Default>(
    value: &mut Value,
    above: &[Step],
    document: &Document,
    problems: &mut Problems,
) -> T {
    loop {
        if problems.is_full() {
            return T::default();
        }
        let error = match serde_path_to_error::deserialize(&*value) {
            Ok(read) => return read,
            Err(error) => error,
        };
        let steps: Vec<Step> = above.iter().cloned().chain(steps(error.path())).collect();
        let path = written(&steps);
        let told = error.inner().to_string();
        problems.add_kind(
            kind_of(&told),
            &path,
            document.origin(&path),
            plain_message(&told),
        );
        match remove_at(value, above, &steps[above.len()..]) {
            Some(length) => problems.suppress(written(&steps[..length])),
            None => return T::default(),
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// The part of the path that consists of keys and indices. The name of an unknown variant is a value, not a key.
fn steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn written(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(key),
            Step::Key(key) => path.extend([".", key]),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

const LISTS_OF_TABLES: [&str; 2] = ["camera", "wall.head"];

/// Removes the value at `steps` from a value at the path `above`, and returns the number of steps to the removed value. An
/// element of a list of tables is replaced by an empty table, so that the other elements keep their indices. Any other
/// list is removed as a whole.
fn remove_at(value: &mut Value, above: &[Step], steps: &[Step]) -> Option<usize> {
    let whole = || above.iter().chain(steps);
    let Some((last, way)) = steps.split_last() else {
        // A camera that is no table.
        *value = Value::Object(Map::new());
        return (!above.is_empty()).then_some(above.len());
    };
    let mut parent = &mut *value;
    for step in way {
        parent = match step {
            Step::Key(key) => parent.get_mut(key)?,
            Step::Index(index) => parent.get_mut(index)?,
        };
    }
    match last {
        Step::Key(key) => {
            parent.as_object_mut()?.remove(key)?;
        }
        Step::Index(index) => {
            let element = parent.get_mut(index)?;
            let list: Vec<Step> = whole().take(above.len() + way.len()).cloned().collect();
            if !LISTS_OF_TABLES.contains(&written(&list).as_str()) {
                return remove_at(value, above, way);
            }
            *element = Value::Object(Map::new());
        }
    }
    Some(above.len() + steps.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(text: &str) -> Vec<String> {
        let mut document = Document::from_toml(text, "f").expect("TOML");
        let mut problems = Problems::default();
        read(&mut document, &mut problems);
        match problems.or(()) {
            Ok(()) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn an_unknown_key_hides_no_other_problem() {
        let problems = problems_of(
            "[mqtt]\nprot = 1\nport = \"x\"\n[processor]\nbackend = \"gpu\"\n[[camera]]\nid = true\n",
        );
        assert_eq!(
            problems,
            [
                "camera[0].id: invalid type: boolean `true`, expected a whole number [f:7:1]",
                "mqtt.port: invalid type: string \"x\", expected a whole number [f:3:1]",
                "mqtt.prot: unknown key; did you mean `port`? known are host, port, username, password, topic_root, topic_prefix, qos, tls [f:2:1]",
                "processor.backend: must be one of auto, tensorrt, tensorrt-rtx, openvino, onnxruntime, rten, scripted, none, got `gpu` [f:5:1]",
            ]
        );
    }

    #[test]
    fn an_element_of_another_type_leaves_its_neighbours_their_numbers() {
        let problems =
            problems_of("camera = [5, { id = 1, classes = [\"a\", 2, 3] }, { id = 2, uri = 3 }]\n");
        assert_eq!(
            problems,
            [
                "camera[0]: invalid type: integer `5`, expected a table [f:1:11]",
                "camera[1].classes[1]: invalid type: integer `2`, expected a string [f:1:40]",
                "camera[2].uri: invalid type: integer `3`, expected a string [f:1:59]",
            ]
        );
    }

    #[test]
    fn a_wrong_text_is_quoted_unless_it_may_have_a_login() {
        let text = "[[camera]]\nstall_limit = \"5,5s\"\n[mqtt]\nport = \"a:hunter2@b\"\n";
        assert_eq!(
            problems_of(text),
            [
                "camera[0].stall_limit: invalid value: string \"5,5s\", expected a duration with its unit, such as \"5s\" or \"250ms\" [f:2:1]",
                "mqtt.port: invalid type: string \"b\", expected a whole number [f:4:1]",
            ]
        );
    }

    #[test]
    fn the_tables_are_those_of_the_schema() {
        fn collect(schema: &Value, node: &Value, kind: &str, found: &mut Vec<String>) {
            let all = ["allOf", "anyOf"]
                .iter()
                .filter_map(|key| node[*key].as_array());
            all.flatten()
                .for_each(|node| collect(schema, node, kind, found));
            let name = node["$ref"]
                .as_str()
                .and_then(|name| name.rsplit('/').next());
            match name {
                // It refuses lists itself.
                Some("Secret") => return,
                Some(name) => return collect(schema, &schema["$defs"][name], kind, found),
                None => {}
            }
            if node["items"].is_object() {
                collect(schema, &node["items"], &format!("{kind}[]"), found);
            }
            if node["additionalProperties"].is_object() {
                collect(
                    schema,
                    &node["additionalProperties"],
                    &below(kind, "*"),
                    found,
                );
            }
            if let Some(properties) = node["properties"].as_object() {
                found.push(kind.to_owned());
                for (key, node) in properties {
                    collect(schema, node, &below(kind, key), found);
                }
            }
        }
        let schema = super::super::json_schema();
        let mut found = Vec::new();
        collect(&schema, &schema, "", &mut found);
        found.retain(|kind| !kind.is_empty());
        found.sort();
        let mut tables = TABLES.map(str::to_owned);
        tables.sort();
        assert_eq!(found, tables);
    }

    #[test]
    fn a_list_in_the_place_of_a_table_is_refused_and_not_read_by_its_order() {
        assert_eq!(
            problems_of("[[mqtt]]\nhost = \"b\"\n[wall.layout]\na = []\n"),
            [
                "mqtt: invalid type: list, expected a table; in TOML write [mqtt] once, not [[mqtt]] [f:1:3]",
                "wall.layout.a: invalid type: list, expected a table; in TOML write [wall.layout.a] once, not [[wall.layout.a]] [f:4:1]",
            ]
        );
        let value = serde_json::json!({
            "mqtt": { "tls": ["ca.pem"] }, "processor": [], "camera": [[1, "gate"], { "id": 2, "tls": [] }]
        });
        let mut document = Document::from_json(value).expect("an object");
        let mut problems = Problems::default();
        read(&mut document, &mut problems);
        let problems = problems.or(()).expect_err("four lists");
        let paths: Vec<&str> = problems
            .iter()
            .map(|problem| problem.path.as_str())
            .collect();
        assert_eq!(
            paths,
            ["camera[0]", "camera[1].tls", "mqtt.tls", "processor"]
        );
    }
}
