//! Decides when sessions start. One thread serves all sources of the process and sleeps until the next attempt is due.
//!
//! A source that waits for its next attempt has an entry here and no thread. Only a limited number of sessions is
//! opened at the same time: first attempts before repeated ones, each in the order in which they became due. GLib ends
//! the process if it gets no file descriptor. Therefore a source whose session would need more descriptors than are
//! left is refused with an error.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use super::descriptors::{
    Admission, DescriptorBudget, DescriptorShare, DescriptorShortage, Descriptors,
    ProcessDescriptors, Promised,
};
use crate::base::sync::{self, lock};

/// Maximum number of sessions that are opened at the same time, so that thousands of unreachable cameras do not take
/// thousands of threads.
const MAX_OPENING: usize = 96;
/// Maximum number of repeated attempts among them. The rest is reserved for cameras that were not tried yet, or were
/// live.
const MAX_REPEATED: usize = 72;
/// A session counts as being opened until its camera has sent something, at most for this long: cameras that do not
/// answer must not delay others.
const OPENING_LIMIT: Duration = Duration::from_secs(2);
/// After a source frees its descriptors, refused sources wait this long before they are tried again. A source that
/// restarts with other settings can take its place back.
const REFUSED_DELAY: Duration = Duration::from_secs(2);
/// Wait after too few free descriptors, for a source that has its share already.
const SHORTAGE_RETRY: Duration = Duration::from_secs(5);
/// Interval at which refused sources are tried again if no source was removed: the limit may have been raised.
const REFUSED_RETRY: Duration = Duration::from_secs(30);

/// A source, as the schedule sees it. The schedule's thread calls it; it must not block.
pub(super) trait Attempt: Send + Sync {
    /// Starts a session on a new thread. The session drops `opening` when its camera has sent something.
    fn begin(self: Arc<Self>, opening: OpeningPermit);

    /// There are too few descriptors for the session. The schedule tries again later.
    fn refused(&self, shortage: &DescriptorShortage);
}

/// The priority of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// The first attempt, the first one after frames arrived, or a requested one.
    First,
    /// An attempt after several failures.
    Repeated,
}

/// The schedule. Clones share one state.
#[derive(Clone)]
pub(super) struct Schedule {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<ScheduleState>,
    changed: Condvar,
    descriptors: Box<dyn Descriptors>,
}

/// The entry of a source. Dropping it removes the source and frees its descriptors.
pub(super) struct ScheduledSource {
    inner: Arc<Inner>,
    key: u64,
}

/// A permit to open a session. Dropping it lets the next session start.
pub(super) struct OpeningPermit {
    inner: Arc<Inner>,
    key: u64,
}

struct ScheduleState {
    next: u64,
    sources: HashMap<u64, Entry>,
    waiting: BTreeSet<(Instant, u64)>,
    first: BTreeMap<u64, u64>,
    repeated: BTreeMap<u64, u64>,
    opening: HashMap<u64, (Instant, Priority)>,
    refused: BTreeSet<u64>,
    /// When refused sources are tried again.
    retry_refused_at: Option<Instant>,
    promised: Promised,
}

struct Entry {
    attempt: Weak<dyn Attempt>,
    state: EntryState,
    descriptors: DescriptorShare,
}

/// The state of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryState {
    /// Its session runs, or it has not asked for an attempt yet.
    Inactive,
    Waiting(Instant, Priority),
    Due(Priority, u64),
    Refused,
}

/// An action that is done outside the lock.
enum Action {
    Begin(Arc<dyn Attempt>, OpeningPermit),
    Refuse(Arc<dyn Attempt>, DescriptorShortage),
}

