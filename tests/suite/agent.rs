//! `nvr agent` with a real mosquitto and real roles: presence, documents from received to good or reverted, and commands.
//!
//! Each rule of `docs/protocol.md` on fleet documents has a test that breaks it:
//!
//! | what goes wrong | test |
//! |---|---|
//! | bad JSON, unknown field, wrong type, bad scheme, over 64 KiB | `refusals::every_kind_of_bad_document_…` |
//! | generation going back, same generation with another hash, foreign base, other device | the same |
//! | empty retained document | the same |
//! | unsigned, unknown key, wrong signature | `refusals::with_a_key_only_signed_documents_are_obeyed` |
//! | key revoked | `refusals::a_revoked_key_signs_nothing_any_more` |
//! | decommission | `refusals::decommission_ends_the_roles_and_erases_the_documents` |
//! | two devices with one id | `twins::…` |
//! | two processors that claim one source | `processor::the_later_of_two_processors_…` |
//! | many claims on a broker that drops retained messages | `processor::every_claim_is_respected_however_many_there_are` |
//! | broker restarted without persistence | `a_broker_that_forgets_everything_…` |
//! | broker away at boot | `it_boots_from_the_last_known_good_document_without_a_broker` |
//! | clock ten years off | `clock::…` |
//! | disk full, disk read-only | `disk::…` |
//! | new source that never flows, role that goes down on trial | `trials::…` |
//! | agent killed at any moment | `kills::…` |
//! | document that comes while sources flow | `unbroken::…` |
//! | cable between desk and box cut | `hosts::…` |
//! | halt while boxes are offline and the desk is killed | `fleet::halts::a_halt_that_is_killed_…` |

mod capacity;
mod clock;
mod commands;
mod disk;
mod firmware;
mod hosts;
mod kills;
mod models;
mod other_process;
mod processor_user;
mod recording;
mod refusals;
mod renamed;
mod stage;
mod trials;
mod twins;
mod unbroken;

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
    let mut stage = Stage::applied(&[0]);
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
fn a_broker_that_forgets_everything_is_told_again_and_the_box_keeps_what_it_has() {
    let mut stage = Stage::with(Kind::Mosquitto, crate::support::broker::Setup::default());
    stage.start();
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");
    let process = stage.role_process();
    stage.broker.stop();
    stage.broker.up();
    stage.observe_again();
    stage.presence("online");
    stage.next("capabilities", |text| text.contains("\"verbs\""));
    let reported = stage.phase(1, "applied");
    assert_eq!(
        (&reported["applied"], &reported["last_known_good"]),
        (&1.into(), &1.into())
    );
    assert_eq!(stage.role_process(), process, "nothing was restarted");
    // The desired document is the operator's, who has it in a file.
    let retained = stage.broker.observe("nvr/fleet/box-1/#");
    retained.out().find("what is retained", SOON, |line| {
        line.starts_with("nvr/fleet/box-1/reported 1 ")
    });
    let lines = retained.out().all();
    assert!(
        !lines.iter().any(|line| line.contains("/desired ")),
        "{lines:#?}"
    );
    stage.desire(&document(2, sources(&[0, 1])));
    stage.phase(2, "applied");
}

#[test]
fn a_role_that_is_killed_is_started_again_and_dies_with_the_agent() {
    let mut stage = Stage::applied(&[0]);
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
    let mut stage = Stage::applied_with(&["--watchdog-limit", "4s"], &[0]);
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
    let mut stage = Stage::applied(&[0]);
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
    // Its report is retained: it is there before the agent.
    stage.presence("online");
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
    let stage = Stage::applied(&[0]);
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
    let mut largest = 0;
    until("a quiet span of 10 s", FIRST, || {
        largest = largest.max(stage.agent_memory().resident);
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
    // What the start alone needed is given back. How much that is depends on the build; of a release build more than half.
    until("three quarters of the memory of the start", FIRST, || {
        (stage.agent_memory().resident < largest * 3 / 4).then_some(())
    });
}
