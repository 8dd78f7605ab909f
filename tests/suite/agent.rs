//! `nvr agent` with a real mosquitto and real roles: presence, documents from received to good or reverted,
//! commands, and models by URL.

mod capacity;
mod commands;
mod models;
mod other_process;
mod refusals;
mod stage;

use std::time::Instant;

use stage::{FIRST, Stage, document, sources};

use crate::support::broker::Kind;
use crate::support::wait::{SOON, until, until_true};

#[test]
fn it_joins_the_fleet_and_leaves_it() {
    let mut stage = Stage::new();
    stage.start();
    stage.presence("online");
    let capabilities = stage.next("capabilities", |text| text.contains("\"verbs\""));
    assert!(capabilities["machine"]["cores"].as_u64() > Some(0));
    let reported = stage.reported(|reported| reported["phase"] == "waiting");
    assert_eq!(reported["warnings"][0]["code"], "no-document");
    stage.agent().signal("TERM");
    stage.agent().end(SOON);
    stage.presence("stopped");
    // Killed, it is missed by its will.
    stage.start();
    stage.presence("online");
    stage.agent().kill();
    stage.presence("offline");
}

#[test]
fn a_document_is_tried_and_becomes_good_and_detections_flow() {
    let mut stage = Stage::new();
    stage.start();
    let events = stage.broker.observe("nvr/detections/0");
    stage.desire(&document(1, sources(&[0])));
    let applied = stage.phase(1, "applied");
    assert_eq!(applied["last_known_good"], 1);
    assert_eq!(applied["sha256"], applied["applied_sha256"]);
    let phases = stage.phases(1);
    let wanted = ["applying", "probation", "applied"];
    assert_eq!(phases, wanted, "the phases in their order");
    events
        .out()
        .find("a detection", SOON, |line| line.contains("\"detections\""));
    // A second source: the first one is not restarted.
    stage.desire(&document(2, sources(&[0, 1])));
    stage.phase(2, "applied");
    let lines = stage.agent().err().all();
    let starts = lines.iter().filter(|line| line.contains("the role starts"));
    assert_eq!(starts.count(), 1, "{lines:#?}");
    // The retained document comes again with each connection, and changes nothing.
    stage.broker.stop();
    stage.broker.up();
    stage.presence("online");
    stage.desire(&document(2, sources(&[0, 1])));
    stage.refuse(3);
    assert_eq!(stage.phases(2).last().map(String::as_str), Some("applied"));
    assert_eq!(stage.phase(3, "rejected")["applied"], 2);
}

#[test]
fn it_boots_from_the_last_known_good_document_without_a_broker() {
    let mut stage = Stage::new();
    stage.start();
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");
    stage.agent().signal("TERM");
    stage.agent().end(SOON);
    stage.broker.kill();
    stage.start();
    stage
        .agent()
        .err()
        .find("the role", FIRST, |line| line.contains("the role is ready"));
    let status = until("the source flows", FIRST, || {
        let status = stage.control("processor", &["status"])?;
        (status["sources"][0]["state"] == "live").then_some(status)
    });
    assert_eq!(status["instance_id"], "box-1");
    // The broker comes back, without the document that it had.
    stage.broker.up();
    stage.observe_again();
    let reported = stage.phase(1, "applied");
    assert_eq!(reported["applied"], 1);
}

#[test]
fn a_role_that_is_killed_is_started_again_and_dies_with_the_agent() {
    let mut stage = Stage::new();
    stage.start();
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");
    let first = stage.role_process();
    stage::kill(first, "KILL");
    let second = until("it is started again", FIRST, || {
        stage
            .find_role_process()
            .filter(|process| *process != first)
    });
    stage.agent().err().find("the end", SOON, |line| {
        line.contains("the role ended") && line.contains("signal 9")
    });
    stage.agent().kill();
    until_true("the role ends with the agent", SOON, || {
        !std::path::Path::new(&format!("/proc/{second}")).exists()
    });
}