impl Schedule {
    /// The schedule of the process. Its thread starts with the first source.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn of_process() -> io::Result<Self> {
        static STARTED: Mutex<Option<Schedule>> = Mutex::new(None);
        let mut started = lock(&STARTED);
        if let Some(schedule) = &*started {
            return Ok(schedule.clone());
        }
        let schedule = Self::new(Box::new(ProcessDescriptors));
        let inner = schedule.inner.clone();
        std::thread::Builder::new()
            .name("sources".to_owned())
            .spawn(move || inner.run())?;
        *started = Some(schedule.clone());
        Ok(schedule)
    }

    fn new(descriptors: Box<dyn Descriptors>) -> Self {
        let promised = Promised::before_sources(&*descriptors);
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(ScheduleState::new(promised)),
                changed: Condvar::new(),
                descriptors,
            }),
        }
    }

    /// Registers a source whose sessions take this many descriptors. It asks for its first attempt by
    /// [`ScheduledSource::attempt_now`].
    pub(super) fn register(
        &self,
        attempt: Weak<dyn Attempt>,
        descriptors: usize,
    ) -> ScheduledSource {
        let mut state = lock(&self.inner.state);
        let key = state.next_number();
        state.sources.insert(
            key,
            Entry {
                attempt,
                state: EntryState::Inactive,
                descriptors: DescriptorShare::new(descriptors),
            },
        );
        ScheduledSource {
            inner: self.inner.clone(),
            key,
        }
    }
}

impl ScheduledSource {
    /// Asks for an attempt now; replaces an earlier request.
    pub(super) fn attempt_now(&self) {
        let mut state = lock(&self.inner.state);
        state.dequeue(self.key);
        state.enqueue_due(self.key, Priority::First);
        drop(state);
        self.inner.changed.notify_one();
    }

    /// Asks for an attempt after `wait`.
    pub(super) fn attempt_after(&self, wait: Duration, priority: Priority) {
        let mut state = lock(&self.inner.state);
        state.dequeue(self.key);
        state.enqueue_waiting(self.key, Instant::now() + wait, priority);
        drop(state);
        self.inner.changed.notify_one();
    }

    /// Cancels the requested attempt. The source keeps its descriptors.
    pub(super) fn cancel(&self) {
        lock(&self.inner.state).dequeue(self.key);
    }
}

impl Drop for ScheduledSource {
    fn drop(&mut self) {
        let mut state = lock(&self.inner.state);
        state.dequeue(self.key);
        state.opening.remove(&self.key);
        let gone = state.sources.remove(&self.key);
        let is_freed = gone.is_some_and(|gone| state.promised.take_back(gone.descriptors));
        if is_freed && !state.refused.is_empty() {
            state.retry_refused_at = Some(Instant::now() + REFUSED_DELAY);
        }
        drop(state);
        self.inner.changed.notify_one();
    }
}

impl Drop for OpeningPermit {
    fn drop(&mut self) {
        lock(&self.inner.state).opening.remove(&self.key);
        self.inner.changed.notify_one();
    }
}

impl Inner {
    fn run(self: Arc<Self>) {
        loop {
            let mut state = lock(&self.state);
            let now = Instant::now();
            let actions = self.step(&mut state, now);
            if actions.is_empty() {
                let wake = state.next_wake();
                let limit = wake.map(|at| at.saturating_duration_since(now));
                drop(sync::wait(&self.changed, state, limit));
                continue;
            }
            drop(state);
            for action in actions {
                match action {
                    Action::Begin(attempt, opening) => attempt.begin(opening),
                    Action::Refuse(attempt, shortage) => attempt.refused(&shortage),
                }
            }
        }
    }

