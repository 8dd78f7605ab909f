//! The binary that boards get, run under emulation: it decodes, infers and publishes to a broker of this machine.

use std::process::Command;
use std::time::Duration;

use nvr::base::{BBox, Size};
use nvr::detect::OutputFormat;
use nvr::doctor::Report;

use crate::doctor::{Machine, SECTIONS, ids, line};
use crate::support::broker::{Broker, Kind, free_port};
use crate::support::cameras::make_clip;
use crate::support::onnx::{TinyNetwork, TinyObject};
use crate::support::process::{Running, clean};
use crate::support::stage::documents;
use crate::support::tensorrt::{DoubleEngine, Site};
use crate::support::tiny::install;
use crate::support::wait::until;

/// Emulation is some twenty times slower, and at first GStreamer looks into each of its plugins.
const PATIENCE: Duration = Duration::from_secs(240);

fn cross(arguments: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/cross"));
    clean(&mut command);
    command.args(arguments);
    command
}

fn binary() -> String {
    let path = cross(&["path"]).output().expect("tools/cross runs");
    let path = String::from_utf8(path.stdout).expect("a path in UTF-8");
    path.trim().to_owned()
}

#[test]
#[ignore = "needs the binary for aarch64: `tools/test cross` builds it and runs this"]
fn the_binary_for_boards_decodes_infers_and_publishes() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name).display().to_string();

    let clip = at("clip.mp4");
    make_clip(clip.as_ref(), "h264", Size::new(384, 256), 5, 50);
    let bbox = BBox {
        x: 48.0,
        y: 32.0,
        width: 24.0,
        height: 16.0,
    };
    let object = TinyObject {
        bbox,
        class: 1,
        score: [0.8, 0.9],
    };
    let network = TinyNetwork::finding(OutputFormat::Yolov8, Size::new(96, 64), 2, &[object]);
    install(&network, dir.path());

    let broker = Broker::start(Kind::Mosquitto);
    let reader = broker.observe("nvr/#");
    let port = broker.port().to_string();
    let mut command = cross(&["run", &binary(), "processor"]);
    command.args(["--backend", "rten", "--model", "tiny", "--threads", "1"]);
    command.args(["--models-dir", &at("models"), "--instance-id", "board"]);
    command.args(["--mqtt-port", &port, "--start-limit", "120s"]);
    command.args(["--source", &format!("3={clip}"), "--no-watchdog"]);
    let mut board = Running::start(command);
    let event = until("an event of the emulated board", PATIENCE, || {
        let ended = board.has_ended();
        let event = documents(&reader, "nvr/detections/3").pop();
        assert!(event.is_some() || !ended, "{:#?}", board.err().all());
        event
    });
    assert_eq!(event["instance_id"], "board");
    assert_eq!(event["frame_width"], 384);
    let found = event["detections"].as_array().expect("a list");
    assert_eq!(found.len(), 1, "{event}");
    assert_eq!(found[0]["class_name"], "van");
    // The frame is four times the network's input.
    let expected = [
        ("x", 192.0),
        ("y", 128.0),
        ("width", 96.0),
        ("height", 64.0),
    ];
    for (key, expected) in expected {
        let value = found[0]["bbox"][key].as_f64().unwrap_or(-1.0);
        assert!((value - expected).abs() < 0.5, "{key} is {value}");
    }
    board.signal("TERM");
    assert_eq!(
        board.end(PATIENCE).code(),
        Some(0),
        "{:#?}",
        board.err().all()
    );
    let farewell = documents(&reader, "nvr/processors/board").pop();
    assert_eq!(farewell.expect("a presence")["state"], "stopped");
}

#[test]
#[ignore = "needs the binary for aarch64: `tools/test cross` builds it and runs this"]
fn the_binary_for_boards_runs_engines_of_both_versions() {
    for major in [8, 10] {
        let site = Site::built_by("aarch64-linux-gnu-gcc", major);
        let clip = site.path("clip.mp4");
        make_clip(&clip, "h264", Size::new(384, 256), 5, 50);
        let object = TinyObject {
            bbox: BBox {
                x: 48.0,
                y: 32.0,
                width: 24.0,
                height: 16.0,
            },
            class: 1,
            score: [0.75, 0.75],
        };
        let network = TinyNetwork::finding(OutputFormat::Yolov8, Size::new(96, 64), 2, &[object]);
        let model = site.import(&network);
        // Sizes that are open make the struct of dimensions travel both ways.
        let mut engine = DoubleEngine::of(&network, major);
        engine.tensors[0] = DoubleEngine::input(&network, 1, -1);
        engine.tensors[1] = DoubleEngine::output(&network, 1, -1);
        engine.batch = (1, 2);
        site.keep(&engine, &site.key(&model));

        let broker = Broker::start(Kind::Mosquitto);
        let reader = broker.observe("nvr/#");
        let mut command = cross(&["run", &binary(), "processor", "--backend", "tensorrt"]);
        for (key, value) in site.environment() {
            // tools/cross has a use of its own for this one.
            if key == "NVR_CACHE" {
                command.env(
                    "QEMU_SET_ENV",
                    format!("NVR_CACHE={}", value.to_string_lossy()),
                );
            } else {
                command.env(key, value);
            }
        }
        command.args(["--model", "tiny", "--models-dir"]);
        command.arg(site.models());
        command.args(["--mqtt-port", &broker.port().to_string()]);
        command.args(["--start-limit", "120s", "--no-watchdog", "--source"]);
        command.arg(format!("3={}", clip.display()));
        let mut board = Running::start(command);
        let event = until("an event of the emulated board", PATIENCE, || {
            let ended = board.has_ended();
            let event = documents(&reader, "nvr/detections/3").pop();
            assert!(event.is_some() || !ended, "{:#?}", board.err().all());
            event
        });
        let found = event["detections"].as_array().expect("a list");
        assert_eq!(found.len(), 1, "{event}");
        assert_eq!(found[0]["class_name"], "van");
        assert_eq!(found[0]["confidence"], 0.75);
        board.signal("TERM");
        let ended = board.end(PATIENCE).code();
        assert_eq!(ended, Some(0), "{:#?}", board.err().all());
    }
}

#[test]
#[ignore = "needs the binary for aarch64: `tools/test cross` builds it and runs this"]
fn the_binary_for_boards_examines_its_machine() {
    let machine = Machine::new(&[]);
    let mut command = cross(&["run", &binary(), "doctor", "--format", "json"]);
    command.env("TMPDIR", machine.path("tmp"));
    command.env("NVR_RUNTIME_DIR", machine.path("run"));
    command.env("NVR_MQTT_PORT", free_port().to_string());
    let mut doctor = Running::start(command);
    let code = doctor.end(PATIENCE).code();
    let out = doctor.out().settled().join("\n");
    let report: Report = serde_json::from_str(&out)
        .unwrap_or_else(|error| panic!("{error}: {out}\n{:#?}", doctor.err().all()));
    assert_eq!(ids(&report), SECTIONS);
    let processor = line(&report, "board", "processor");
    assert!(processor.found.starts_with("aarch64, "), "{processor:?}");
    // A check may be too slow under emulation, and then says so.
    assert_eq!(code, Some(i32::from(report.faults > 0)), "{report:#?}");
}
