//! Keeps the rows equal to the files.
//!
//! A step applies the changes that the recorder noted, follows open files every few seconds, and then does a part of what a start
//! found to be done: rows of files that are gone are removed, files without a row are read, then scenes that were not read yet; the
//! newest files first. Each step is one transaction. After an error of the database all is compared again, so a change that was
//! taken is never lost.
//!
//! Events are told to the listener as soon as they are read, whatever becomes of the transaction: the files say so. Those of former
//! runs are told from the rows, before the first step.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::changes::{Change, Changes};
use super::database;
use super::error::IndexError;
use super::events;
use super::files::{Listing, RecordingFiles};
use super::listener::{EventListener, SeenEvent};
use super::reading::{Outcome, read};
use super::rows;
use crate::base::{Backoff, Stop};
use crate::record::file_key::FileKey;

/// Open files are read on this often. Each time costs some pages in the log of the database: more often would wear the medium.
const FOLLOW_EVERY: Duration = Duration::from_secs(5);
/// Files of which a step reads head and tail: less than 2 s on a hard disk that is busy.
const BATCH: usize = 64;
/// Rows that a step removes.
const REMOVED_BATCH: usize = 512;
/// What a step spends on scenes, in bytes that it could read, of each open or closed file and of all that are behind: half a second
/// of a hard disk.
const SLICE_BYTES: u64 = 32 << 20;
/// Events of former runs that are told at a time.
const TOLD_BATCH: usize = 256;
/// What opening a file costs at least, as bytes that could be read in that time.
const COST_BYTES: u64 = 1 << 20;
/// The wait after a fault of the database.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// The longest such wait.
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// What a step left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to read now.
    Busy,
    /// Nothing until files change.
    Idle,
    /// The index can't be written now. It is tried again later.
    Failed,
    /// `stop` was raised.
    Stopped,
}

/// What the thread `record-index` does.
#[derive(Debug)]
pub(super) struct Indexer<F> {
    dir: PathBuf,
    files: F,
    changes: Arc<Changes>,
    listener: Arc<dyn EventListener>,
    /// The events of former runs are told.
    has_told: bool,
    /// Events that are to be told after the step.
    seen: Vec<SeenEvent>,
    /// Closed since the start, and not yet told to be read.
    closed: BTreeSet<FileKey>,
    /// All names of recordings could be read.
    is_listed: bool,
    /// `None` before the first step and after a fault.
    database: Option<Connection>,
    open: BTreeSet<FileKey>,
    /// Rows without a file.
    to_remove: Vec<FileKey>,
    /// Files whose head and tail are to be read, the newest last.
    to_read: Vec<FileKey>,
    follow_at: Duration,
    retry_at: Duration,
    backoff: Backoff,
    database_fault: Option<String>,
    disk_fault: Option<String>,
}

impl<F: RecordingFiles> Indexer<F> {
    /// The index of `dir`. Nothing is read or written before the first step.
    pub(super) fn new(
        dir: PathBuf,
        files: F,
        changes: Arc<Changes>,
        listener: Arc<dyn EventListener>,
    ) -> Self {
        Self {
            dir,
            files,
            changes,
            listener,
            has_told: false,
            seen: Vec::new(),
            closed: BTreeSet::new(),
            is_listed: false,
            database: None,
            open: BTreeSet::new(),
            to_remove: Vec::new(),
            to_read: Vec::new(),
            follow_at: Duration::ZERO,
            retry_at: Duration::ZERO,
            backoff: Backoff::new(RETRY_FIRST, RETRY_LONGEST),
            database_fault: None,
            disk_fault: None,
        }
    }

