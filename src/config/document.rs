//! A configuration as a tree of values that remembers where each of them came from.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// Values by key, and the place that each was read from.
#[derive(Clone, Default)]
pub(super) struct Document {
    /// The tree.
    pub(super) tree: Map<String, Value>,
    origins: BTreeMap<String, String>,
}

impl Document {
    /// Reads TOML; `name` is what the file is called in messages.
    ///
    /// Syntax errors are told all at once and without the line's text, which may hold a secret.
    pub(super) fn from_toml(text: &str, name: &str) -> Result<Self, Vec<Problem>> {
        let (table, mut errors) = DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        if !errors.is_empty() {
            let problem = |error: &toml::de::Error| Problem {
                path: String::new(),
                origin: Some(match error.span() {
                    Some(span) => place(text, name, span.start),
                    None => name.to_owned(),
                }),
                message: format!("not TOML: {}", error.message().trim()),
            };
            return Err(errors.iter().map(problem).collect());
        }
        let mut document = Self::default();
        document.tree = document.table(table.get_ref(), "", &|at| place(text, name, at));
        Ok(document)
    }

    /// Takes a JSON object.
    pub(super) fn from_json(value: Value) -> Result<Self, Vec<Problem>> {
        match value {
            Value::Object(tree) => Ok(Self {
                tree,
                origins: BTreeMap::new(),
            }),
            _ => Err(vec![Problem {
                path: String::new(),
                origin: None,
                message: "a configuration is a JSON object, as `nvr config schema` describes it"
                    .to_owned(),
            }]),
        }
    }

    /// The value at a path of plain keys, `mqtt.port`.
    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let mut value = self.tree.get(keys.next()?)?;
        for key in keys {
            value = value.get(key)?;
        }
        Some(value)
    }

    /// Puts a value at a path and forgets what was there. On the way tables and, as `head[0]`, the first elements of
    /// lists are made where they are missing; where one is something else, that stays, for its type to be told.
    pub(super) fn set(&mut self, path: &str, value: Value, origin: &str) {
        let mut table = &mut self.tree;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            if let Some(list) = key.strip_suffix("[0]") {
                let list = table
                    .entry(list)
                    .or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(list) = list else { return };
                if list.is_empty() {
                    list.push(Value::Object(Map::new()));
                }
                let Some(Value::Object(first)) = list.first_mut() else {
                    return;
                };
                table = first;
                continue;
            }
            if keys.peek().is_none() {
                table.insert(key.to_owned(), value);
                self.origins
                    .retain(|known, _| !known.starts_with(&format!("{path}.")));
                self.note(path, origin);
                return;
            }
            let next = table
                .entry(key)
                .or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(next) = next else { return };
            table = next;
        }
    }

    /// Takes the value at a path away.
    pub(super) fn remove(&mut self, path: &str) {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = Some(&mut self.tree);
        for step in parent.split('.').filter(|step| !step.is_empty()) {
            table = table.and_then(|table| table.get_mut(step)?.as_object_mut());
        }
        if let Some(table) = table {
            table.remove(key);
        }
    }

    /// Remembers where the value at `path` came from.
    pub(super) fn note(&mut self, path: &str, origin: &str) {
        self.origins.insert(path.to_owned(), origin.to_owned());
    }

    /// Where the value at `path`, or the nearest one above it, came from.
    pub(super) fn origin(&self, path: &str) -> Option<&str> {
        let mut path = path;
        loop {
            if let Some(origin) = self.origins.get(path) {
                return Some(origin);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    fn table(
        &mut self,
        table: &DeTable<'_>,
        path: &str,
        place: &dyn Fn(usize) -> String,
    ) -> Map<String, Value> {
        let mut tree = Map::new();
        for (key, value) in table {
            let path = match path {
                "" => key.get_ref().to_string(),
                _ => format!("{path}.{}", key.get_ref()),
            };
            self.origins.insert(path.clone(), place(key.span().start));
            let value = self.convert(value.get_ref(), &path, place);
            tree.insert(key.get_ref().to_string(), value);
        }
        tree
    }

    fn convert(
        &mut self,
        value: &DeValue<'_>,
        path: &str,
        place: &dyn Fn(usize) -> String,
    ) -> Value {
        // What JSON can't hold (nan, dates, huge integers) stays text: its type is then told as any other wrong one.
        match value {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or_else(|_| Value::from(digits.to_string()), Value::from),
            DeValue::Float(digits) => digits
                .as_str()
                .parse()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map_or_else(|| Value::from(digits.as_str()), Value::Number),
            DeValue::Boolean(truth) => Value::from(*truth),
            DeValue::Datetime(date) => Value::from(date.to_string()),
            DeValue::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let path = format!("{path}[{index}]");
                    self.origins.insert(path.clone(), place(item.span().start));
                    self.convert(item.get_ref(), &path, place)
                })
                .collect(),
            DeValue::Table(table) => Value::Object(self.table(table, path, place)),
        }
    }
}

/// `name:line:column` of a byte of `text`, both counted from 1, columns in characters.
fn place(text: &str, name: &str, at: usize) -> String {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = 1 + before.matches('\n').count();
    let column = 1 + before[line_start..].chars().count();
    format!("{name}:{line}:{column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_remembers_its_line_and_column() {
        let text = "instance_id = \"é\"\n[mqtt]\n  port = 1\n[[camera]]\n[[camera]]\nid = 7\n";
        let document = Document::from_toml(text, "n.toml").expect("TOML");
        assert_eq!(document.origin("mqtt.port"), Some("n.toml:3:3"));
        assert_eq!(document.origin("camera[1].id"), Some("n.toml:6:1"));
        assert_eq!(document.origin("mqtt.host"), Some("n.toml:2:2"));
        assert_eq!(document.origin("processor.model"), None);
    }

    #[test]
    fn every_syntax_error_is_told_without_its_line() {
        let text = "password = \"hunter2\nport = = 3\n";
        let problems = Document::from_toml(text, "n.toml").err().expect("no TOML");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.len() >= 2, "{told:?}");
        assert!(told[0].contains("[n.toml:1:"), "{told:?}");
        assert!(!told.join("\n").contains("hunter2"), "{told:?}");
    }

    #[test]
    fn a_flag_takes_the_place_of_what_the_file_said() {
        let mut document = Document::from_toml("[mqtt]\nport = 1\n", "n.toml").expect("TOML");
        document.set("mqtt.port", Value::from(2), "--mqtt-port");
        assert_eq!(document.value("mqtt.port"), Some(&Value::from(2)));
        assert_eq!(document.origin("mqtt.port"), Some("--mqtt-port"));
        document.remove("mqtt.port");
        assert_eq!(document.value("mqtt.port"), None);
    }

    #[test]
    fn an_option_of_the_first_head_leaves_its_neighbours() {
        let text = "[[wall.head]]\nmode = \"1x1\"\nrotate = 90\n[[wall.head]]\n";
        let mut document = Document::from_toml(text, "n.toml").expect("TOML");
        document.set("wall.head[0].mode", Value::from("2x2"), "--mode");
        let heads = serde_json::json!([{ "mode": "2x2", "rotate": 90 }, {}]);
        assert_eq!(document.value("wall.head"), Some(&heads));
        assert_eq!(document.origin("wall.head[0].mode"), Some("--mode"));
        assert_eq!(document.origin("wall.head[0].rotate"), Some("n.toml:3:1"));
        let mut none = Document::default();
        none.set("wall.head[0].mode", Value::from("2x2"), "--mode");
        assert_eq!(
            none.value("wall.head"),
            Some(&serde_json::json!([{ "mode": "2x2" }]))
        );
    }
}
