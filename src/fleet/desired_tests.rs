//! Tests of the reading of desired documents.

use serde_json::json;

use super::*;
use crate::config::Span;
use crate::fleet::{DeviceRole, DocumentHash, OnDeadNewSource, PrivateKey, Window};

fn document() -> Value {
    json!({
        "schema": 1, "generation": 17, "role": "processor",
        "processor": {"camera": [{"id": 1, "uri": "rtsp://10.0.0.1/"}]},
    })
}

/// The document with other values; null removes a key.
fn with(changes: Value) -> Value {
    let mut document = document();
    for (key, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => strict::take(&mut document, key),
            value => document
                .as_object_mut()
                .and_then(|document| document.insert(key.clone(), value.clone())),
        };
    }
    document
}

fn read_value(document: &Value) -> Result<Desired, DocumentErrors> {
    Desired::read(document.to_string().as_bytes())
}

/// Path and code of each problem.
fn problems(document: &Value) -> Vec<(String, String)> {
    match read_value(document) {
        Ok(_) => Vec::new(),
        Err(errors) => errors
            .iter()
            .map(|error| (error.path.clone(), error.code.to_string()))
            .collect(),
    }
}

fn assert_problems(document: &Value, expected: &[(&str, &str)]) {
    let found = problems(document);
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(path, code)| (path.as_str(), code.as_str()))
        .collect();
    assert_eq!(found, expected, "{document}");
}

#[test]
fn a_small_document_has_the_defaults() {
    let read = read_value(&document()).expect("a good document");
    let expected = Desired {
        processor: Some(document()["processor"].clone()),
        ..Desired::new(17, DeviceRole::Processor)
    };
    assert_eq!(read, expected);
    let minute = Span(std::time::Duration::from_secs(60));
    assert_eq!(read.probation.limit, minute);
    assert_eq!(read.probation.on_dead_new_source, OnDeadNewSource::Keep);
}

#[test]
fn a_full_document_is_read_and_written_the_same() {
    let hash = DocumentHash::of(b"x");
    let key = PrivateKey::from_seed([1; 32]).expect("a key").public();
    let full = with(json!({
        "base": hash, "device": "dock-box-1", "by": "alice@desk", "role": "both", "wall": {"wall": {"name": "dock"}},
        "not_before": "2026-01-01T00:00:00Z", "not_after": "2026-01-02T00:00:00+01:00",
        "overcommit": true, "decommission": true,
        "models": [{"id": "yolov8n-640", "url": "https://a/b.tar", "sha256": hash, "size": 7}],
        "probation": {"limit": "2m", "on_dead_new_source": "revert"},
        "firmware": {"url": "https://a/image", "sha256": hash, "version": "2"},
        "keys": {"trusted": [key], "revoked": [key.id()]},
    }));
    let read = read_value(&full).expect("a good document");
    assert_eq!(
        read.not_after.expect("a time").to_string(),
        "2026-01-01T23:00:00Z"
    );
    assert_eq!(read.models[0].size, Some(7));
    let written = read.to_json();
    assert_eq!(Desired::read(&written), Ok(read.clone()));
    assert_eq!(
        Desired::read(&written).map(|read| read.to_json()),
        Ok(written)
    );
}

#[test]
fn the_publisher_is_a_short_text_without_control_characters() {
    let longest = "é".repeat(64);
    for by in ["a", "alice@desk", "night shift, site 4", &longest] {
        let read = read_value(&with(json!({ "by": by }))).expect(by);
        assert_eq!(read.by.as_deref(), Some(by));
    }
    let too_long = longest + "x";
    for by in ["", "a\u{1b}[2J", "a\nb", &too_long] {
        assert_problems(&with(json!({ "by": by })), &[("by", "bad-value")]);
    }
    assert_problems(&with(json!({ "by": 7 })), &[("by", "wrong-type")]);
}

