//! Tests of the wall's settings: its table, its options, and what is told of them.

use std::time::Duration;

use clap::Parser;

use super::*;
use crate::base::SourceId;
use crate::config::{
    ConfigSource, Environment, Fit, HeadSettings, Layout, ModeRequest, OutputChoice,
    ProcessorFlags, RawWall, ReferenceChoice, Rotation, Settings, Sync, WallFlags,
};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: WallFlags,
}

fn source(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> ConfigSource {
    let flags = Command::try_parse_from(["nvr"].iter().chain(arguments))
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

const CAMERAS: &str = "camera = [{ id = 0, uri = \"rtsp://a/\" }, { id = 7, uri = \"rtsp://a/main\", sub_uri = \"rtsp://a/sub\" }]\n";

fn with_cameras(wall: &str) -> String {
    format!("{CAMERAS}{wall}")
}

#[test]
fn nothing_at_all_means_the_published_defaults() {
    let settings = load(&[], &[], "");
    assert_eq!(settings.wall, WallSettings::default());
    assert_eq!(RawWall::default().stream, crate::config::StreamChoice::Sub);
    let ids: Vec<u32> = settings.sources.keys().map(|id| id.0).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    let stream = &settings.sources[&SourceId(5)].stream;
    assert_eq!(
        stream.location.to_string(),
        "rtsp://localhost:8554/live5.stream"
    );
    assert_eq!(stream.stall_limit.as_secs(), 5);
    assert_eq!(stream.start_limit.as_secs(), 20);
}

/// Every published option, one a line: its name, a blank and its value.
const EVERY_OPTION: &str = "\
--n 20
--mqtt-host mqtt.example.com
--mqtt-port 1884
--stream-server 0-11=rtsp://site-a:8554
--stream-server rtsp://site-b:8554
--tile-width 640
--tile-height 480
--mqtt-topic-pattern nvr/+/#
--topic-root site
--instance-id wall-1
--grid-columns 5
--display-fps=no
--no-display-latency
--no-display-name
--detection-ttl 1500ms
--box-thickness 3
--label-font-scale 0.8
--output headless
--card vkms
--connector DP-1
--mode 1280x720@50
--rotate 270
--overscan 0.05
--fit cover
--sync aligned
--delay-budget 250
--reference-time rtcp
--snapshot /tmp/wall.png
--http 127.0.0.1:8080
--name Gate
--clock
--page-time 20s
--alarm-classes person, forklift
--alarm-hold 30s
--no-watchdog
--stall-limit 7s
--start-limit 9s";

fn arguments(lines: &str) -> Vec<&str> {
    let parts = lines.lines().flat_map(|line| match line.split_once(' ') {
        Some((name, value)) => vec![name, value],
        None => vec![line],
    });
    parts.collect()
}

#[test]
fn every_published_option_is_taken_over() {
    let settings = load(&arguments(EVERY_OPTION), &[], "");
    let expected = WallSettings {
        name: Some("Gate".to_owned()),
        clock: true,
        output: OutputChoice::Headless,
        card: Some("vkms".to_owned()),
        heads: vec![HeadSettings {
            connector: Some("DP-1".to_owned()),
            mode: Some(ModeRequest {
                size: Size::new(1280, 720),
                refresh_hz: Some(50.0),
            }),
            rotate: Rotation::ThreeQuarters,
            overscan: 0.05,
            layout: Layout::Grid { columns: Some(5) },
            ..HeadSettings::default()
        }],
        tile: Size::new(640, 480),
        fit: Fit::Cover,
        sync: Sync::Aligned,
        delay_budget: Some(Duration::from_millis(250)),
        reference_time: ReferenceChoice::Rtcp,
        detection_ttl: Duration::from_millis(1500),
        box_thickness: 3,
        label_font_scale: 0.8,
        display_name: false,
        display_fps: false,
        display_latency: false,
        alarm_classes: vec!["person".to_owned(), "forklift".to_owned()],
        alarm_hold: Duration::from_secs(30),
        page_time: Duration::from_secs(20),
        topic_pattern: Some("nvr/+/#".to_owned()),
        http: Some(([127, 0, 0, 1], 8080).into()),
        snapshot: Some("/tmp/wall.png".into()),
        watchdog: false,
        ..WallSettings::default()
    };
    assert_eq!(settings.wall, expected);
    assert_eq!(settings.instance_id, "wall-1");
    assert_eq!(settings.mqtt.topic_root, "site");
    let stream = |id| &settings.sources[&SourceId(id)].stream;
    assert_eq!(
        stream(11).location.to_string(),
        "rtsp://site-a:8554/live11.stream"
    );
    assert_eq!(
        stream(19).location.to_string(),
        "rtsp://site-b:8554/live19.stream"
    );
    assert_eq!(stream(0).stall_limit.as_secs(), 7);
    assert_eq!(stream(0).start_limit.as_secs(), 9);
}

/// The example that was published with the configuration's design, word for word.
#[test]
fn the_published_example_loads_as_it_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("camera-0"), "pw\n").expect("written");
    let directory = dir.path().to_str().expect("text");
    let variables = [
        ("MQTT_USERNAME", "nvr"),
        ("MQTT_PASSWORD", "secret"),
        ("CREDENTIALS_DIRECTORY", directory),
    ];
    let file = include_str!("published.toml");
    let loaded = source(&[], &variables, file)
        .load_all()
        .expect("no problem");
    // Its head names four cameras, of which it writes down the first.
    assert_eq!(
        loaded.warnings,
        ["wall.head[0].cameras: no camera 1, 2, 3 is configured; it is left out"]
    );
    let settings = loaded.settings;
    assert_eq!(
        settings.wall,
        WallSettings {
            heads: vec![HeadSettings {
                connector: Some("HDMI-A-1".to_owned()),
                mode: Some(ModeRequest {
                    size: Size::new(1920, 1080),
                    refresh_hz: Some(60.0),
                }),
                layout: Layout::Grid { columns: Some(4) },
                cameras: Some(vec![SourceId(0)]),
                ..HeadSettings::default()
            }],
            http: Some(([127, 0, 0, 1], 8080).into()),
            ..WallSettings::default()
        }
    );
    let tall = file.replace("layout = \"grid\"", "layout = \"tall\"");
    let settings = load(&["--n", "4"], &variables, &tall);
    assert_eq!(
        settings.wall.heads[0].layout,
        Layout::Free {
            name: "tall".to_owned(),
            tiles: vec![
                [0.0, 0.0, 1.0, 0.6],
                [0.0, 0.6, 0.5, 0.4],
                [0.5, 0.6, 0.5, 0.4]
            ],
        }
    );
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let file = with_cameras(
        r#"[wall]
name = "a\nb"
card = ""
tile_width = 63
delay_budget = "2s"
detection_ttl = "99ms"
box_thickness = 0
label_font_scale = 0.1
stale_after = "100ms"
max_fps = 0.5
alarm_classes = ["person", " "]
page_time = "0s"
topic_pattern = "nvr/#/x"
http = "0.0.0.0:8080"
snapshot = "/srv/wall.jpg"
monitor_off = "22-6"
colour = "red"
[[wall.head]]
connector = "DP-1"
mode = "1080p"
overscan = 0.2
layout = "tal"
grid_columns = 33
cameras = [0, 0, -3]
[[wall.head]]
connector = "DP-1"
layout = "gird"
rotate = 45
cameras = []
[wall.layout.tall]
tiles = [[0.0, 0.0, 1.0, 0.6], [0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.2, 0.1], [0.0, 0.7, 0.0, 0.1]]
[wall.layout.focus]
tiles = []
"#,
    );
    let told = problems(&["--box-thickness", "21"], &[("NVR_FIT", "fill")], &file);
    let known = told[1]
        .split_once("known are ")
        .map_or("", |(_, known)| known);
    assert_eq!(
        told,
        [
            "invalid value 'fill' for '--fit <FIT>' [NVR_FIT]".to_owned(),
            format!("wall.colour: unknown key; known are {known}"),
            "wall.head[1].rotate: must be 0, 90, 180 or 270 degrees, got 45 [document:29:1]".to_owned(),
            "wall.layout.focus: is a built-in layout; choose another name [document:33:14]".to_owned(),
            "wall.layout.focus.tiles: is missing or empty; give rectangles such as [[0.0, 0.0, 1.0, 0.6]] [document:34:1]".to_owned(),
            "wall.layout.tall.tiles[1]: overlaps tile 0; tiles must not overlap [document:32:32]".to_owned(),
            "wall.layout.tall.tiles[2]: must be on the screen, 0 to 1 in both directions, got 0.9 to 1.1 and 0.9 to 1; a tile is [x, y, width, height] [document:32:54]".to_owned(),
            "wall.layout.tall.tiles[3]: width and height must be above 0, got 0 and 0.1; a tile is [x, y, width, height] [document:32:76]".to_owned(),
            "wall.name: must be at most 128 characters without line breaks [document:3:1]".to_owned(),
            "wall.card: must not be empty or contain a blank; remove the key for the default [document:4:1]".to_owned(),
            "wall.alarm_classes: contains an empty class name [document:12:1]".to_owned(),
            "wall.delay_budget: must be 0s to 1s, got 2s [document:6:1]".to_owned(),
            "wall.tile_width: must be 64 to 4096, got 63 [document:5:1]".to_owned(),
            "wall.head[0].mode: must be a resolution of 64 to 16384 pixels in both directions and, optionally, a rate of 1 to 1000 Hz, such as 1920x1080@60, got `1080p` [document:21:1]".to_owned(),
            "wall.head[0].overscan: must be 0 to 0.1, got 0.2 [document:22:1]".to_owned(),
            "wall.head[0].grid_columns: must be 1 to 32, got 33 [document:24:1]".to_owned(),
            "wall.head[0].layout: there is no layout `tal`; did you mean `tall`? known are grid, focus, tall; define others as [wall.layout.NAME] [document:23:1]".to_owned(),
            "wall.head[0].cameras[1]: camera 0 is listed twice; list each camera once [document:25:15]".to_owned(),
            "wall.head[0].cameras[2]: must be 0 to 4294967295, got -3 [document:25:18]".to_owned(),
            "wall.head[1].connector: DP-1 is already the connector of wall.head[0]; give each head another one [document:27:1]".to_owned(),
            "wall.head[1].layout: there is no layout `gird`; did you mean `grid`? known are grid, focus, tall; define others as [wall.layout.NAME] [document:28:1]".to_owned(),
            "wall.head[1].cameras: an empty list would show nothing; remove the key for all cameras [document:30:1]".to_owned(),
            "wall.detection_ttl: must be 100ms to 1m, got 99ms [document:7:1]".to_owned(),
            "wall.box_thickness: must be 1 to 20, got 21 [--box-thickness]".to_owned(),
            "wall.label_font_scale: must be 0.2 to 5, got 0.1 [document:9:1]".to_owned(),
            "wall.stale_after: must be 200ms to 1h, got 100ms [document:10:1]".to_owned(),
            "wall.max_fps: must be 1 to 240, got 0.5 [document:11:1]".to_owned(),
            "wall.page_time: must be 1s to 1h, got 0s [document:13:1]".to_owned(),
            "wall.topic_pattern: must be a topic filter such as nvr/detections/#, with + for one level and # for all further levels, got `nvr/#/x` [document:14:1]".to_owned(),
            "wall.http: 0.0.0.0:8080 can be reached from other machines and needs wall.http_token (or NVR_HTTP_TOKEN); without a token use loopback, 127.0.0.1:8080 [document:15:1]".to_owned(),
            "wall.snapshot: must be a file that ends in .png, got /srv/wall.jpg [document:16:1]".to_owned(),
            "wall.monitor_off: must be two different times such as 22:00-06:00, got `22-6` [document:17:1]".to_owned(),
        ]
    );
}

