use std::io;

use super::*;
use crate::base::testing::wait_until;
use crate::record::model_disk::ModelDisk;
use crate::record::mp4::{self, FileEnding};
use crate::record::testing::{Camera, scene_of, times_in, unlimited};

const LONG: Duration = Duration::from_secs(60);

fn settings(dir: &Path) -> RecordSettings {
    RecordSettings::new(dir)
}

/// All recordings below a folder: number of frames of each. They must be closed.
fn recordings(dir: &Path) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(recordings(&path));
        } else if path.extension().is_some_and(|name| name == "mp4") {
            let mut file = File::open(&path).expect("it is there");
            let reading = mp4::read(&mut file).expect("a recording");
            assert_eq!(reading.ending, FileEnding::Closed);
            found.push(reading.fragments.iter().map(|place| place.frames).sum());
        }
    }
    found
}

#[test]
fn units_of_two_sources_become_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().join("rec");
    let recorder = Recorder::start(settings(&root), Clock::by_hand()).expect("it starts");
    let (mut camera, one, two) = (
        Camera::new(),
        recorder.source(SourceId(1)),
        recorder.source(SourceId(2)),
    );
    for unit in camera.group(5) {
        one.unit(unit.clone());
        two.unit(unit);
    }
    assert!(Arc::ptr_eq(&one, &recorder.source(SourceId(1))));
    assert!(recorder.stop(LONG));
    assert_eq!(recordings(&root), [5, 5]);
    assert_eq!(one.source.report().files, 1);
    let marks = std::fs::read_dir(root.join(".nvr-open")).expect("a folder");
    assert_eq!(marks.count(), 0);
    // Too late.
    one.unit(camera.key());
}

#[test]
fn a_source_that_is_removed_can_come_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(settings(dir.path()), Clock::by_hand()).expect("it starts");
    let (mut camera, former) = (Camera::new(), recorder.source(SourceId(1)));
    camera
        .group(5)
        .into_iter()
        .for_each(|unit| former.unit(unit));
    recorder.remove(SourceId(1));
    assert!(recorder.report().sources.is_empty());
    former.unit(camera.key());
    let again = recorder.source(SourceId(1));
    camera
        .group(4)
        .into_iter()
        .for_each(|unit| again.unit(unit));
    drop(recorder);
    let mut found = recordings(dir.path());
    found.sort_unstable();
    assert_eq!(found, [4, 5]);
}

#[test]
fn two_recorders_never_write_to_one_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(settings(dir.path()), Clock::by_hand()).expect("it starts");
    let refused =
        Recorder::start(settings(dir.path()), Clock::by_hand()).expect_err("it is locked");
    assert_eq!(
        refused.to_string(),
        format!(
            "{} is in use by another recorder; stop the other process, or give each its own folder",
            dir.path().display()
        )
    );
    assert!(recorder.stop(LONG));
    let again = Recorder::start(settings(dir.path()), Clock::by_hand()).expect("it is free");
    assert_eq!(again.report().recovered, []);
}

#[test]
fn a_folder_that_can_not_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("it is written");
    let refused = Recorder::start(settings(&file.join("rec")), Clock::by_hand());
    let said = refused.expect_err("it is no folder").to_string();
    assert!(
        said.starts_with(&format!("can't create {}/rec: ", file.display())),
        "{said}"
    );
}

#[test]
fn what_a_killed_process_left_is_closed_by_the_next_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path();
    prepare_marks(&LocalDisk, root).expect("a folder");
    let (mut camera, shared) = (Camera::new(), Arc::new(SourceShared::new(SourceId(1))));
    let mut writer = Writer::new(LocalDisk, root.to_owned(), unlimited(root), LONG, LONG);
    for unit in [camera.group(5), camera.group(5)].concat() {
        writer.unit(&shared, unit, false, Duration::ZERO);
    }
    drop(writer);
    let recorder = Recorder::start(settings(root), Clock::by_hand()).expect("it starts");
    let recovered = recorder.report().recovered;
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0].source, SourceId(1));
    drop(recorder);
    assert_eq!(recordings(root), [5]);
}

/// A disk whose syncs of files wait.
fn slow_disk() -> (ModelDisk, Stop, Stop) {
    let disk = ModelDisk::new(Path::new("/rec"));
    let (reached, released) = (Stop::default(), Stop::default());
    let (reach, release) = (reached.clone(), released.clone());
    disk.refuse(move |action, _| -> Option<io::Error> {
        if action == "sync" {
            reach.raise();
            release.wait(LONG);
        }
        None
    });
    (disk, reached, released)
}

fn start_on(disk: &ModelDisk, clock: &Clock) -> Recorder {
    let mut settings = settings(Path::new("/rec"));
    // 40 units of 100 bytes.
    settings.source_queue_bytes = 40 * 356;
    let lock = tempfile::tempfile().expect("a file");
    Recorder::start_on(disk.clone(), lock, settings, clock.clone()).expect("it starts")
}