#[test]
fn every_problem_is_reported_at_once() {
    let document = with(json!({
        "generation": 0, "rol": 1, "base": "abc", "overcommit": "yes", "wall": 7, "role": "both",
        "processor": {"mqtt": {}},
        "probation": {"limit": "2h", "limt": 1},
        "models": [{"id": "a", "url": 5}, {"id": "b", "sha256": "z", "size": -1}],
        "firmware": {"url": "https://a"},
        "keys": {"revoked": ["x"]},
    }));
    assert_problems(
        &document,
        &[
            ("models[0].url", "wrong-type"),
            ("models[0].sha256", "missing-field"),
            ("models[1].sha256", "bad-value"),
            ("models[1].size", "bad-value"),
            ("models[1].url", "missing-field"),
            ("firmware.sha256", "missing-field"),
            ("firmware.version", "missing-field"),
            ("keys.revoked[0]", "bad-value"),
            ("base", "bad-value"),
            ("overcommit", "wrong-type"),
            ("probation.limt", "unknown-field"),
            ("rol", "unknown-field"),
            ("generation", "bad-value"),
            ("probation.limit", "bad-value"),
            ("processor.mqtt", "foreign-key"),
            ("wall", "wrong-type"),
        ],
    );
}

#[test]
fn absent_keys_are_all_named() {
    let expected = [
        ("generation", "missing-field"),
        ("role", "missing-field"),
        ("schema", "missing-field"),
    ];
    let mut found = problems(&json!({}));
    found.sort();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn an_unknown_key_has_a_suggestion() {
    let error = read_value(&with(json!({"generaton": 3}))).expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "generaton: unknown key; did you mean `generation`? known are schema, generation, base, device, by, role, \
         processor, wall, not_before, not_after, decommission, overcommit, models, probation, firmware, keys (unknown-field)"
    );
}

#[test]
fn another_schema_is_refused_without_a_look_at_the_rest() {
    let document = json!({"schema": 2, "generation": "later", "zones": []});
    assert_problems(&document, &[("schema", "unsupported-schema")]);
    assert_problems(
        &with(json!({"schema": "1"})),
        &[("schema", "wrong-type"), ("schema", "missing-field")][..1],
    );
}

#[test]
fn what_is_no_json_object_or_too_large_is_refused() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(64 * 1024));
    let deep = "[".repeat(100_000);
    for (payload, code) in [
        ("", "not-json"),
        ("null", "not-json"),
        ("[1]", "not-json"),
        ("{\"schema\": 1,}", "not-json"),
        ("{} {}", "not-json"),
        (large.as_str(), "too-large"),
        (&deep[..50_000], "not-json"),
    ] {
        let errors = Desired::read(payload.as_bytes()).expect_err("refused");
        assert!(errors.has(code), "{errors}");
    }
    let error = Desired::read(large.as_bytes())
        .expect_err("too large")
        .to_string();
    assert!(
        error.starts_with("has 65544 bytes, the limit is 65536; give"),
        "{error}"
    );
}

#[test]
fn a_document_of_64_kib_is_read() {
    let mut document = with(json!({"processor": {"fill": ""}}));
    let fill = DOCUMENT_LIMIT - document.to_string().len();
    document["processor"]["fill"] = json!("x".repeat(fill));
    assert_eq!(document.to_string().len(), DOCUMENT_LIMIT);
    read_value(&document).expect("just small enough");
}

const DOCUMENT_LIMIT: usize = crate::fleet::DOCUMENT_LIMIT_BYTES;

#[test]
fn generations_are_whole_numbers_that_every_reader_can_represent() {
    for (generation, code) in [
        (json!(0), "bad-value"),
        (json!(9_007_199_254_740_992_u64), "bad-value"),
        (json!(-1), "bad-value"),
        (json!(1.0), "wrong-type"),
        (json!("1"), "wrong-type"),
    ] {
        let found = problems(&with(json!({"generation": generation})));
        assert_eq!(found[0].0, "generation", "{generation}");
        assert!(
            ["bad-value", "wrong-type"].contains(&found[0].1.as_str()),
            "{code}"
        );
    }
    for generation in [1, MOST_GENERATION] {
        read_value(&with(json!({"generation": generation}))).expect("in range");
    }
}