#[test]
fn the_options_of_a_head_are_the_first_ones() {
    let file = with_cameras(
        "[[wall.head]]\nmode = \"1280x720\"\ncameras = [7]\n[[wall.head]]\nrotate = 90\n",
    );
    let settings = load(
        &["--layout", "focus"],
        &[("NVR_ROTATE", "180"), ("NVR_CONNECTOR", "DP-1")],
        &file,
    );
    let first = HeadSettings {
        connector: Some("DP-1".to_owned()),
        mode: Some(ModeRequest {
            size: Size::new(1280, 720),
            refresh_hz: None,
        }),
        rotate: Rotation::Half,
        layout: Layout::Focus,
        cameras: Some(vec![SourceId(7)]),
        ..HeadSettings::default()
    };
    let second = HeadSettings {
        rotate: Rotation::Quarter,
        ..HeadSettings::default()
    };
    assert_eq!(settings.wall.heads, [first, second]);
}

#[test]
fn a_wall_has_its_own_choice_of_stream_and_limits() {
    let file = with_cameras("[wall]\nstream = \"main\"\nstall_limit = \"8s\"\n");
    let wall = load(&[], &[], &file);
    let processor = ConfigSource::new(ProcessorFlags::default(), Environment::default());
    let processor = processor.with_toml(&file).load().expect("no problem");
    let stream = |settings: &Settings| {
        let stream = &settings.sources[&SourceId(7)].stream;
        (stream.location.to_string(), stream.stall_limit.as_secs())
    };
    assert_eq!(stream(&wall), ("rtsp://a/main".to_owned(), 8));
    assert_eq!(stream(&processor), ("rtsp://a/sub".to_owned(), 5));
}

