//! The trial of a document through real roles: a new source that is dead, and a document that brings its role down.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::{Stage, codes, document, sources};
use crate::support::ports::free_port;

/// A document that breaks its role is taken back within this time, from its publication on.
const TAKEN_BACK: Duration = Duration::from_secs(90);

/// A box on which generation 1 is good, and which gives up on roles after `watchdog`.
fn proven(watchdog: &str) -> Stage {
    Stage::applied_with(&["--watchdog-limit", watchdog], &[0])
}

/// A document with a new source at which nobody listens.
fn with_dead_source(generation: u64, policy: &str) -> Value {
    let mut body = sources(&[0]);
    let dead = json!({"id": 7, "uri": format!("rtsp://127.0.0.1:{}/", free_port())});
    body["camera"].as_array_mut().expect("a list").push(dead);
    let mut document = document(generation, body);
    document["probation"]["on_dead_new_source"] = policy.into();
    document
}

#[test]
fn a_new_source_that_never_flows_is_reported_and_kept_or_taken_back_by_its_policy() {
    let stage = proven("60s");
    let process = stage.role_process();
    stage.desire(&with_dead_source(2, "revert"));
    let reverted = stage.phase(2, "reverted");
    assert_eq!(codes(&reverted["errors"]), ["new-source-dead"]);
    assert_eq!(reverted["errors"][0]["path"], "processor.camera[1]");
    assert_eq!(
        (&reverted["applied"], &reverted["last_known_good"]),
        (&1.into(), &1.into())
    );
    stage.desire(&with_dead_source(3, "keep"));
    let kept = stage.phase(3, "applied");
    assert_eq!(codes(&kept["warnings"]), ["new-source-dead"]);
    assert_eq!(kept["warnings"][0]["path"], "processor.camera[1]");
    assert_eq!(
        (&kept["applied"], &kept["last_known_good"]),
        (&3.into(), &3.into())
    );
    assert_eq!(stage.role_process(), process, "the role was not restarted");
    stage.flows(0);
}

#[test]
fn a_document_that_brings_its_role_down_is_taken_back_in_time() {
    let stage = proven("4s");
    // The detector takes longer than a stage may: the role stops giving signs of life, and is aborted.
    let mut body = sources(&[0]);
    body["processor"] =
        json!({"backend": "scripted", "scripted_delay": "60s", "stage_limit": "12s"});
    let mut hanging = document(2, body);
    hanging["probation"]["limit"] = "80s".into();
    let start = Instant::now();
    stage.desire(&hanging);
    let reverted = stage.reported_within(TAKEN_BACK, |reported| {
        reported["generation"] == 2 && reported["phase"] == "reverted"
    });
    let took = start.elapsed();
    assert!(took < TAKEN_BACK, "{took:?}");
    assert_eq!(codes(&reverted["errors"]), ["crashed"]);
    assert_eq!(reverted["applied"], 1);
    stage.flows(0);
}
