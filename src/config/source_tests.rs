//! Tests of `source.rs`: what the layers give together.

use clap::Parser;

use super::*;
use crate::base::SourceId;
use crate::config::{
    CommonFlags, Encoding, Location, ModelChoice, ProcessorFlags, Transport, WallFlags,
};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: ProcessorFlags,
}

const FILE: &str = r#"
[mqtt]
host = "file"
port = 1884
[[camera]]
id = 0
name = "dock"
uri = "rtsp://file/0"
username = "viewer"
password = "pw"
classes = ["person"]
[[camera]]
id = 5
uri = "rtsp://file/5"
[processor]
confidence = 0.3
"#;

fn source(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> ConfigSource {
    let arguments = ["nvr"].iter().chain(arguments);
    let flags = Command::try_parse_from(arguments)
        .expect("good usage")
        .flags;
    ConfigSource::new(flags, Environment::from_pairs(variables.iter().copied())).with_toml(file)
}

fn load(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> Settings {
    source(arguments, variables, file)
        .load()
        .expect("no problem")
}

fn problems(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> Vec<String> {
    let problems = source(arguments, variables, file)
        .load()
        .expect_err("problems");
    problems.iter().map(ToString::to_string).collect()
}

/// Id and address of each camera.
fn cameras(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> Vec<(u32, String)> {
    let sources = load(arguments, variables, file).sources;
    sources
        .values()
        .map(|s| (s.id.0, s.stream.location.to_string()))
        .collect()
}

fn of_server(server: &str, ids: &[u32]) -> Vec<(u32, String)> {
    ids.iter()
        .map(|id| (*id, format!("{server}/live{id}.stream")))
        .collect()
}

fn of_file(file: &Path) -> CommonFlags {
    CommonFlags {
        config: file.to_str().map(str::to_owned),
        ..CommonFlags::default()
    }
}

#[test]
fn nothing_at_all_means_the_published_defaults() {
    let settings = load(&[], &[], "");
    assert_eq!(
        cameras(&[], &[], ""),
        of_server("rtsp://localhost:8554", &[0, 1, 2, 3, 4, 5])
    );
    assert_eq!(
        (
            settings.mqtt.host.as_str(),
            settings.mqtt.port,
            settings.mqtt.qos
        ),
        ("localhost", 1883, 0)
    );
    assert_eq!(settings.mqtt.detections_prefix, "nvr/detections");
    assert_eq!(settings.mqtt.encoding, Encoding::Json);
    assert_eq!(settings.processor.model, ModelChoice::Default);
    assert_eq!(settings.processor.iou, 0.45);
    let source = &settings.sources[&SourceId(0)];
    assert_eq!(source.analysis.confidence, 0.5);
    assert_eq!(source.analysis.max_fps, None);
    assert_eq!(source.stream.transport, Transport::Tcp);
    assert_eq!(source.stream.jitter_buffer.as_millis(), 50);
    assert_eq!(source.stream.stall_limit.as_secs(), 5);
    assert_eq!(source.stream.start_limit.as_secs(), 20);
    assert!(settings.watchdog && settings.processor.tracking);
}

#[test]
fn options_stand_over_the_environment_over_the_file_over_the_defaults() {
    let environment = [("NVR_MQTT_HOST", "environment")];
    let host = |arguments: &[&str], variables: &[(&str, &str)], file: &str| {
        load(arguments, variables, file).mqtt.host
    };
    assert_eq!(host(&[], &[], ""), "localhost");
    assert_eq!(host(&[], &[], FILE), "file");
    assert_eq!(host(&[], &environment, FILE), "environment");
    assert_eq!(
        host(&["--mqtt-host", "option"], &environment, FILE),
        "option"
    );
    assert_eq!(load(&[], &environment, FILE).mqtt.port, 1884);
}

#[test]
fn the_short_forms_are_cameras_like_any_other() {
    let server = ["--stream-server", "rtsp://host:8554/"];
    let with = |more: &[&'static str]| [&server[..], more].concat();
    let host = |ids: &[u32]| of_server("rtsp://host:8554", ids);
    assert_eq!(cameras(&with(&["--n", "2"]), &[], ""), host(&[0, 1]));
    assert_eq!(
        cameras(&with(&["--streams", "0-1,8"]), &[], ""),
        host(&[0, 1, 8])
    );
    // An option of one layer takes the place of the other's counterpart in the layer below.
    assert_eq!(
        cameras(&with(&["--streams", "7"]), &[("NVR_N", "4")], ""),
        host(&[7])
    );
    let variables = [("STREAM_SERVER", "rtsp://variable:1"), ("NVR_N", "1")];
    assert_eq!(
        cameras(&[], &variables, ""),
        of_server("rtsp://variable:1", &[0])
    );
    assert_eq!(cameras(&with(&[]), &variables, ""), host(&[0]));
    let path = ["--n", "2", "--stream-path", "/cam/{id}/main"];
    assert_eq!(
        cameras(&path, &[], "").pop(),
        Some((1, "rtsp://localhost:8554/cam/1/main".to_owned()))
    );
}

#[test]
fn servers_of_some_streams_say_which_cameras_there_are() {
    let sites = [
        "--stream-server",
        "0-1=rtsp://a",
        "--stream-server",
        "4=rtsp://b",
    ];
    let both = [
        (0, "rtsp://a/live0.stream".to_owned()),
        (1, "rtsp://a/live1.stream".to_owned()),
        (4, "rtsp://b/live4.stream".to_owned()),
    ];
    let variable = [("STREAM_SERVER", "0-1=rtsp://a 4=rtsp://b")];
    assert_eq!(cameras(&sites, &[], ""), both);
    assert_eq!(cameras(&[], &variable, ""), both);
    assert_eq!(cameras(&["--streams", "4"], &variable, ""), both[2..]);
    assert_eq!(
        cameras(&["--n", "1", "--stream-server", "rtsp://c"], &variable, ""),
        of_server("rtsp://c", &[0])
    );
    assert_eq!(
        problems(&["--n", "3"], &variable, ""),
        [
            "no stream server has stream 2; add a server without ids for all other streams [NVR_STREAM_SERVER]"
        ]
    );
    assert_eq!(
        cameras(&["--source", "9=rtsp://c/"], &variable, "").len(),
        4
    );
}

#[test]
fn the_files_cameras_stand_unless_n_takes_their_place() {
    let of_file = [
        (0, "rtsp://file/0".to_owned()),
        (5, "rtsp://file/5".to_owned()),
    ];
    let variables = [("STREAM_SERVER", "rtsp://variable:1")];
    assert_eq!(cameras(&[], &variables, FILE), of_file);
    assert_eq!(cameras(&["--streams", "5"], &[], FILE), of_file[1..]);
    assert_eq!(
        cameras(&["--n", "1"], &[], FILE),
        of_server("rtsp://localhost:8554", &[0])
    );
    assert_eq!(
        problems(&["--streams", "5,9"], &[], FILE),
        [
            "camera: there is no camera 9; the file has 0, 5; add it there or by --source 9=URI [--streams]"
        ]
    );
}

#[test]
fn a_source_option_adds_a_camera_or_changes_how_one_is_reached() {
    let arguments = [
        "--source",
        "0=test-pattern:",
        "--source",
        "7=rtsp://option/7",
    ];
    let settings = load(
        &arguments,
        &[("NVR_SOURCE", "7=rtsp://variable/7 5=/clip.mp4")],
        FILE,
    );
    let dock = &settings.sources[&SourceId(0)];
    assert!(matches!(dock.stream.location, Location::TestPattern(_)));
    assert_eq!(dock.stream.credentials, None);
    assert_eq!(dock.name.as_deref(), Some("dock"));
    assert_eq!(dock.analysis.classes, Some(vec!["person".to_owned()]));
    assert_eq!(
        settings.sources[&SourceId(5)].stream.location,
        Location::File("/clip.mp4".into())
    );
    assert_eq!(
        settings.sources[&SourceId(7)].stream.location.to_string(),
        "rtsp://option/7"
    );
    assert_eq!(
        cameras(&["--source", "3=rtsp://a/"], &[], ""),
        [(3, "rtsp://a/".to_owned())]
    );
    assert_eq!(
        cameras(&["--streams", "5", "--source", "7=rtsp://a/"], &[], FILE).len(),
        2
    );
}

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
fn a_broker_url_says_port_tls_and_login() {
    let mqtt = |arguments: &[&str], file: &str| load(arguments, &[], file).mqtt;
    let tls = mqtt(&["--mqtt-host", "mqtts://us%65r:p%40ss@broker"], FILE);
    assert_eq!((tls.host.as_str(), tls.port), ("broker", 8883));
    assert_eq!(tls.tls, Some(crate::config::TlsSettings::default()));
    assert_eq!(tls.username.as_ref().map(|s| s.reveal()), Some("user"));
    assert_eq!(tls.password.as_ref().map(|s| s.reveal()), Some("p@ss"));
    assert_eq!(mqtt(&["--mqtt-host", "mqtts://[::1]:99"], "").host, "::1");
    let plain = mqtt(
        &["--mqtt-host", "mqtt://broker"],
        "[mqtt]\nport = 8883\ntls = {}\n",
    );
    assert_eq!((plain.port, plain.tls), (1883, None));
    assert_eq!(mqtt(&[], "[mqtt]\nhost = \"mqtts://b:1\"\n").port, 1);
    assert_eq!(mqtt(&["--mqtt-tls"], "").port, 8883);
    assert_eq!(mqtt(&["--mqtt-tls=false"], "[mqtt]\ntls = {}\n").tls, None);
    assert_eq!(
        problems(&["--mqtt-host", "http://u:hunter2@b:1/x"], &[], ""),
        [
            "mqtt.host: is the address of a web page; write a name or an address, host:port, mqtt://host:port or mqtts://host:port \
             [--mqtt-host]"
        ]
    );
}

#[test]
fn a_brokers_address_is_read_alike_in_file_environment_and_options() {
    for (host, name, port, tls) in [
        ("broker:1884", "broker", 1884, false),
        ("[::1]:1884", "::1", 1884, false),
        ("::1", "::1", 1883, false),
        ("tcp://broker:1884/", "broker", 1884, false),
        ("tls://broker", "broker", 8883, true),
        ("ssl://broker:1884", "broker", 1884, true),
    ] {
        let settings = [
            load(&["--mqtt-host", host], &[], ""),
            load(&[], &[("NVR_MQTT_HOST", host)], ""),
            load(&[], &[], &format!("[mqtt]\nhost = \"{host}\"\n")),
        ];
        for settings in settings {
            let mqtt = settings.mqtt;
            assert_eq!((mqtt.host.as_str(), mqtt.port), (name, port), "{host}");
            assert_eq!(mqtt.tls.is_some(), tls, "{host}");
        }
    }
    for (host, part) in [
        ("localhost:", "ends with a colon"),
        ("127.0.0.1:abc", "has a port that is no number"),
        ("ws://broker", "MQTT over WebSockets"),
    ] {
        for told in [
            problems(&["--mqtt-host", host], &[], ""),
            problems(&[], &[("NVR_MQTT_HOST", host)], ""),
            problems(&[], &[], &format!("[mqtt]\nhost = \"{host}\"\n")),
        ] {
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with("mqtt.host: "), "{told:?}");
            assert!(told[0].contains(part), "{told:?}");
        }
    }
    assert_eq!(
        problems(&["--mqtt-host", "b:1", "--mqtt-port", "2"], &[], ""),
        ["mqtt.host: has port 1, but the port is also set to 2; give the port once [--mqtt-host]"]
    );
    assert_eq!(
        problems(&["--mqtt-host", "mqtt://b", "--mqtt-tls"], &[], ""),
        [
            "mqtt.host: is an address without TLS, but --mqtt-tls turns it on; use mqtts://, or remove the TLS setting [--mqtt-host]"
        ]
    );
}

#[test]
fn topics_that_mqtt_allows_are_allowed() {
    for root in ["/", "a b", "ä/ö", "a//b", "/a", "a/", &"x".repeat(65_400)] {
        let loaded = source(&["--topic-root", root], &[], "")
            .load_all()
            .expect("no problem");
        assert_eq!(loaded.settings.mqtt.topic_root, root);
        let of_topics: Vec<_> = loaded
            .warnings
            .iter()
            .filter(|warning| warning.starts_with("mqtt."))
            .collect();
        assert!(of_topics.is_empty(), "{of_topics:?}");
    }
    for (root, part) in [
        ("$own", "reserved for the broker"),
        ("a\tb", "control character"),
    ] {
        let loaded = source(&["--topic-root", root], &[], "")
            .load_all()
            .expect("no problem");
        assert!(
            loaded
                .warnings
                .iter()
                .any(|warning| warning.starts_with("mqtt.topic_root: ") && warning.contains(part)),
            "{:?}",
            loaded.warnings
        );
    }
    for (root, part) in [
        ("", "must be 1 to 65400 bytes long, has 0"),
        (
            &"x".repeat(65_401)[..],
            "must be 1 to 65400 bytes long, has 65401",
        ),
        ("a/#", "wildcards"),
    ] {
        let told = problems(&["--topic-root", root], &[], "");
        assert!(told[0].contains(part), "{told:?}");
    }
}

#[test]
fn the_broker_alone_is_read_from_options_and_environment() {
    let variables = [
        ("NVR_MQTT_HOST", "mqtts://variable"),
        ("NVR_MQTT_PORT", "99"),
        ("MQTT_USERNAME", "user"),
        ("NVR_CONFIDENCE", "not asked for"),
    ];
    let flags = MqttFlags {
        topic_root: Some("site".to_owned()),
        ..MqttFlags::default()
    };
    let environment = Environment::from_pairs(variables);
    let mqtt = flags.load(&environment).expect("no problem");
    assert_eq!((mqtt.host.as_str(), mqtt.port), ("variable", 99));
    assert_eq!(mqtt.detections_prefix, "site/detections");
    assert_eq!(mqtt.username.as_ref().map(|s| s.reveal()), Some("user"));
    assert!(mqtt.tls.is_some());
}

#[test]
fn the_environments_login_stands_over_the_files() {
    let variables = [("MQTT_USERNAME", "env"), ("MQTT_PASSWORD", "secret")];
    let file = "[mqtt]\nusername = \"file\"\npassword = { file = \"/nowhere\" }\n";
    let mqtt = load(&[], &variables, file).mqtt;
    assert_eq!(mqtt.username.as_ref().map(|s| s.reveal()), Some("env"));
    assert_eq!(mqtt.password.as_ref().map(|s| s.reveal()), Some("secret"));
}

#[test]
fn a_camera_inherits_what_it_does_not_say_and_gives_its_smaller_stream() {
    let file = r#"
        [processor]
        confidence = 0.3
        max_fps = 5
        stall_limit = "7s"
        [[camera]]
        id = 1
        uri = "rtsp://a/main"
        sub_uri = "rtsp://viewer:pw@a/sub"
        confidence = 0.4
        start_limit = "1m"
    "#;
    let settings = load(&[], &[], file);
    let camera = &settings.sources[&SourceId(1)];
    assert_eq!(camera.stream.location.to_string(), "rtsp://a/sub");
    assert_eq!(
        camera
            .stream
            .credentials
            .as_ref()
            .map(|c| c.password.reveal()),
        Some("pw")
    );
    assert_eq!(
        (camera.analysis.confidence, camera.analysis.max_fps),
        (0.4, Some(5.0))
    );
    assert_eq!(camera.stream.stall_limit.as_secs(), 7);
    assert_eq!(camera.stream.start_limit.as_secs(), 60);
    let main = load(
        &[],
        &[],
        &file.replace("max_fps", "stream = \"main\"\nmax_fps"),
    );
    assert_eq!(
        main.sources[&SourceId(1)].stream.location.to_string(),
        "rtsp://a/main"
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
fn missing_files_and_missing_cameras_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("nvr.toml");
    std::fs::write(&config, "camera = []\n[mqtt.tls]\nca = \"ca.pem\"\n").expect("written");
    let flags = ProcessorFlags {
        common: of_file(&config),
        ..ProcessorFlags::default()
    };
    let problems = ConfigSource::new(flags, Environment::default())
        .load()
        .expect_err("problems");
    let (dir, config) = (dir.path().display(), config.display());
    assert_eq!(
        problems.to_string(),
        format!(
            "mqtt.tls.ca: can't read {dir}/ca.pem: No such file or directory (os error 2) [{config}:3:1]\n\
             camera: no camera is configured; add a [[camera]], or give --n, --streams or --source [{config}:1:1]"
        )
    );
}

#[test]
fn reading_again_sees_the_file_as_it_is_now_under_the_same_options() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("nvr.toml");
    let flags = ProcessorFlags {
        common: of_file(&config),
        ..ProcessorFlags::default()
    };
    let flags = flags.with("mqtt-qos", Some(1));
    let source = ConfigSource::new(flags, Environment::default());
    assert!(source.load().is_err_and(|problems| {
        problems
            .to_string()
            .contains("can't read the configuration file")
    }));
    std::fs::write(&config, FILE).expect("written");
    let first = source.load().expect("no problem");
    std::fs::write(&config, FILE.replace("0.3", "0.6")).expect("written");
    let second = source.load().expect("no problem");
    let confidence = |settings: &Settings| settings.sources[&SourceId(0)].analysis.confidence;
    assert_eq!((confidence(&first), confidence(&second)), (0.3, 0.6));
    assert_eq!((first.mqtt.qos, second.mqtt.qos), (1, 1));
}

#[test]
fn a_json_document_is_the_same_as_the_file() {
    let json: serde_json::Value = toml::from_str(FILE).expect("the same structure");
    let source = source(&[], &[], FILE);
    assert_eq!(source.with_document(json).load(), source.load());
    assert!(source.with_document(serde_json::json!([1])).load().is_err());
}

#[test]
fn the_published_example_is_accepted() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("camera-0"), "pw\n").expect("written");
    let file = include_str!("published.toml");
    let directory = dir.path().to_str().expect("text");
    let variables = [
        ("MQTT_USERNAME", "nvr"),
        ("MQTT_PASSWORD", "secret"),
        ("CREDENTIALS_DIRECTORY", directory),
    ];
    let settings = load(&[], &variables, file);
    let camera = &settings.sources[&SourceId(0)];
    assert_eq!(
        camera
            .stream
            .credentials
            .as_ref()
            .map(|c| c.password.reveal()),
        Some("pw")
    );
    assert_eq!(settings.instance_id, "dock-box-1");
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
fn a_file_is_read_whatever_its_editor_put_into_it() {
    let text = "instance_id = \"box\"\n\n[mqtt]\nport = 1884\n[[camera]]\nid = 3\nname = \"Tor\u{a0}2\"\nuri = \"test-pattern:\"\n";
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("nvr.toml");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let mut flags = ProcessorFlags::default();
        flags.common.config = path.to_str().map(str::to_owned);
        ConfigSource::new(flags, Environment::default()).load()
    };
    let meant = read(text.as_bytes()).expect("as written");
    assert_eq!(
        meant.sources[&SourceId(3)].name.as_deref(),
        Some("Tor\u{a0}2")
    );
    for written in [
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\r"),
        text.replace('\n', " \t\u{a0}\n"),
        text.replace(" = ", "\u{a0}=\u{a0}"),
        text.replace("[mqtt]", "\t[mqtt]\u{200b}"),
        text.trim_end().to_owned(),
    ] {
        assert_eq!(read(written.as_bytes()).as_ref(), Ok(&meant), "{written:?}");
    }
    let utf16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let refused = read(&utf16).expect_err("UTF-16").to_string();
    assert!(
        refused.starts_with("can't read the configuration file: it is UTF-16; save it as UTF-8 ["),
        "{refused}"
    );
}

/// How long `count` cameras take to be checked, at best.
/// Of the processor, not of the clock: other tests run at the same time.
fn time_to_check(text: &str) -> (std::time::Duration, usize) {
    let thread_time = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let mut problems = 0;
    let best = (0..3).map(|_| {
        let begun = thread_time();
        let source = ConfigSource::new(WallFlags::default(), Environment::default());
        problems = match source.with_toml(text).load_all() {
            Ok(_) => 0,
            Err(found) => found.iter().count(),
        };
        thread_time() - begun
    });
    (best.min().unwrap_or_default(), problems)
}

#[test]
fn four_times_the_cameras_take_no_more_than_their_share_of_time() {
    // By lines, on one line, with a mistake in each, and each named by a monitor.
    let by_lines = |count: u32| -> String {
        let camera = |id| format!("[[camera]]\nid = {id}\nuri = \"rtsp://10.0.0.1/{id}\"\n");
        (0..count).map(camera).collect()
    };
    let on_one_line = |count: u32| {
        let camera = |id: u32| format!("{{ id = {id}, uri = \"rtsp://10.0.0.1/{id}\" }}");
        let cameras: Vec<String> = (0..count).map(camera).collect();
        format!("camera = [{}]\n", cameras.join(", "))
    };
    let mistaken = |count: u32| by_lines(count).replace("uri", "url");
    let on_a_monitor = |count: u32| {
        let ids: Vec<String> = (0..count).map(|id| id.to_string()).collect();
        format!(
            "{}[[wall.head]]\ncameras = [{}]\n",
            by_lines(count),
            ids.join(", ")
        )
    };
    let kinds: [&dyn Fn(u32) -> String; 4] = [&by_lines, &on_one_line, &mistaken, &on_a_monitor];
    for (kind, text) in kinds.into_iter().enumerate() {
        let (few, found) = time_to_check(&text(1000));
        let (many, found_in_many) = time_to_check(&text(4000));
        assert_eq!(found, found_in_many, "kind {kind}");
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        // Four, and sixteen where each camera is compared with each.
        assert!(ratio < 9.0, "kind {kind}: {few:?} and {many:?}");
    }
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
