//! Strict reading of documents that a device obeys: every problem at once, each with its path.
//!
//! Serde stops at the first error. Therefore the error is reported, its value is removed, and the document is read again, as
//! `config` does with its files.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::{DOCUMENT_LIMIT_BYTES, DocumentError, DocumentErrors, codes};
use crate::config::{did_you_mean, parse_json};

/// Limit of reported problems. A document with more is probably another one.
const MOST_ERRORS: usize = 100;
/// Maximum length of a message in bytes. Serde quotes values of any length.
const MESSAGE_BYTES: usize = 300;

/// Parses JSON of at most 64 KiB into an object.
pub(super) fn parse(message: &[u8]) -> Result<Value, DocumentErrors> {
    let bytes = message.len();
    if bytes > DOCUMENT_LIMIT_BYTES {
        let message = format!(
            "has {bytes} bytes, the limit is {DOCUMENT_LIMIT_BYTES}; give larger parts by URL and SHA-256"
        );
        return Err(DocumentError::new("", codes::TOO_LARGE, message).into());
    }
    let not_json = |message: String| DocumentError::new("", codes::NOT_JSON, message);
    match parse_json(message) {
        Ok(document @ Value::Object(_)) => Ok(document),
        Ok(_) => Err(not_json("must be a JSON object".to_owned()).into()),
        Err(err) => Err(not_json(format!("is not JSON: {}", cut(&err.to_string()))).into()),
    }
}

/// Reads a value that stands at the path `at`. Reports every problem that can be found. `required` are the keys that `T` needs.
///
/// Absent if it can't be read. A value may be returned together with problems: the rest of the document can then be checked.
pub(super) fn read<T: DeserializeOwned>(
    mut value: Value,
    at: &str,
    required: &[&str],
    errors: &mut Vec<DocumentError>,
) -> Option<T> {
    if value.is_array() {
        errors.push(not_object(at.to_owned()));
        return None;
    }
    let mut removed: Vec<String> = Vec::new();
    while errors.len() < MOST_ERRORS {
        let error = match serde_path_to_error::deserialize(&value) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let steps = steps(error.path());
        let told = error.inner().to_string();
        if let Some(key) = missing_key(&told) {
            let is_absent = |key: &&&str| value.get(**key).is_none_or(Value::is_null);
            let required = required.iter().filter(is_absent).copied();
            let all: Vec<&str> = match steps.is_empty() {
                true => required.collect(),
                false => vec![key],
            };
            let below = written(at, &steps);
            let paths = all.iter().map(|key| joined(&below, key));
            let is_new = |path: &String| !removed.contains(path);
            errors.extend(paths.filter(is_new).map(missing));
            return None;
        }
        let path = written(at, &steps);
        errors.push(DocumentError::new(
            path.as_str(),
            code_of(&told),
            plain(&told),
        ));
        remove(&mut value, &steps)?;
        removed.push(path);
    }
    None
}

/// Reports and removes those of `keys` that are lists where objects belong. Serde would read a list as the fields in their order.
pub(super) fn refuse_lists(document: &mut Value, keys: &[&str], errors: &mut Vec<DocumentError>) {
    for key in keys {
        if document.get(key).is_some_and(Value::is_array) {
            errors.push(not_object((*key).to_owned()));
            take(document, key);
        }
    }
}

fn not_object(path: String) -> DocumentError {
    DocumentError::new(path, codes::WRONG_TYPE, "must be an object, got a list")
}

/// Removes the value of `key` if it is there.
pub(super) fn take(document: &mut Value, key: &str) -> Option<Value> {
    document.as_object_mut()?.remove(key)
}

/// The problem of an absent key.
pub(super) fn missing(path: String) -> DocumentError {
    DocumentError::new(path, codes::MISSING_FIELD, "is missing")
}

/// A key below a path.
pub(super) fn joined(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn written(at: &str, steps: &[Step]) -> String {
    steps.iter().fold(at.to_owned(), |path, step| match step {
        Step::Key(key) => joined(&path, cut(key)),
        Step::Index(index) => format!("{path}[{index}]"),
    })
}

/// Removes the value at `steps`; an element of a list with its whole list. Absent if there is nothing to remove.
fn remove(value: &mut Value, steps: &[Step]) -> Option<()> {
    let keys = steps
        .iter()
        .position(|step| matches!(step, Step::Index(_)))
        .unwrap_or(steps.len());
    let (Step::Key(last), way) = steps[..keys].split_last()? else {
        return None;
    };
    let mut parent = value;
    for step in way {
        if let Step::Key(key) = step {
            parent = parent.get_mut(key)?;
        }
    }
    parent
        .as_object_mut()
        .and_then(|table: &mut Map<_, _>| table.remove(last))?;
    Some(())
}

fn missing_key(told: &str) -> Option<&str> {
    told.strip_prefix("missing field `")?.strip_suffix('`')
}

fn code_of(told: &str) -> &'static str {
    if told.starts_with("unknown field") {
        codes::UNKNOWN_FIELD
    } else if told.starts_with("invalid type") {
        codes::WRONG_TYPE
    } else {
        codes::BAD_VALUE
    }
}

/// The message of an error of serde, for people.
pub(super) fn told(error: &serde_json::Error) -> String {
    plain(&error.to_string())
}

const PLAIN_TERMS: [(&str, &str); 7] = [
    ("expected u64", "expected a whole number from 0"),
    ("expected u32", "expected a whole number from 0"),
    ("expected a boolean", "expected true or false"),
    ("expected a sequence", "expected a list"),
    ("invalid type: sequence", "invalid type: list"),
    ("invalid type: map", "invalid type: object"),
    ("expected a map", "expected an object"),
];

/// Serde's message in terms of JSON, with a suggestion for an unknown word.
fn plain(message: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let kind = ["unknown field", "unknown variant"]
        .into_iter()
        .find(|kind| message.starts_with(kind));
    let Some((kind, (wrong, known))) = kind.zip(words.split_first()) else {
        let plain = PLAIN_TERMS
            .iter()
            .fold(message.to_owned(), |text, (serde, plain)| {
                text.replace(serde, plain)
            });
        // The name of a type says nothing to a reader.
        return match plain.rsplit_once(", expected struct ") {
            Some((before, _)) => format!("{}, expected an object", cut(before)),
            None => cut(&plain).to_owned(),
        };
    };
    let (wrong, listed) = (cut(wrong), known.join(", "));
    if kind == "unknown field" {
        let guess = did_you_mean(wrong, known);
        format!("unknown key; {guess}known are {listed}")
    } else {
        format!("must be one of {listed}, got `{wrong}`")
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_BYTES)]
}

#[cfg(test)]
#[path = "strict_tests.rs"]
mod tests;
