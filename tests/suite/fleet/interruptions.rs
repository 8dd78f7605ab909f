//! Rollouts that are interrupted: a stage fails, the desk is killed, the broker restarts, another desk comes between.

use serde_json::Value;
use tempfile::TempDir;

use super::apply;
use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::Running;
use crate::support::site::{ROLLOUT, Site};
use crate::support::wait::{SOON, until, until_true};

#[test]
fn a_failed_stage_is_taken_back_also_from_boxes_that_were_offline() {
    let site = Site::new(4, "gate");
    {
        let _all = site.simulate(&["d1", "d2", "d3", "d4"], &["--apply-time", "100ms"]);
        let (code, text) = site.run(&apply(&["--batch", "100%"]));
        assert_eq!(code, 0, "{text}");
    }
    let _online = site.simulate(
        &["d1", "d2"],
        &["--apply-time", "100ms", "--reverts", "bad"],
    );
    until_true("d3 is offline", SOON, || {
        site.retained("d3")["presence"]["state"] != "online"
    });
    site.write("bad");
    let (code, text) = site.run(&apply(&["--canary", "0", "--batch", "100%"]));
    assert_eq!(code, 4, "{text}");
    assert!(
        text.contains(": reverted: processor.camera[0]: a source that flowed before has stopped"),
        "{text}"
    );
    assert!(
        text.contains("taken back: 4; cleared: 0; kept: 0; verified on the broker"),
        "{text}"
    );
    let _returned = site.simulate(&["d3", "d4"], &["--apply-time", "0s"]);
    for device in ["d1", "d2", "d3", "d4"] {
        let shown = until("the former body is applied again", SOON, || {
            let shown = site.retained(device);
            (shown["reported"]["applied"] == 3 && shown["reported"]["phase"] == "applied")
                .then_some(shown)
        });
        assert_eq!(
            shown["desired"]["document"]["processor"]["camera"][0]["name"], "gate",
            "{device}"
        );
    }
}

#[test]
fn a_desk_that_is_killed_goes_on_or_takes_back() {
    let site = Site::new(4, "gate");
    let devices = ["d1", "d2", "d3", "d4"];
    let _all = site.simulate(&devices, &["--apply-time", "1s"]);
    let mut desk = Running::start(site.command(&apply(&["--batch", "1"])));
    desk.out().find("the second stage", ROLLOUT, |line| {
        line.starts_with("stage 2: ")
    });
    desk.kill();
    let (code, text) = site.run(&apply(&[]));
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("is not finished; go on with `apply --resume`, or take it back with `halt`"),
        "{text}"
    );
    let (code, text) = site.run(&["apply", "--resume"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("4 applied"), "{text}");
    site.write("yard");
    let mut desk = Running::start(site.command(&apply(&["--batch", "1"])));
    desk.out().find("the second stage", ROLLOUT, |line| {
        line.starts_with("stage 2: ")
    });
    desk.kill();
    let (code, text) = site.run(&["halt", "--revert-applied"]);
    assert_eq!(code, 0, "{text}");
    for device in devices {
        let shown = site.retained(device);
        assert_eq!(
            shown["desired"]["document"]["processor"]["camera"][0]["name"], "gate",
            "{device} {text}"
        );
    }
}

