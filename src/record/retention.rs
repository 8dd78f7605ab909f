//! Retention: the oldest recordings are deleted before the limits of space are reached.
//!
//! The writer tells [`Space`] which files it opens, grows and closes, and asks it before it allocates space. That never waits for
//! the disk. The thread `record-space` ([`Retention`]) counts the recordings that are there at its start, and deletes from then on:
//! the oldest closed recordings of all sources first, open ones never. It keeps room for what all sources are about to write, so
//! that the writer does not wait for a deletion.
//!
//! When that can't be done, [`Space::may_write`] refuses, and the writer drops groups. The budget may be exceeded only by what a
//! start finds and what is written until it is counted; from then on the excess only falls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::error::DiskFault;
use super::stock::{DAY_MS, Entry, FileKey, Found, HOUR_MS, SpaceDisk, Stock, walk};
use crate::base::sync::lock;
use crate::base::{Backoff, Clock, SourceId, Stop, shown_bytes};

/// The space that the writer reserves for a file at a time.
pub(super) const STEP_BYTES: u64 = 8 << 20;
/// Deletion goes on for this much, or 1 % of the budget, below the limit at which it begins.
const MARGIN_BYTES: u64 = 64_000_000;
/// What the file system may allocate for an open file beyond the reserved space: its lists of blocks, and the tail of the file.
const OPEN_EXTRA_BYTES: u64 = 64 << 10;
/// The free space is asked of the file system this often, and after deletions: other programs fill the disk as well.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// Deletions between two syncs of their folders.
const BATCH: usize = 64;
/// A recording that the disk refused to delete is passed over for this long.
const ASIDE: Duration = Duration::from_secs(600);
/// The pause after a refused deletion: one file may be immutable, or the whole file system read-only.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest such pause.
const PAUSE_LONGEST: Duration = Duration::from_secs(60);
/// From one sample of the written bytes to the next, and their number: the rate is that of the last 10 minutes.
const SAMPLE_EVERY: Duration = Duration::from_secs(30);
const SAMPLES: usize = 21;
/// A rate over less is too inexact: space is reserved in large steps.
const RATE_AFTER: Duration = Duration::from_secs(180);

/// How much space recordings may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpaceLimits {
    /// The folder of recordings. It exists.
    pub dir: PathBuf,
    /// The most bytes of all recordings together, as the file system counts them.
    pub budget_bytes: Option<u64>,
    /// Bytes that stay free in the file system.
    pub min_free_bytes: u64,
}

/// How much space recordings take. The numbers of deletions count since the start of the recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceReport {
    /// Bytes of all recordings, with the space that is reserved for open ones.
    pub recordings_bytes: u64,
    /// Whether the recordings of former runs are counted. Nothing is deleted before.
    pub is_counted: bool,
    /// The most bytes of all recordings.
    pub budget_bytes: Option<u64>,
    /// Bytes that are free in the file system. `None` if it does not tell.
    pub free_bytes: Option<u64>,
    /// Bytes that stay free in the file system.
    pub min_free_bytes: u64,
    /// The start of the oldest recording of each source, since the Unix epoch.
    pub oldest: BTreeMap<SourceId, Duration>,
    /// Recordings that were deleted.
    pub deleted_files: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Deletions that the disk refused.
    pub failed_deletions: u64,
    /// The last error of the disk while counting or deleting, and the remedy.
    pub fault: Option<String>,
    /// Why nothing more may be written now, and the remedy.
    pub full: Option<String>,
    /// The rate of the last 10 minutes. `None` in the first 3 minutes.
    pub bytes_per_day: Option<u64>,
    /// How long recordings are kept at this rate: until the space that they may have is full. `None` without a rate.
    pub kept: Option<Duration>,
}

/// There is no space for what is to be written. It may pass: recordings are closed and deleted, other programs free space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Full {
    /// The folder, the limit, the value and the remedy.
    pub reason: String,
}

