use super::laws::{read, see, want};
use super::model::{DIR, MB, ModelDisk, close, path, retention_by, write};
use super::*;

const HOUR: u64 = 3600;

fn limits(budget: u64) -> SpaceLimits {
    SpaceLimits {
        budget_bytes: Some(budget),
        prefer_events_after: Duration::from_secs(24 * HOUR),
        pre_roll: Duration::from_secs(10),
        post_roll: Duration::from_secs(10),
        ..SpaceLimits::none(DIR)
    }
}

#[test]
fn a_quiet_camera_gives_way_to_events_but_keeps_its_last_day() {
    let disk = ModelDisk::new(u64::MAX);
    let hours = |source| (0..48).map(move |hour| path(source, hour * HOUR, 0));
    hours(1)
        .chain(hours(2))
        .for_each(|path| disk.file(path, 10 * MB));
    let (mut retention, clock) = retention_by(&disk, limits(800 * MB));
    let space = retention.space();
    // The second camera sees persons all day, the first one cars, which are not wanted.
    want(&disk, &space, 1, &["person".to_owned()]);
    for hour in 0..48 {
        see(&disk, &space, 1, "car", hour * HOUR, hour * HOUR + 60);
        see(&disk, &space, 2, "person", hour * HOUR, hour * HOUR + 60);
    }
    retention.count();
    read(&disk, &space, &[]);
    retention.step();
    // Of 960 MB 193 are to go, with the room for the next step of two cameras.
    let of_first: Vec<_> = hours(1).take(20).collect();
    assert_eq!(disk.lock().deleted, of_first);
    // When only the last day of the first one is left, the oldest of both goes.
    for second in [48 * HOUR, 48 * HOUR + 60, 48 * HOUR + 120] {
        let written = write(&disk, &space, &path(2, second, 0), 16 * MB);
        assert_eq!(written, Ok(()));
        retention.step();
        clock.advance(MEASURE_EVERY);
    }
    let deleted = disk.lock().deleted.clone();
    let left_of_first = hours(1).filter(|path| disk.has(path)).count();
    assert_eq!(left_of_first, 25, "{:?}", &deleted[20..]);
    let oldest: Vec<_> = hours(2).take(deleted.len() - 23).collect();
    assert_eq!(deleted[23..], oldest);
}

#[test]
fn a_recording_is_known_when_it_is_read_after_it_was_closed() {
    let disk = ModelDisk::new(u64::MAX);
    let limits = SpaceLimits {
        prefer_events_after: Duration::ZERO,
        pre_roll: Duration::ZERO,
        ..limits(100 * MB)
    };
    let (mut retention, _clock) = retention_by(&disk, limits);
    let space = retention.space();
    retention.count();
    let paths = [0, 60, 120, 200, 300].map(|second| path(1, second, 0));
    let keys = paths
        .clone()
        .map(|path| FileKey::of_path(Path::new(DIR), &path).expect("a recording"));
    let grow = |path: &Path, bytes| assert_eq!(write(&disk, &space, path, bytes), Ok(()));
    paths[..4].iter().for_each(|path| grow(path, 20 * MB));
    grow(&paths[4], 5 * MB);
    paths[..3]
        .iter()
        .for_each(|path| close(&disk, &space, path));
    see(&disk, &space, 1, "car", 0, 1);
    // The first three are closed and not yet measured, the others are open: they are told too early.
    read(&disk, &space, &keys);
    retention.step();
    assert_eq!(disk.lock().deleted, Vec::<std::path::PathBuf>::new());
    let deleted_after = |retention: &mut Retention<ModelDisk>, bytes| {
        grow(&paths[4], bytes);
        retention.step();
        std::mem::take(&mut disk.lock().deleted)
    };
    assert_eq!(deleted_after(&mut retention, 10 * MB), paths[1..2]);
    close(&disk, &space, &paths[3]);
    assert_eq!(deleted_after(&mut retention, 20 * MB), paths[2..3]);
    assert_eq!(deleted_after(&mut retention, 20 * MB), paths[..1]);
    read(&disk, &space, &keys[3..4]);
    assert_eq!(deleted_after(&mut retention, 20 * MB), paths[3..4]);
}

#[test]
fn events_that_end_before_all_recordings_are_forgotten() {
    let disk = ModelDisk::new(u64::MAX);
    let paths: Vec<_> = (0..4).map(|at| path(1, at * 60, 0)).collect();
    paths.iter().for_each(|path| disk.file(path, 100 * MB));
    let (mut retention, _clock) = retention_by(&disk, limits(350 * MB));
    let space = retention.space();
    for from in [0, 30, 100] {
        see(&disk, &space, 1, "car", from, from);
    }
    retention.count();
    retention.step();
    assert_eq!(disk.lock().deleted, paths[..1]);
    // The beginnings of the first and of the last one.
    let known = format!("{:?}", lock(&space.state).stock);
    assert!(!known.contains("1795854590000"), "{known}");
    assert!(known.contains("1795854690000"), "{known}");
}