#[test]
fn a_wall_without_any_camera_is_no_mistake_and_a_processor_is() {
    for (arguments, file) in [(&["--n", "0"][..], ""), (&[], "camera = []\n")] {
        assert_eq!(load(arguments, &[], file).sources.len(), 0);
    }
    let processor = ConfigSource::new(ProcessorFlags::default(), Environment::default());
    assert!(processor.with_toml("camera = []\n").load().is_err());
}

#[test]
fn a_head_shows_what_is_picked_of_its_cameras() {
    let file = with_cameras("[[wall.head]]\ncameras = [7, 0]\n");
    let heads = |arguments: &[&str]| load(arguments, &[], &file).wall.heads;
    assert_eq!(heads(&[])[0].cameras, Some(vec![SourceId(7), SourceId(0)]));
    assert_eq!(
        heads(&["--streams", "7"])[0].cameras,
        Some(vec![SourceId(7)])
    );
}

#[test]
fn the_token_is_named_by_reference_or_is_in_the_environment() {
    let token = |arguments: &[&str], variables: &[(&str, &str)], file: &str| {
        let settings = load(arguments, variables, file);
        settings
            .wall
            .http_token
            .map(|token| token.reveal().to_owned())
    };
    let far = ["--http", "0.0.0.0:80"];
    let variables = [("NVR_HTTP_TOKEN", "hunter2"), ("OTHER", "hunter3")];
    let file = "[wall]\nhttp_token = { env = \"ABSENT\" }\n";
    assert_eq!(token(&far, &variables, file).as_deref(), Some("hunter2"));
    let named = [&far[..], &["--http-token", "env:OTHER"]].concat();
    assert_eq!(token(&named, &variables, file).as_deref(), Some("hunter3"));
    assert_eq!(
        problems(&["--http-token", "hunter2"], &[], ""),
        [
            "wall.http_token: must be env:NAME or file:PATH, not the token itself, which the list of processes would show; or set NVR_HTTP_TOKEN [--http-token]"
        ]
    );
    assert_eq!(
        problems(&[], &[], file),
        [
            "wall.http_token: the environment variable ABSENT is not set; set it for this process [document:2:1]"
        ]
    );
    // The wall's secret is nothing that a processor has to be able to read.
    let processor = ConfigSource::new(ProcessorFlags::default(), Environment::default());
    assert!(processor.with_toml(file).load().is_ok());
}
