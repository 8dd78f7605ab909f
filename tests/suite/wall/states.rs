//! Video states on a tile: each state, and its end when the cause ends.

use std::net::TcpListener;
use std::path::Path;

use gstreamer as gst;
use nvr::config::{Credentials, Secret, TestPattern};
use nvr::media::testcam::{LoginScheme, TestcamLogin, TestcamOptions};
use nvr::render::Color;
use serde_json::Value;

use super::{cameras_at, sources, start};
use crate::support::broker::{Broker, Kind, Setup, free_port};
use crate::support::process::nvr;
use crate::support::scratch::fresh;
use crate::support::stage::{PATTERN, Stage, pattern_cameras, processor};
use crate::support::tiles::{
    FAULT, WARNING, has_boxes, has_no_boxes, is_bright, is_dimmed, middle,
};
use crate::support::wait::{SOON, until};
use crate::support::wall::{SOONER, TILE, Wall, WallOptions, painted};
use crate::support::words::{explains, has_label, reads, reads_nothing, reads_one_of};

/// The start of a state in the form shown on the tile.
fn local_time(since: &Value) -> String {
    let since = since.as_str().unwrap_or_default();
    let since: jiff::Timestamp = since.parse().expect("a time");
    let zoned = since.to_zoned(jiff::tz::TimeZone::system());
    zoned.strftime("%H:%M:%S").to_string()
}

/// Checks that camera `id` has no picture for this reason, on the page and on its tile.
fn has_no_camera(wall: &Wall, id: u32, code: &str, message: &str) {
    let told = wall.until_camera(id, code, |tile| tile["video"]["code"] == code);
    let video = &told["video"];
    assert_eq!(video["state"], "no-camera", "{told:#}");
    let words = video["message"].as_str().unwrap_or_default();
    assert!(words.contains(message), "{words}");
    wall.until_shown(id, |tile| {
        reads(&middle(tile), FAULT, "NO CAMERA")?;
        explains(tile, words, &local_time(&video["since"]))
    });
}

// Cameras of one wall: nobody listens, the login is wrong, there is no such stream, nothing is sent.
const GONE: u32 = 0;
const LOCKED: u32 = 1;
const ABSENT: u32 = 2;
const SILENT: u32 = 3;

#[test]
fn a_wall_that_starts_with_nothing_says_so_and_shows_each_part_as_it_comes() {
    let mut broker = Broker::absent(Kind::Mosquitto, Setup::default());
    let locked = start(&TestcamOptions {
        login: Some(TestcamLogin {
            credentials: Credentials {
                username: Secret::new("viewer"),
                password: Secret::new("right"),
            },
            scheme: LoginScheme::Digest,
        }),
        ..pattern_cameras(1)
    });
    let mut silent = pattern_cameras(1);
    silent.cameras[0].silent = true;
    let silent = start(&silent);
    let [gone_port, locked_port, silent_port] = [free_port(), locked.port(), silent.port()];
    let shown = [
        format!("{GONE}=rtsp://127.0.0.1:{gone_port}/live0.stream"),
        format!("{LOCKED}=rtsp://viewer:wrong@127.0.0.1:{locked_port}/live0.stream"),
        format!("{ABSENT}=rtsp://127.0.0.1:{silent_port}/live1.stream"),
        format!("{SILENT}=rtsp://127.0.0.1:{silent_port}/live0.stream"),
    ];
    let run = fresh();
    let options = WallOptions {
        environment: vec![("NVR_RUNTIME_DIR", run.display().to_string())],
        ..WallOptions::of(broker.port())
    };
    let wall = Wall::start_with(&options, &sources(&shown));

    has_no_camera(&wall, GONE, "unreachable", &gone_port.to_string());
    has_no_camera(&wall, LOCKED, "unauthorized", "401 Unauthorized");
    has_no_camera(&wall, ABSENT, "not-found", "/live1.stream (404 Not Found)");
    let connecting = wall.until_says(SILENT, "CONNECTING · NO BROKER");
    assert_eq!(connecting["video"]["code"], Value::Null, "{connecting:#}");
    wall.until_shown(SILENT, |tile| {
        reads(&middle(tile), Color::WHITE, "CONNECTING")
    });
    for id in [GONE, LOCKED, ABSENT] {
        wall.until_says(id, "NO CAMERA · NO BROKER");
    }
    wall.until_shown(LOCKED, |tile| has_label(tile, WARNING, "NO BROKER"));
    // The state starts at the first refusal, regardless of retries.
    let since = wall.camera(GONE)["video"]["since"].clone();
    let again = wall.until_camera(GONE, "five attempts", |tile| {
        tile["reconnects"].as_u64() >= Some(5)
    });
    assert_eq!(again["video"]["since"], since);
    // A refused login is not retried for a minute, and the tile still shows the reason.
    let refused = wall.camera(LOCKED);
    assert_eq!(refused["reconnects"], 0, "{refused:#}");
    assert_eq!(refused["video"]["code"], "unauthorized", "{refused:#}");

    broker.up();
    for id in [GONE, LOCKED, ABSENT] {
        wall.until_says(id, "NO CAMERA · NO PROCESSOR");
    }
    wall.until_shown(SILENT, |tile| {
        reads(&middle(tile), Color::WHITE, "CONNECTING")?;
        has_label(tile, WARNING, "NO PROCESSOR")
    });

    silent.stop();
    locked.stop();
    let [gone, locked] = [cameras_at(gone_port, 1), cameras_at(locked_port, 1)];
    let silent = cameras_at(silent_port, 2);
    // A corrected login is used at once.
    let restart = nvr()
        .args(["control", "--role", "wall", "restart"])
        .arg(LOCKED.to_string())
        .env("NVR_RUNTIME_DIR", &run)
        .output()
        .expect("it runs");
    assert!(restart.status.success(), "{restart:?}");
    for id in [GONE, LOCKED, ABSENT, SILENT] {
        wall.until_says(id, "NO PROCESSOR");
        wall.until_shown(id, |tile| {
            is_bright(tile)?;
            reads_nothing(&middle(tile), FAULT)?;
            has_no_boxes(tile, &PATTERN)
        });
    }

    let analysed = [
        format!("{GONE}={}", gone.url(0)),
        format!("{LOCKED}={}", locked.url(0)),
        format!("{ABSENT}={}", silent.url(1)),
        format!("{SILENT}={}", silent.url(0)),
    ];
    let port = broker.port().to_string();
    let role = ["processor", "--backend", "scripted", "--mqtt-port", &port];
    let _processor = processor(role.iter().copied().chain(sources(&analysed)));
    for id in [GONE, LOCKED, ABSENT, SILENT] {
        wall.until_says(id, "");
        wall.until_shown(id, |tile| has_boxes(tile, &PATTERN));
    }
}

