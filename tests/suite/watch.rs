//! `nvr watch` with a real broker.

use std::process::Command;

use nvr::event::{Presence, PresenceState};

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::{Running, clean, nvr};
use crate::support::wait::{SOON, until};

const STATUS: &str = r#"{"source_id":0,"instance_id":"box","session":"s1","state":"live",
    "since":"2025-10-25T10:30:00Z","uri":"rtsp://a"}"#;

const EVENT: &str = r#"{"source_id":0,"frame_id":1,"timestamp":"2025-10-25T10:30:00.123Z","model_id":"m",
    "inference_time_ms":45.2,"detections":[{"class_name":"person","confidence":0.92,
    "bbox":{"x":100,"y":150,"width":80,"height":200},"tracker_id":42}],"fps":25.3,"latency_ms":120.5}"#;

fn watch(broker: &Broker, arguments: &[&str]) -> Running {
    let mut command = nvr();
    command
        .args(["watch", "--mqtt-port", &broker.port().to_string()])
        .args(arguments);
    Running::start(command)
}

fn online(broker: &Broker) {
    let presence = Presence::now(
        PresenceState::Online,
        &nvr::base::SessionId("s1".to_owned()),
    );
    broker.publish("nvr/processors/box", &presence.to_json(), true);
    broker.publish("nvr/sources/0", STATUS.as_bytes(), true);
}

#[test]
fn lines_tell_each_source_once_a_second_and_outlive_the_broker() {
    let mut broker = Broker::absent(Kind::Mosquitto, Setup::default());
    let mut watch = watch(&broker, &[]);
    watch.out().find("no broker", SOON, |line| {
        line.starts_with("no broker: can't reach the MQTT broker at localhost:")
    });
    broker.up();
    watch.out().find("a broker", SOON, |line| {
        line == format!("connected to localhost:{}", broker.port())
    });
    online(&broker);
    watch
        .out()
        .find("the status", SOON, |line| line == "source 0  live  box");
    broker.publish("nvr/detections/0", b"no event", false);
    broker.publish("nvr/detections/0", EVENT.as_bytes(), false);
    watch.out().find("the event", SOON, |line| {
        line.starts_with("source 0  live  box  25.3 fps  120.5 ms  1 person  (")
    });
    broker.publish(
        "nvr/processors/box",
        br#"{"state":"offline","session":"s1","since":"2025-10-25T10:30:00Z"}"#,
        true,
    );
    watch.out().find("its death", SOON, |line| {
        line.starts_with("source 0  no processor  box")
    });
    let before = watch.out().all().len();
    broker.kill();
    let lost = until("the loss", SOON, || {
        let lines = watch.out().all();
        lines
            .into_iter()
            .skip(before)
            .find(|line| line.starts_with("no broker: "))
    });
    // Or it has already tried again.
    assert!(
        lost.contains("closed the connection") || lost.contains("refused"),
        "{lost}"
    );
    broker.up();
    online(&broker);
    until("its return", SOON, || {
        let lines = watch.out().all();
        let seen = |line: &String| line.starts_with("source 0  live  box");
        let lost_at = lines
            .iter()
            .rposition(|line| line.starts_with("no broker: "))?;
        lines.into_iter().skip(lost_at).find(seen)
    });
    watch.signal("TERM");
    assert_eq!(watch.end(SOON).code(), Some(0));
}

#[test]
fn a_host_with_its_port_is_reached_and_one_that_is_none_is_refused() {
    let broker = Broker::start(Kind::Mosquitto);
    online(&broker);
    for host in [
        format!("127.0.0.1:{}", broker.port()),
        format!("tcp://localhost:{}/", broker.port()),
    ] {
        let mut command = nvr();
        command.args(["watch", "--mqtt-host", &host]);
        let watch = Running::start(command);
        watch
            .out()
            .find("the status", SOON, |line| line == "source 0  live  box");
    }
    for (host, words) in [
        (
            "127.0.0.1:abc",
            "has a port that is no number (it must be 1 to 65535)",
        ),
        (
            "localhost:",
            "ends with a colon; add the port, or leave the colon out",
        ),
        ("ws://localhost", "MQTT over WebSockets is not supported"),
    ] {
        let mut command = nvr();
        command.args(["watch", "--mqtt-host", host]);
        let mut refused = Running::start(command);
        let line = refused
            .err()
            .find("the error", SOON, |line| line.contains("mqtt.host"));
        assert!(line.contains(words), "{line}");
        assert_ne!(refused.end(SOON).code(), Some(0));
    }
}

#[test]
fn json_lines_are_objects() {
    let broker = Broker::start(Kind::Ours);
    online(&broker);
    let watch = watch(&broker, &["--format", "json"]);
    let line = watch
        .out()
        .find("the source", SOON, |line| line.contains("source_id"));
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["source_id"], 0);
    assert_eq!(line["state"], "live");
    assert_eq!(line["instance_id"], "box");
}

#[test]
fn a_terminal_is_drawn_on_until_q_is_pressed() {
    let broker = Broker::start(Kind::Ours);
    online(&broker);
    let mut inside = nvr();
    inside.args(["watch", "--mqtt-port", &broker.port().to_string()]);
    let line: Vec<String> = std::iter::once(inside.get_program())
        .chain(inside.get_args())
        .map(|part| format!("'{}'", part.to_string_lossy()))
        .collect();
    // `script` gives it a terminal; of a size, since one without any shows nothing.
    let dir = tempfile::TempDir::new().expect("a directory");
    let typescript = dir.path().join("typescript");
    let mut command = Command::new("script");
    clean(&mut command);
    command
        .args([
            "-qefc",
            &format!("stty rows 20 cols 100; {}", line.join(" ")),
        ])
        .arg(&typescript)
        .env("TERM", "xterm");
    let mut terminal = Running::interactive(command);
    let drawn = until("the source is drawn", SOON, || {
        let text = std::fs::read(&typescript).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        text.contains("live").then_some(text)
    });
    assert!(drawn.contains("nvr watch  localhost:"), "{drawn:?}");
    terminal.type_in(b"q");
    assert_eq!(terminal.end(SOON).code(), Some(0));
}