    /// All actions that are due at `now`.
    fn step(self: &Arc<Self>, state: &mut ScheduleState, now: Instant) -> Vec<Action> {
        while let Some(&(at, key)) = state.waiting.first()
            && at <= now
        {
            let priority = state.priority(key);
            state.dequeue(key);
            state.enqueue_due(key, priority);
        }
        state
            .opening
            .retain(|_, (since, _)| now.saturating_duration_since(*since) < OPENING_LIMIT);
        if state.retry_refused_at.is_some_and(|at| at <= now) {
            state.retry_refused_at = None;
            for key in std::mem::take(&mut state.refused) {
                state.enqueue_due(key, Priority::First);
            }
        }
        let mut actions = Vec::new();
        let mut budget = None;
        while let Some((key, priority)) = state.next_due() {
            state.dequeue(key);
            let Some(entry) = state.sources.get_mut(&key) else {
                continue;
            };
            let Some(attempt) = entry.attempt.upgrade() else {
                continue;
            };
            let budget = budget.get_or_insert_with(|| {
                DescriptorBudget::measure(&state.promised, &*self.descriptors)
            });
            match budget.admit(&mut state.promised, &mut entry.descriptors) {
                Admission::Begin => {
                    state.opening.insert(key, (now, priority));
                    let inner = self.clone();
                    actions.push(Action::Begin(attempt, OpeningPermit { inner, key }));
                }
                Admission::Refuse(shortage) => {
                    if let Some(entry) = state.sources.get_mut(&key) {
                        entry.state = EntryState::Refused;
                    }
                    state.refused.insert(key);
                    state.retry_refused_at.get_or_insert(now + REFUSED_RETRY);
                    actions.push(Action::Refuse(attempt, shortage));
                }
                Admission::Later(shortage) => {
                    state.enqueue_waiting(key, now + SHORTAGE_RETRY, Priority::Repeated);
                    actions.push(Action::Refuse(attempt, shortage));
                }
            }
        }
        actions
    }
}

impl ScheduleState {
    fn new(promised: Promised) -> Self {
        Self {
            next: 0,
            sources: HashMap::new(),
            waiting: BTreeSet::new(),
            first: BTreeMap::new(),
            repeated: BTreeMap::new(),
            opening: HashMap::new(),
            refused: BTreeSet::new(),
            retry_refused_at: None,
            promised,
        }
    }

    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn priority(&self, key: u64) -> Priority {
        match self.sources.get(&key).map(|entry| entry.state) {
            Some(EntryState::Waiting(_, priority)) => priority,
            _ => Priority::Repeated,
        }
    }

    /// Removes an entry from its queue.
    fn dequeue(&mut self, key: u64) {
        let Some(entry) = self.sources.get_mut(&key) else {
            return;
        };
        match std::mem::replace(&mut entry.state, EntryState::Inactive) {
            EntryState::Inactive => {}
            EntryState::Waiting(at, _) => {
                self.waiting.remove(&(at, key));
            }
            EntryState::Due(Priority::First, number) => {
                self.first.remove(&number);
            }
            EntryState::Due(Priority::Repeated, number) => {
                self.repeated.remove(&number);
            }
            EntryState::Refused => {
                self.refused.remove(&key);
            }
        }
    }

    fn enqueue_waiting(&mut self, key: u64, at: Instant, priority: Priority) {
        if let Some(entry) = self.sources.get_mut(&key) {
            entry.state = EntryState::Waiting(at, priority);
            self.waiting.insert((at, key));
        }
    }

    fn enqueue_due(&mut self, key: u64, priority: Priority) {
        let number = self.next_number();
        if let Some(entry) = self.sources.get_mut(&key) {
            entry.state = EntryState::Due(priority, number);
            match priority {
                Priority::First => self.first.insert(number, key),
                Priority::Repeated => self.repeated.insert(number, key),
            };
        }
    }

    /// The next attempt that may start.
    fn next_due(&self) -> Option<(u64, Priority)> {
        if self.opening.len() >= MAX_OPENING {
            return None;
        }
        if let Some(key) = self.first.values().next() {
            return Some((*key, Priority::First));
        }
        let repeated = self
            .opening
            .values()
            .filter(|(_, priority)| *priority == Priority::Repeated)
            .count();
        let key = self.repeated.values().next()?;
        (repeated < MAX_REPEATED).then_some((*key, Priority::Repeated))
    }

    /// When the next action may be due, without further calls.
    fn next_wake(&self) -> Option<Instant> {
        let due = !(self.first.is_empty() && self.repeated.is_empty());
        let slot = self.opening.values().map(|(since, _)| *since).min();
        let slot = slot.map(|since| since + OPENING_LIMIT).filter(|_| due);
        let waiting = self.waiting.first().map(|(at, _)| *at);
        [waiting, slot, self.retry_refused_at]
            .into_iter()
            .flatten()
            .min()
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
