//! The account of the space of one folder, between the thread that writes ([`super::writer`]) and the one that deletes
//! ([`super::retention`]): what each recording takes, what is free, and whether more may be written. Nothing here waits for the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::file_key::FileKey;
use super::index::Changes;
pub(super) use super::limits::{SpaceLimits, margin};
use super::rate::Rate;
use super::stock::Stock;
use crate::base::sync::{lock, wait_while};
use crate::base::{Clock, SourceId, shown_bytes, time_to_fill};

/// The space that the writer reserves for a file at a time, so that files of many sources do not mix in small pieces: 16 s at
/// 4 Mbit/s.
pub(super) const STEP_BYTES: u64 = 8 << 20;
/// What the file system may allocate for an open file beyond the reserved space: its lists of blocks, and the tail of the file.
pub(super) const OPEN_EXTRA_BYTES: u64 = 64 << 10;

/// How much space recordings take. The numbers of deletions count since the start of the recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceReport {
    /// Bytes of all recordings, with the space that is reserved for open ones.
    pub recordings_bytes: u64,
    /// Bytes of recordings that are locked, open ones included. At most 10 s old, and up to date before each deletion.
    pub locked_bytes: u64,
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
    /// How long recordings are kept at this rate: until the space that they may have is full. It is the mean: those with events are
    /// kept longer, others shorter. `None` without a rate.
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
    pub(super) limits: SpaceLimits,
    pub(super) clock: Clock,
    pub(super) state: Mutex<State>,
    /// What the index has to look at.
    pub(super) changes: Arc<Changes>,
    wake: Condvar,
}

/// The space of one open file. Dropping it tells that the file is closed, was given up or was not created: its space does not change
/// any more, and it may be deleted.
#[derive(Debug)]
pub(super) struct FileSpace {
    space: Arc<Space>,
    path: PathBuf,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stock: Stock,
    /// Closed by the writer, not yet measured. They count as open until then.
    pub(super) closing: BTreeSet<FileKey>,
    pub(super) is_counted: bool,
    /// The budget, or more while a start's excess is being deleted.
    pub(super) ceiling_bytes: u64,
    /// The free space is due to be measured, by the clock.
    pub(super) measure_at: Duration,
    /// The free space when it was last measured, and `grown_bytes` before that.
    pub(super) free: Option<(u64, u64)>,
    /// All bytes that files grew by.
    pub(super) grown_bytes: u64,
    /// Granted to the writer, not yet reported as grown.
    promised_bytes: u64,
    /// Refused to the writer, which will ask again.
    refused_bytes: u64,
    /// All bytes that files grew by, without what was given back when they were closed.
    pub(super) written_bytes: u64,
    pub(super) rate: Rate,
    pub(super) deleted_files: u64,
    pub(super) deleted_bytes: u64,
    pub(super) failed_deletions: u64,
    pub(super) fault: Option<String>,
    /// The last deletion was refused, with this fault.
    pub(super) undeletable: Option<String>,
    full: Option<String>,
    /// Folders were removed since the writer last asked.
    pub(super) has_removed_folders: bool,
    is_wanted: bool,
    pub(super) is_ending: bool,
}

impl Space {
    /// Nothing is counted or measured yet.
    pub(super) fn new(limits: SpaceLimits, clock: Clock) -> Self {
        let state = State {
            stock: Stock::new(&limits),
            ..State::default()
        };
        Self {
            limits,
            clock,
            state: Mutex::new(state),
            changes: Arc::default(),
            wake: Condvar::new(),
        }
    }

    /// A file is about to be created, and so are its folders. Call it before they are: from then on none of them is removed, unless
    /// its removal has begun.
    pub(super) fn open(self: &Arc<Self>, path: &Path) -> FileSpace {
        self.opened(path);
        FileSpace {
            space: self.clone(),
            path: path.to_owned(),
        }
    }