/// The words `STALE n s` of these seconds.
fn stale(seconds: std::ops::Range<u64>) -> Vec<String> {
    seconds.map(|age| format!("STALE {age} s")).collect()
}

/// The age of camera `id`'s picture, as shown on its tile.
fn stale_seconds(wall: &Wall, id: u32, least: u64) -> u64 {
    let words = std::cell::RefCell::new(String::new());
    wall.until_shown(id, |tile| {
        is_dimmed(tile)?;
        has_no_boxes(tile, &PATTERN)?;
        *words.borrow_mut() = reads_one_of(&middle(tile), WARNING, &stale(least..60))?;
        Ok(())
    });
    let words = words.into_inner();
    let number = words.split(' ').nth(1).and_then(|age| age.parse().ok());
    number.expect("STALE and a number")
}

#[test]
fn a_silent_camera_is_stale_while_its_session_stands_and_when_it_ends() {
    let stage = Stage::start(2, &[]);
    let shown = [0, 1].map(|id| format!("{id}={}", stage.cameras.url(id)));
    let mut options = sources(&shown);
    // Long enough that the session stays open for a time without frames.
    options.extend(["--stall-limit", "6s"]);
    let wall = Wall::start(stage.broker.port(), &options);
    for id in [0, 1] {
        wall.until_shown(id, |tile| has_boxes(tile, &PATTERN));
        wall.until_says(id, "");
    }

    stage.cameras.silence(0, true);
    let first = stale_seconds(&wall, 0, 1);
    let told = wall.until_camera(0, "stale", |tile| tile["video"]["state"] == "stale");
    let age = told["video"]["age_s"].as_f64().expect("an age");
    assert!(age >= 1.0, "{told:#}");
    assert_eq!(
        (&told["video"]["code"], &told["reconnects"], &told["fps"]),
        (&Value::Null, &0.into(), &Value::Null),
        "its session has not ended: {told:#}"
    );
    assert_eq!(told["analysis"]["state"], "ok", "{told:#}");
    assert!(stale_seconds(&wall, 0, first + 1) > first);
    // The other camera is not affected.
    wall.until_shown(1, |tile| has_boxes(tile, &PATTERN));

    let told = wall.until_camera(0, "a stall", |tile| tile["video"]["code"] == "stalled");
    assert_eq!(told["video"]["state"], "stale", "{told:#}");
    let message = told["video"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("limit 6 s"), "{message}");
    assert!(stale_seconds(&wall, 0, 6) >= 6);

    stage.cameras.silence(0, false);
    wall.until_says(0, "");
    wall.until_shown(0, |tile| {
        is_bright(tile)?;
        reads_nothing(&middle(tile), WARNING)?;
        has_boxes(tile, &PATTERN)
    });
}

