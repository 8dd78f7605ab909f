//! Documents that give a role another name on the broker.

use serde_json::Value;

use super::stage::{FIRST, Stage, document, sources};
use crate::support::process::{Running, nvr};
use crate::support::stage::documents;
use crate::support::wait::{SOON, until};

fn body(instance: &str, confidence: f64) -> Value {
    let mut body = sources(&[0]);
    body["instance_id"] = instance.into();
    body["processor"]["confidence"] = confidence.into();
    body
}

/// The newest payload of a topic is one that `wanted` accepts.
fn newest(reader: &Running, topic: &str, wanted: impl Fn(&Value) -> bool) {
    until(topic, FIRST, || {
        let newest = documents(reader, topic).pop()?;
        wanted(&newest).then_some(())
    });
}

#[test]
fn a_processor_publishes_under_the_name_of_its_document() {
    let stage = Stage::applied(&[0]);
    let reader = stage.broker.observe("nvr/#");
    let process = stage.role_process();
    stage.desire(&document(2, body("gate-2", 0.25)));
    stage.phase(2, "applied");
    let is_gate = |payload: &Value| payload["instance_id"] == "gate-2";
    newest(&reader, "nvr/detections/0", is_gate);
    newest(&reader, "nvr/sources/0", |status| {
        is_gate(status) && status["state"] == "live"
    });
    newest(&reader, "nvr/processors/gate-2", |presence| {
        presence["state"] == "online"
    });
    newest(&reader, "nvr/processors/box-1", |presence| {
        presence["state"] == "stopped"
    });
    assert_eq!(stage.role_process(), process, "it was not started again");

    // The agent reaches it by its control socket: before its next start, and after it.
    stage.desire(&document(3, body("gate-2", 0.5)));
    stage.phase(3, "applied");
    let restarted = stage.command(&serde_json::json!({"id": "1", "verb": "restart"}));
    assert_eq!(restarted["ok"], true, "{restarted}");
    until("another process", FIRST, || {
        let found = stage.find_role_process();
        found.filter(|found| *found != process)
    });
    stage.desire(&document(4, body("gate-2", 0.25)));
    stage.phase(4, "applied");
    newest(&reader, "nvr/processors/gate-2", |presence| {
        presence["state"] == "online"
    });

    // Without it, the id of the box again.
    stage.desire(&document(5, sources(&[0])));
    stage.phase(5, "applied");
    newest(&reader, "nvr/sources/0", |status| {
        status["instance_id"] == "box-1" && status["state"] == "live"
    });
}

#[test]
fn nothing_of_a_renamed_processor_is_left_when_its_box_is_removed() {
    let mut stage = Stage::applied(&[0]);
    let reader = stage.broker.observe("nvr/sources/0");
    stage.desire(&document(2, body("gate-2", 0.25)));
    stage.phase(2, "applied");
    newest(&reader, "nvr/sources/0", |status| {
        status["instance_id"] == "gate-2"
    });
    stage.agent().signal("TERM");
    stage.agent().end(SOON);
    let file = stage.config.join("fleet.toml");
    let port = stage.broker.port();
    let fleet = format!("[broker]\nhost = \"127.0.0.1\"\nport = {port}\n");
    std::fs::write(&file, fleet).expect("written");
    let mut remove = nvr();
    remove
        .args(["fleet", "remove", "box-1", "--file"])
        .arg(file);
    let removed = remove.output().expect("it runs");
    assert!(removed.status.success(), "{removed:?}");
    let retained = stage.broker.observe("#");
    stage.broker.publish("end", b"{}", true);
    newest(&retained, "end", |_| true);
    let left = retained.out().all();
    assert_eq!(left.len(), 1, "{left:?}");
}
