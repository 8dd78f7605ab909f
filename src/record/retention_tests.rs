use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::model::{MB, ModelDisk, START, close, path, retention, write};
use super::*;
use crate::base::SourceId;
use crate::record::disk::{LocalDisk, RecordingDisk};
use crate::record::layout::Place;
use crate::record::space::{Full, STEP_BYTES, SpaceReport, margin};

#[test]
fn the_oldest_of_all_sources_goes_with_its_folders_and_nothing_else() {
    let disk = ModelDisk::new(u64::MAX);
    let old = [
        path(1, 0, 0),
        path(1, 0, 1),
        path(2, 60, 0),
        path(1, 120, 0),
    ];
    let new = [path(1, 90_000, 0), path(2, 90_060, 0)];
    old.iter()
        .chain(&new)
        .for_each(|path| disk.file(path, 100 * MB));
    // A day of source 3 that a crash left empty, and files of others.
    let empty = Path::new("/rec/3/2026-11-27/04");
    disk.lock().put(empty, Entry::Folder);
    let foreign = [
        "/rec/2/2026-11-28/08/20261128T083000.000Z-01.mp4",
        "/rec/02/2026-11-28/08/20261128T083000.000Z.mp4",
        "/rec/2/2026-11-28/09/20261128T083000.000Z.mp4",
        "/rec/2/2026-02-30/08/20260230T083000.000Z.mp4",
        "/rec/2/2026-11-28/08/20261128T083000.000Z.mp4.part",
    ];
    foreign.iter().for_each(|path| disk.file(path, 100 * MB));
    let (link, empty_link) = (path(1, 1, 0), Path::new("/rec/4/2026-11-27"));
    disk.lock().put(&link, Entry::Other);
    disk.lock().put(empty_link, Entry::Other);
    let (mut retention, _clock) = retention(&disk, Some(400 * MB), 0);
    retention.count();
    assert_eq!(retention.space.report().recordings_bytes, 600 * MB);
    retention.step();
    let model = disk.lock();
    assert_eq!(model.deleted, old[..3]);
    assert_eq!(
        model.removed_folders,
        [empty, Path::new("/rec/3/2026-11-27")]
    );
    let paths = foreign.map(PathBuf::from);
    for path in paths.iter().chain([&link, &empty_link.to_owned()]) {
        assert!(model.names.contains_key(path), "{path:?}");
    }
    drop(model);
    let report = retention.space.report();
    assert_eq!((report.deleted_files, report.deleted_bytes), (3, 300 * MB));
    assert_eq!(report.recordings_bytes, 300 * MB);
    let seconds = |second| Duration::from_secs(START + second);
    let oldest = [(SourceId(1), seconds(120)), (SourceId(2), seconds(90_060))];
    assert_eq!(report.oldest, BTreeMap::from(oldest));
}

#[test]
fn empty_folders_go_unless_a_file_is_about_to_be_created_in_them() {
    let disk = ModelDisk::new(u64::MAX);
    [path(1, 0, 0), path(2, 0, 0)]
        .iter()
        .for_each(|path| disk.file(path, 100 * MB));
    let (mut retention, _clock) = retention(&disk, Some(50 * MB), 0);
    retention.count();
    retention.space.opened(&path(2, 600, 0));
    retention.step();
    assert_eq!(disk.lock().deleted, [path(1, 0, 0), path(2, 0, 0)]);
    assert!(!disk.has("/rec/1/2026-11-28") && disk.has("/rec/1"));
    assert!(disk.has("/rec/2/2026-11-28/08"));
}

