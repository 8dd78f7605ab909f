//! The recordings of one source, for [`super::stock`]: what each takes, whether it may be deleted, and which is the next to go.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::Range;
use std::time::Duration;

use super::file_key::HOUR_MS;

/// A recording of the source: start in milliseconds since the Unix epoch, and number.
pub(super) type At = (u64, u32);

/// The recordings of a source. The end of each is not known, but it is not after the start of the next one.
#[derive(Debug, Default)]
pub(super) struct SourceStock {
    listed: BTreeMap<At, Listed>,
    bytes: u64,
    locked_bytes: u64,
    /// The bytes of the recordings that begin in each hour since the Unix epoch: sums of many recordings are made of them.
    hours: BTreeMap<u64, u64>,
    /// Those that are closed and neither locked nor have an event.
    without_event: BTreeSet<At>,
    /// Those that were opened and that the index has not read since.
    unread: BTreeSet<At>,
}

/// A recording in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) bytes: u64,
    pub(super) state: ListedState,
    is_locked: bool,
    has_event: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListedState {
    Open,
    Closed,
    /// The disk refused to delete it. Not again before, by the clock.
    Aside(Duration),
}

impl Listed {
    /// Whether it may be deleted at `now`.
    fn is_due(&self, now: Duration) -> bool {
        let is_due = match self.state {
            ListedState::Open => false,
            ListedState::Closed => true,
            ListedState::Aside(until) => now >= until,
        };
        is_due && !self.is_locked
    }

    fn is_without_event(&self) -> bool {
        !self.has_event && !self.is_locked && self.state != ListedState::Open
    }

    fn locked_bytes(&self) -> u64 {
        if self.is_locked { self.bytes } else { 0 }
    }
}

impl SourceStock {
    /// A recording of the list.
    pub(super) fn get(&self, at: At) -> Option<Listed> {
        self.listed.get(&at).copied()
    }

    /// Adds a recording, or changes its bytes and its state.
    pub(super) fn set(&mut self, at: At, bytes: u64, state: ListedState) {
        let former = self.take(at);
        let changed = Listed {
            bytes,
            state,
            is_locked: former.is_some_and(|former| former.is_locked),
            has_event: former.is_some_and(|former| former.has_event),
        };
        self.put(at, changed);
    }

    /// Notes whether a recording is locked.
    pub(super) fn mark_locked(&mut self, at: At, is_locked: bool) {
        self.mark(at, |listed| Listed {
            is_locked,
            ..listed
        });
    }

    /// Notes whether a recording has an event.
    pub(super) fn mark_event(&mut self, at: At, has_event: bool) {
        self.mark(at, |listed| Listed {
            has_event,
            ..listed
        });
    }

    /// Most marks change nothing: then there is one look into the list.
    fn mark(&mut self, at: At, change: impl FnOnce(Listed) -> Listed) {
        let Some(former) = self.get(at) else { return };
        let changed = change(former);
        if changed != former {
            self.take(at);
            self.put(at, changed);
        }
    }

    /// Notes whether the index has to read a recording.
    pub(super) fn mark_unread(&mut self, at: At, is_unread: bool) {
        if is_unread {
            self.unread.insert(at);
        } else {
            self.unread.remove(&at);
        }
    }

    /// Takes a recording out of the list.
    pub(super) fn remove(&mut self, at: At) {
        self.take(at);
        self.unread.remove(&at);
    }

    fn put(&mut self, at: At, listed: Listed) {
        self.bytes += listed.bytes;
        self.locked_bytes += listed.locked_bytes();
        *self.hours.entry(at.0 / HOUR_MS).or_default() += listed.bytes;
        if listed.is_without_event() {
            self.without_event.insert(at);
        }
        self.listed.insert(at, listed);
    }

