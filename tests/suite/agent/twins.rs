//! Two boxes with one id on one broker: both run on, each says it once, and the presence comes to rest.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::{FIRST, Stage, document, sources};
use crate::support::process::{Running, nvr};
use crate::support::scratch::fresh;
use crate::support::wait::until;

/// Time in which the presence must not change once both know of each other.
const REST: Duration = Duration::from_secs(20);

/// Another agent with the identity of the box, as from a copied disk.
fn copy_of(stage: &Stage) -> Running {
    let mut command = nvr();
    command
        .arg("agent")
        .arg("--config-dir")
        .arg(&stage.config)
        .arg("--state-dir")
        .arg(fresh())
        .env("NVR_RUNTIME_DIR", fresh());
    Running::start(command)
}

/// The lines of the agent itself, without those of its roles, in which it names another client.
fn named(lines: &[String]) -> Vec<&String> {
    let of_agent = lines.iter().filter(|line| line.contains("nvr-agent-box-1"));
    of_agent
        .filter(|line| line.contains("has the same client id"))
        .collect()
}

#[test]
fn two_boxes_with_one_id_run_on_and_say_it_and_the_presence_comes_to_rest() {
    let mut stage = Stage::applied(&[0]);
    let process = stage.role_process();
    let session = |presence: &Value| presence["session"].as_str().map(str::to_owned);
    let first = stage.all("presence").iter().find_map(session);
    let first = first.expect("a session");
    let other = copy_of(&stage);
    // The first one stays, and tells the session of the other. Both publish on one topic, and the last word is that of the first.
    let message = |reported: &Value| {
        let warnings = reported["warnings"].as_array()?;
        let told = warnings.iter().find(|one| one["code"] == "twin")?;
        told["message"].as_str().map(str::to_owned)
    };
    let tells_of_other = |reported: &Value| {
        message(reported).is_some_and(|told| told.contains("started after this one"))
    };
    let reported = stage.reported_within(FIRST * 2, tells_of_other);
    let told = message(&reported).unwrap_or_default();
    let start = "another device has the id box-1 (session ";
    assert!(told.starts_with(start) && !told.contains(&first), "{told}");
    other.err().find("it gives way", FIRST, |line| {
        line.contains("nvr-agent-box-1") && line.contains("gives way") && line.contains(&first)
    });
    // The presence is that of the first one in the end, and stays so.
    // What was on its way when the other one gave way may still come: its last will, and the answer to it.
    let is_of_first =
        |presence: &Value| presence["session"] == *first && presence["state"] == "online";
    let (mut count, mut start) = (0, Instant::now());
    until(
        "the first one is online, and nothing changes",
        FIRST,
        || {
            let all = stage.all("presence");
            if all.len() != count {
                (count, start) = (all.len(), Instant::now());
            }
            let rests = all.last().is_some_and(is_of_first) && start.elapsed() >= REST;
            rests.then_some(())
        },
    );
    for lines in [stage.agent().err().all(), other.err().all()] {
        assert_eq!(named(&lines).len(), 1, "it is named once: {lines:#?}");
    }
    // Both run their roles, and the first one still takes documents.
    assert_eq!(stage.role_process(), process);
    let id = other.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    assert_ne!(
        children.expect("it runs").trim(),
        "",
        "the other has its role"
    );
    let last = stage.all("reported").pop();
    assert!(last.is_some_and(|last| tells_of_other(&last)));
    stage.desire(&document(2, sources(&[0])));
    stage.phase(2, "applied");
}