#[test]
fn a_halt_after_the_broker_has_lost_everything_restores_the_former_documents() {
    let mut site = Site::new(3, "gate");
    {
        let _all = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "100ms"]);
        let (code, text) = site.run(&apply(&["--batch", "100%"]));
        assert_eq!(code, 0, "{text}");
    }
    until_true("d3 is offline", SOON, || {
        site.retained("d3")["presence"]["state"] != "online"
    });
    site.write("yard");
    let mut desk = Running::start(site.command(&apply(&["--canary", "0", "--batch", "100%"])));
    desk.out().find("the only stage", ROLLOUT, |line| {
        line.starts_with("stage 1: ")
    });
    until_true("the document is published", SOON, || {
        site.retained("d3")["desired"]["generation"] == 2
    });
    desk.kill();
    site.broker.stop();
    site.broker.up();
    assert_eq!(site.retained("d3")["desired"], Value::Null);
    let (code, text) = site.run(&["halt"]);
    assert_eq!(code, 0, "{text}");
    let _returned = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "0s"]);
    for device in ["d1", "d2", "d3"] {
        let shown = until("the former body is applied", SOON, || {
            let shown = site.retained(device);
            (shown["reported"]["phase"] == "applied").then_some(shown)
        });
        let document = &shown["desired"]["document"];
        assert_eq!(document["generation"], 3, "{device} {text}");
        assert_eq!(document["processor"]["camera"][0]["name"], "gate");
    }
}

#[test]
fn a_rollout_waits_for_a_broker_that_restarts() {
    let broker = Broker::start_with(
        Kind::Mosquitto,
        Setup {
            persistence: true,
            ..Setup::default()
        },
    );
    let mut site = Site::on(broker, 3, "gate");
    let _all = site.simulate(&["d1", "d2", "d3"], &["--apply-time", "500ms"]);
    let mut desk = Running::start(site.command(&apply(&["--batch", "1"])));
    desk.out().find("the second stage", ROLLOUT, |line| {
        line.starts_with("stage 2: ")
    });
    site.broker.stop();
    desk.out().find("the desk waits", ROLLOUT, |line| {
        line.starts_with("no connection to the broker ")
    });
    site.broker.up();
    let ended = desk.end(ROLLOUT);
    let told = desk.out().settled().join("\n");
    assert_eq!(ended.code(), Some(0), "{told}");
    assert!(told.contains("3 applied after "), "{told}");
}

#[test]
fn two_desks_conflict_and_the_other_one_is_named() {
    let site = Site::new(2, "gate");
    let _all = site.simulate(&["d1", "d2"], &["--apply-time", "100ms"]);
    let mut desk = Running::start(site.command(&[
        "apply",
        "--soak",
        "5s",
        "--timeout",
        "30s",
        "--max-failures",
        "5",
    ]));
    desk.out().find("the first stage", ROLLOUT, |line| {
        line.starts_with("stage 1: ")
    });
    let other = Site {
        dir: TempDir::new().expect("a folder"),
        broker: Broker::absent(Kind::Mosquitto, Setup::default()),
        devices: 2,
    };
    other.write("other");
    let port = site.broker.port().to_string();
    let aside = [
        "apply",
        "--device",
        "d2",
        "--soak",
        "0s",
        "--timeout",
        "30s",
        "--mqtt-port",
        &port,
        "--by",
        "the other one",
    ];
    let (code, text) = other.run(&aside);
    assert_eq!(code, 0, "{text}");
    let ended = desk.end(ROLLOUT);
    let told = desk.out().settled().join("\n");
    assert_eq!(ended.code(), Some(1), "{told}");
    let conflict = told.lines().find(|line| line.starts_with("d2: conflict: "));
    let conflict = conflict.unwrap_or_else(|| panic!("{told}"));
    assert!(conflict.contains(": generation 1 ("), "{conflict}");
    assert!(
        conflict.contains(", not signed, published by the other one) came between"),
        "{conflict}"
    );
    let shown = site.retained("d2");
    assert_eq!(shown["desired"]["document"]["by"], "the other one");
    let audit = other.dir.path().join("fleet-audit.jsonl");
    let audit = std::fs::read_to_string(audit).expect("text");
    let publish = audit
        .lines()
        .find(|line| line.contains("\"act\":\"publish\""));
    let publish: Value = serde_json::from_str(publish.expect("a line")).expect("JSON");
    assert_eq!(publish["who"], "the other one");
    let name = &site.retained("d2")["desired"]["document"]["processor"]["camera"][0]["name"];
    assert_eq!(name, "other");
}