/// The space of one folder between the thread that writes and the one that deletes. No call waits for the disk.
#[derive(Debug)]
pub(super) struct Space {
    limits: SpaceLimits,
    clock: Clock,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stock: Stock,
    /// Closed by the writer, not yet measured. They count as open until then.
    closing: BTreeSet<FileKey>,
    is_counted: bool,
    /// The budget, or more while a start's excess is being deleted.
    ceiling_bytes: u64,
    /// The free space is due to be measured, by the clock.
    measure_at: Duration,
    /// The free space when it was last measured, and `grown_bytes` before that.
    free: Option<(u64, u64)>,
    /// All bytes that files grew by.
    grown_bytes: u64,
    /// Granted to the writer, not yet reported as grown.
    promised_bytes: u64,
    /// Refused to the writer, which will ask again.
    refused_bytes: u64,
    /// All bytes that files grew by, without what was given back when they were closed.
    written_bytes: u64,
    /// `written_bytes` at times of the clock.
    samples: VecDeque<(Duration, u64)>,
    deleted_files: u64,
    deleted_bytes: u64,
    failed_deletions: u64,
    fault: Option<String>,
    /// The last deletion was refused, with this fault.
    undeletable: Option<String>,
    full: Option<String>,
    is_wanted: bool,
    is_ending: bool,
}

impl Space {
    /// A file is about to be created, and so are its folders. Call it before they are: from then on none of them is removed.
    pub(super) fn opened(&self, path: &Path) {
        if let Some(key) = FileKey::of_path(&self.limits.dir, path) {
            let mut state = lock(&self.state);
            state.closing.remove(&key);
            state.stock.opened(key, OPEN_EXTRA_BYTES);
        }
    }

    /// Space was allocated for an open file.
    pub(super) fn grew(&self, path: &Path, bytes: u64) {
        if let Some(key) = FileKey::of_path(&self.limits.dir, path) {
            let mut state = lock(&self.state);
            state.stock.grew(key, bytes);
            state.promised_bytes = 0;
            state.grown_bytes += bytes;
            state.written_bytes += bytes;
        }
    }

    /// A file is closed, was given up or was not created: its space does not change any more, and it may be deleted.
    pub(super) fn closed(&self, path: &Path) {
        if let Some(key) = FileKey::of_path(&self.limits.dir, path) {
            lock(&self.state).closing.insert(key);
        }
    }

    /// Asks for `bytes` of space for an open file, before they are allocated. Only one thread may ask: a grant is valid until
    /// [`Space::grew`] or the next call.
    ///
    /// # Errors
    /// If a limit would be exceeded.
    pub(super) fn may_write(&self, bytes: u64) -> Result<(), Full> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.promised_bytes = 0;
        state.full = state.refusal(&self.limits, bytes, now);
        (state.promised_bytes, state.refused_bytes) = match state.full {
            None => (bytes, 0),
            Some(_) => (0, bytes),
        };
        if state.full.is_some() || state.to_delete(&self.limits, true) > 0 {
            state.is_wanted = true;
            self.wake.notify_all();
        }
        state
            .full
            .clone()
            .map_or(Ok(()), |reason| Err(Full { reason }))
    }

    /// How much space recordings take.
    pub(super) fn report(&self) -> SpaceReport {
        let now = self.clock.now();
        let state = lock(&self.state);
        let (used, free) = (state.stock.bytes(), state.free_bytes());
        let of_free = free.map(|free| used + free.saturating_sub(self.limits.min_free_bytes));
        let limits = of_free.into_iter().chain(self.limits.budget_bytes);
        let bytes_per_day = state.bytes_per_day(now);
        let kept = limits.min().zip(bytes_per_day.filter(|rate| *rate > 0));
        SpaceReport {
            recordings_bytes: used,
            is_counted: state.is_counted,
            budget_bytes: self.limits.budget_bytes,
            free_bytes: free,
            min_free_bytes: self.limits.min_free_bytes,
            oldest: state.stock.oldest(),
            deleted_files: state.deleted_files,
            deleted_bytes: state.deleted_bytes,
            failed_deletions: state.failed_deletions,
            fault: state.fault.clone(),
            full: state.full.clone(),
            bytes_per_day,
            kept: kept.map(|(bytes, per_day)| {
                let seconds = u128::from(bytes) * 86_400 / u128::from(per_day);
                Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX))
            }),
        }
    }

    fn end(&self) {
        lock(&self.state).is_ending = true;
        self.wake.notify_all();
    }

    /// Waits until the writer needs space, or for `limit`. False if the thread is to end.
    fn wait(&self, limit: Duration) -> bool {
        let state = lock(&self.state);
        let is_idle = |state: &mut State| !state.is_wanted && !state.is_ending;
        let waited = self.wake.wait_timeout_while(state, limit, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_wanted = false;
        !state.is_ending
    }
}

