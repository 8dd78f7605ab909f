use std::path::PathBuf;

use super::*;

/// 2026-11-28T08:30:00Z.
const NOW: Duration = Duration::from_secs(1_795_854_600);
const MIB: u64 = 1 << 20;

/// Makes a recording of `mib` that starts `before` NOW.
fn recording(dir: &Path, source: u32, before_s: u64, mib: usize) -> PathBuf {
    let place = Place::new(SourceId(source), NOW - Duration::from_secs(before_s), 0);
    let path = place.path(dir);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(&path, vec![1; mib << 20]).expect("a file");
    path
}

fn counted(dir: &Path) -> Usage {
    usage(dir, NOW).expect("it can be read")
}

#[test]
fn recordings_are_counted_by_source_and_day() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = root.path();
    // The hour before the newest begins at 07:28: the rate is that of two files of 1 MiB in 20 minutes.
    recording(dir, 7, 2 * 86_400, 3);
    recording(dir, 7, 4000, 5);
    recording(dir, 7, 1320, 1);
    recording(dir, 7, 720, 1);
    recording(dir, 7, 120, 4);
    // It does not record any more.
    recording(dir, 9, 86_400, 1);
    recording(dir, 9, 86_400 - 60, 1);
    fs::write(dir.join("7/notes.mp4"), "not a recording").expect("a file");
    let usage = counted(dir);
    assert_eq!(
        usage.sources[&SourceId(7)],
        SourceUsage {
            files: 5,
            bytes: 14 * MIB,
            days: 2,
            oldest_unix: NOW - Duration::from_secs(2 * 86_400),
            newest_unix: NOW - Duration::from_secs(120),
            bytes_per_second: Some(2 * MIB / 1200),
        }
    );
    let stopped = &usage.sources[&SourceId(9)];
    assert_eq!(
        (stopped.files, stopped.days, stopped.bytes_per_second),
        (2, 1, None)
    );
    assert_eq!((usage.files(), usage.bytes()), (7, 16 * MIB));
    assert_eq!(usage.bytes_per_day(), Some(2 * MIB / 1200 * 86_400));
    assert!(usage.faults.is_empty());
}

#[test]
fn a_rate_needs_two_recordings_and_none_from_the_future() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = root.path();
    let future = Place::new(SourceId(1), NOW + Duration::from_secs(86_400), 0).path(dir);
    fs::create_dir_all(future.parent().expect("a parent")).expect("a folder");
    fs::write(future, "x").expect("a file");
    recording(dir, 2, 60, 1);
    assert_eq!(counted(dir).bytes_per_day(), None);
    recording(dir, 2, 120, 1);
    let rates = recent_rates(dir, NOW);
    assert_eq!(rates, BTreeMap::from([(SourceId(2), MIB / 60)]));
    assert_eq!(counted(dir).bytes_per_day(), Some(MIB / 60 * 86_400));
}

#[test]
fn open_recordings_are_those_with_a_mark_and_a_file() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = root.path();
    recording(dir, 7, 60, 1);
    fs::create_dir_all(open_folder(dir)).expect("a folder");
    for before_s in [60, 120] {
        let place = Place::new(SourceId(7), NOW - Duration::from_secs(before_s), 0);
        fs::write(place.mark(dir), "").expect("a mark");
    }
    assert_eq!(counted(dir).open, 1);
}

#[test]
fn recordings_are_kept_until_the_smaller_limit_is_reached() {
    let of_source = SourceUsage {
        files: 10,
        bytes: 1_000,
        days: 1,
        oldest_unix: NOW,
        newest_unix: NOW,
        bytes_per_second: Some(10),
    };
    let mut usage = Usage {
        sources: BTreeMap::from([(SourceId(1), of_source)]),
        ..Usage::default()
    };
    let seconds = |kept: Option<Duration>| kept.map(|kept| kept.as_secs());
    assert_eq!(seconds(usage.kept(Some(5_000), None, 2_000)), Some(400));
    assert_eq!(
        seconds(usage.kept(Some(5_000), Some(3_000), 2_000)),
        Some(300)
    );
    assert_eq!(
        seconds(usage.kept(Some(1_000), Some(3_000), 2_000)),
        Some(100)
    );
    assert_eq!(usage.kept(None, None, 0), None);
    for of_source in usage.sources.values_mut() {
        of_source.bytes_per_second = None;
    }
    assert_eq!(usage.kept(Some(5_000), None, 0), None);
}

#[test]
fn a_folder_that_is_not_there_is_a_fault() {
    let fault = usage(Path::new("/proc/none"), NOW).expect_err("it is not there");
    assert!(
        fault.to_string().starts_with("can't read /proc/none: "),
        "{fault}"
    );
}
