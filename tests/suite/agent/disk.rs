//! A disk that is full or read-only: what runs keeps running and can be started again, `reported` says it, and the document is
//! applied as soon as the disk takes it. The folder of the state is a small file system in a namespace of its own.

use std::time::Duration;

use super::stage::{FIRST, Stage, TRIAL, codes, document, kill, sources};
use crate::support::namespaces::Namespaces;
use crate::support::wait::until;

/// A refused write is tried again each minute.
const RETRIED: Duration = Duration::from_secs(75);

/// A box whose state is on a disk of 64 KiB.
struct SmallDisk {
    stage: Stage,
    disk: Namespaces,
}

impl SmallDisk {
    fn new() -> Self {
        let stage = Stage::new();
        std::fs::create_dir_all(&stage.state).expect("a folder");
        let mount = format!(
            "mount -t tmpfs -o size=64k,mode=700 state {}",
            stage.state.display()
        );
        let disk = Namespaces::new(&["--mount"], &mount);
        let mut small = Self { stage, disk };
        small.start();
        small
    }

    fn start(&mut self) {
        let command = self.disk.inside(&self.stage.command_with(&[]));
        self.stage.start_command(command);
    }

    /// Runs a script in which `$state` is the folder of the state.
    fn run(&self, script: &str) {
        let state = self.stage.state.display();
        self.disk.run(&format!("state={state}; {script}"));
    }
}

/// With generation 1 in force, the disk is spoilt, and generation 2 comes.
fn outlives(spoil: &str, mend: &str, message: &str) {
    let mut small = SmallDisk::new();
    small.stage.desire(&document(1, sources(&[0])));
    small.stage.phase(1, "applied");
    let process = small.stage.role_process();
    small.run(spoil);
    small.stage.desire(&document(2, sources(&[0, 1])));
    let waits = |reported: &serde_json::Value| {
        reported["generation"] == 2
            && reported["phase"] == "waiting"
            && codes(&reported["errors"]) == ["store"]
    };
    let reported = small.stage.reported(waits);
    assert_eq!(
        (&reported["applied"], &reported["last_known_good"]),
        (&1.into(), &1.into())
    );
    let told = reported["errors"][0]["message"]
        .as_str()
        .unwrap_or_default();
    assert!(told.contains(message), "{told}");
    assert_eq!(small.stage.role_process(), process, "it was not restarted");
    small.stage.flows(0);
    // A role that ends is started again, and so is the agent.
    kill(process, "KILL");
    until("the role is started again", FIRST, || {
        small
            .stage
            .find_role_process()
            .filter(|now| *now != process)
    });
    small.stage.flows(0);
    small.stage.agent().kill();
    small.start();
    small.stage.observe_again();
    let reported = small.stage.reported(waits);
    assert_eq!(reported["applied"], 1);
    small.stage.flows(0);
    small.run(mend);
    let is_applied = |reported: &serde_json::Value| {
        reported["generation"] == 2 && reported["phase"] == "applied"
    };
    let reported = small
        .stage
        .reported_within(RETRIED + FIRST + TRIAL, is_applied);
    assert_eq!(codes(&reported["errors"]), [""; 0]);
    small.stage.flows(1);
}

#[test]
fn a_full_disk_holds_a_document_up_and_nothing_else() {
    outlives(
        "cat /dev/zero >$state/filler 2>/dev/null || true",
        "rm $state/filler",
        "is full",
    );
}

#[test]
fn a_read_only_disk_holds_a_document_up_and_nothing_else() {
    outlives(
        "mount -o remount,bind,ro $state",
        "mount -o remount,bind,rw $state",
        "is read-only",
    );
}
