//! Recorders without space: what was written is closed and deletable, groups are dropped and counted, and recording goes on later.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::model_disk::ModelDisk;
use super::mp4::{self, FileEnding};
use super::report::RecordingState;
use super::retention::Retention;
use super::space::{STEP_BYTES, SpaceLimits};
use super::testing::{Camera, DIR, FIRST, Rig};
use super::{RecordSettings, Recorder};
use crate::base::testing::wait_until;
use crate::base::{Clock, SourceId};
use crate::media::UnitSink;

const MB: u64 = 1_000_000;
const LONG: Duration = Duration::from_secs(60);

#[test]
fn without_space_the_file_ends_and_key_frames_try_again_without_a_pause() {
    let disk = ModelDisk::new(Path::new(DIR));
    let limits = SpaceLimits {
        budget_bytes: Some(12 * MB),
        ..SpaceLimits::none(DIR)
    };
    let mut retention = Retention::new(disk.clone(), limits, Clock::by_hand());
    retention.count();
    let mut rig = Rig::with_space(disk.clone(), retention.space());
    // 1 MB a second: the ninth group does not fit into the first step.
    rig.camera.bytes = 200_000;
    rig.seconds(9);
    assert_eq!(rig.report().state, RecordingState::Recording);
    rig.seconds(1);
    let reason = "the budget of 12.0 MB in /rec is used by recordings that are still open; raise record.budget";
    let since = Duration::from_millis(9200);
    let failing = RecordingState::Failing {
        since,
        reason: reason.to_owned(),
    };
    let report = rig.report();
    assert_eq!((&report.state, report.dropped_groups), (&failing, 2));
    assert_eq!((report.files, report.fragments), (1, 8));
    // It has its tail, and is not deleted before that is durable.
    let content = disk.content(Path::new(FIRST)).expect("it is written");
    let reading = mp4::read(&mut content.as_slice()).expect("a recording");
    assert_eq!(
        (reading.ending, reading.fragments.len()),
        (FileEnding::Closed, 8)
    );
    retention.step();
    assert_eq!(disk.content(Path::new(FIRST)), Some(content));
    rig.seconds(4);
    assert_eq!(rig.report().state, failing);
    assert_eq!(rig.report().dropped_groups, 6);
    retention.step();
    assert_eq!(disk.content(Path::new(FIRST)), None);
    assert_eq!(retention.space().report().deleted_files, 1);
    // The second group proves that the first one is complete.
    rig.seconds(2);
    assert_eq!((rig.report().files, rig.report().fragments), (2, 9));
    rig.seconds(6);
    assert_eq!(rig.report().state, RecordingState::Recording);
    assert_eq!(rig.report().dropped_groups, 6);
    rig.finish();
    assert_eq!(rig.closed().len(), 1);
    assert_eq!(disk.files().len(), 1);
}

#[test]
fn folders_that_are_removed_meanwhile_are_made_again() {
    for action in ["make", "create"] {
        let mut rig = Rig::new();
        let mut refused = false;
        rig.disk.refuse(move |asked, path| {
            let is_inside = path.starts_with("/rec/7");
            let is_first = asked == action && is_inside && !std::mem::replace(&mut refused, true);
            is_first.then(|| io::Error::from(ErrorKind::NotFound))
        });
        rig.seconds(3);
        assert_eq!(rig.report().state, RecordingState::Recording, "{action}");
        assert_eq!(rig.report().dropped_groups, 0);
    }
}

/// The recordings below a folder, and the bytes of their blocks. Files may go meanwhile.
fn recordings(dir: &Path) -> (BTreeSet<PathBuf>, u64) {
    let (mut found, mut bytes) = (BTreeSet::new(), 0);
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            let (inside, more) = recordings(&path);
            found.extend(inside);
            bytes += more;
        } else if path.extension().is_some_and(|name| name == "mp4")
            && let Ok(file) = path.metadata()
        {
            bytes += file.blocks() * 512;
            found.insert(path);
        }
    }
    (found, bytes)
}

