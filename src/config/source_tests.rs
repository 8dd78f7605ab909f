//! Tests of `source.rs`: what the layers give together.

use clap::Parser;

#[path = "source_broker_tests.rs"]
mod brokers;
#[path = "source_file_tests.rs"]
mod files;
#[path = "source_report_tests.rs"]
mod reports;

use super::*;
use crate::base::SourceId;
use crate::config::{Encoding, Location, ModelChoice, ProcessorFlags, Transport};

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