#[test]
fn a_refused_deletion_is_reported_and_passed_over_after_a_pause() {
    let disk = ModelDisk::new(u64::MAX);
    let paths = [path(1, 0, 0), path(1, 60, 0), path(1, 120, 0)];
    paths.iter().for_each(|path| disk.file(path, 100 * MB));
    disk.lock().broken.extend([paths[0].clone()]);
    let (mut retention, clock) = retention(&disk, Some(250 * MB), 0);
    retention.count();
    (0..1000).for_each(|_| retention.step());
    assert_eq!(disk.lock().refused, paths[..1]);
    assert_eq!(disk.lock().deleted, Vec::<PathBuf>::new());
    let report = retention.space.report();
    let fault = "can't delete /rec/1/2026-11-28/08/20261128T083000.000Z.mp4: permission denied; /rec/1/2026-11-28/08 must belong to the user of the processor";
    assert_eq!(report.fault.as_deref(), Some(fault));
    assert_eq!(report.failed_deletions, 1);
    clock.advance(PAUSE_FIRST);
    retention.step();
    assert_eq!(disk.lock().deleted, paths[1..2]);
    // A file system that refuses everything is not asked all the time.
    disk.lock().broken.extend(paths);
    for second in 0..600 {
        let written = write(&disk, &retention.space, &path(1, 200, 0), 55 * MB);
        if second > 0 {
            let full = written.expect_err("the budget is used").reason;
            let expected = "the budget of 250.0 MB in /rec is used";
            assert!(
                full.starts_with(expected) && full.contains("can't delete"),
                "{full}"
            );
        }
        retention.step();
        clock.advance(Duration::from_secs(1));
    }
    let attempts = disk.lock().refused.len();
    assert!((2..10).contains(&attempts), "{attempts}");
}

#[test]
fn a_refusal_names_folder_limit_value_and_remedy() {
    let disk = ModelDisk::new(3000 * MB);
    let (mut retention, clock) = retention(&disk, Some(500 * MB), 2000 * MB);
    let space = retention.space();
    let file = path(1, 0, 0);
    let reason = |written: Result<(), Full>| written.expect_err("it is full").to_string();
    disk.lock().others = 1800 * MB;
    retention.measure();
    assert_eq!(
        reason(write(&disk, &space, &file, MB)),
        "no space beyond record.min_free, 2.0 GB, is free in the file system of /rec; nothing is deleted before all recordings are counted; free space or lower it"
    );
    retention.count();
    let full = "no space beyond record.min_free, 2.0 GB, is free in the file system of /rec; no closed recording is left to delete; free space or lower it";
    assert_eq!(reason(write(&disk, &space, &file, MB)), full);
    assert_eq!(space.report().full.as_deref(), Some(full));
    disk.lock().others = 0;
    clock.advance(MEASURE_EVERY);
    retention.step();
    assert_eq!(write(&disk, &space, &file, 490 * MB), Ok(()));
    assert_eq!(space.report().full, None);
    assert_eq!(
        reason(write(&disk, &space, &file, 10 * MB)),
        "the budget of 500.0 MB in /rec is used by recordings that are still open; raise record.budget"
    );
    close(&disk, &space, &file);
    retention.step();
    assert_eq!(disk.lock().deleted, [file]);
    assert_eq!(space.may_write(10 * MB), Ok(()));
}

#[test]
fn the_excess_that_a_start_finds_does_not_stop_recording_and_only_falls() {
    let disk = ModelDisk::new(u64::MAX);
    let paths: Vec<_> = (0..10).map(|number| path(1, number * 60, 0)).collect();
    paths.iter().for_each(|path| disk.file(path, 100 * MB));
    // Nothing can be deleted at first.
    disk.lock().broken.extend(paths);
    let (mut retention, clock) = retention(&disk, Some(500 * MB), 0);
    let (space, new) = (retention.space(), path(1, 9000, 0));
    assert_eq!(write(&disk, &space, &new, MB), Ok(()));
    retention.count();
    let headroom = margin(&space.limits) + STEP_BYTES;
    let rest = headroom;
    assert_eq!(write(&disk, &space, &new, rest), Ok(()));
    assert!(write(&disk, &space, &new, MB).is_err());
    disk.lock().broken.clear();
    clock.advance(2 * ASIDE);
    retention.step();
    assert!(disk.lock().used() < 500 * MB - headroom);
    assert_eq!(disk.lock().deleted.len(), 6);
    // The budget counts from now on.
    let room = 500 * MB - disk.lock().used();
    assert!(write(&disk, &space, &new, room + MB).is_err());
}

#[test]
fn deletion_makes_room_before_the_writer_needs_it_and_then_stops() {
    let disk = ModelDisk::new(u64::MAX);
    let (mut retention, _clock) = retention(&disk, Some(10_000 * MB), 0);
    retention.count();
    let space = retention.space();
    for minute in 0..2000 {
        let file = path(1, minute * 60, 0);
        for _ in 0..4 {
            let deleted = disk.lock().deleted.len();
            assert_eq!(write(&disk, &space, &file, STEP_BYTES), Ok(()));
            retention.step();
            // Three files make the margin of 64 MB; most steps delete nothing.
            assert!(disk.lock().deleted.len() <= deleted + 4);
        }
        close(&disk, &space, &file);
    }
    let used = disk.lock().used();
    assert!((9_800 * MB..9_940 * MB).contains(&used), "{used}");
}