    /// See [`Space::open`].
    pub(super) fn opened(&self, path: &Path) {
        if let Some(key) = FileKey::of_path(&self.limits.dir, path) {
            let mut state = lock(&self.state);
            state.closing.remove(&key);
            state.stock.opened(key, OPEN_EXTRA_BYTES);
            self.changes.opened(key);
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

    /// See [`FileSpace`].
    pub(super) fn closed(&self, path: &Path) {
        if let Some(key) = FileKey::of_path(&self.limits.dir, path) {
            let mut state = lock(&self.state);
            state.closing.insert(key);
            self.changes.closed(key);
            self.wake_if_short(&mut state);
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
        self.wake_if_short(&mut state);
        state
            .full
            .clone()
            .map_or(Ok(()), |reason| Err(Full { reason }))
    }

    fn wake_if_short(&self, state: &mut State) {
        if state.full.is_some() || state.to_delete(&self.limits, true) > 0 {
            state.is_wanted = true;
            self.wake.notify_all();
        }
    }

    /// Whether folders were removed since the last call. If the writer made one of them again, its name is not durable.
    pub(super) fn take_removed_folders(&self) -> bool {
        std::mem::take(&mut lock(&self.state).has_removed_folders)
    }

    /// How much space recordings take.
    pub(super) fn report(&self) -> SpaceReport {
        let now = self.clock.now();
        let state = lock(&self.state);
        let bytes_per_day = state.rate.per_day(now, state.written_bytes);
        let most = state.most_bytes(&self.limits);
        let kept = most.zip(bytes_per_day);
        SpaceReport {
            recordings_bytes: state.stock.bytes(),
            locked_bytes: state.stock.locked_bytes(),
            is_counted: state.is_counted,
            budget_bytes: self.limits.budget_bytes,
            free_bytes: state.free_bytes(),
            min_free_bytes: self.limits.min_free_bytes,
            oldest: state.stock.oldest(),
            deleted_files: state.deleted_files,
            deleted_bytes: state.deleted_bytes,
            failed_deletions: state.failed_deletions,
            fault: state.fault.clone(),
            full: state.full.clone(),
            bytes_per_day,
            kept: kept.and_then(|(bytes, per_day)| time_to_fill(bytes, per_day)),
        }
    }

    /// Ends the thread that deletes.
    pub(super) fn end(&self) {
        lock(&self.state).is_ending = true;
        self.wake.notify_all();
    }

    /// Waits until the writer needs space, or for `limit`. False if the thread is to end.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let state = lock(&self.state);
        let is_idle = |state: &mut State| !state.is_wanted && !state.is_ending;
        let mut state = wait_while(&self.wake, state, limit, is_idle);
        state.is_wanted = false;
        !state.is_ending
    }
}

impl FileSpace {
    /// [`Space::may_write`] for this file.
    ///
    /// # Errors
    /// If a limit would be exceeded.
    pub(super) fn may_write(&self, bytes: u64) -> Result<(), Full> {
        self.space.may_write(bytes)
    }

    /// Space was allocated for it.
    pub(super) fn grew(&self, bytes: u64) {
        self.space.grew(&self.path, bytes);
    }
}

impl Drop for FileSpace {
    fn drop(&mut self) {
        self.space.closed(&self.path);
    }
}

impl State {
    fn free_bytes(&self) -> Option<u64> {
        let (measured, grown_before) = self.free?;
        let taken = self.grown_bytes - grown_before + self.promised_bytes;
        Some(measured.saturating_sub(taken))
    }

    /// The most bytes that recordings may have with what is free now. `None` without a limit that is known.
    pub(super) fn most_bytes(&self, limits: &SpaceLimits) -> Option<u64> {
        let beyond = |free: u64| free.saturating_sub(limits.min_free_bytes);
        let of_free = self.free_bytes().map(beyond);
        let of_free = of_free.map(|free| self.stock.bytes().saturating_add(free));
        of_free.into_iter().chain(limits.budget_bytes).min()
    }

    /// The room that is kept for the next step of all sources.
    fn headroom(&self, limits: &SpaceLimits) -> u64 {
        let steps = self.stock.sources() * STEP_BYTES;
        (margin(limits) + steps).max(self.refused_bytes)
    }

    /// The bytes to delete now; 0 while there is room for the next step of all sources.
    pub(super) fn to_delete(&self, limits: &SpaceLimits, for_free: bool) -> u64 {
        let excess = |further: u64| {
            let headroom = self.headroom(limits);
            let of_budget = limits.budget_bytes.map_or(0, |budget| {
                // A quarter of the budget at most, unless the writer waits for more.
                let room = headroom.min(budget / 4).max(self.refused_bytes);
                let target = budget.saturating_sub(room + further);
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
    pub(super) fn lower_ceiling(&mut self, limits: &SpaceLimits) {
        let budget = limits.budget_bytes.unwrap_or(u64::MAX);
        let present = self.stock.bytes() + self.headroom(limits);
        self.ceiling_bytes = budget.max(self.ceiling_bytes.min(present));
    }

    fn refusal(&self, limits: &SpaceLimits, bytes: u64, now: Duration) -> Option<String> {
        // Without what is free now: each other text would be published.
        let wanted = limits.min_free_bytes.saturating_add(bytes);
        if self.free_bytes().is_some_and(|free| free < wanted) {
            return Some(self.no_free_space(limits, now));
        }
        let budget = limits.budget_bytes?;
        if !self.is_counted || self.stock.bytes() + bytes <= self.ceiling_bytes {
            return None;
        }
        Some(self.no_budget(limits, budget, now))
    }

    fn no_free_space(&self, limits: &SpaceLimits, now: Duration) -> String {
        let (dir, undeletable) = (limits.dir.display(), self.shown_fault());
        let min_free = shown_bytes(limits.min_free_bytes);
        let mut remedy = "free space or lower it";
        let deleting = match (self.is_counted, self.has_deletable(now)) {
            (false, _) => "; nothing is deleted before all recordings are counted",
            (true, true) => "; the oldest recordings are being deleted",
            (true, false) if self.stock.has_locked() => {
                remedy = "unlock some (nvr record unlock), free space or lower it";
                "; no closed recording but locked ones is left to delete"
            }
            (true, false) => "; no closed recording is left to delete",
        };
        format!(
            "no space beyond record.min_free, {min_free}, is free in the file system of {dir}{deleting}{undeletable}; {remedy}"
        )
    }

    fn no_budget(&self, limits: &SpaceLimits, budget: u64, now: Duration) -> String {
        let (dir, undeletable) = (limits.dir.display(), self.shown_fault());
        let budget = shown_bytes(budget);
        let key = limits.budget_key;
        let mut remedy = format!("raise {key}");
        let by = if self.has_deletable(now) {
            "used, and the oldest recordings are not deleted fast enough"
        } else if self.stock.has_locked() {
            remedy = format!("unlock some (nvr record unlock) or raise {key}");
            "used by locked recordings and open ones"
        } else if undeletable.is_empty() {
            "used by recordings that are still open"
        } else {
            "used by recordings that are open or can't be deleted"
        };
        format!("the budget of {budget} in {dir} is {by}{undeletable}; {remedy}")
    }

    fn has_deletable(&self, now: Duration) -> bool {
        self.stock.next_to_delete(now, 0).is_some()
    }

    fn shown_fault(&self) -> String {
        let fault = self.undeletable.as_ref();
        fault.map_or(String::new(), |fault| format!(" ({fault})"))
    }
}
