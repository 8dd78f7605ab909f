//! A configuration as a tree of values that records the origin of each.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, ProblemKind};
use super::text::as_meant;

/// Values by key, and the origin of each.
#[derive(Clone, Default)]
pub(super) struct Document {
    /// The tree.
    pub(super) tree: Map<String, Value>,
    origins: BTreeMap<String, String>,
}

impl Document {
    /// Reads TOML; `name` is the name of the file in messages.
    ///
    /// All syntax errors are reported at once, without the text of the line, which may contain a secret.
    pub(super) fn from_toml(text: &str, name: &str) -> Result<Self, Vec<Problem>> {
        let text = &as_meant(text);
        let places = Places::new(text, name);
        let (table, mut errors) = DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        if !errors.is_empty() {
            let problem = |error: &toml::de::Error| Problem {
                path: String::new(),
                origin: Some(match error.span() {
                    Some(span) => places.of(span.start),
                    None => name.to_owned(),
                }),
                message: format!(
                    "not TOML: {}{}",
                    error.message().trim(),
                    places.quote_hint(error.span().map(|span| span.start))
                ),
                kind: ProblemKind::Value,
            };
            return Err(errors.iter().take(MOST_ERRORS).map(problem).collect());
        }
        let mut document = Self::default();
        document.tree = document.table(table.get_ref(), "", &places);
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
                kind: ProblemKind::Type,
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

    /// Sets the value at a path and replaces the former one. Missing tables, and missing first elements of lists
    /// (`head[0]`), are created. A value of another type on the path stays, and its type is reported later.
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
                self.forget_below(path);
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

    /// Removes the value at a path.
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

    /// Removes the origins of the values below `path`.
    fn forget_below(&mut self, path: &str) {
        for below in ['.', '['] {
            let first = format!("{path}{below}");
            let known = self.origins.range(first.clone()..);
            let gone: Vec<String> = known
                .map(|(known, _)| known)
                .take_while(|known| known.starts_with(&first))
                .cloned()
                .collect();
            for known in gone {
                self.origins.remove(&known);
            }
        }
    }

    /// Records the origin of the value at `path`.
    pub(super) fn note(&mut self, path: &str, origin: &str) {
        self.origins.insert(path.to_owned(), origin.to_owned());
    }

    /// Origin of the value at `path`, or of the nearest one above it.
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
        places: &Places<'_>,
    ) -> Map<String, Value> {
        let mut tree = Map::new();
        for (key, value) in table {
            let path = match path {
                "" => key.get_ref().to_string(),
                _ => format!("{path}.{}", key.get_ref()),
            };
            self.origins
                .insert(path.clone(), places.of(key.span().start));
            let value = self.convert(value.get_ref(), &path, places);
            tree.insert(key.get_ref().to_string(), value);
        }
        tree
    }

    fn convert(&mut self, value: &DeValue<'_>, path: &str, places: &Places<'_>) -> Value {
        // Values that JSON can't represent (nan, dates, huge integers) stay text: their type is then reported as wrong.
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
                    self.origins
                        .insert(path.clone(), places.of(item.span().start));
                    self.convert(item.get_ref(), &path, places)
                })
                .collect(),
            DeValue::Table(table) => Value::Object(self.table(table, path, places)),
        }
    }
}

/// Limit of reported syntax errors. Later ones are usually consequences of the first.
const MOST_ERRORS: usize = 200;

/// Distance in bytes between positions with a known character count.
const STRIDE: usize = 256;

/// Lines and columns of the bytes of a text, without a scan from the beginning for each.
struct Places<'a> {
    text: &'a str,
    name: &'a str,
    /// Byte at which each line begins.
    lines: Vec<usize>,
    /// Number of characters before each [`STRIDE`]th byte.
    characters: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str, name: &'a str) -> Self {
        let line_ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let begins = |byte: &u8| byte & 0xc0 != 0x80;
        let mut count = 0;
        let characters = text
            .as_bytes()
            .chunks(STRIDE)
            .map(|chunk| {
                let before = count;
                count += chunk.iter().filter(|byte| begins(byte)).count();
                before
            })
            .collect();
        Self {
            text,
            name,
            lines: std::iter::once(0).chain(line_ends).collect(),
            characters,
        }
    }

    /// `name:line:column` of a byte, both counted from 1, columns in characters.
    fn of(&self, at: usize) -> String {
        let at = at.min(self.text.len());
        let line = self.lines.partition_point(|begin| *begin <= at);
        let begin = self.lines[line - 1];
        let column = 1 + self.before(at) - self.before(begin);
        format!("{}:{line}:{column}", self.name)
    }

    /// The remedy if the line of a byte has quotes as word processors and web pages write them.
    fn quote_hint(&self, at: Option<usize>) -> &'static str {
        const TYPOGRAPHIC: [char; 7] = ['“', '”', '„', '‟', '‘', '’', '‚'];
        let at = at.unwrap_or_default().min(self.text.len());
        let line = self.lines.partition_point(|begin| *begin <= at);
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        if self.text[self.lines[line - 1]..end].contains(TYPOGRAPHIC) {
            "; the line has typographic quotes: write \" or '"
        } else {
            ""
        }
    }

    /// Number of characters that begin before a byte.
    fn before(&self, at: usize) -> usize {
        let known = at / STRIDE;
        let Some(characters) = self.characters.get(known) else {
            let all = self.characters.last().copied().unwrap_or_default();
            let rest = &self.text.as_bytes()[self.characters.len().saturating_sub(1) * STRIDE..];
            return all + rest.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        };
        let rest = &self.text.as_bytes()[known * STRIDE..at];
        characters + rest.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
    }
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
    fn places_are_counted_in_characters_also_far_along_a_line() {
        let text = format!("{}é\nab", "é".repeat(1000));
        let places = Places::new(&text, "n");
        for (at, place) in [
            (0, "n:1:1"),
            (2, "n:1:2"),
            (510, "n:1:256"),
            (512, "n:1:257"),
            (2002, "n:1:1002"),
            (2003, "n:2:1"),
            (2005, "n:2:3"),
            (9999, "n:2:3"),
        ] {
            assert_eq!(places.of(at), place, "{at}");
        }
        assert_eq!(Places::new("", "n").of(0), "n:1:1");
        let whole = "x".repeat(STRIDE);
        assert_eq!(Places::new(&whole, "n").of(STRIDE), "n:1:257");
    }

    #[test]
    fn cameras_that_are_replaced_leave_no_lines_behind() {
        let text = "[[camera]]\nid = 1\n[camerax]\na = 1\n";
        let mut document = Document::from_toml(text, "n.toml").expect("TOML");
        document.set("camera", serde_json::json!([{ "id": 2 }]), "--n");
        assert_eq!(document.origin("camera[0].id"), Some("--n"));
        assert_eq!(document.origin("camerax.a"), Some("n.toml:4:1"));
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
    fn typographic_quotes_are_named_with_the_right_ones() {
        let told = |text: &str| {
            let problems = Document::from_toml(text, "f").err().expect("no TOML");
            problems[0].to_string()
        };
        for text in ["a = 1\nb = “c”\n", "a = 1\nb = \"c”\n", "a = 1\nb = ‘c’"] {
            let told = told(text);
            assert!(
                told.contains("; the line has typographic quotes: write \" or ' [f:2:"),
                "{told}"
            );
        }
        let other = told("a = “\" \nb = c\n# “\n");
        assert!(other.contains("typographic"), "{other}");
        let other = told("a = \"“\"\nb = c\n# “\n");
        assert!(!other.contains("typographic"), "{other}");
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
