//! Tests of strict reading.

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    count: u64,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    inner: Option<Inner>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    is_on: bool,
}

fn problems(value: Value) -> (Option<Part>, Vec<String>) {
    let mut errors = Vec::new();
    let read = read(value, "part", &["count"], &mut errors);
    (read, errors.iter().map(ToString::to_string).collect())
}

#[test]
fn an_optional_value_that_is_wrong_leaves_the_rest() {
    let (read, errors) = problems(json!({"count": 1, "names": ["a", 2], "inner": 3}));
    let rest = Part {
        count: 1,
        names: Vec::new(),
        inner: None,
    };
    assert_eq!(read, Some(rest));
    assert_eq!(
        errors,
        [
            "part.inner: invalid type: integer `3`, expected an object (wrong-type)",
            "part.names[1]: invalid type: integer `2`, expected a string (wrong-type)",
        ]
    );
}

#[test]
fn a_wrong_required_value_is_reported_once() {
    let (read, errors) = problems(json!({"count": "x", "names": 3}));
    assert_eq!(read, None);
    assert_eq!(
        errors,
        [
            "part.count: invalid type: string \"x\", expected a whole number from 0 (wrong-type)",
            "part.names: invalid type: integer `3`, expected a list (wrong-type)",
        ]
    );
}

#[test]
fn a_missing_key_of_an_inner_part_is_named() {
    let (read, errors) = problems(json!({"count": 1, "inner": {}}));
    assert_eq!(read, None);
    assert_eq!(errors, ["part.inner.is_on: is missing (missing-field)"]);
}

#[test]
fn a_value_of_another_type_has_the_path_of_the_whole() {
    let (read, errors) = problems(json!(5));
    assert_eq!(read, None);
    assert_eq!(
        errors,
        ["part: invalid type: integer `5`, expected an object (wrong-type)"]
    );
}

#[test]
fn long_values_are_quoted_in_part_and_many_problems_end() {
    let (_, errors) = problems(json!({"count": "ä".repeat(10_000)}));
    assert!(errors[0].len() < 400, "{} bytes", errors[0].len());
    let keys = (0..10_000).map(|index| (format!("k{index}"), Value::Null));
    let (read, errors) = problems(Value::Object(keys.collect()));
    assert_eq!((read, errors.len()), (None, MOST_ERRORS));
}
