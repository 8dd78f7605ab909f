//! Reads the tables of `fleet.toml`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::{Problem, ProblemKind, TomlFile, did_you_mean, is_instance_id};

/// Keys of a document that a layer may set.
const BODY: [&str; 11] = [
    "role",
    "processor",
    "wall",
    "models",
    "overcommit",
    "probation",
    "not_before",
    "not_after",
    "firmware",
    "keys",
    "decommission",
];
/// Keys of a document that the desk sets itself.
const HEAD: [&str; 5] = ["schema", "generation", "base", "device", "by"];
/// Limit of reported problems. A file with more is probably another one.
const MOST_PROBLEMS: usize = 200;

/// A device of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceEntry {
    /// Its id.
    pub id: String,
    /// Its groups; a later one overrides an earlier one.
    pub groups: Vec<String>,
    pub(super) layer: Layer,
}

/// Variables and a part of a document.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Layer {
    /// Its path in the file.
    pub(super) at: String,
    pub(super) vars: Map<String, Value>,
    pub(super) body: Map<String, Value>,
}

/// Reads the parts of the file and collects every problem.
pub(super) struct Reader<'a> {
    pub(super) toml: &'a TomlFile,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    fn add(&mut self, kind: ProblemKind, path: &str, message: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem {
                path: path.to_owned(),
                origin: self.toml.origin(path).map(str::to_owned),
                message: message.into(),
                kind,
            });
        }
    }

    /// Reports unknown keys.
    pub(super) fn keys(&mut self, table: &Map<String, Value>, at: &str, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let path = joined(at, key);
            if HEAD.contains(&key.as_str()) && !at.is_empty() {
                let message = "is set by the desk in each document; remove the key";
                self.add(ProblemKind::UnknownKey, &path, message);
                continue;
            }
            let guess = did_you_mean(key, known);
            let message = format!("unknown key; {guess}known are {}", known.join(", "));
            self.add(ProblemKind::UnknownKey, &path, message);
        }
    }

    pub(super) fn table(&mut self, value: Option<&Value>, at: &str) -> Map<String, Value> {
        match value {
            None => Map::new(),
            Some(Value::Object(table)) => table.clone(),
            Some(_) => {
                self.add(ProblemKind::Type, at, "must be a table");
                Map::new()
            }
        }
    }

    pub(super) fn layer(&mut self, value: Option<&Value>, at: &str, more: &[&str]) -> Layer {
        let mut body = self.table(value, at);
        let known: Vec<&str> = more.iter().chain(&["vars"]).chain(&BODY).copied().collect();
        self.keys(&body, at, &known);
        body.retain(|key, _| BODY.contains(&key.as_str()) || key == "vars");
        let vars = body.remove("vars");
        Layer {
            at: at.to_owned(),
            vars: self.vars(vars.as_ref(), &format!("{at}.vars")),
            body,
        }
    }

    pub(super) fn vars(&mut self, value: Option<&Value>, at: &str) -> Map<String, Value> {
        let vars = self.table(value, at);
        for (name, value) in &vars {
            let path = joined(at, name);
            let mut letters = name.bytes();
            let is_name = letters.next().is_some_and(|byte| byte.is_ascii_lowercase())
                && letters.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
            if !is_name {
                let message =
                    "is no name of a variable: a lower-case letter, then letters, digits and `_`";
                self.add(ProblemKind::Value, &path, message);
            } else if name == "device" {
                let message = "is the id of the device; choose another name";
                self.add(ProblemKind::Value, &path, message);
            }
            match value {
                Value::String(text) if text.contains(['{', '}']) => {
                    let message =
                        "a variable can't refer to another one; write its value without { and }";
                    self.add(ProblemKind::Value, &path, message);
                }
                Value::String(_) | Value::Number(_) | Value::Bool(_) => {}
                _ => {
                    let message = "must be a text, a number, true or false";
                    self.add(ProblemKind::Type, &path, message);
                }
            }
        }
        vars
    }

    pub(super) fn devices(
        &mut self,
        value: Option<&Value>,
        groups: &BTreeMap<String, Layer>,
    ) -> Vec<DeviceEntry> {
        let listed = match value {
            None => return Vec::new(),
            Some(Value::Array(listed)) => listed,
            Some(_) => {
                self.add(
                    ProblemKind::Type,
                    "device",
                    "must be a list: write [[device]]",
                );
                return Vec::new();
            }
        };
        let mut first: BTreeMap<String, usize> = BTreeMap::new();
        let mut devices = Vec::new();
        for (index, value) in listed.iter().enumerate() {
            let at = format!("device[{index}]");
            let layer = self.layer(Some(value), &at, &["id", "groups"]);
            let Some(id) = self.id(value.get("id"), &at) else {
                continue;
            };
            if let Some(other) = first.get(&id) {
                let other = self
                    .toml
                    .origin(&format!("device[{other}]"))
                    .unwrap_or_default();
                let message =
                    format!("the device `{id}` is already at {other}; ids must be unique");
                self.add(ProblemKind::Value, &format!("{at}.id"), message);
                continue;
            }
            first.insert(id.clone(), index);
            let groups = self.groups(value.get("groups"), &format!("{at}.groups"), groups);
            devices.push(DeviceEntry { id, groups, layer });
        }
        devices
    }

    fn id(&mut self, value: Option<&Value>, at: &str) -> Option<String> {
        let path = format!("{at}.id");
        match value {
            None if self.problems.iter().any(|problem| problem.path == at) => None,
            None => {
                self.add(
                    ProblemKind::Value,
                    at,
                    "needs an `id`, the id of the device",
                );
                None
            }
            Some(Value::String(id)) if is_instance_id(id) => Some(id.clone()),
            Some(Value::String(id)) => {
                let message =
                    format!("must be 1 to 64 letters, digits, `-`, `_` and `.`, got `{id}`");
                self.add(ProblemKind::Value, &path, message);
                None
            }
            Some(_) => {
                self.add(ProblemKind::Type, &path, "must be a text");
                None
            }
        }
    }

    fn groups(
        &mut self,
        value: Option<&Value>,
        at: &str,
        known: &BTreeMap<String, Layer>,
    ) -> Vec<String> {
        let listed = match value {
            None => return Vec::new(),
            Some(Value::Array(listed)) => listed,
            Some(_) => {
                self.add(ProblemKind::Type, at, "must be a list of names of groups");
                return Vec::new();
            }
        };
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let mut groups = Vec::new();
        for (index, value) in listed.iter().enumerate() {
            let path = format!("{at}[{index}]");
            match value.as_str() {
                None => self.add(ProblemKind::Type, &path, "must be the name of a group"),
                Some(name) if !known.contains_key(name) => {
                    let guess = did_you_mean(name, &names);
                    let message = format!("there is no group `{name}`; {guess}add [group.{name}]");
                    self.add(ProblemKind::Value, &path, message);
                }
                Some(name) => groups.push(name.to_owned()),
            }
        }
        groups
    }
}

fn joined(at: &str, key: &str) -> String {
    match at {
        "" => key.to_owned(),
        _ => format!("{at}.{key}"),
    }
}
