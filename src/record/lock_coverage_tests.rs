use tempfile::TempDir;

use super::*;
use crate::base::SourceId;
use crate::record::layout::Place;
use crate::record::mp4::{self, FileHead};
use crate::record::testing::{Camera, STARTED_UNIX};

/// Writes a recording of a source with 5 s of pictures, the first of them at so many seconds. Without a tail if it is cut.
fn record(folder: &TempDir, source: u32, second: u64, is_cut: bool) -> u64 {
    let mut camera = Camera::new();
    camera.at = Duration::from_secs(second) - camera.interval;
    let units = camera.group(25);
    let first = &units[0];
    let head = FileHead {
        id: second,
        source: SourceId(source),
        started_unix: first.captured_unix,
        format: (*first.format).clone(),
    };
    let mut bytes = mp4::head(&head);
    let fragment = mp4::fragment(second, 1, first.pts_ns, &units, None);
    bytes.extend(fragment.expect("a fragment").bytes);
    if !is_cut {
        let places = mp4::read(&mut bytes.as_slice()).expect("a head").fragments;
        bytes.extend(mp4::tail(second, 2, &places));
    }
    let path = Place::new(SourceId(source), first.captured_unix, 0).path(folder.path());
    fs::create_dir_all(path.with_file_name("")).expect("folders");
    fs::write(&path, &bytes).expect("a file");
    bytes.len() as u64
}

fn at(second: u64) -> Duration {
    STARTED_UNIX + Duration::from_secs(second)
}

/// What is covered at second 1000, with gaps in seconds.
fn covered(folder: &TempDir, from: u64, until: u64) -> (u64, u64, u64, Vec<(u64, u64)>) {
    let lock = Lock {
        id: String::new(),
        source: SourceId(7),
        from_unix: at(from),
        until_unix: at(until),
        reason: String::new(),
        made_unix: None,
        fault: None,
    };
    let covered = lock_coverage(folder.path(), &lock, at(1000)).expect("it is read");
    let seconds = |time: Duration| (time - STARTED_UNIX).as_secs();
    let gaps = covered.gaps.iter();
    let gaps = gaps.map(|&(from, until)| (seconds(from), seconds(until)));
    let gaps = gaps.collect();
    (covered.files, covered.bytes, covered.unknown_ends, gaps)
}

#[test]
fn recordings_with_frames_of_the_time_are_covered_and_gaps_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(covered(&folder, 100, 200), (0, 0, 0, vec![(100, 200)]));
    record(&folder, 8, 102, false);
    let bytes = [100, 105, 120, 300].map(|second| record(&folder, 7, second, false));
    fs::write(folder.path().join("7/notes.txt"), "").expect("a file");
    assert_eq!(covered(&folder, 102, 103), (1, bytes[0], 0, vec![]));
    // It ends before, whenever the next one begins.
    assert_eq!(covered(&folder, 112, 119), (0, 0, 0, vec![(112, 119)]));
    let (two, gaps) = (bytes[1] + bytes[2], vec![(110, 120), (125, 200)]);
    assert_eq!(covered(&folder, 106, 200), (2, two, 0, gaps));
    // A gap begins before, and what is to come is none.
    let gaps = vec![(60, 100), (110, 120), (125, 300), (305, 1000)];
    let all = bytes.iter().sum();
    assert_eq!(covered(&folder, 60, 5000), (4, all, 0, gaps));
    assert_eq!(covered(&folder, 2000, 5000), (0, 0, 0, vec![]));
}

#[test]
fn a_recording_with_an_unknown_end_may_last_until_the_next_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let cut = record(&folder, 7, 100, true);
    record(&folder, 7, 400, false);
    assert_eq!(covered(&folder, 200, 300), (1, cut, 1, vec![]));
    assert_eq!(covered(&folder, 420, 430), (0, 0, 0, vec![(420, 430)]));
    // The one that is written now.
    fs::create_dir(folder.path().join(".nvr-open")).expect("a folder");
    let open = record(&folder, 7, 990, true);
    let mark = Place::new(SourceId(7), at(990), 0).mark(folder.path());
    fs::write(mark, "").expect("a mark");
    assert_eq!(covered(&folder, 992, 5000), (1, open, 0, vec![]));
}

#[test]
fn a_recording_of_the_day_before_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    // 15.5 h after 8:30 it is midnight.
    let midnight = 15 * 3600 + 1800;
    let bytes = record(&folder, 7, midnight - 3, true);
    let next = record(&folder, 7, midnight + 10, false);
    let lock = Lock {
        id: String::new(),
        source: SourceId(7),
        from_unix: at(midnight + 5),
        until_unix: at(midnight + 20),
        reason: String::new(),
        made_unix: None,
        fault: None,
    };
    let covered = lock_coverage(folder.path(), &lock, at(midnight + 100)).expect("it is read");
    assert_eq!((covered.files, covered.bytes), (2, bytes + next));
}