impl State {
    fn free_bytes(&self) -> Option<u64> {
        let (measured, grown_before) = self.free?;
        let taken = self.grown_bytes - grown_before + self.promised_bytes;
        Some(measured.saturating_sub(taken))
    }

    /// The room that is kept for the next step of all sources.
    fn headroom(&self, limits: &SpaceLimits) -> u64 {
        let steps = self.stock.sources() * STEP_BYTES;
        (margin(limits) + steps).max(self.refused_bytes)
    }

    /// The bytes to delete now; 0 while there is room for the next step of all sources.
    fn to_delete(&self, limits: &SpaceLimits, for_free: bool) -> u64 {
        let excess = |further: u64| {
            let headroom = self.headroom(limits);
            let of_budget = limits.budget_bytes.map_or(0, |budget| {
                let target = budget - headroom.min(budget / 4) - further;
                self.stock.bytes().saturating_sub(target)
            });
            let wanted_free = limits.min_free_bytes.saturating_add(headroom + further);
            let free = self.free_bytes().filter(|_| for_free);
            of_budget.max(free.map_or(0, |free| wanted_free.saturating_sub(free)))
        };
        if excess(0) == 0 {
            return 0;
        }
        excess(margin(limits))
    }

    /// Lowers the ceiling with the recordings. It never rises.
    fn lower_ceiling(&mut self, limits: &SpaceLimits) {
        let budget = limits.budget_bytes.unwrap_or(u64::MAX);
        let present = self.stock.bytes() + self.headroom(limits);
        self.ceiling_bytes = budget.max(self.ceiling_bytes.min(present));
    }

    fn refusal(&self, limits: &SpaceLimits, bytes: u64, now: Duration) -> Option<String> {
        let dir = limits.dir.display();
        let undeletable = self.undeletable.as_ref();
        let undeletable = undeletable.map_or(String::new(), |fault| format!(" ({fault})"));
        let is_deletable = self.stock.oldest_closed(now).is_some();
        let free = self.free_bytes();
        if let Some(free) = free.filter(|free| *free < limits.min_free_bytes.saturating_add(bytes))
        {
            let (free, min_free) = (shown_bytes(free), shown_bytes(limits.min_free_bytes));
            let deleting = match (self.is_counted, is_deletable) {
                (false, _) => "; nothing is deleted before all recordings are counted",
                (true, true) => "; the oldest recordings are being deleted",
                (true, false) => "; no closed recording is left to delete",
            };
            return Some(format!(
                "only {free} are free in the file system of {dir}, record.min_free is {min_free}{deleting}{undeletable}; free space or lower it"
            ));
        }
        let budget = limits.budget_bytes?;
        if !self.is_counted || self.stock.bytes() + bytes <= self.ceiling_bytes {
            return None;
        }
        let budget = shown_bytes(budget);
        let by = if is_deletable {
            "used, and the oldest recordings are not deleted fast enough"
        } else if undeletable.is_empty() {
            "used by recordings that are still open"
        } else {
            "used by recordings that are open or can't be deleted"
        };
        Some(format!(
            "the budget of {budget} in {dir} is {by}{undeletable}; raise record.budget"
        ))
    }

    fn bytes_per_day(&self, now: Duration) -> Option<u64> {
        let (since, before) = *self.samples.front()?;
        let elapsed = now.saturating_sub(since);
        let bytes = u128::from(self.written_bytes.saturating_sub(before));
        let per_day = bytes * 86_400_000 / elapsed.as_millis().max(1);
        (elapsed >= RATE_AFTER).then(|| u64::try_from(per_day).unwrap_or(u64::MAX))
    }

