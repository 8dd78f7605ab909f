use std::fs;
use std::sync::atomic::Ordering;

use super::tests::{Rig, closed, fragment, key};
use super::*;
use crate::base::SourceId;
use crate::base::sync::lock;
use crate::record::index::testing::{FakeFile, FakeFiles};

/// What was told since the last call: the times of events, the closed recordings, and whether all is read.
fn told(rig: &Rig) -> (Vec<(u64, u64)>, Vec<FileKey>, bool) {
    let seen = std::mem::take(&mut *lock(&rig.heard.seen));
    for event in &seen {
        assert_eq!((event.source, &*event.class), (SourceId(1), "car"));
    }
    let seen = seen.iter().map(|event| (event.from_ms, event.to_ms));
    let read = std::mem::take(&mut *lock(&rig.heard.read));
    let has_read = rig.heard.reads.swap(0, Ordering::Relaxed) > 0;
    (seen.collect(), read, has_read)
}

fn add(rig: &Rig, start_ms: u64, file: FakeFile) {
    rig.files.change(|files| files.insert(key(start_ms), file));
}

#[test]
fn events_are_told_as_they_are_read_and_closed_recordings_when_all_is_read() {
    let mut rig = Rig::new(FakeFiles::default());
    add(&rig, 60_000, closed(1, vec![fragment(&[61_000, 65_000])]));
    assert_eq!(rig.step(), Progress::Busy);
    assert_eq!(told(&rig), (vec![], vec![], false));
    rig.settle();
    // A recording of a former run is not named.
    assert_eq!(told(&rig), (vec![(61_000, 65_000)], vec![], true));
    let open = FakeFile {
        has_tail: false,
        ..closed(2, vec![fragment(&[121_000])])
    };
    add(&rig, 120_000, open);
    rig.changes.opened(key(120_000));
    rig.settle();
    assert_eq!(told(&rig), (vec![(121_000, 121_000)], vec![], true));
    rig.files.edit(key(120_000), |file| {
        file.fragments.push(fragment(&[125_000]));
        file.has_tail = true;
    });
    rig.changes.closed(key(120_000));
    rig.step();
    // The whole event, not only its new part.
    let event = vec![(121_000, 125_000)];
    assert_eq!(told(&rig), (event, vec![key(120_000)], true));
    rig.settle();
    assert_eq!(told(&rig), (vec![], vec![], true));
    // One that was deleted before it was read is not.
    rig.changes.closed(key(180_000));
    rig.changes.removed(key(180_000));
    rig.settle();
    assert_eq!(told(&rig), (vec![], vec![], true));
}

#[test]
fn events_of_a_former_run_are_told_from_the_rows_once() {
    let mut rig = Rig::new(FakeFiles::default());
    let mut expected = Vec::new();
    for start in 1..=2 * TOLD_BATCH as u64 + 5 {
        let at_ms = start * 60_000 + 10;
        add(
            &rig,
            start * 60_000,
            closed(start, vec![fragment(&[at_ms])]),
        );
        expected.push((at_ms, at_ms));
    }
    rig.settle();
    rig.restart();
    // Reading them again would tell nothing.
    rig.files.change(|files| {
        for file in files.values_mut() {
            file.fragments[0].scenes.clear();
        }
    });
    rig.settle();
    let (mut seen, read, has_read) = told(&rig);
    seen.sort_unstable();
    assert_eq!((seen, read, has_read), (expected, vec![], true));
    // After a fault of the database they are known.
    rig.indexer.database = None;
    rig.settle();
    assert_eq!(told(&rig), (vec![], vec![], true));
}

#[test]
fn a_recording_that_was_closed_while_the_database_failed_is_told_later() {
    let mut rig = Rig::new(FakeFiles::default());
    let path = database::path(rig.dir.path());
    fs::create_dir(&path).expect("a folder in its place");
    add(&rig, 60_000, closed(1, vec![fragment(&[61_000])]));
    rig.changes.opened(key(60_000));
    assert_eq!(rig.step(), Progress::Failed);
    rig.changes.closed(key(60_000));
    assert_eq!(rig.step(), Progress::Failed);
    assert_eq!(told(&rig), (vec![], vec![], false));
    fs::remove_dir(&path).expect("an empty folder");
    rig.now += RETRY_LONGEST;
    rig.settle();
    let event = vec![(61_000, 61_000)];
    assert_eq!(told(&rig), (event, vec![key(60_000)], true));
}

#[test]
fn a_change_of_a_step_that_fails_is_told_later() {
    let mut rig = Rig::new(FakeFiles::default());
    rig.settle();
    told(&rig);
    add(&rig, 60_000, closed(1, vec![fragment(&[61_000])]));
    rig.changes.closed(key(60_000));
    let other = database::open(rig.dir.path()).expect("an index");
    other
        .execute_batch("DROP TABLE event")
        .expect("it is dropped");
    drop(other);
    assert_eq!(rig.step(), Progress::Failed);
    assert_eq!(told(&rig).1, []);
    rig.now += RETRY_LONGEST;
    rig.settle();
    let event = vec![(61_000, 61_000)];
    assert_eq!(told(&rig), (event, vec![key(60_000)], true));
}

#[test]
fn recordings_are_not_told_to_be_read_if_some_could_not_be_found() {
    let mut rig = Rig::new(FakeFiles::default());
    rig.files.fault = Some("can't read /rec/1: it is broken".to_owned());
    rig.restart();
    add(&rig, 60_000, closed(1, vec![fragment(&[61_000])]));
    rig.settle();
    assert_eq!(told(&rig), (vec![(61_000, 61_000)], vec![], false));
}