#[test]
fn the_blocks_never_exceed_the_budget_and_the_oldest_files_go_first() {
    const BUDGET_BYTES: u64 = 40 * MB;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::by_hand();
    let settings = RecordSettings {
        durable_every: Duration::from_secs(1),
        file_length: Duration::from_secs(2),
        budget_bytes: Some(BUDGET_BYTES),
        ..RecordSettings::new(folder.path())
    };
    let recorder = Recorder::start(settings.clone(), clock.clone()).expect("it starts");
    let (mut camera, source) = (Camera::new(), recorder.source(SourceId(1)));
    camera.bytes = 400_000;
    wait_until(|| recorder.report().space.is_counted);
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        for unit in camera.group(5) {
            clock.advance(unit.arrival.saturating_sub(clock.now()));
            source.unit(unit);
        }
        // The writer has nothing to do, and deletion has made room for its next step.
        wait_until(|| {
            let report = recorder.report();
            let room = BUDGET_BYTES - report.space.recordings_bytes;
            report.queued_bytes == 0 && room > STEP_BYTES + MB / 4
        });
        let (mut present, mut bytes) = (BTreeSet::new(), 0);
        // Not while files are being deleted.
        wait_until(|| {
            let before = std::mem::take(&mut present);
            (present, bytes) = recordings(folder.path());
            present == before
        });
        assert!(bytes <= BUDGET_BYTES, "{bytes}");
        seen.extend(present.iter().cloned());
        let newest = seen.iter().rev().take(present.len()).cloned();
        assert_eq!(newest.collect::<BTreeSet<_>>(), present);
    }
    let report = recorder.report();
    let of_source = &report.sources[&SourceId(1)];
    assert_eq!(of_source.state, RecordingState::Recording);
    assert_eq!(of_source.dropped_groups, 0);
    assert_eq!(of_source.files, seen.len() as u64);
    assert!(recorder.stop(LONG));
    let (present, bytes) = recordings(folder.path());
    assert!(bytes <= BUDGET_BYTES, "{bytes}");
    assert!(seen.len() >= 13, "{} files", seen.len());
    assert!((2..20).contains(&present.len()), "{} stay", present.len());
    assert!(present.last() >= seen.last());
    // They are found again by the next one.
    let again = Recorder::start(settings, Clock::by_hand()).expect("it starts");
    wait_until(|| again.report().space.is_counted);
    assert!(again.report().space.recordings_bytes <= bytes);
}

#[test]
fn where_more_must_stay_free_than_there_is_nothing_is_written_and_the_reason_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = RecordSettings {
        min_free_bytes: 1 << 60,
        ..RecordSettings::new(folder.path())
    };
    let recorder = Recorder::start(settings, Clock::by_hand()).expect("it starts");
    let (mut camera, source) = (Camera::new(), recorder.source(SourceId(1)));
    wait_until(|| recorder.report().space.is_counted);
    for unit in [camera.group(5), camera.group(5)].concat() {
        source.unit(unit);
    }
    wait_until(|| recorder.report().sources[&SourceId(1)].dropped_groups == 2);
    let report = recorder.report();
    let reason = format!(
        "no space beyond record.min_free, 1152921504.6 GB, is free in the file system of {}; no closed recording is left to delete; free space or lower it",
        folder.path().display()
    );
    assert_eq!(report.space.full.as_ref(), Some(&reason));
    let since = Duration::ZERO;
    let failing = RecordingState::Failing { since, reason };
    assert_eq!(report.sources[&SourceId(1)].state, failing);
    assert!(recorder.stop(LONG));
    assert!(!folder.path().join("1").exists());
    let marks = std::fs::read_dir(folder.path().join(".nvr-open")).expect("a folder");
    assert_eq!(marks.count(), 0);
    // With another limit it is recorded.
    let settings = RecordSettings::new(folder.path());
    let recorder = Recorder::start(settings, Clock::by_hand()).expect("it starts");
    let source = recorder.source(SourceId(1));
    for unit in camera.group(5) {
        source.unit(unit);
    }
    assert!(recorder.stop(LONG));
    assert_eq!(recordings(folder.path()).0.len(), 1);
}