    /// Does a part of the work. Blocks, for some seconds on a slow disk, after a stop for one file; the first time for the names of all
    /// files.
    pub(super) fn step(&mut self, now: Duration, stop: &Stop) -> Progress {
        if now < self.retry_at {
            return Progress::Failed;
        }
        match self.try_step(now, stop) {
            Ok(progress) => {
                self.backoff.succeeded();
                self.database_fault = None;
                progress
            }
            Err(error) => {
                // The connection is dropped with its transaction.
                self.retry_at = now + self.backoff.next_wait();
                let text = error.to_string();
                if self.database_fault.as_ref() != Some(&text) {
                    tracing::warn!(%error, "the index of the recordings is not up to date");
                }
                self.database_fault = Some(text);
                if error.is_unusable()
                    && let Err(error) = database::remove(&self.dir)
                {
                    tracing::warn!(%error, "the damaged index is not removed");
                }
                Progress::Failed
            }
        }
    }

    /// What the disk or the database last refused, with the remedy.
    pub(super) fn fault(&self) -> Option<&str> {
        let fault = self.database_fault.as_ref().or(self.disk_fault.as_ref());
        fault.map(String::as_str)
    }

    /// Files that were found and are not read yet.
    pub(super) fn files_to_read(&self) -> u64 {
        self.to_read.len() as u64
    }

    /// [`Indexer::step`] without the wait after an error.
    ///
    /// # Errors
    /// If the database can't be read or written.
    pub(super) fn try_step(&mut self, now: Duration, stop: &Stop) -> Result<Progress, IndexError> {
        let path = database::path(&self.dir);
        let mut database = match self.database.take() {
            Some(database) => database,
            None => {
                let database = database::open(&self.dir)?;
                let told = self.tell_rows(&database, stop);
                if !told.map_err(IndexError::of("read", &path))? {
                    return Ok(Progress::Stopped);
                }
                let Some(listing) = self.files.list(stop) else {
                    return Ok(Progress::Stopped);
                };
                let compared = self.reconcile(&database, listing);
                compared.map_err(IndexError::of("read", &path))?;
                database
            }
        };
        let mut work = || {
            let change = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            self.apply_changes(&change, stop)?;
            if now >= self.follow_at && !self.follow(&change, stop)? {
                self.follow_at = now + FOLLOW_EVERY;
            }
            let mut progress = self.catch_up(&change, stop)?;
            if now >= self.follow_at {
                progress = Progress::Busy;
            }
            change.commit()?;
            Ok(progress)
        };
        let worked = work();
        self.listener.seen(&self.seen);
        self.seen.clear();
        let progress = worked.map_err(IndexError::of("write", &path))?;
        self.database = Some(database);
        if progress == Progress::Idle && self.is_listed && !stop.is_raised() {
            let closed = std::mem::take(&mut self.closed);
            let closed: Vec<FileKey> = closed.into_iter().collect();
            self.listener.read(&closed);
        }
        Ok(progress)
    }

    /// Tells the events of former runs, once. False if `stop` is raised meanwhile.
    fn tell_rows(&mut self, database: &Connection, stop: &Stop) -> rusqlite::Result<bool> {
        if self.has_told {
            return Ok(true);
        }
        let mut batch = Vec::with_capacity(TOLD_BATCH);
        self.has_told = events::for_each(database, |event| {
            batch.push(event);
            if batch.len() == TOLD_BATCH {
                self.listener.seen(&batch);
                batch.clear();
            }
            !stop.is_raised()
        })?;
        self.listener.seen(&batch);
        Ok(self.has_told)
    }

    /// Compares all recordings that there are with the rows. Rows stay if a part of the folder could not be read.
    fn reconcile(&mut self, database: &Connection, listing: Listing) -> rusqlite::Result<()> {
        self.disk_fault = None;
        let is_whole = listing.fault.is_none();
        self.is_listed = is_whole;
        if let Some(fault) = listing.fault {
            self.note(fault);
        }
        let mut keys = listing.keys;
        keys.sort_unstable();
        let mut is_known = vec![false; keys.len()];
        self.to_remove.clear();
        rows::for_each(database, |key, is_closed| match keys.binary_search(&key) {
            Ok(index) => is_known[index] = is_closed,
            Err(_) if is_whole => self.to_remove.push(key),
            Err(_) => {}
        })?;
        let unknown = keys.into_iter().zip(is_known).filter(|(_, known)| !known);
        self.to_read = unknown.map(|(key, _)| key).collect();
        Ok(())
    }

