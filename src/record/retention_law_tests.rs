use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::laws::{read, see, want};
use super::model::{DIR, MB, ModelDisk, START, close, path, retention_by, write};
use super::{ASIDE, Retention};
use crate::base::Clock;
use crate::base::sync::lock;
use crate::record::file_key::FileKey;
use crate::record::space::{Full, OPEN_EXTRA_BYTES, STEP_BYTES, Space, SpaceLimits, margin};
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

/// A retention on a disk in memory, and the locks that were made there.
struct Run {
    disk: ModelDisk,
    retention: Retention<ModelDisk>,
    clock: Clock,
    space: Arc<Space>,
    locks: Vec<PathBuf>,
}

impl Run {
    fn new(disk: ModelDisk, limits: SpaceLimits) -> Self {
        let (retention, clock) = retention_by(&disk, limits);
        let space = retention.space();
        retention.count();
        Self {
            disk,
            retention,
            clock,
            space,
            locks: Vec::new(),
        }
    }

    fn open(&self, number: usize) -> Option<PathBuf> {
        pick(self.disk.lock().open.iter(), number)
    }

    fn recording(&self, number: usize) -> Option<PathBuf> {
        pick(
            self.disk.lock().recordings().map(|(_, path, _)| path),
            number,
        )
    }

    /// The source of a recording, and a second after its start.
    fn second_in(&self, number: usize, after_s: u64) -> Option<(u32, u64)> {
        let key = FileKey::of_path(Path::new(DIR), &self.recording(number)?)?;
        let second = key.start_unix().as_secs() - START + after_s;
        Some((key.source().0, second))
    }

    fn unread(&self) -> Vec<FileKey> {
        self.disk.lock().told.unread.iter().copied().collect()
    }

    fn write_new(&self, source: u32, second: u64, bytes: u64) -> Result<(), Full> {
        let free = (0..).map(|number| path(source, second, number));
        let new = free
            .into_iter()
            .find(|path| !self.disk.has(path) && !self.disk.lock().open.contains(path));
        write(
            &self.disk,
            &self.space,
            &new.expect("some number is free"),
            bytes,
        )
    }

    fn close(&self, number: usize, unused: u64) {
        let Some(path) = self.open(number) else {
            return;
        };
        if let Some(Entry::File { allocated_bytes }) = self.disk.lock().names.get_mut(&path) {
            *allocated_bytes -= (unused / 4096 * 4096).min(*allocated_bytes / 2 / 4096 * 4096);
        }
        close(&self.disk, &self.space, &path);
    }

    fn vanish(&self, number: usize) {
        let Some(path) = self.recording(number) else {
            return;
        };
        let key = FileKey::of_path(Path::new(DIR), &path).expect("a recording");
        let is_counted = !lock(&self.space.state).closing.contains(&key);
        self.disk.lock().vanish(&path, is_counted);
    }

    /// Does one thing, and says whether a file that is open may have grown by it.
    fn take(&mut self, op: &Op) -> Result<bool, TestCaseError> {
        let mut written = Ok(());
        match *op {
            Op::Open(source, second, bytes) => written = self.write_new(source, second, bytes),
            Op::Grow(number, bytes) => {
                if let Some(path) = self.open(number) {
                    written = write(&self.disk, &self.space, &path, bytes);
                }
            }
            Op::Close(number, unused) => self.close(number, unused),
            Op::Others(bytes) => {
                let mut model = self.disk.lock();
                model.others = bytes;
                model.is_stale = true;
            }
            Op::Vanish(number) => self.vanish(number),
            Op::Break(number) => {
                let broken = self.recording(number);
                self.disk.lock().broken.extend(broken);
            }
            Op::Mend => self.disk.lock().broken.clear(),
            Op::Lock(number, after_s, length) => {
                if let Some((source, from)) = self.second_in(number, after_s) {
                    let lock = self.disk.make_lock(source, from, from + length);
                    self.locks.push(lock);
                }
            }
            Op::Unlock(number) => {
                if let Some(lock) = pick(self.locks.iter(), number) {
                    self.disk.lock().names.remove(&lock);
                }
            }
            Op::See(number, after_s, length, class) => {
                if let Some((source, from)) = self.second_in(number, after_s) {
                    let class = CLASSES[class];
                    see(&self.disk, &self.space, source, class, from, from + length);
                }
            }
            Op::Want(source, count) => {
                let classes: Vec<_> = CLASSES[..count].iter().map(ToString::to_string).collect();
                want(&self.disk, &self.space, source, &classes);
            }
            Op::Read(number) => {
                let unread = self.unread();
                let read_now = number.checked_rem(unread.len()).map(|index| unread[index]);
                read(&self.disk, &self.space, read_now.as_slice());
            }
            Op::ReadAll => read(&self.disk, &self.space, &self.unread()),
            Op::Locking(is_locking) => self.disk.lock().is_locking = is_locking,
            Op::Advance(ms) => self.clock.advance(Duration::from_millis(ms)),
            Op::Step => {
                let refused = self.disk.lock().refused.len();
                self.retention.step();
                prop_assert!(self.disk.lock().refused.len() <= refused + 1);
                prop_assert!(self.disk.lock().unsynced.is_empty());
            }
        }
        Ok(written.is_ok() && matches!(op, Op::Open(..) | Op::Grow(..)))
    }

    /// Closes all files, and ends all faults and locks.
    fn mend(&self) {
        let open = self.disk.lock().open.clone();
        for path in open {
            close(&self.disk, &self.space, &path);
        }
        let mut model = self.disk.lock();
        model.broken.clear();
        model.others = 0;
        model.is_locking = false;
        for lock in &self.locks {
            model.names.remove(lock);
        }
    }
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
        let mut run = Run::new(disk.clone(), limits);
        for op in ops {
            let is_granted = run.take(&op)?;
            let model = disk.lock();
            prop_assert!(model.used() <= budget, "{} of {budget}", model.used());
            if is_granted && !model.is_stale && !model.open.is_empty() {
                prop_assert!(model.free() + OPEN_EXTRA_BYTES >= min_free, "{}", model.free());
            }
        }
        prop_assert!(foreign.iter().all(|path| disk.has(path)));
        // All is well again: there is room for the next step.
        run.mend();
        run.clock.advance(2 * ASIDE);
        run.retention.step();
        prop_assert!(disk.lock().used() <= budget - margin(&run.space.limits));
        prop_assert_eq!(run.space.may_write(STEP_BYTES), Ok(()));
        // Files that somebody else deleted leave the list at their turn.
        prop_assert!(run.space.report().recordings_bytes >= disk.lock().used());
    }
}