#[test]
fn each_role_needs_its_body() {
    let bare = json!({"processor": null, "role": "both"});
    let missing = [("processor", "missing-body"), ("wall", "missing-body")];
    assert_problems(&with(bare), &missing);
    assert_problems(&with(json!({"role": "wall"})), &missing[1..]);
    assert_problems(&with(json!({"processor": null, "decommission": true})), &[]);
}

#[test]
fn a_document_can_not_cut_the_device_off() {
    let document = with(json!({"processor": {"mqtt": {"host": "elsewhere"}}}));
    let error = read_value(&document).expect_err("refused").to_string();
    assert!(
        error.starts_with("processor.mqtt: belongs to the device, which a document could cut off"),
        "{error}"
    );
}

#[test]
fn downloads_come_over_http_without_a_login() {
    let hash = DocumentHash::of(b"x");
    let model = |id: &str, url: &str| json!({"id": id, "url": url, "sha256": hash});
    let long = format!("https://a/{}", "x".repeat(3000));
    let document = with(json!({
        "models": [model("a", "ftp://a/b"), model("a", "b"), model("../x", "https://u:p@a/b"), model(".x", &long)],
        "firmware": {"url": "file:///x", "sha256": hash, "version": "1"},
    }));
    assert_problems(
        &document,
        &[
            ("models[0].url", "bad-scheme"),
            ("models[1].id", "bad-value"),
            ("models[1].url", "bad-value"),
            ("models[2].id", "bad-value"),
            ("models[2].url", "plain-secret"),
            ("models[3].id", "bad-value"),
            ("models[3].url", "bad-value"),
            ("firmware.url", "bad-scheme"),
        ],
    );
}

#[test]
fn a_list_is_no_object() {
    let lists = json!({"probation": ["60s", "keep"], "firmware": [], "keys": [], "models": [[]]});
    let expected = ["probation", "firmware", "keys", "models[0]"].map(|path| (path, "wrong-type"));
    assert_problems(&with(lists), &expected);
}

#[test]
fn a_time_window_ends_after_it_begins_and_a_device_id_is_one() {
    let document = with(json!({
        "not_before": "2026-01-01T00:00:00Z", "not_after": "2026-01-01T00:00:00Z", "device": "a/b",
    }));
    assert_problems(
        &document,
        &[("device", "bad-value"), ("not_after", "bad-value")],
    );
    assert_problems(
        &with(json!({"not_after": "tomorrow"})),
        &[("not_after", "bad-value")],
    );
}

#[test]
fn a_window_counts_only_with_a_synchronised_clock() {
    let time = |text: &str| text.parse().expect("a time");
    let mut desired = Desired::new(1, DeviceRole::Wall);
    let noon = time("2026-01-01T12:00:00Z");
    assert_eq!(desired.window(noon, false), Window::Open);
    let (begin, end) = (time("2026-01-01T10:00:00Z"), time("2026-01-01T14:00:00Z"));
    (desired.not_before, desired.not_after) = (Some(begin), Some(end));
    assert_eq!(desired.window(noon, false), Window::ClockUnknown);
    assert_eq!(desired.window(noon, true), Window::Open);
    assert_eq!(
        desired.window(time("2026-01-01T09:59:59Z"), true),
        Window::NotYet(begin)
    );
    assert_eq!(
        desired.window(time("2026-01-01T14:00:01Z"), true),
        Window::Expired(end)
    );
    for (window, code) in [
        (Window::NotYet(begin), "not-yet"),
        (Window::Expired(end), "expired"),
        (Window::ClockUnknown, "clock-unknown"),
    ] {
        assert_eq!(window.problem().expect("outside").code, code);
    }
    assert_eq!(Window::Open.problem(), None);
    desired.not_after = None;
    assert_eq!(desired.window(noon, false), Window::ClockUnknown);
}

#[test]
fn a_document_for_another_device_is_refused() {
    let mut desired = Desired::new(1, DeviceRole::Wall);
    assert_eq!(desired.check_device("any"), Ok(()));
    desired.device = Some("box".to_owned());
    assert_eq!(desired.check_device("box"), Ok(()));
    let error = desired.check_device("any").expect_err("for another");
    assert_eq!(
        error.to_string(),
        "device: is for box, but this device is any (wrong-device)"
    );
}
