//! Tests of the check of a fleet.

use std::path::Path;

use serde_json::json;

use super::*;

fn linted(text: &str, allow_plain_secrets: bool) -> Result<Linted, Vec<String>> {
    let fleet = FleetFile::parse(text, Path::new("f.toml")).expect("a valid structure");
    let devices: Vec<_> = fleet.devices.iter().collect();
    lint(&fleet, &devices, allow_plain_secrets)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

const TWO: &str = r#"
[defaults]
role = "processor"
probation = { limit = "5s" }
[[defaults.processor.camera]]
id = "{first}"
uri = "rtsp://{host}/main"
[defaults.processor.processor]
backend = "scripted"
[[device]]
id = "a"
vars = { first = 1, host = "10.0.0.1" }
[[device]]
id = "b"
vars = { first = 2, host = "10.0.0.2" }
"#;

#[test]
fn each_device_has_a_document_of_its_own() {
    let linted = linted(TWO, false).expect("valid");
    let b = &linted.documents["b"];
    assert_eq!(b.device.as_deref(), Some("b"));
    let body = b.processor.as_ref().expect("a body");
    assert_eq!(
        body["camera"],
        json!([{ "id": 2, "uri": "rtsp://10.0.0.2/main" }])
    );
    assert_eq!(linted.warnings, []);
}

#[test]
fn a_problem_of_many_devices_is_told_once_with_its_line() {
    let bad = TWO
        .replace("rtsp://{host}", "http://{host}")
        .replace("backend = \"scripted\"", "backen = \"scripted\"");
    let told = linted(&bad, false).expect_err("problems");
    assert_eq!(told.len(), 2, "{told:#?}");
    let [key, scheme] = [&told[0], &told[1]];
    let begin = "a and b: processor.processor.backen: unknown key; did you mean `backend`?";
    assert!(key.starts_with(begin), "{key}");
    assert!(key.ends_with("(unknown-field) [f.toml:9:1]"), "{key}");
    assert!(
        scheme.starts_with("a and b: processor.camera[0].uri: scheme must be "),
        "{scheme}"
    );
    assert!(
        scheme.ends_with("got http (bad-scheme) [f.toml:7:1]"),
        "{scheme}"
    );
}

#[test]
fn a_missing_body_and_an_unknown_variable_name_their_lines() {
    let told = linted("[defaults]\nrole = \"wall\"\n[[device]]\nid = \"a\"\n[[device]]\nid = \"b\"\nwall = { models_dirs = [\"{dir}\"] }\n", false)
        .expect_err("problems");
    assert_eq!(
        told,
        [
            "a: wall: the role needs the body `wall`; add it (missing-body) [f.toml:3:1]",
            "b: device[1].wall.models_dirs[0]: there is no variable `dir`; known are device (unknown-variable) [f.toml:7:25]",
        ]
    );
}

#[test]
fn the_broker_of_a_device_is_not_set_by_a_document() {
    let told = linted(
        &format!("{TWO}[device.processor.mqtt]\nhost = \"x\"\n"),
        false,
    )
    .expect_err("foreign");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].starts_with("b: processor.mqtt: belongs to the device"),
        "{told:#?}"
    );
    assert!(
        told[0].ends_with("(foreign-key) [f.toml:16:19]"),
        "{told:#?}"
    );
}

#[test]
fn two_roles_do_not_have_one_name() {
    let named = |of_b: &str| {
        let text = format!("{TWO}[device.processor]\ninstance_id = \"{of_b}\"\n");
        linted(&text, false)
    };
    named("gate-2").expect("another name");
    let told = named("a").expect_err("the name of the other");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].starts_with("b: processor.instance_id: the processor of a is a as well; "),
        "{told:#?}"
    );
    let told = named("gate 2").expect_err("not allowed in a topic");
    assert!(
        told[0].starts_with("b: processor.instance_id: "),
        "{told:#?}"
    );
}

#[test]
fn two_devices_do_not_analyse_one_source() {
    let told = linted(&TWO.replace("first = 2", "first = 1"), false).expect_err("twice");
    assert_eq!(
        told,
        [
            "b: processor.camera[0].id: the source 1 is analysed by a as well; ids of cameras are unique on a broker (source-claimed-twice) [f.toml:6:1]"
        ]
    );
}

#[test]
fn logins_in_plain_text_need_permission() {
    let plain = TWO.replace("rtsp://{host}", "rtsp://u:hunter2@{host}");
    let told = linted(&plain, false).expect_err("plain");
    assert_eq!(told.len(), 1, "one problem of both devices: {told:#?}");
    assert!(
        told[0].starts_with("a and b: processor.camera[0].uri: is a secret in plain text"),
        "{told:#?}"
    );
    assert!(!told[0].contains("hunter2"), "{told:#?}");
    let allowed = linted(&plain, true).expect("allowed");
    assert_eq!((allowed.documents.len(), allowed.warnings.len()), (2, 1));
}

#[test]
fn devices_that_are_not_selected_are_not_told_but_claim_their_sources() {
    let fleet = FleetFile::parse(&TWO.replace("first = 2", "first = 1"), Path::new("f.toml"))
        .expect("valid");
    let a = [&fleet.devices[0]];
    let linted = lint(&fleet, &a, false).expect("the later one is at fault");
    assert_eq!(linted.documents.keys().collect::<Vec<_>>(), ["a"]);
    let b = [&fleet.devices[1]];
    lint(&fleet, &b, false).expect_err("a has it already");
}

#[test]
fn models_by_url_are_checked_and_need_a_processor() {
    let model = |id: &str, url: &str, size: u64| {
        let sha256 = "0".repeat(64);
        format!(
            "[[defaults.models]]\nid = \"{id}\"\nurl = \"{url}\"\nsha256 = \"{sha256}\"\nsize = {size}\n"
        )
    };
    let fleet = |models: &str| format!("{models}{TWO}");
    let bad = [
        model("-a", "https://models.example/a.tar", 0),
        model("b", "ftp://models.example/b.tar", 1),
    ];
    let told = linted(&fleet(&bad.concat()), false).expect_err("problems");
    let begins = [
        "a and b: models[0].id: must be the id of a model",
        "a and b: models[0].size: must be the length of the file",
        "a and b: models[1].url: scheme must be https or http, got ftp",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}");
    }
    // One that the processor does not name may be there for later.
    let good = fleet(&model("a", "https://models.example/a.tar", 1));
    assert_eq!(linted(&good, false).expect("valid").warnings, []);
    let wall = good.replace(
        "[[device]]\nid = \"b\"",
        "[[device]]\nid = \"b\"\nrole = \"wall\"\nwall = {}",
    );
    let warnings = linted(&wall, false).expect("valid").warnings;
    let told: Vec<(&str, &str)> = warnings
        .iter()
        .map(|warning| (&*warning.devices[0], &*warning.code))
        .collect();
    assert_eq!(told, [("b", "unused-models")]);
}