#[test]
fn a_role_without_a_sign_of_life_is_aborted() {
    let mut stage = Stage::new();
    stage.start_with(&["--watchdog-limit", "4s"]);
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");
    let first = stage.role_process();
    stage::kill(first, "STOP");
    stage.agent().err().find("the abort", FIRST, |line| {
        line.contains("no sign of life within 4 s")
    });
    until("it is started again", FIRST, || {
        stage
            .find_role_process()
            .filter(|process| *process != first)
    });
}

#[test]
fn a_document_with_an_unusable_model_is_reverted_and_not_tried_again() {
    let mut stage = Stage::new();
    stage.start();
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");
    let mut bad = sources(&[0]);
    bad["processor"] = serde_json::json!({"backend": "rten", "model": "no-such-model"});
    stage.desire(&document(2, bad));
    let reverted = stage.phase(2, "reverted");
    assert_eq!(reverted["errors"][0]["path"], "processor.processor.model");
    assert_eq!(
        (&reverted["applied"], &reverted["last_known_good"]),
        (&1.into(), &1.into())
    );
    stage.flows(0);
    // After a restart the retained document comes again, and is told to have failed.
    stage.agent().signal("TERM");
    stage.agent().end(SOON);
    stage.start();
    stage.observe_again();
    stage.phase(2, "reverted");
    // An answer comes only after the retained messages, which the agent gets with its subscriptions.
    stage.command(&serde_json::json!({"id": "1", "verb": "ping"}));
    stage.refuse(3);
    let phases = stage.phases(2);
    assert!(
        phases.iter().all(|phase| phase == "reverted"),
        "it is not tried again: {phases:?}"
    );
    stage.desire(&document(4, sources(&[0, 1])));
    stage.phase(4, "applied");
}

#[test]
fn a_document_whose_role_crashes_on_trial_is_reverted() {
    let mut stage = Stage::new();
    stage.start();
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");
    stage.desire(&document(2, sources(&[0, 1])));
    stage.phase(2, "probation");
    stage::kill(stage.role_process(), "KILL");
    let reverted = stage.phase(2, "reverted");
    assert_eq!(stage::codes(&reverted["errors"]), ["crashed"]);
    assert_eq!(reverted["applied"], 1);
    assert!(
        reverted["log"]
            .as_array()
            .is_some_and(|log| !log.is_empty())
    );
    stage.flows(0);
}

#[test]
fn a_box_without_a_document_reverts_to_none() {
    let mut stage = Stage::new();
    stage.start();
    let mut bad = sources(&[0]);
    bad["processor"] = serde_json::json!({"backend": "rten", "model": "no-such-model"});
    stage.desire(&document(1, bad));
    let reverted = stage.phase(1, "reverted");
    let codes = stage::codes(&reverted["errors"]);
    assert!(codes.contains(&"no-document".to_owned()), "{codes:?}");
    assert!(
        reverted["log"]
            .as_array()
            .is_some_and(|log| !log.is_empty())
    );
    assert_eq!(stage.find_role_process(), None, "nothing runs");
}

#[test]
fn it_is_small_while_it_is_idle() {
    let mut stage = Stage::of(Kind::Mosquitto);
    stage.start();
    stage.presence("online");
    // Ten times the measured share: a busy machine must not fail the test.
    let most = 0.02;
    let mut begun = (Instant::now(), stage.agent_cpu());
    until("a quiet span of 10 s", FIRST, || {
        let (at, before) = begun;
        let used = (stage.agent_cpu() - before).as_secs_f64();
        let lasted = at.elapsed().as_secs_f64();
        if used > most * 10.0 {
            begun = (Instant::now(), stage.agent_cpu());
        }
        (lasted >= 10.0 && used <= most * 10.0).then_some(())
    });
    let memory = stage.agent_memory();
    // Pages of files are not its own: the program and its libraries are mapped once for all roles, and are freed when memory
    // is short. docs/fleet.md has the figures.
    assert!(
        memory.anonymous < 6_000,
        "{} kB of {} kB resident and {} kB PSS",
        memory.anonymous,
        memory.resident,
        memory.shared_out
    );
}