    fn sample(&mut self, now: Duration) {
        let last = self.samples.back();
        if last.is_none_or(|(at, _)| now >= *at + SAMPLE_EVERY) {
            self.samples.push_back((now, self.written_bytes));
            if self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
    }
}

fn margin(limits: &SpaceLimits) -> u64 {
    let of_budget = limits.budget_bytes.map(|budget| budget / 100);
    of_budget.map_or(MARGIN_BYTES, |bytes| bytes.min(MARGIN_BYTES))
}

/// What the thread `record-space` does.
pub(super) struct Retention<D> {
    disk: D,
    space: Arc<Space>,
    backoff: Backoff,
    /// No deletion before, by the clock.
    paused_until: Duration,
    /// No deletion for the sake of the free space before: some file systems free blocks later than they delete files.
    free_again_at: Duration,
}

impl<D: SpaceDisk> Retention<D> {
    /// Blocks for the free space of the file system.
    pub(super) fn new(disk: D, limits: SpaceLimits, clock: Clock) -> Self {
        let retention = Self {
            disk,
            space: Arc::new(Space {
                limits,
                clock,
                state: Mutex::default(),
                wake: Condvar::new(),
            }),
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
            paused_until: Duration::ZERO,
            free_again_at: Duration::ZERO,
        };
        retention.measure();
        retention
    }

    /// What the writer calls.
    pub(super) fn space(&self) -> Arc<Space> {
        self.space.clone()
    }

    /// Counts the recordings that are there. Blocks for minutes if there are many on a slow disk.
    pub(super) fn count(&self) {
        let (space, mut empty) = (&self.space, Vec::new());
        let mut step = |found| {
            match found {
                Found::Hour(files) => {
                    let stock = &mut lock(&space.state).stock;
                    let files = files.into_iter();
                    files.for_each(|(key, bytes)| stock.found(key, bytes));
                }
                Found::Empty(key) => empty.push(key),
                Found::Fault(fault) => self.note(&fault),
            }
            self.measure_if_due();
            if lock(&space.state).is_ending {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        if walk(&self.disk, &space.limits.dir, &mut step).is_break() {
            return;
        }
        empty.into_iter().for_each(|key| self.remove_empty(key));
        let mut state = lock(&space.state);
        state.is_counted = true;
        state.ceiling_bytes = match space.limits.budget_bytes {
            Some(budget) if state.stock.bytes() <= budget => budget,
            _ => u64::MAX,
        };
        state.lower_ceiling(&space.limits);
    }

    /// Measures closed files and the free space, and deletes what is necessary. Only after [`Retention::count`].
    pub(super) fn step(&mut self) {
        self.measure_closed();
        self.measure_if_due();
        let now = self.space.clock.now();
        let mut state = lock(&self.space.state);
        state.sample(now);
        state.lower_ceiling(&self.space.limits);
        let amount = state.to_delete(&self.space.limits, now >= self.free_again_at);
        drop(state);
        if amount > 0 && now >= self.paused_until {
            self.delete(amount, now);
            self.free_again_at = now + MEASURE_EVERY;
        }
    }

    fn measure_closed(&self) {
        let closing = lock(&self.space.state).closing.clone();
        for key in closing {
            let path = key.path(&self.space.limits.dir);
            let entry = self.disk.entry(&path);
            let mut state = lock(&self.space.state);
            if !state.closing.remove(&key) {
                // It was opened again.
                continue;
            }
            let (bytes, fault) = match entry {
                Ok(Entry::File { allocated_bytes }) => (Some(allocated_bytes), None),
                Err(error) if error.kind() != ErrorKind::NotFound => (None, Some(error)),
                // It was not created, or is gone.
                _ => {
                    state.stock.forget(key);
                    continue;
                }
            };
            let counted = state.stock.closed(key, bytes);
            let given_back = counted.saturating_sub(bytes.unwrap_or(counted) + OPEN_EXTRA_BYTES);
            state.written_bytes = state.written_bytes.saturating_sub(given_back);
            drop(state);
            if let Some(error) = fault {
                self.note(&DiskFault::of("read", &path)(error));
            }
        }
    }

    /// Deletes the oldest recordings until `amount` bytes are freed, the disk refuses, or nothing is left.
    fn delete(&mut self, amount: u64, now: Duration) {
        let mut freed = 0;
        loop {
            let mut folders = BTreeMap::new();
            for _ in 0..BATCH {
                if freed >= amount || now < self.paused_until {
                    break;
                }
                let state = lock(&self.space.state);
                let oldest = state.stock.oldest_closed(now);
                let Some((key, bytes)) = oldest.filter(|_| !state.is_ending) else {
                    break;
                };
                drop(state);
                if self.delete_file(key, bytes, now) {
                    freed += bytes;
                    let [_, _, hour] = key.folders(&self.space.limits.dir);
                    folders.insert(hour, key);
                }
            }
            if folders.is_empty() {
                return;
            }
            for (hour, key) in folders {
                self.sync(&hour);
                self.remove_empty(key);
            }
            self.measure();
        }
    }

    /// True if the file is gone. Otherwise it is set aside, and deletion pauses.
    fn delete_file(&mut self, key: FileKey, bytes: u64, now: Duration) -> bool {
        let path = key.path(&self.space.limits.dir);
        let removed = self.disk.remove(&path);
        let mut state = lock(&self.space.state);
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                state.stock.set_aside(key, now + ASIDE);
                state.failed_deletions += 1;
                let fault = DiskFault::of("delete", &path)(error);
                state.undeletable = Some(fault.to_string());
                drop(state);
                self.paused_until = now + self.backoff.next_wait();
                self.note(&fault);
                return false;
            }
            // Somebody else deleted it.
            Err(_) => {}
            Ok(()) => {
                state.deleted_files += 1;
                state.deleted_bytes += bytes;
                state.undeletable = None;
                self.backoff.succeeded();
                tracing::debug!(path = %path.display(), bytes, "an old recording is deleted");
            }
        }
        if !state.stock.is_open(key) {
            state.stock.forget(key);
        }
        state.lower_ceiling(&self.space.limits);
        true
    }

