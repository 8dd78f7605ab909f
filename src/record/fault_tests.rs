//! Disks that refuse operations: nothing panics, what was durable stays, and recording goes on later.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::model_disk::ModelDisk;
use super::recovery::{RecoveryOutcome, recover};
use super::report::RecordingState;
use super::testing::{DIR, FIRST, Rig};
use crate::base::sync::lock;

const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;

#[test]
fn a_full_disk_is_told_what_was_written_is_closed_and_a_new_file_follows() {
    fastrand::seed(1);
    let mut rig = Rig::new();
    rig.seconds(7);
    rig.fails_from("append", NO_SPACE);
    rig.seconds(1);
    let report = rig.report();
    let reason = format!(
        "can't write {FIRST}: the disk is full (No space left on device (os error 28)); free space on the file system of /rec/7/2026-11-28/08"
    );
    let since = Duration::from_millis(7200);
    assert_eq!(
        report.state,
        RecordingState::Failing {
            since,
            reason: reason.clone()
        }
    );
    // The group that failed, and the one that began.
    assert_eq!(report.dropped_groups, 2);
    rig.seconds(20);
    assert!(
        matches!(rig.report().state, RecordingState::Failing { since: found, .. } if found == since)
    );
    let dropped = rig.report().dropped_groups;
    assert!((20..=22).contains(&dropped), "{dropped}");
    rig.disk.heal();
    rig.seconds(80);
    assert_eq!(rig.report().state, RecordingState::Recording);
    rig.finish();
    rig.disk.heal();
    let outcomes = recover(&rig.disk, Path::new(DIR)).expect("it works");
    // A disk that refuses even the tail leaves the file to the next start.
    assert_eq!(outcomes.len(), 1);
    assert!(
        matches!(
            outcomes[0].outcome,
            RecoveryOutcome::Closed { .. } | RecoveryOutcome::Cut { .. }
        ),
        "{outcomes:?}"
    );
    assert_eq!(rig.closed()[0].1, 30);
}

#[test]
fn after_a_failed_write_the_file_is_closed_if_the_disk_permits_it() {
    let mut rig = Rig::new();
    rig.seconds(7);
    let mut refused = false;
    rig.disk.refuse(move |action, _| {
        let is_first = action == "append" && !std::mem::replace(&mut refused, true);
        is_first.then(|| io::Error::from_raw_os_error(NO_SPACE))
    });
    rig.seconds(20);
    rig.finish();
    assert_eq!(recover(&rig.disk, Path::new(DIR)).expect("it works"), []);
    let closed = rig.closed();
    // Seconds 1 to 6 of the first file; the seventh failed when the eighth began.
    assert_eq!(
        closed[0],
        ("7/2026-11-28/08/20261128T083000.323Z.mp4".to_owned(), 30)
    );
    assert_eq!(closed.len(), 2);
}

#[test]
fn a_sync_that_failed_is_not_repeated_on_its_file() {
    fastrand::seed(2);
    let mut rig = Rig::new();
    let synced = Arc::new(Mutex::new(Vec::new()));
    let given_back = Arc::new(Mutex::new(Vec::new()));
    let (seen, freed, mut failed) = (synced.clone(), given_back.clone(), false);
    rig.disk.refuse(move |action, path| {
        match action {
            "sync" => lock(&seen).push(path.to_owned()),
            "truncate" => lock(&freed).push(path.to_owned()),
            _ => {}
        }
        let fails = action == "sync" && !std::mem::replace(&mut failed, true);
        fails.then(|| io::Error::from_raw_os_error(IO_ERROR))
    });
    rig.seconds(30);
    let state = rig.report().state;
    assert_eq!(state, RecordingState::Recording);
    rig.finish();
    // What was reserved for it does not push out other recordings.
    assert_eq!(lock(&given_back)[0], Path::new(FIRST));
    let synced = lock(&synced).clone();
    assert_eq!(
        synced
            .iter()
            .filter(|path| *path == Path::new(FIRST))
            .count(),
        1
    );
    assert!(synced.len() > 3);
    let dropped = rig.report().dropped_groups;
    assert!((5..=12).contains(&dropped), "{dropped}");
    // Its mark leads the next start to it.
    let outcomes = recover(&rig.disk, Path::new(DIR)).expect("it works");
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].path, Path::new(FIRST));
}

/// Refuses the operation of this number, and `more` after it.
fn refuse_some(disk: &ModelDisk, first: usize, more: usize, errno: i32) {
    let mut number = 0;
    disk.refuse(move |_, _| {
        number += 1;
        (first..=first + more)
            .contains(&(number - 1))
            .then(|| io::Error::from_raw_os_error(errno))
    });
}

#[test]
fn every_operation_may_fail_and_recording_goes_on_later() {
    for errno in [NO_SPACE, IO_ERROR, 30] {
        for more in [0, 1, 7] {
            for first in 0..45 {
                let at = format!("operation {first} and {more} more, errno {errno}");
                fastrand::seed(first as u64);
                let mut rig = Rig::new();
                refuse_some(&rig.disk, first, more, errno);
                rig.seconds(12);
                rig.camera.session = 2;
                // Each wait is at most 60 s.
                rig.seconds(80 + 40 * more);
                assert_eq!(rig.report().state, RecordingState::Recording, "{at}");
                rig.finish();
                rig.disk.heal();
                for (path, bytes) in std::mem::take(&mut rig.writer.declared) {
                    let kept = rig.disk.content(&path).map(|content| content.len() as u64);
                    assert!(kept >= Some(bytes), "{at}: {} lost bytes", path.display());
                }
                let outcomes = recover(&rig.disk, Path::new(DIR)).expect("it works");
                let is_failed =
                    |outcome: &RecoveryOutcome| matches!(outcome, RecoveryOutcome::Failed { .. });
                assert!(
                    !outcomes.iter().any(|found| is_failed(&found.outcome)),
                    "{at}: {outcomes:?}"
                );
                let frames: u32 = rig.closed().iter().map(|(_, frames)| frames).sum();
                assert!(frames >= 200, "{at}: {frames} frames");
            }
        }
    }
}
