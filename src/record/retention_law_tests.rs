use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::ASIDE;
use super::laws::{read, see, want};
use super::model::{DIR, MB, ModelDisk, START, close, path, retention_by, write};
use crate::base::sync::lock;
use crate::record::file_key::FileKey;
use crate::record::space::{OPEN_EXTRA_BYTES, STEP_BYTES, SpaceLimits, margin};
use crate::record::space_disk::Entry;

#[derive(Debug, Clone)]
enum Op {
    Open(u32, u64, u64),
    Grow(usize, u64),
    Close(usize, u64),
    Others(u64),
    Vanish(usize),
    Break(usize),
    Mend,
    Lock(usize, u64, u64),
    Unlock(usize),
    Locking(bool),
    See(usize, u64, u64, usize),
    Want(u32, usize),
    Read(usize),
    ReadAll,
    Advance(u64),
    Step,
}

/// The start of a recording or a lock. Recordings overlap in the first minutes, as if clocks had been set back.
fn any_second() -> impl Strategy<Value = u64> {
    prop_oneof![0..20_000u64, 0..600u64]
}

/// The classes of objects.
const CLASSES: [&str; 3] = ["person", "car", "dog"];

fn any_op() -> impl Strategy<Value = Op> {
    let bytes = 1..12 * MB;
    prop_oneof![
        4 => (0..3u32, any_second(), bytes.clone()).prop_map(|(a, b, c)| Op::Open(a, b, c)),
        6 => (any::<usize>(), bytes.clone()).prop_map(|(a, b)| Op::Grow(a, b)),
        4 => (any::<usize>(), bytes).prop_map(|(a, b)| Op::Close(a, b)),
        1 => (0..1500 * MB).prop_map(Op::Others),
        1 => any::<usize>().prop_map(Op::Vanish),
        1 => any::<usize>().prop_map(Op::Break),
        1 => Just(Op::Mend),
        2 => (any::<usize>(), 0..90u64, prop_oneof![1..60u64, 1..4000u64]).prop_map(|(a, b, c)| Op::Lock(a, b, c)),
        1 => any::<usize>().prop_map(Op::Unlock),
        1 => any::<bool>().prop_map(Op::Locking),
        3 => (any::<usize>(), 0..120u64, prop_oneof![0..10u64, 0..600u64], 0..3usize).prop_map(|(a, b, c, d)| Op::See(a, b, c, d)),
        1 => (0..3u32, 0..4usize).prop_map(|(a, b)| Op::Want(a, b)),
        3 => any::<usize>().prop_map(Op::Read),
        1 => Just(Op::ReadAll),
        1 => (0..100_000u64).prop_map(Op::Advance),
        4 => Just(Op::Step),
    ]
}

