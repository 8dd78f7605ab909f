//! When sessions begin: one thread for all sources of a process, which sleeps until the next one is due.
//!
//! A source that waits for its next attempt is an entry here and no thread. Few sessions are opened at once: first attempts
//! before repeated ones, each kind in the order in which it fell due. A source whose session would not find the descriptors
//! that it takes is refused by name, since GLib ends the process where it gets none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::base::sync::lock;
use crate::base::{descriptor_limit, open_descriptors};

/// Sessions that are opened at once, so that thousands of cameras that can't be reached are not thousands of threads.
const MOST_OPENING: usize = 96;
/// Of these, attempts that follow a failed one: the rest is kept for cameras that were not tried yet, or were live.
const MOST_REPEATED: usize = 72;
/// A session counts as being opened for so long, or until its camera has sent something: those who do not answer must not keep
/// others from their turn.
const OPENING_LIMIT: Duration = Duration::from_secs(2);
/// A place that became free is kept this long for a source that is only begun anew with other settings; then those who were
/// refused have it.
const KEPT_FREE: Duration = Duration::from_secs(2);
/// How long after a refusal for want of descriptors a source that has its place is tried again.
const CROWDED_WAIT: Duration = Duration::from_secs(5);

/// How often those who were refused are looked at, also where no place became free: the limit may have been raised.
const REFUSED_WAIT: Duration = Duration::from_secs(30);

/// A source, as the schedule sees it. Called from the schedule's thread; must not block.
pub(super) trait Attempt: Send + Sync {
    /// Begins a session on a thread of its own, which lets go of `opening` once its camera has sent something.
    fn begin(self: Arc<Self>, opening: Opening);

    /// There is no room for its session; it is tried again when there is.
    fn refused(&self, no_room: &NoRoom);
}

/// Why a session was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom {
    /// Descriptors that the process may have open.
    pub(super) limit: usize,
    /// Descriptors that the session takes.
    pub(super) needed: usize,
}

/// How urgent an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// The first one, or the first after frames flowed, or one that was asked for.
    First,
    /// One of many that failed.
    Repeated,
}

/// How many descriptors there are; a test says otherwise.
pub(super) trait Descriptors: Send + Sync {
    /// The most that may be open; nothing where there is no limit.
    fn limit(&self) -> Option<usize>;
    /// How many are open now; nothing where that can't be told.
    fn open(&self) -> Option<usize>;
}

struct OfProcess;

impl Descriptors for OfProcess {
    fn limit(&self) -> Option<usize> {
        descriptor_limit()
    }

    fn open(&self) -> Option<usize> {
        open_descriptors().ok()
    }
}

/// The schedule; clones are the same one.
#[derive(Clone)]
pub(super) struct Schedule {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    descriptors: Box<dyn Descriptors>,
}

/// A source's entry; dropping it takes the source out and frees its place.
pub(super) struct Ticket {
    inner: Arc<Inner>,
    key: u64,
}

/// A session that is being opened; dropping it lets the next one begin.
pub(super) struct Opening {
    inner: Arc<Inner>,
    key: u64,
}

struct State {
    next: u64,
    sources: HashMap<u64, Entry>,
    waiting: BTreeSet<(Instant, u64)>,
    first: BTreeMap<u64, u64>,
    repeated: BTreeMap<u64, u64>,
    opening: HashMap<u64, (Instant, Lane)>,
    refused: BTreeSet<u64>,
    /// When those who were refused are looked at again.
    look_again: Option<Instant>,
    /// Descriptors that the process had open before the first source, and those that admitted sources were promised.
    base: usize,
    promised: usize,
}

struct Entry {
    attempt: Weak<dyn Attempt>,
    place: Place,
    descriptors: usize,
    admitted: bool,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nowhere: its session runs, or it has not asked yet.
    Away,
    Waiting(Instant, Lane),
    Due(Lane, u64),
    Refused,
}

/// What is to be done outside the lock.
enum Action {
    Begin(Arc<dyn Attempt>, Opening),
    Refuse(Arc<dyn Attempt>, NoRoom),
}

