//! Retention: old recordings are deleted before the limits of space are reached.
//!
//! The writer tells [`Space`] which files it opens, grows and closes, and asks it before it allocates space. That never waits for
//! the disk. The thread `record-space` ([`Retention`]) counts the recordings that are there at its start, and deletes from then on:
//! of all sources together the oldest closed recordings without events first, from a certain age on, then the oldest ones; open and
//! locked ones ([`mod@super::locks`]) never. It keeps room for what all sources are about to write, so that the writer does not wait
//! for a deletion.
//!
//! Which recordings have events it hears from the index ([`super::space_events`]). It never waits for that: as long as the index has
//! not told it, the oldest go.
//!
//! No lock is made from when it reads the locks until the deletions that it chose by them are done. If the locks can't be read,
//! nothing is deleted.
//!
//! When that can't be done, [`Space::may_write`] refuses, and the writer drops groups. The budget may be exceeded only by what a
//! start finds and what is written until it is counted; from then on the excess only falls.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::DiskFault;
use super::file_key::{DAY_MS, FileKey, HOUR_MS};
use super::lock_watch::LockWatch;
use super::space::{OPEN_EXTRA_BYTES, Space, SpaceLimits};
use super::space_disk::{Entry, SpaceDisk};
use super::walk::{Found, walk};
use crate::base::sync::lock;
use crate::base::{Backoff, Clock};

/// The free space is asked of the file system this often, and after deletions: other programs fill the disk as well.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// Deletions between two syncs of their folders, while no lock can be made.
const BATCH: usize = 64;
/// A recording that the disk refused to delete is passed over for this long.
const ASIDE: Duration = Duration::from_secs(600);
/// The pause after a refused deletion: one file may be immutable, or the whole file system read-only.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest such pause.
const PAUSE_LONGEST: Duration = Duration::from_secs(60);

/// What the thread `record-space` does.
pub(super) struct Retention<D> {
    disk: D,
    space: Arc<Space>,
    backoff: Backoff,
    /// No deletion before, by the clock.
    paused_until: Duration,
    /// No deletion for the sake of the free space before: some file systems free blocks later than they delete files.
    free_again_at: Duration,
    locks: LockWatch,
}

impl<D: SpaceDisk> Retention<D> {
    /// Blocks for the free space of the file system.
    pub(super) fn new(disk: D, limits: SpaceLimits, clock: Clock) -> Self {
        let retention = Self {
            disk,
            space: Arc::new(Space::new(limits, clock)),
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
            paused_until: Duration::ZERO,
            free_again_at: Duration::ZERO,
            locks: LockWatch::default(),
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
        if self.locks.is_due(now)
            && let Err(fault) = self.locks.read(&self.disk, &self.space, now)
        {
            self.note(&fault);
        }
        let mut state = lock(&self.space.state);
        let written = state.written_bytes;
        state.rate.sample(now, written);
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

    /// Deletes recordings until `amount` bytes are freed, the disk refuses, or nothing is left.
    fn delete(&mut self, amount: u64, now: Duration) {
        let mut freed = 0;
        while freed < amount && now >= self.paused_until {
            let Some(held) = self.hold_locks(now) else {
                return;
            };
            let deleted = self.delete_batch(amount - freed, now);
            drop(held);
            if deleted.is_empty() {
                return;
            }
            let mut folders = BTreeMap::new();
            for (key, bytes) in deleted {
                freed += bytes;
                let [_, _, hour] = key.folders(&self.space.limits.dir);
                folders.insert(hour, key);
            }
            for (hour, key) in folders {
                self.sync(&hour);
                self.remove_empty(key);
            }
            self.measure();
        }
    }

    /// Keeps others from making locks, and takes those that there are into the list. `None` if nothing may be deleted now.
    fn hold_locks(&mut self, now: Duration) -> Option<D::LockHold> {
        let dir = &self.space.limits.dir;
        let fault = match self.disk.hold_locks(dir) {
            Ok(Some(held)) => match self.locks.read(&self.disk, &self.space, now) {
                Ok(()) => return Some(held),
                Err(fault) => fault,
            },
            Ok(None) => {
                let text = format!("recordings in {} are being locked", dir.display());
                lock(&self.space.state).undeletable = Some(text);
                return None;
            }
            Err(error) => DiskFault::of("lock", dir)(error),
        };
        lock(&self.space.state).undeletable = Some(fault.to_string());
        self.paused_until = now + self.backoff.next_wait();
        self.note(&fault);
        None
    }

    /// Deletes up to [`BATCH`] recordings, until `amount` bytes are freed, and returns them.
    fn delete_batch(&mut self, amount: u64, now: Duration) -> Vec<(FileKey, u64)> {
        let (mut freed, mut deleted) = (0, Vec::new());
        for _ in 0..BATCH {
            if freed >= amount || now < self.paused_until {
                break;
            }
            let state = lock(&self.space.state);
            let min_bytes = self.space.limits.min_per_camera_bytes;
            let next = state.stock.next_to_delete(now, min_bytes);
            let Some((key, bytes)) = next.filter(|_| !state.is_ending) else {
                break;
            };
            drop(state);
            if self.delete_file(key, bytes, now) {
                freed += bytes;
                deleted.push((key, bytes));
            }
        }
        deleted
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
            state.stock.forget_past_events(key.source());
            self.space.changes.removed(key);
        }
        state.lower_ceiling(&self.space.limits);
        true
    }

    /// Removes the folder of an hour, and that of its day, if they are empty.
    fn remove_empty(&self, key: FileKey) {
        let [source, day, hour] = key.folders(&self.space.limits.dir);
        for (folder, parent, length_ms) in [(&hour, &day, HOUR_MS), (&day, &source, DAY_MS)] {
            let mut state = lock(&self.space.state);
            // The writer may be about to create a file in it.
            if state.stock.has_in_folder(key, length_ms) {
                return;
            }
            // Before the removal: the writer may make it again at once.
            state.has_removed_folders = true;
            drop(state);
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
    thread: Option<JoinHandle<()>>,
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
        let space = retention.space();
        let thread = std::thread::Builder::new().name("record-space".to_owned());
        let spawned = thread.spawn(move || {
            retention.count();
            while retention.space.wait(MEASURE_EVERY) {
                retention.step();
            }
        })?;
        Ok(Self {
            space,
            thread: Some(spawned),
        })
    }

    /// What the writer calls.
    pub(super) fn space(&self) -> Arc<Space> {
        self.space.clone()
    }

    /// Ends the thread, and waits for it: for one answer of the disk.
    pub(super) fn stop(mut self) {
        self.space.end();
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the thread record-space panicked");
        }
    }
}

impl Drop for RetentionThread {
    fn drop(&mut self) {
        self.space.end();
    }
}

#[cfg(test)]
#[path = "retention_event_tests.rs"]
mod event_tests;
#[cfg(test)]
#[path = "retention_law_tests.rs"]
mod law_tests;
#[cfg(test)]
#[path = "retention_laws.rs"]
mod laws;
#[cfg(test)]
#[path = "retention_lock_tests.rs"]
mod lock_tests;
#[cfg(test)]
#[path = "retention_model.rs"]
mod model;
#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