#[test]
fn while_the_disk_hangs_whole_groups_are_dropped_and_counted_and_nobody_waits() {
    let (disk, reached, released) = slow_disk();
    let clock = Clock::by_hand();
    let recorder = start_on(&disk, &clock);
    let (mut camera, source) = (Camera::new(), recorder.source(SourceId(1)));
    camera
        .group(5)
        .into_iter()
        .for_each(|unit| source.unit(unit));
    source.unit(camera.key());
    wait_until(|| recorder.report().sources[&SourceId(1)].fragments == 1);
    clock.advance(Duration::from_secs(6));
    assert!(reached.wait(LONG));
    clock.advance(Duration::from_secs(20));
    for _ in 0..20 {
        camera
            .group(5)
            .into_iter()
            .for_each(|unit| source.unit(unit));
    }
    let report = recorder.report();
    // 8 of 20 groups have room.
    assert_eq!(report.sources[&SourceId(1)].dropped_groups, 12);
    assert_eq!(report.queued_bytes, 40 * 356);
    let reason = "the disk of /rec does not answer; check it".to_owned();
    let since = Duration::from_secs(6);
    assert_eq!(
        report.sources[&SourceId(1)].state,
        RecordingState::Failing { since, reason }
    );
    released.raise();
    wait_until(|| recorder.report().queued_bytes == 0);
    camera
        .group(5)
        .into_iter()
        .for_each(|unit| source.unit(unit));
    wait_until(|| recorder.report().sources[&SourceId(1)].state == RecordingState::Recording);
    assert!(recorder.stop(LONG));
    assert_eq!(source.source.report().dropped_groups, 12);
    let files = disk.files();
    let frames = files.values().map(|content| {
        let reading = mp4::read(&mut content.as_slice()).expect("a recording");
        assert_eq!(reading.ending, FileEnding::Closed);
        reading
            .fragments
            .iter()
            .map(|place| place.frames)
            .sum::<u32>()
    });
    assert_eq!(frames.sum::<u32>(), 6 + 40 + 5);
}

#[test]
fn a_source_that_fails_still_does_after_it_was_removed_until_something_is_durable() {
    let (clock, dir) = (Clock::by_hand(), Path::new("/rec"));
    let disk = ModelDisk::new(dir);
    let recorder = start_on(&disk, &clock);
    let mut camera = Camera::new();
    let is_failing =
        |source: &RecordedSource| matches!(source.report().state, RecordingState::Failing { .. });
    let give = |source: &RecordedSource, camera: &mut Camera| {
        let units = [camera.group(5), camera.group(5)].concat();
        units.into_iter().for_each(|unit| source.unit(unit));
    };
    disk.refuse(|asked, _| (asked == "append").then(|| io::Error::from_raw_os_error(5)));
    let former = recorder.source(SourceId(1));
    give(&former, &mut camera);
    wait_until(|| is_failing(&former));
    recorder.remove(SourceId(1));
    assert!(is_failing(&recorder.source(SourceId(1))));
    assert!(!is_failing(&recorder.source(SourceId(2))));
    disk.heal();
    let again = recorder.source(SourceId(1));
    wait_until(|| {
        give(&again, &mut camera);
        clock.advance(Duration::from_secs(2));
        !is_failing(&again)
    });
    assert!(recorder.stop(LONG));
}

#[test]
fn a_stop_does_not_wait_longer_for_a_disk_than_it_may() {
    let (disk, reached, released) = slow_disk();
    let recorder = start_on(&disk, &Clock::by_hand());
    let (mut camera, source) = (Camera::new(), recorder.source(SourceId(1)));
    camera
        .group(5)
        .into_iter()
        .for_each(|unit| source.unit(unit));
    assert!(!recorder.stop(Duration::from_millis(50)));
    assert!(reached.wait(LONG));
    released.raise();
}

#[test]
fn scenes_are_in_the_file_of_their_source() {
    let disk = ModelDisk::new(Path::new("/rec"));
    let recorder = start_on(&disk, &Clock::by_hand());
    let (mut camera, source) = (Camera::new(), recorder.source(SourceId(1)));
    let units = camera.group(5);
    for unit in &units {
        source.unit(unit.clone());
        source.scene(scene_of(unit));
    }
    assert!(recorder.stop(LONG));
    let files = disk.files();
    let times: Vec<_> = units.iter().map(|unit| unit.captured_unix).collect();
    let found: Vec<_> = files.values().map(|file| times_in(file)).collect();
    assert_eq!(found, [[(times.clone(), times)]]);
    // Too late.
    source.scene(scene_of(&units[0]));
}