/// One of some paths.
fn pick<'a>(paths: impl Iterator<Item = &'a PathBuf>, number: usize) -> Option<PathBuf> {
    let paths: Vec<_> = paths.collect();
    let picked = paths.get(number.checked_rem(paths.len())?)?;
    Some((*picked).clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn limits_hold_and_only_the_oldest_closed_recordings_beyond_the_minimum_that_are_not_locked_go_those_without_events_first(
        present in prop::collection::btree_map((0..3u32, any_second()), 1..20 * MB, 0..30),
        budget in 60 * MB..600 * MB,
        min_free in 0..500 * MB,
        min_per_camera in prop_oneof![Just(0), 3 * MB..250 * MB],
        prefer_events_after in prop_oneof![Just(0), 0..5000u64],
        rolls in (0..30u64, 0..30u64),
        ops in prop::collection::vec(any_op(), 1..150),
    ) {
        let disk = ModelDisk::new(2000 * MB);
        let foreign = ["0/notes.txt", "x/1.mp4", "0/2026-11-28/08/copy.mp4", ".nvr-open/0_x", ".nvr-locks/notes.json"];
        let foreign = foreign.map(|name| Path::new(DIR).join(name));
        foreign.iter().for_each(|path| disk.file(path, 5000));
        for ((source, second), bytes) in present {
            // A former run kept the budget.
            if disk.lock().used() + bytes <= budget {
                disk.file(path(source, second, 0), bytes);
            }
        }
        let limits = SpaceLimits {
            budget_bytes: Some(budget),
            min_free_bytes: min_free,
            min_per_camera_bytes: min_per_camera,
            prefer_events_after: Duration::from_secs(prefer_events_after),
            pre_roll: Duration::from_secs(rolls.0),
            post_roll: Duration::from_secs(rolls.1),
            ..SpaceLimits::none(DIR)
        };
        let (mut retention, clock) = retention_by(&disk, limits);
        let mut locks = Vec::new();
        let space = retention.space();
        retention.count();
        for op in ops {
            let open = |number| pick(disk.lock().open.iter(), number);
            let mut written = Ok(());
            match op {
                Op::Open(source, second, bytes) => {
                    let free = (0..).map(|number| path(source, second, number));
                    let new = free.into_iter().find(|path| !disk.has(path) && !disk.lock().open.contains(path));
                    written = write(&disk, &space, &new.expect("some number is free"), bytes);
                }
                Op::Grow(number, bytes) => if let Some(path) = open(number) {
                    written = write(&disk, &space, &path, bytes);
                },
                Op::Close(number, unused) => if let Some(path) = open(number) {
                    if let Some(Entry::File { allocated_bytes }) = disk.lock().names.get_mut(&path) {
                        *allocated_bytes -= (unused / 4096 * 4096).min(*allocated_bytes / 2 / 4096 * 4096);
                    }
                    close(&disk, &space, &path);
                },
                Op::Others(bytes) => {
                    disk.lock().others = bytes;
                    disk.lock().is_stale = true;
                }
                Op::Vanish(number) => {
                    let mut model = disk.lock();
                    let gone = pick(model.recordings().map(|(_, path, _)| path), number);
                    if let Some(path) = gone {
                        let key = FileKey::of_path(Path::new(DIR), &path).expect("a recording");
                        let is_counted = !lock(&space.state).closing.contains(&key);
                        model.vanish(&path, is_counted);
                    }
                }
                Op::Break(number) => {
                    let mut model = disk.lock();
                    let broken = pick(model.recordings().map(|(_, path, _)| path), number);
                    model.broken.extend(broken);
                }
                Op::Mend => disk.lock().broken.clear(),
                Op::Lock(number, from, length) => {
                    let locked = pick(disk.lock().recordings().map(|(_, path, _)| path), number);
                    let locked = locked.and_then(|path| FileKey::of_path(Path::new(DIR), &path));
                    if let Some(key) = locked {
                        let from = key.start_unix().as_secs() - START + from;
                        locks.push(disk.make_lock(key.source().0, from, from + length));
                    }
                }
                Op::Unlock(number) => if let Some(lock) = pick(locks.iter(), number) {
                    disk.lock().names.remove(&lock);
                }
                Op::See(number, from, length, class) => {
                    let seen = pick(disk.lock().recordings().map(|(_, path, _)| path), number);
                    let seen = seen.and_then(|path| FileKey::of_path(Path::new(DIR), &path));
                    if let Some(key) = seen {
                        let from = key.start_unix().as_secs() - START + from;
                        see(&disk, &space, key.source().0, CLASSES[class], from, from + length);
                    }
                }
                Op::Want(source, count) => {
                    let classes: Vec<_> = CLASSES[..count].iter().map(ToString::to_string).collect();
                    want(&disk, &space, source, &classes);
                }
                Op::Read(number) => {
                    let unread: Vec<_> = disk.lock().told.unread.iter().copied().collect();
                    let read_now = number.checked_rem(unread.len()).map(|index| unread[index]);
                    read(&disk, &space, read_now.as_slice());
                }
                Op::ReadAll => {
                    let unread: Vec<_> = disk.lock().told.unread.iter().copied().collect();
                    read(&disk, &space, &unread);
                }
                Op::Locking(is_locking) => disk.lock().is_locking = is_locking,
                Op::Advance(ms) => clock.advance(Duration::from_millis(ms)),
                Op::Step => {
                    let refused = disk.lock().refused.len();
                    retention.step();
                    prop_assert!(disk.lock().refused.len() <= refused + 1);
                    prop_assert!(disk.lock().unsynced.is_empty());
                }
            }
            let model = disk.lock();
            prop_assert!(model.used() <= budget, "{} of {budget}", model.used());
            let is_granted = written.is_ok() && matches!(op, Op::Open(..) | Op::Grow(..));
            if is_granted && !model.is_stale && !model.open.is_empty() {
                prop_assert!(model.free() + OPEN_EXTRA_BYTES >= min_free, "{}", model.free());
            }
        }
        prop_assert!(foreign.iter().all(|path| disk.has(path)));
        // All is well again: there is room for the next step.
        let open = disk.lock().open.clone();
        for path in open {
            close(&disk, &space, &path);
        }
        disk.lock().broken.clear();
        disk.lock().others = 0;
        disk.lock().is_locking = false;
        for lock in &locks {
            disk.lock().names.remove(lock);
        }
        clock.advance(2 * ASIDE);
        retention.step();
        prop_assert!(disk.lock().used() <= budget - margin(&retention.space.limits));
        prop_assert_eq!(space.may_write(STEP_BYTES), Ok(()));
        // Files that somebody else deleted leave the list at their turn.
        prop_assert!(space.report().recordings_bytes >= disk.lock().used());
    }
}