#[test]
fn the_time_that_recordings_are_kept_follows_from_the_rate() {
    let disk = ModelDisk::new(u64::MAX);
    let (mut retention, clock) = retention(&disk, Some(864_000 * MB), 0);
    retention.count();
    let space = retention.space();
    for minute in 0..20 {
        let file = path(1, minute * 60, 0);
        assert_eq!(write(&disk, &space, &file, 60 * MB), Ok(()));
        clock.advance(Duration::from_secs(60));
        // A tenth of the reserved space is given back.
        disk.file(&file, 54 * MB);
        close(&disk, &space, &file);
        retention.step();
        let expected = (minute >= 3).then_some(());
        assert_eq!(space.report().bytes_per_day.map(drop), expected);
    }
    let report = space.report();
    let per_day = report.bytes_per_day.unwrap_or(0) as f64 / 1e6;
    // 54 MB a minute, and what the file system may need for each file.
    assert!((77_760.0..77_900.0).contains(&per_day), "{per_day}");
    let days = report
        .kept
        .map_or(0.0, |kept| kept.as_secs_f64() / 86_400.0);
    assert!((11.09..11.12).contains(&days), "{days}");
}

#[test]
fn the_thread_keeps_the_budget_of_a_real_folder_in_allocated_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let file = |minute: u64| {
        let start = Duration::from_secs(START + minute * 60);
        Place::new(SourceId(1), start, 0).path(dir)
    };
    let create = |path: &Path| {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        let file = LocalDisk.create_new(path).expect("it is new");
        // Space without a size.
        LocalDisk
            .reserve(&file, 0, 4 << 20)
            .expect("it is reserved");
    };
    (0..10).map(file).for_each(|path| create(&path));
    let foreign = dir.join("1/2026-11-28/08/mine.mp4");
    std::fs::write(&foreign, b"mine").expect("it is written");
    symlink(file(0), file(29)).expect("it is linked");
    let blocks = |path: &Path| std::fs::metadata(path).expect("it is there").blocks() * 512;
    let each = blocks(&file(0));
    let limits = SpaceLimits {
        budget_bytes: Some(9 * each),
        ..SpaceLimits::none(dir)
    };
    let thread = RetentionThread::start(LocalDisk, limits, Clock::system()).expect("a thread");
    let space = thread.space();
    let wait_for = |what: &str, is_so: &dyn Fn(&SpaceReport) -> bool| {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !is_so(&space.report()) {
            assert!(
                std::time::Instant::now() < deadline,
                "{what}: {:?}",
                space.report()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for("counted", &|report| report.is_counted);
    // A quarter of the budget stays free: 6 files are left.
    wait_for("deleted", &|report| report.deleted_files == 4);
    assert!((0..4).all(|minute| !file(minute).exists()) && file(4).exists());
    space.opened(&file(20));
    assert_eq!(space.may_write(2 * each), Ok(()));
    create(&file(20));
    space.grew(&file(20), 2 * each);
    wait_for("deleted more", &|report| report.deleted_files == 6);
    space.closed(&file(20));
    wait_for("measured", &|report| report.recordings_bytes == 5 * each);
    assert!(space.report().free_bytes.is_some_and(|free| free > 0));
    assert!(foreign.exists() && file(4).symlink_metadata().is_err());
    assert!(file(29).symlink_metadata().is_ok());
    thread.stop();
}

#[test]
fn space_that_was_taken_since_the_last_measurement_is_not_free() {
    let disk = ModelDisk::new(1000 * MB);
    disk.lock().others = 480 * MB;
    let (retention, _clock) = retention(&disk, None, 500 * MB);
    retention.count();
    let file = path(1, 0, 0);
    assert_eq!(write(&disk, &retention.space, &file, 15 * MB), Ok(()));
    assert!(write(&disk, &retention.space, &file, 15 * MB).is_err());
    assert!(disk.lock().free() >= 500 * MB);
}