#[test]
fn a_camera_that_dies_keeps_its_last_picture_and_says_how_old_it_is() {
    let cameras = cameras_at(0, 1);
    let port = cameras.port();
    let shown = [format!("0={}", cameras.url(0))];
    let wall = Wall::start(free_port(), &sources(&shown));
    wall.until_shown(0, is_bright);
    cameras.stop();
    let told = wall.until_camera(0, "the reason", |tile| {
        tile["video"]["code"] == "unreachable"
    });
    let message = told["video"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(&port.to_string()), "{message}");
    wall.until_camera(0, "stale", |tile| tile["video"]["state"] == "stale");
    wall.until_shown(0, |tile| {
        is_dimmed(tile)?;
        reads_one_of(&middle(tile), WARNING, &stale(1..60)).map(drop)
    });
    let _again = cameras_at(port, 1);
    wall.until_says(0, "NO BROKER");
    wall.until_shown(0, |tile| {
        is_bright(tile)?;
        reads_nothing(&middle(tile), WARNING)
    });
}

#[test]
fn an_address_that_takes_connections_and_says_nothing_is_no_camera() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let shown = [format!("0=rtsp://127.0.0.1:{port}/live0.stream")];
    let wall = Wall::start(free_port(), &sources(&shown));
    wall.until_says(0, "CONNECTING · NO BROKER");
    has_no_camera(&wall, 0, "unreachable", "gives no RTSP answer");
}

/// Fills a folder with all plug-ins of GStreamer except libav, which is the last decoder in the table.
fn without_libav(folder: &Path) {
    gst::init().expect("GStreamer starts");
    let core = gst::Registry::get().find_plugin("coreelements");
    let core = core.and_then(|plugin| plugin.filename());
    let installed = core.as_deref().and_then(Path::parent);
    let installed = installed.expect("plug-ins lie in a folder");
    for entry in installed.read_dir().expect("the folder").flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().contains("libav") {
            std::os::unix::fs::symlink(entry.path(), folder.join(name)).expect("a new name");
        }
    }
}

#[test]
fn a_machine_without_a_decoder_says_so_on_the_tile() {
    let plugins = tempfile::tempdir().expect("a folder");
    without_libav(plugins.path());
    let cameras = cameras_at(0, 1);
    let shown = [format!("0={}", cameras.url(0)), painted(1, &PATTERN)];
    let set = |name, path: &Path| (name, path.display().to_string());
    let settings = WallOptions {
        file: SOONER,
        environment: vec![
            set("GST_PLUGIN_SYSTEM_PATH_1_0", plugins.path()),
            set("GST_REGISTRY_1_0", &plugins.path().join("registry.bin")),
        ],
        ..WallOptions::of(free_port())
    };
    let wall = Wall::start_with(&settings, &sources(&shown));
    has_no_camera(&wall, 0, "no-decoder", "no decoder for camera 0's h264");
    wall.until_shown(1, is_bright);
}

/// A wall with one tile on which two cameras are shown in turn. Pictures do not turn stale.
const TURNS: &str = "[wall]
page_time = \"8s\"
stale_after = \"1m\"
[wall.layout.one]
tiles = [[0.0, 0.0, 1.0, 1.0]]
";

#[test]
fn a_tile_that_waits_for_a_slow_camera_says_what_the_page_says() {
    let broker = Broker::absent(Kind::Mosquitto, Setup::default());
    let slow = TestPattern {
        size: TILE,
        fps: 0.1,
        objects: 0,
    };
    let shown = [0, 1].map(|id| painted(id, &slow));
    let options = WallOptions {
        file: TURNS,
        ..WallOptions::of(broker.port())
    };
    let mut extra = sources(&shown);
    extra.extend(["--layout", "one"]);
    let wall = Wall::start_with(&options, &extra);
    // Its first frame arrived while the other camera was shown. The next one takes 10 s: every 40 s, a camera waits for all 8 s of its
    // turn, which is enough to ask three times on a busy machine.
    let shows = || {
        let state = wall.state();
        let page = state["heads"][0]["page"].as_u64().unwrap_or(1) as u32;
        let tile = &state["tiles"][page as usize - 1];
        (
            page,
            tile["video"]["state"] == "connecting",
            tile["text"].clone(),
        )
    };
    until("tile and page say that they wait", SOON * 6, || {
        let before = shows();
        // The only tile of its layout is the whole screen.
        let says = reads(&middle(&wall.picture()), Color::WHITE, "CONNECTING").is_ok();
        let (after, text) = (shows(), "CONNECTING · NO BROKER");
        (before == after && after.1 && after.2 == text && says).then_some(())
    });
}
