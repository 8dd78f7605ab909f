use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::model::{DIR, LOCKS, MB, ModelDisk, START, path, retention, retention_by, write};
use super::*;
use crate::base::SourceId;
use crate::record::disk::{LocalDisk, RecordingDisk};
use crate::record::layout::{Place, locks_folder};
use crate::record::locks::{NewLock, lock as make_lock};
use crate::record::space::{STEP_BYTES, SpaceReport};

#[test]
fn locked_recordings_stay_and_the_next_oldest_go() {
    let disk = ModelDisk::new(u64::MAX);
    let of =
        |source, minutes: std::ops::Range<u64>| minutes.map(move |at| path(source, at * 60, 0));
    let all: Vec<_> = of(1, 0..10).chain(of(2, 0..10)).collect();
    all.iter().for_each(|path| disk.file(path, 10 * MB));
    // Retention takes those that ended up to 135 s before for locked as well.
    disk.make_lock(1, 245, 250);
    disk.file(Path::new(LOCKS).join("notes.json"), 10);
    let (mut retention, _clock) = retention(&disk, Some(80 * MB), 0);
    retention.count();
    retention.step();
    let report = retention.space.report();
    assert_eq!(report.locked_bytes, 40 * MB);
    assert_eq!(report.recordings_bytes, 60 * MB);
    let kept: Vec<_> = all.iter().filter(|path| disk.has(path)).collect();
    let expected: Vec<_> = of(1, 1..5)
        .chain(of(1, 9..10))
        .chain(of(2, 9..10))
        .collect();
    assert_eq!(kept, expected.iter().collect::<Vec<_>>());
}

#[test]
fn when_locked_recordings_use_the_budget_the_refusal_says_so() {
    let disk = ModelDisk::new(3000 * MB);
    let old = path(1, 0, 0);
    disk.file(&old, 480 * MB);
    let lock = disk.make_lock(1, 0, 10);
    let (mut retention, clock) = retention(&disk, Some(500 * MB), 2000 * MB);
    retention.count();
    retention.step();
    let space = retention.space();
    let new = path(1, 9000, 0);
    let reason = |bytes| {
        let refused = write(&disk, &space, &new, bytes);
        refused.expect_err("it is full").to_string()
    };
    let text = "the budget of 500.0 MB in /rec is used by locked recordings and open ones; unlock some (nvr record unlock) or raise record.budget";
    assert_eq!(reason(30 * MB), text);
    assert_eq!(space.report().full.as_deref(), Some(text));
    disk.lock().others = 1000 * MB;
    clock.advance(MEASURE_EVERY);
    retention.step();
    assert_eq!(
        reason(30 * MB),
        "no space beyond record.min_free, 2.0 GB, is free in the file system of /rec; no closed recording but locked ones is left to delete; unlock some (nvr record unlock), free space or lower it"
    );
    disk.lock().others = 0;
    disk.lock().names.remove(&lock);
    clock.advance(MEASURE_EVERY);
    retention.step();
    assert_eq!(disk.lock().deleted, [old]);
    assert_eq!(space.report().locked_bytes, 0);
    assert_eq!(write(&disk, &space, &new, 30 * MB), Ok(()));
}

#[test]
fn nothing_is_deleted_while_a_lock_is_made_or_locks_cant_be_read() {
    let disk = ModelDisk::new(u64::MAX);
    let old = [path(1, 0, 0), path(1, 60, 0), path(1, 120, 0)];
    old.iter().for_each(|path| disk.file(path, 100 * MB));
    disk.lock().is_locking = true;
    let (mut retention, clock) = retention(&disk, Some(250 * MB), 0);
    retention.count();
    retention.step();
    assert_eq!(disk.lock().deleted, Vec::<PathBuf>::new());
    let refused = |bytes| {
        let refused = retention.space.may_write(bytes);
        refused.expect_err("the budget is used").to_string()
    };
    assert_eq!(
        refused(100 * MB),
        "the budget of 250.0 MB in /rec is used, and the oldest recordings are not deleted fast enough (recordings in /rec are being locked); raise record.budget"
    );
    disk.lock().is_locking = false;
    disk.lock().broken.insert(LOCKS.into());
    retention.step();
    let fault = "can't read /rec/.nvr-locks: permission denied; /rec must belong to the user of the processor";
    assert_eq!(retention.space.report().fault.as_deref(), Some(fault));
    assert_eq!(disk.lock().deleted, Vec::<PathBuf>::new());
    // It is tried again after a pause.
    disk.lock().broken.clear();
    retention.step();
    assert_eq!(disk.lock().deleted, Vec::<PathBuf>::new());
    clock.advance(PAUSE_FIRST);
    retention.step();
    assert_eq!(disk.lock().deleted, old[..2]);
}

