//! Tests of what is reported: warnings, problems with their places, and no secrets.

use super::*;

#[test]
fn a_stream_server_that_changes_nothing_is_told() {
    let loaded = source(&["--stream-server", "rtsp://a"], &[], FILE)
        .load_all()
        .expect("no problem");
    assert!(
        loaded.warnings[0].starts_with("--stream-server has no effect"),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let file = r#"
[mqtt]
port = 0
qos = 3
topic_root = "a/#"
colour = "red"
[[camera]]
id = 1
uri = "http://camera/"
[[camera]]
id = 1
uri = "rtsp://u:pw@a/"
username = "u"
tls = { pin = "12:34" }
[[camera]]
uri = 7
classes = []
jitter_buffer = "11s"
[processor]
confidence = 1.5
max_fps = 0
"#;
    assert_eq!(
        problems(&["--iou", "2"], &[("NVR_HTTP", "here")], file),
        [
            "camera[2].uri: invalid type: integer `7`, expected a string [document:16:1]",
            "mqtt.colour: unknown key; known are host, port, username, password, topic_root, topic_prefix, qos, tls [document:6:1]",
            "mqtt.port: must be 1 to 65535, got 0 [document:3:1]",
            "mqtt.topic_root: must not contain + or #, which are wildcards, got `a/#` [document:5:1]",
            "mqtt.qos: must be 0 to 2, got 3 [document:4:1]",
            "processor.iou: must be 0 to 1, got 2 [--iou]",
            "processor.http: must be an address and a port such as 127.0.0.1:9100, got `here` [NVR_HTTP]",
            "processor.confidence: must be 0 to 1, got 1.5 [document:20:1]",
            "processor.max_fps: must be above 0 and at most 1000, got 0; remove the key for no limit [document:21:1]",
            "camera[0].uri: scheme must be rtsp, rtsps, v4l2, csi, file or test-pattern, got http [document:9:1]",
            "camera[1].id: 1 is already the id of camera[0]; ids must be unique [document:11:1]",
            "camera[1].username: the URI contains a login as well; give the login once [document:13:1]",
            "camera[1].tls: has no effect on rtsp://, which is not encrypted; use rtsps:// or remove the table [document:14:1]",
            "camera[1].tls.pin: must be a SHA-256 of 64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints it [document:14:9]",
            "camera[2].id: is missing; give every camera a unique number [document:15:1]",
            "camera[2].jitter_buffer: must be 0s to 10s, got 11s [document:18:1]",
            "camera[2].classes: an empty list would publish nothing; remove the key for all classes [document:17:1]",
        ]
    );
}

#[test]
fn no_secret_shows_in_any_settings_or_problem() {
    let file = r#"
        [mqtt]
        host = "mqtts://user:hunter2@broker"
        [[camera]]
        id = 0
        uri = "rtsp://viewer:hunter2@a/?password=hunter2"
        sub_uri = "rtsp://viewer:hunter2@a/sub"
        [[camera]]
        id = 1
        uri = "rtsp://a/"
        username = "hunter2"
        password = { env = "CAMERA" }
    "#;
    let arguments = [
        "--source",
        "2=rtsp://u:hunter2@b/",
        "--stream-server",
        "rtsp://u:hunter2@c",
        "--mqtt-host",
        "mqtt://u:hunter2@d",
    ];
    let variables = [("CAMERA", "hunter2"), ("MQTT_PASSWORD", "hunter2")];
    let source = source(&arguments, &variables, file);
    let loaded = source.load_all().expect("no problem");
    assert_eq!(
        loaded.settings.mqtt.password.as_ref().map(|s| s.reveal()),
        Some("hunter2")
    );
    let shown = [
        format!("{loaded:?} {source:?}"),
        toml::to_string(&loaded.raw).expect("TOML"),
        serde_json::to_string(&loaded.raw).expect("JSON"),
    ];
    for shown in shown {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }
    let bad = file
        .replace("uri = \"", "uri = \"x")
        .replace("id = 1", "id = 0\npasword = \"hunter2\"")
        + "\n[processor]\nmodel = [\"rtsp://u:hunter2@e\"]\nstream = 1\n[[camera]]\nid=9\ntls = \"rtsp://u:hunter2@f\"";
    let problems = problems(&["--source", "rtsp://u:hunter2@g"], &[], &bad).join("\n");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn recordings_are_shown_to_other_machines_with_a_token_only() {
    let far = ["--http", "0.0.0.0:80", "--record", "/srv/recordings"];
    let warnings = |arguments: &[&str], variables: &[(&str, &str)]| {
        let loaded = source(arguments, variables, "").load_all();
        loaded.expect("no problem").warnings
    };
    let token = [("NVR_HTTP_TOKEN", "hunter2")];
    assert_eq!(
        warnings(&far, &[]),
        [
            "processor.http: 0.0.0.0:80 can be reached from other machines, so recordings are not shown there without processor.http_token (or NVR_HTTP_TOKEN)"
        ]
    );
    assert_eq!(warnings(&far, &token), [""; 0]);
    // The metrics have never needed one.
    assert_eq!(warnings(&far[..2], &[]), [""; 0]);
    let settings = load(&far, &token, "");
    let kept = settings.http_token.map(|token| token.reveal().to_owned());
    assert_eq!(kept.as_deref(), Some("hunter2"));
}