    fn apply_changes(&mut self, database: &Connection, stop: &Stop) -> rusqlite::Result<()> {
        let changes = self.changes.take();
        // First what can't fail: after an error the rest is found by comparison.
        for (&key, &change) in &changes {
            self.open.remove(&key);
            self.closed.remove(&key);
            match change {
                Change::Opened => drop(self.open.insert(key)),
                Change::Closed => drop(self.closed.insert(key)),
                Change::Removed => {}
            }
        }
        let is_closed = |change: &&Change| **change == Change::Closed;
        let is_late = changes.values().filter(is_closed).count() > BATCH;
        for (key, change) in changes {
            match change {
                Change::Opened => {}
                Change::Removed => rows::remove(database, key)?,
                Change::Closed if is_late => self.to_read.push(key),
                Change::Closed => {
                    self.read(database, key, SLICE_BYTES, stop)?;
                }
            }
        }
        if is_late {
            self.to_read.sort_unstable();
            self.to_read.dedup();
        }
        Ok(())
    }

    /// Whether there is more in an open file than was read now.
    fn follow(&mut self, database: &Connection, stop: &Stop) -> rusqlite::Result<bool> {
        let open: Vec<FileKey> = self.open.iter().copied().collect();
        let mut has_more = false;
        for key in open {
            has_more |= self.read(database, key, SLICE_BYTES, stop)?.has_more;
        }
        Ok(has_more)
    }

    fn catch_up(&mut self, database: &Connection, stop: &Stop) -> rusqlite::Result<Progress> {
        if !self.to_remove.is_empty() {
            let from = self.to_remove.len().saturating_sub(REMOVED_BATCH);
            for key in self.to_remove.split_off(from) {
                rows::remove(database, key)?;
            }
            return Ok(Progress::Busy);
        }
        if !self.to_read.is_empty() {
            let from = self.to_read.len().saturating_sub(BATCH);
            for key in self.to_read.split_off(from).into_iter().rev() {
                if !self.open.contains(&key) {
                    self.read(database, key, 0, stop)?;
                }
            }
            return Ok(Progress::Busy);
        }
        let mut left = SLICE_BYTES;
        while left > 0 {
            let Some(key) = rows::newest_behind(database)? else {
                return Ok(Progress::Idle);
            };
            let cost_bytes = self.read(database, key, left, stop)?.cost_bytes;
            left = left.saturating_sub(cost_bytes.max(COST_BYTES));
        }
        Ok(Progress::Busy)
    }

    /// Reads a recording, but nothing more after a stop. What is left out then is found by the next start.
    fn read(
        &mut self,
        database: &Connection,
        key: FileKey,
        limit_bytes: u64,
        stop: &Stop,
    ) -> rusqlite::Result<Outcome> {
        if stop.is_raised() {
            return Ok(Outcome::default());
        }
        let is_open = self.open.contains(&key);
        let mut outcome = read(database, &self.files, key, is_open, limit_bytes)?;
        self.seen.append(&mut outcome.seen);
        if let Some(fault) = &outcome.fault {
            self.note(fault.to_string());
        }
        Ok(outcome)
    }

    fn note(&mut self, fault: String) {
        if self.disk_fault.as_ref() != Some(&fault) {
            tracing::warn!(fault, "a recording is not in the index");
        }
        self.disk_fault = Some(fault);
    }
}

#[cfg(test)]
#[path = "indexer_law_tests.rs"]
mod law_tests;
#[cfg(test)]
#[path = "telling_tests.rs"]
mod telling_tests;
#[cfg(test)]
#[path = "indexer_tests.rs"]
mod tests;