impl Schedule {
    /// The process's own, whose thread is started with the first source.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn of_process() -> io::Result<Self> {
        static STARTED: Mutex<Option<Schedule>> = Mutex::new(None);
        let mut started = lock(&STARTED);
        if let Some(schedule) = &*started {
            return Ok(schedule.clone());
        }
        let schedule = Self::new(Box::new(OfProcess));
        let inner = schedule.inner.clone();
        std::thread::Builder::new()
            .name("sources".to_owned())
            .spawn(move || inner.run())?;
        *started = Some(schedule.clone());
        Ok(schedule)
    }

    fn new(descriptors: Box<dyn Descriptors>) -> Self {
        let base = descriptors.open().unwrap_or_default();
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(State::new(base)),
                changed: Condvar::new(),
                descriptors,
            }),
        }
    }

    /// Takes a source on whose sessions take so many descriptors. It asks for its first attempt with [`Ticket::now`].
    pub(super) fn enter(&self, attempt: Weak<dyn Attempt>, descriptors: usize) -> Ticket {
        let mut state = lock(&self.inner.state);
        let key = state.number();
        state.sources.insert(
            key,
            Entry {
                attempt,
                place: Place::Away,
                descriptors,
                admitted: false,
            },
        );
        Ticket {
            inner: self.inner.clone(),
            key,
        }
    }
}

impl Ticket {
    /// Asks for an attempt at once, in the place of any that was asked for before.
    pub(super) fn now(&self) {
        let mut state = lock(&self.inner.state);
        state.leave(self.key);
        state.due(self.key, Lane::First);
        drop(state);
        self.inner.changed.notify_one();
    }

    /// Asks for an attempt after `wait`.
    pub(super) fn after(&self, wait: Duration, lane: Lane) {
        let mut state = lock(&self.inner.state);
        state.leave(self.key);
        state.wait(self.key, Instant::now() + wait, lane);
        drop(state);
        self.inner.changed.notify_one();
    }

    /// Takes the wish for an attempt back; the source keeps its place.
    pub(super) fn cancel(&self) {
        lock(&self.inner.state).leave(self.key);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = lock(&self.inner.state);
        state.leave(self.key);
        state.opening.remove(&self.key);
        let gone = state.sources.remove(&self.key);
        if let Some(gone) = gone.filter(|gone| gone.admitted) {
            state.promised = state.promised.saturating_sub(gone.descriptors);
            if !state.refused.is_empty() {
                state.look_again = Some(Instant::now() + KEPT_FREE);
            }
        }
        drop(state);
        self.inner.changed.notify_one();
    }
}

impl Drop for Opening {
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
                match state.next_look() {
                    Some(at) => {
                        let wait = at.saturating_duration_since(now);
                        let waited = self.changed.wait_timeout(state, wait);
                        drop(waited.unwrap_or_else(PoisonError::into_inner));
                    }
                    None => drop(
                        self.changed
                            .wait(state)
                            .unwrap_or_else(PoisonError::into_inner),
                    ),
                }
                continue;
            }
            drop(state);
            for action in actions {
                match action {
                    Action::Begin(attempt, opening) => attempt.begin(opening),
                    Action::Refuse(attempt, no_room) => attempt.refused(&no_room),
                }
            }
        }
    }

    /// Everything that is to be done at `now`.
    fn step(self: &Arc<Self>, state: &mut State, now: Instant) -> Vec<Action> {
        while let Some(&(at, key)) = state.waiting.first()
            && at <= now
        {
            let lane = state.lane(key);
            state.leave(key);
            state.due(key, lane);
        }
        state
            .opening
            .retain(|_, (since, _)| now.saturating_duration_since(*since) < OPENING_LIMIT);
        if state.look_again.is_some_and(|at| at <= now) {
            state.look_again = None;
            for key in std::mem::take(&mut state.refused) {
                state.due(key, Lane::First);
            }
        }
        let mut actions = Vec::new();
        let mut room = None;
        while let Some((key, lane)) = state.pick() {
            state.leave(key);
            let Some(attempt) = state
                .sources
                .get(&key)
                .and_then(|entry| entry.attempt.upgrade())
            else {
                continue;
            };
            let room = room.get_or_insert_with(|| Room::look(state, &*self.descriptors));
            match room.admit(state, key) {
                Admission::Begin => {
                    state.opening.insert(key, (now, lane));
                    let inner = self.clone();
                    actions.push(Action::Begin(attempt, Opening { inner, key }));
                }
                Admission::Refuse(no_room) => {
                    if let Some(entry) = state.sources.get_mut(&key) {
                        entry.place = Place::Refused;
                    }
                    state.refused.insert(key);
                    state.look_again.get_or_insert(now + REFUSED_WAIT);
                    actions.push(Action::Refuse(attempt, no_room));
                }
                Admission::Later(no_room) => {
                    state.wait(key, now + CROWDED_WAIT, Lane::Repeated);
                    actions.push(Action::Refuse(attempt, no_room));
                }
            }
        }
        actions
    }
}

