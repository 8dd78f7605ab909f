//! Tests of the check of bodies.

use serde_json::json;

use super::*;
use crate::base::SourceId;
use crate::fleet::DeviceRole;

fn desired(role: DeviceRole, processor: Value, wall: Value) -> Desired {
    let body = |value: Value| Some(value).filter(|value| !value.is_null());
    Desired {
        processor: body(processor),
        wall: body(wall),
        ..Desired::new(1, role)
    }
}

fn cameras(cameras: Value) -> Value {
    json!({"camera": cameras})
}

/// Path and code of each problem.
fn problems(desired: &Desired) -> Vec<(String, String)> {
    match BodySources::of_desk().check(desired) {
        Ok(_) => Vec::new(),
        Err(errors) => errors
            .iter()
            .map(|error| (error.path.clone(), error.code.to_string()))
            .collect(),
    }
}

#[test]
fn bodies_are_checked_as_files_are() {
    let processor = json!({
        "camera": [{"id": 1, "uri": "rtsp://10.0.0.1/"}],
        "processor": {"confidence": 0.25},
    });
    let wall = json!({"camera": [{"id": 1, "uri": "rtsp://10.0.0.1/"}], "wall": {"name": "dock"}});
    let both = desired(DeviceRole::Both, processor, wall);
    let checked = BodySources::of_desk().check(&both).expect("good bodies");
    let processor = checked.processor.expect("it runs");
    let source = &processor.settings.sources[&SourceId(1)];
    assert_eq!(source.analysis.confidence, 0.25);
    let wall = checked.wall.expect("it runs");
    assert_eq!(wall.settings.wall.name.as_deref(), Some("dock"));
    assert_eq!(checked.warnings, []);
}

#[test]
fn the_problems_of_both_bodies_are_reported_with_paths_and_codes() {
    let processor = json!({
        "camera": [
            {"id": 1, "uri": "rtsp://10.0.0.1/"},
            {"id": "x", "uri": "http://10.0.0.2/"},
        ],
        "procesor": {},
        "processor": {"confidence": 2},
    });
    let both = desired(
        DeviceRole::Both,
        processor,
        json!({"wall": {"tile_width": 1}}),
    );
    let mut found = problems(&both);
    found.sort();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("processor.camera[1].id", "wrong-type"),
            ("processor.camera[1].uri", "bad-scheme"),
            ("processor.procesor", "unknown-field"),
            ("processor.processor.confidence", "bad-value"),
            ("wall.wall.tile_width", "bad-value"),
        ]
    );
}

#[test]
fn a_body_of_a_role_that_does_not_run_is_not_checked() {
    let body = cameras(json!([{"id": 1, "uri": "rtsp://10.0.0.1/"}]));
    let processor = desired(DeviceRole::Processor, body, json!({"nonsense": 1}));
    let checked = BodySources::of_desk().check(&processor).expect("good");
    assert_eq!(checked.wall, None);
    let decommission = Desired {
        decommission: true,
        ..desired(DeviceRole::Both, Value::Null, Value::Null)
    };
    assert_eq!(problems(&decommission), []);
}

#[test]
fn a_desk_does_not_need_the_secrets_and_files_of_a_device() {
    let body = cameras(json!([{
        "id": 1, "uri": "rtsps://10.0.0.1/", "username": {"env": "NO_SUCH_VARIABLE"},
        "password": {"file": "camera-1"}, "tls": {"ca": "/no/such/file"},
    }]));
    let desired = desired(DeviceRole::Processor, body, Value::Null);
    assert_eq!(problems(&desired), []);
    let device = BodySources {
        processor: ConfigSource::new(ProcessorFlags::default(), Environment::default()),
        ..BodySources::of_desk()
    };
    let errors = device.check(&desired).expect_err("they are missing here");
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "processor.camera[0].username",
            "processor.camera[0].password",
            "processor.camera[0].tls.ca",
        ]
    );
}

#[test]
fn logins_in_plain_text_are_found_and_never_quoted() {
    let mut processor = cameras(json!([
        {"id": 1, "uri": "rtsp://viewer:hunter2@10.0.0.1/"},
        {"id": 2, "uri": "rtsp://10.0.0.2/", "username": {"env": "CAM"}, "password": "hunter2"},
        {"id": 3, "uri": "rtsp://10.0.0.3/", "sub_uri": "rtsp://10.0.0.3/?user=a&password=hunter2"},
    ]));
    processor["processor"] = json!({"http_token": "hunter2"});
    let wall = json!({"wall": {"http_token": "hunter2"}});
    let found = plain_secrets(&desired(DeviceRole::Both, processor, wall));
    let paths: Vec<&str> = found.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "processor.camera[0].uri",
            "processor.camera[1].password",
            "processor.camera[2].sub_uri",
            "processor.processor.http_token",
            "wall.wall.http_token",
        ]
    );
    for error in found {
        assert_eq!(error.code, "plain-secret");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_body_of_another_shape_is_refused() {
    let desired = desired(DeviceRole::Processor, cameras(json!(5)), Value::Null);
    assert_eq!(
        problems(&desired)[0],
        ("processor.camera".to_owned(), "wrong-type".to_owned())
    );
}