    fn take(&mut self, at: At) -> Option<Listed> {
        let former = self.listed.remove(&at)?;
        self.bytes -= former.bytes;
        self.locked_bytes -= former.locked_bytes();
        let hour = at.0 / HOUR_MS;
        if let Some(bytes) = self.hours.get_mut(&hour) {
            *bytes -= former.bytes;
            if *bytes == 0 {
                self.hours.remove(&hour);
            }
        }
        self.without_event.remove(&at);
        Some(former)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// All recordings, by start.
    pub(super) fn all(&self) -> impl Iterator<Item = At> {
        self.listed.keys().copied()
    }

    /// The oldest recording.
    pub(super) fn oldest(&self) -> Option<At> {
        self.all().next()
    }

    /// The recording before this one.
    pub(super) fn before(&self, at: At) -> Option<At> {
        self.listed.range(..at).next_back().map(|(at, _)| *at)
    }

    /// The start of the recording after this one.
    pub(super) fn next_start_ms(&self, at: At) -> Option<u64> {
        let mut after = self.listed.range((Excluded(at), Unbounded));
        after.next().map(|((start_ms, _), _)| *start_ms)
    }

    /// The first millisecond that is not of this recording any more, as far as names tell.
    pub(super) fn end_ms(&self, at: At) -> u64 {
        let next_ms = self.next_start_ms(at).unwrap_or(u64::MAX);
        next_ms.max(at.0.saturating_add(1))
    }

    /// The recordings that may have a part of a time.
    pub(super) fn touching(&self, time: &Range<u64>) -> Vec<At> {
        let begun = self.listed.range(..(time.end, 0)).rev();
        let at = begun.map(|(at, _)| *at);
        at.take_while(|at| self.end_ms(*at) > time.start).collect()
    }

    /// Whether one of them begins in this time.
    pub(super) fn has_start_in(&self, time: Range<u64>) -> bool {
        let inside = (time.start, 0)..(time.end, 0);
        self.listed.range(inside).next().is_some()
    }

    /// The bytes of all.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes of those that are locked.
    pub(super) fn locked_bytes(&self) -> u64 {
        self.locked_bytes
    }

    /// Whether locks alone keep a closed recording from being deleted.
    pub(super) fn has_locked(&self) -> bool {
        let mut listed = self.listed.values();
        listed.any(|listed| listed.is_locked && listed.state == ListedState::Closed)
    }

    /// The oldest recording that may be deleted at `now`. Passes over those that are locked, open or set aside.
    pub(super) fn oldest_due(&self, now: Duration) -> Option<At> {
        let mut due = self.listed.iter().filter(|(_, listed)| listed.is_due(now));
        due.next().map(|(at, _)| *at)
    }

    /// The oldest recording that may be deleted at `now`, has no event, and ended at least `age_ms` before the time up to which the
    /// index has read: the newest start without an older recording that is not read. Passes over those that are set aside.
    pub(super) fn oldest_without_event(&self, now: Duration, age_ms: u64) -> Option<At> {
        let newest = self.listed.last_key_value().map(|(at, _)| at);
        let (read_until_ms, _) = self.unread.first().or(newest)?;
        let is_due = |at: &&At| self.listed.get(at).is_some_and(|it| it.is_due(now));
        let at = *self.without_event.iter().find(is_due)?;
        // Younger ones ended later.
        let is_old = self.end_ms(at).saturating_add(age_ms) <= *read_until_ms;
        is_old.then_some(at)
    }

    /// Whether the recordings that are newer than this one have less than `min_bytes`. Looks at the hours of the minimum, and at the
    /// recordings of one hour.
    pub(super) fn is_of_minimum(&self, at: At, min_bytes: u64) -> bool {
        let hour = at.0 / HOUR_MS;
        let later = self.hours.range(hour + 1..).rev().map(|(_, bytes)| *bytes);
        let end = ((hour + 1).saturating_mul(HOUR_MS), 0);
        let in_hour = self.listed.range((Excluded(at), Excluded(end)));
        let newer = later.chain(in_hour.map(|(_, listed)| listed.bytes));
        let mut left = min_bytes;
        for bytes in newer {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(bytes);
        }
        left > 0
    }
}

#[cfg(test)]
#[path = "source_stock_tests.rs"]
mod tests;