    /// Removes the folder of an hour, and that of its day, if they are empty.
    fn remove_empty(&self, key: FileKey) {
        let [source, day, hour] = key.folders(&self.space.limits.dir);
        for (folder, parent, length_ms) in [(&hour, &day, HOUR_MS), (&day, &source, DAY_MS)] {
            // The writer may be about to create a file in it.
            if lock(&self.space.state).stock.has_in_folder(key, length_ms) {
                return;
            }
            match self.disk.remove_folder(folder) {
                Ok(()) => self.sync(parent),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => return,
                Err(error) => return self.note(&DiskFault::of("remove", folder)(error)),
            }
        }
    }

    fn sync(&self, folder: &Path) {
        match self.disk.sync_folder(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                self.note(&DiskFault::of("sync", folder)(error));
            }
            _ => {}
        }
    }

    fn measure_if_due(&self) {
        let due = lock(&self.space.state).measure_at;
        if self.space.clock.now() >= due {
            self.measure();
        }
    }

    fn measure(&self) {
        let (dir, now) = (&self.space.limits.dir, self.space.clock.now());
        let grown_before = lock(&self.space.state).grown_bytes;
        let measured = self.disk.free_bytes(dir);
        let mut state = lock(&self.space.state);
        state.measure_at = now + MEASURE_EVERY;
        state.free = measured.as_ref().ok().map(|free| (*free, grown_before));
        drop(state);
        if let Err(error) = measured {
            self.note(&DiskFault::of("measure the free space of", dir)(error));
        }
    }

    fn note(&self, fault: &DiskFault) {
        let mut state = lock(&self.space.state);
        let text = fault.to_string();
        if state.fault.as_ref() != Some(&text) {
            tracing::warn!(%fault, "old recordings are not counted or deleted as they should be");
        }
        state.fault = Some(text);
    }
}

/// The thread `record-space`. Dropping it ends the thread after the deletion in progress, without waiting.
#[derive(Debug)]
pub(super) struct RetentionThread {
    space: Arc<Space>,
    ended: Stop,
}

impl RetentionThread {
    /// Starts the thread. Blocks for the free space of the file system.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start<D: SpaceDisk + 'static>(
        disk: D,
        limits: SpaceLimits,
        clock: Clock,
    ) -> io::Result<Self> {
        let mut retention = Retention::new(disk, limits, clock);
        let (space, ended) = (retention.space(), Stop::default());
        let its_end = ended.clone();
        let thread = std::thread::Builder::new().name("record-space".to_owned());
        thread.spawn(move || {
            retention.count();
            while retention.space.wait(MEASURE_EVERY) {
                retention.step();
            }
            its_end.raise();
        })?;
        Ok(Self { space, ended })
    }

    /// What the writer calls.
    pub(super) fn space(&self) -> Arc<Space> {
        self.space.clone()
    }

    /// Ends the thread after the deletion in progress. Waits for at most `limit`; false if the disk does not answer.
    pub(super) fn stop(self, limit: Duration) -> bool {
        self.space.end();
        self.ended.wait(limit)
    }
}

impl Drop for RetentionThread {
    fn drop(&mut self) {
        self.space.end();
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