impl State {
    fn new(base: usize) -> Self {
        Self {
            next: 0,
            sources: HashMap::new(),
            waiting: BTreeSet::new(),
            first: BTreeMap::new(),
            repeated: BTreeMap::new(),
            opening: HashMap::new(),
            refused: BTreeSet::new(),
            look_again: None,
            base,
            promised: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn lane(&self, key: u64) -> Lane {
        match self.sources.get(&key).map(|entry| entry.place) {
            Some(Place::Waiting(_, lane)) => lane,
            _ => Lane::Repeated,
        }
    }

    /// Takes an entry from where it stands.
    fn leave(&mut self, key: u64) {
        let Some(entry) = self.sources.get_mut(&key) else {
            return;
        };
        match std::mem::replace(&mut entry.place, Place::Away) {
            Place::Away => {}
            Place::Waiting(at, _) => {
                self.waiting.remove(&(at, key));
            }
            Place::Due(Lane::First, number) => {
                self.first.remove(&number);
            }
            Place::Due(Lane::Repeated, number) => {
                self.repeated.remove(&number);
            }
            Place::Refused => {
                self.refused.remove(&key);
            }
        }
    }

    fn wait(&mut self, key: u64, at: Instant, lane: Lane) {
        if let Some(entry) = self.sources.get_mut(&key) {
            entry.place = Place::Waiting(at, lane);
            self.waiting.insert((at, key));
        }
    }

    fn due(&mut self, key: u64, lane: Lane) {
        let number = self.number();
        if let Some(entry) = self.sources.get_mut(&key) {
            entry.place = Place::Due(lane, number);
            match lane {
                Lane::First => self.first.insert(number, key),
                Lane::Repeated => self.repeated.insert(number, key),
            };
        }
    }

    /// The next one whose turn it is.
    fn pick(&self) -> Option<(u64, Lane)> {
        if self.opening.len() >= MOST_OPENING {
            return None;
        }
        if let Some(key) = self.first.values().next() {
            return Some((*key, Lane::First));
        }
        let repeated = self
            .opening
            .values()
            .filter(|(_, lane)| *lane == Lane::Repeated)
            .count();
        let key = self.repeated.values().next()?;
        (repeated < MOST_REPEATED).then_some((*key, Lane::Repeated))
    }

    /// When there may be something to do, if nothing is told before.
    fn next_look(&self) -> Option<Instant> {
        let due = !(self.first.is_empty() && self.repeated.is_empty());
        let slot = self.opening.values().map(|(since, _)| *since).min();
        let slot = slot.map(|since| since + OPENING_LIMIT).filter(|_| due);
        let waiting = self.waiting.first().map(|(at, _)| *at);
        [waiting, slot, self.look_again].into_iter().flatten().min()
    }
}

/// What is left of the process's descriptors, as of one look.
struct Room {
    limit: Option<usize>,
    /// Open now, and promised since; unknown where there is no need to know. It is for what others keep open: sessions that are
    /// only being opened have their part of what was promised.
    used: Option<usize>,
}

enum Admission {
    Begin,
    /// No place is left for this source.
    Refuse(NoRoom),
    /// It has its place, but something else took the descriptors.
    Later(NoRoom),
}

impl Room {
    fn look(state: &State, descriptors: &dyn Descriptors) -> Self {
        let limit = descriptors.limit();
        // Counting is for processes that come near their limit.
        let crowded = limit.is_some_and(|limit| state.base + state.promised > limit / 2);
        let used = crowded.then(|| descriptors.open()).flatten();
        Self { limit, used }
    }

    fn admit(&mut self, state: &mut State, key: u64) -> Admission {
        let (Some(limit), Some(entry)) = (self.limit, state.sources.get_mut(&key)) else {
            return Admission::Begin;
        };
        let needed = entry.descriptors;
        let no_room = NoRoom { limit, needed };
        if !entry.admitted {
            if state.base + state.promised + needed + spare(limit) > limit {
                return Admission::Refuse(no_room);
            }
            entry.admitted = true;
            state.promised += needed;
        }
        if let Some(used) = &mut self.used {
            if *used + needed + spare(limit) / 2 > limit {
                return Admission::Later(no_room);
            }
            *used += needed;
        }
        Admission::Begin
    }
}

/// Kept free for the broker, the page's viewers, decoders that are tried, and whatever a driver opens.
fn spare(limit: usize) -> usize {
    (limit / 8).clamp(16, 128)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