#[test]
fn a_camera_with_more_than_its_minimum_gives_way_to_one_with_less() {
    let disk = ModelDisk::new(u64::MAX);
    let quiet: Vec<_> = (0..3).map(|at| path(1, at * 60, 0)).collect();
    let busy: Vec<_> = (0..9).map(|at| path(2, 6000 + at * 60, 0)).collect();
    let all = quiet.iter().chain(&busy);
    all.for_each(|path| disk.file(path, 100 * MB));
    let limits = SpaceLimits {
        budget_bytes: Some(900 * MB),
        min_per_camera_bytes: 200 * MB,
        ..SpaceLimits::none(DIR)
    };
    let (mut retention, clock) = retention_by(&disk, limits.clone());
    retention.count();
    retention.step();
    let deleted: Vec<_> = quiet[..1].iter().chain(&busy[..3]).cloned().collect();
    assert_eq!(disk.lock().deleted, deleted);
    // A budget that is less than all minima wins.
    let limits = SpaceLimits {
        budget_bytes: Some(300 * MB),
        ..limits
    };
    (retention, _) = retention_by(&disk, limits);
    retention.count();
    retention.step();
    clock.advance(MEASURE_EVERY);
    let left: Vec<_> = disk
        .lock()
        .recordings()
        .map(|(_, path, _)| path.clone())
        .collect();
    assert_eq!(left, busy[7..]);
}

#[test]
fn a_recording_is_never_deleted_after_its_lock_was_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let start = |number: u64| Duration::from_secs(START + number * 60);
    let file = |number| Place::new(SourceId(1), start(number), 0).path(dir);
    let (bytes, budget_files) = (256 << 10, 200);
    let limits = SpaceLimits {
        budget_bytes: Some(budget_files * bytes),
        ..SpaceLimits::none(dir)
    };
    let thread = RetentionThread::start(LocalDisk, limits, Clock::system()).expect("a thread");
    let space = thread.space();
    let wait_for = |what: &str, is_so: &dyn Fn(&SpaceReport) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so(&space.report()) {
            assert!(Instant::now() < deadline, "{what}: {:?}", space.report());
            std::thread::yield_now();
        }
    };
    wait_for("counted", &|report| report.is_counted);
    let record = |number| {
        let path = file(number);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        space.opened(&path);
        let created = LocalDisk.create_new(&path).expect("it is new");
        LocalDisk
            .reserve(&created, 0, bytes)
            .expect("there is space");
        space.grew(&path, bytes);
        space.closed(&path);
    };
    let (mut kept, mut missed, mut last) = (BTreeSet::new(), 0, 0);
    for round in 0..30 {
        (round * 20..round * 20 + 20).for_each(record);
        // One of the next to be deleted, while the thread deletes.
        let newest = round * 20 + 19;
        let oldest = (last + 1..newest).find(|number| file(*number).exists());
        let number = (oldest.unwrap_or(newest) + fastrand::u64(0..30)).min(newest);
        last = number;
        let new = NewLock {
            source: SourceId(1),
            from_unix: start(number) + Duration::from_secs(10),
            until_unix: start(number) + Duration::from_secs(20),
            reason: String::new(),
        };
        make_lock(dir, &new, start(number)).expect("it is locked");
        match file(number).exists() {
            true => drop(kept.insert(number)),
            false => missed += 1,
        }
    }
    wait_for("deleted", &|report| {
        report.recordings_bytes <= bytes * budget_files - STEP_BYTES
    });
    thread.stop();
    let lost: Vec<_> = kept
        .iter()
        .filter(|number| !file(**number).exists())
        .collect();
    assert_eq!(lost, Vec::<&u64>::new());
    let left = (0..600).filter(|number| file(*number).exists()).count();
    assert!(
        left <= budget_files as usize && kept.len() > 20,
        "{left} of 600 recordings left, {} locked, {missed} too late",
        kept.len()
    );
}

#[test]
fn a_lock_protects_with_any_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let files = [0, 600, 1200].map(|second| {
        let start = Duration::from_secs(START + second);
        Place::new(SourceId(1), start, 0).path(dir)
    });
    for path in &files {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        let created = LocalDisk.create_new(path).expect("it is new");
        LocalDisk
            .reserve(&created, 0, 1 << 20)
            .expect("there is space");
    }
    let new = NewLock {
        source: SourceId(1),
        from_unix: Duration::from_secs(START + 900),
        until_unix: Duration::from_secs(START + 901),
        reason: "x".to_owned(),
    };
    let made = make_lock(dir, &new, new.from_unix).expect("it is locked");
    let content = locks_folder(dir).join(format!("{}.json", made.id));
    std::fs::write(content, "\u{0}").expect("it is damaged");
    let limits = SpaceLimits {
        budget_bytes: Some(2 << 20),
        ..SpaceLimits::none(dir)
    };
    let mut retention = Retention::new(LocalDisk, limits, Clock::by_hand());
    retention.count();
    retention.step();
    assert_eq!(files.map(|path| path.exists()), [false, true, false]);
}
