//! `nvr doctor` with running processors and walls, and with the options of the roles.

use std::path::Path;

use nvr::doctor::{Report, State};
use nvr::media::testcam::Testcam;
use serde_json::Value;

use crate::doctor::{Machine, examined, line};
use crate::support::broker::{Broker, Kind, free_port};
use crate::support::process::{Running, nvr};
use crate::support::stage::{arguments, pattern_cameras};
use crate::support::wait::{SOON, until};
use crate::support::wall::{Wall, WallOptions};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `nvr doctor` of this machine with the roles of `machine` and this broker, by options without a file.
fn doctor(machine: &Machine, port: u16) -> (Option<i32>, Report) {
    let mut command = machine.here();
    command
        .env_remove("NVR_MQTT_PORT")
        .args(["--mqtt-host", "127.0.0.1"])
        .args(["--mqtt-port", &port.to_string()]);
    examined(&mut command)
}

fn processor(machine: &Machine, broker: &Broker, cameras: &Testcam, more: &[&str]) -> Running {
    let mut command = nvr();
    command
        .args(arguments(broker, cameras))
        .arg("--no-watchdog")
        .args(more)
        .env("NVR_RUNTIME_DIR", machine.path("run"));
    Running::start(command)
}

/// The status of a role, by `nvr control`.
fn status(folder: &Path, role: &str) -> Value {
    let mut command = nvr();
    command
        .args(["control", "--role", role, "status"])
        .env("NVR_RUNTIME_DIR", folder);
    let output = command.output().expect("it runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_processor_and_a_wall_are_read_as_they_answer() {
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(2)).expect("cameras start");
    let machine = Machine::new(&[]);
    let _processor = processor(&machine, &broker, &cameras, &[]);
    let run = machine.path("run");
    let gone = free_port();
    let settings = WallOptions {
        environment: vec![("NVR_RUNTIME_DIR", run.display().to_string())],
        ..WallOptions::of(broker.port())
    };
    let sources = [
        "--source",
        &format!("0={}", cameras.url(0)),
        "--source",
        &format!("9=rtsp://127.0.0.1:{gone}/live9.stream"),
    ];
    let wall = Wall::start_with(&settings, &sources);
    wall.until_says(0, "");
    wall.until_camera(9, "the reason", |tile| {
        tile["video"]["code"] == "unreachable"
    });
    let well = until("the processor is well", SOON * 4, || {
        let (code, report) = doctor(&machine, broker.port());
        let roles = report.section("roles").expect("a section");
        assert_eq!(code, Some(0), "{report:#?}");
        (roles.lines.len() == 2 && roles.lines[0].state == State::Ok).then_some(report)
    });
    let roles = &well.section("roles").expect("a section").lines;
    assert_eq!(roles[0].what, format!("processor-box-{}", broker.port()));
    assert_eq!(
        roles[0].found,
        format!("version {VERSION}, 2 of 2 cameras live, broker: connected")
    );
    assert!(
        roles[1].what.starts_with("wall-wall-127.0.0.1-"),
        "{roles:#?}"
    );
    assert_eq!(roles[1].state, State::Warning);
    let of_wall = format!(
        "version {VERSION}, 1 of 2 cameras live, broker: connected; camera 9: NO CAMERA · NO PROCESSOR: "
    );
    assert!(roles[1].found.starts_with(&of_wall), "{roles:#?}");
    assert!(roles[1].found.contains(&gone.to_string()), "{roles:#?}");
    assert_eq!(roles[1].figures["cameras_live"], 1.0);

    let named = line(&well, "broker", "broker");
    assert_eq!(named.found, format!("127.0.0.1:{}", broker.port()));
    let online = line(&well, "broker", "on the broker");
    assert_eq!(online.found, "online: 1 processor, 1 wall");
    // The doctor reads this field, so it must exist in both forms.
    assert_eq!(
        status(&run, "wall")["state"]["stuck"],
        serde_json::json!([])
    );
    assert_eq!(status(&run, "processor")["stuck"], serde_json::json!([]));
}

#[test]
fn a_stage_that_is_stuck_and_a_process_that_hangs_are_faults() {
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(1)).expect("cameras start");
    let machine = Machine::new(&[]);
    let file = machine.path("nvr.toml");
    std::fs::write(&file, "[processor]\nstage_limit = \"12s\"\n").expect("written");
    let file = file.display().to_string();
    let stuck = ["--config", &*file, "--scripted-delay", "60s"];
    let processor = processor(&machine, &broker, &cameras, &stuck);
    let name = format!("processor-box-{}", broker.port());
    let found = until("it is stuck", SOON * 4, || {
        let (code, report) = doctor(&machine, broker.port());
        let lines = &report.section("roles").expect("a section").lines;
        let line = lines.iter().find(|line| line.what == name)?;
        (line.state == State::Fault).then(|| (code, line.clone()))
    });
    assert_eq!(found.0, Some(1));
    assert!(found.1.found.ends_with("; stuck: detect"), "{found:?}");

    processor.signal("STOP");
    let (code, report) = doctor(&machine, broker.port());
    assert_eq!(code, Some(1));
    let line = line(&report, "roles", &name);
    assert_eq!(line.state, State::Fault);
    let words = "accepts requests but does not answer: ";
    assert!(line.found.starts_with(words), "{line:?}");
}

#[test]
fn a_wrong_option_is_a_usage_error_and_a_problem_of_a_file_is_a_finding() {
    let machine = Machine::new(&[]);
    let mut command = machine.here();
    command.args(["--mqtt-port", "70000"]);
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("mqtt.port"), "{err}");
    let file = machine.path("nvr.toml");
    std::fs::write(&file, "[mqtt]\nprot = 1\n").expect("written");
    let mut command = machine.here();
    command.arg("--config").arg(&file);
    let (code, report) = examined(&mut command);
    assert_eq!(code, Some(1));
    let found = &line(&report, "configuration", "configuration").found;
    assert!(found.contains("mqtt.prot"), "{found}");
}
