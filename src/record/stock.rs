//! The list of the recordings in a folder with the space that each takes, whether it is locked and whether it has an event, for
//! [`super::retention`]: made once by a walk ([`super::walk`]), then kept up to date by the writer and by the index.
//!
//! Only names that the layout itself makes are in it. Other files and folders, and links, are somebody else's.
//!
//! A recording has an event if a part of one is in it, as far as names tell: it lasts to the start of the next one. That it has none
//! is known when the index has read all recordings that there were at the start, and of the later ones those up to the end of the
//! recording and the pre-roll of an event that may follow. Until then it counts as if it had one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::event_times::{EventTimes, whole_ms};
use super::file_key::FileKey;
use super::limits::SpaceLimits;
use super::lock_name::LockName;
use super::source_stock::{At, Listed, ListedState, SourceStock};
use crate::base::SourceId;

/// The list. It knows nothing of the disk.
#[derive(Debug, Default)]
pub(super) struct Stock {
    sources: BTreeMap<SourceId, SourceStock>,
    /// The locked times of each source, in milliseconds since the Unix epoch, in order and apart from each other.
    locks: BTreeMap<SourceId, Vec<Range<u64>>>,
    events: EventTimes,
    /// From this age on recordings without events go before others.
    prefer_after_ms: u64,
    /// The index has read all recordings that there were at the start.
    is_indexed: bool,
}

impl Stock {
    /// An empty list.
    pub(super) fn new(limits: &SpaceLimits) -> Self {
        // An event that follows makes a recording one of an event as long as its pre-roll reaches there.
        let prefer_after = limits.prefer_events_after.max(limits.pre_roll);
        Self {
            events: EventTimes::new(limits.pre_roll, limits.post_roll),
            prefer_after_ms: whole_ms(prefer_after),
            ..Self::default()
        }
    }

    /// Adds a closed recording that a walk found, unless the list has it.
    pub(super) fn found(&mut self, key: FileKey, bytes: u64) {
        if self.listed(key).is_none() {
            self.set(key, bytes, ListedState::Closed);
        }
    }

    /// Adds a recording that is open, with the bytes that it may take without a report.
    pub(super) fn opened(&mut self, key: FileKey, bytes: u64) {
        let former = self.listed(key).map_or(0, |listed| listed.bytes);
        self.set(key, former + bytes, ListedState::Open);
        if let Some(files) = self.sources.get_mut(&key.source()) {
            files.mark_unread(key.at(), true);
        }
    }

    /// Adds to the bytes of a recording.
    pub(super) fn grew(&mut self, key: FileKey, bytes: u64) {
        if let Some(listed) = self.listed(key) {
            self.set(key, listed.bytes + bytes, listed.state);
        }
    }

    /// From now on a recording may be deleted. `bytes` is what it takes, `None` if the disk does not tell. Returns what was counted
    /// for it before.
    pub(super) fn closed(&mut self, key: FileKey, bytes: Option<u64>) -> u64 {
        let counted = self.listed(key).map_or(0, |listed| listed.bytes);
        self.set(key, bytes.unwrap_or(counted), ListedState::Closed);
        counted
    }

    /// Notes that the disk refused to delete a recording: it is passed over until `until`.
    pub(super) fn set_aside(&mut self, key: FileKey, until: Duration) {
        if let Some(listed) = self.listed(key)
            && listed.state != ListedState::Open
        {
            self.set(key, listed.bytes, ListedState::Aside(until));
        }
    }

    /// Takes a recording out of the list.
    pub(super) fn forget(&mut self, key: FileKey) {
        let Some(files) = self.sources.get_mut(&key.source()) else {
            return;
        };
        files.remove(key.at());
        if files.is_empty() {
            self.sources.remove(&key.source());
        }
        self.judge_before(key);
    }

    /// Objects of a class were seen from `from_ms` to `to_ms` since the Unix epoch, both included. The same may be told again.
    pub(super) fn seen(&mut self, source: SourceId, class: &Arc<str>, from_ms: u64, to_ms: u64) {
        let added = self.events.add(source, class, from_ms, to_ms);
        if let Some(time) = added
            && let Some(files) = self.sources.get_mut(&source)
        {
            for at in files.touching(&time) {
                files.mark_event(at, true);
            }
        }
    }

    /// Sets the classes whose objects are events of a source; `None` means all, as for sources of which nothing was set.
    pub(super) fn want_events(&mut self, source: SourceId, classes: Option<&[String]>) {
        if self.events.want(source, classes) {
            let files = self.sources.get(&source);
            let all: Vec<_> = files.into_iter().flat_map(SourceStock::all).collect();
            all.into_iter().for_each(|at| self.judge_events(source, at));
        }
    }

    /// The index has read all recordings that there were at the start.
    pub(super) fn set_indexed(&mut self) {
        self.is_indexed = true;
    }

    /// The index has read a recording since it was closed.
    pub(super) fn was_read(&mut self, key: FileKey) {
        if let Some(files) = self.sources.get_mut(&key.source()) {
            files.mark_unread(key.at(), false);
        }
    }

    /// Forgets the events of a source that ended before its oldest recording.
    pub(super) fn forget_past_events(&mut self, source: SourceId) {
        let oldest = self.sources.get(&source).and_then(SourceStock::oldest);
        let start_ms = oldest.map_or(u64::MAX, |(start_ms, _)| start_ms);
        self.events.forget_before(source, start_ms);
    }

    /// Takes all locks. Each begins earlier by `slack`, the longest time by which a recording may overlap the next one of its source:
    /// after a clock was set back, names of files overlap.
    pub(super) fn set_locks(&mut self, names: impl Iterator<Item = LockName>, slack: Duration) {
        let slack_ms = whole_ms(slack);
        let mut locks = BTreeMap::<_, Vec<_>>::new();
        for name in names {
            let of_source = locks.entry(name.source).or_default();
            of_source.push(name.from_ms.saturating_sub(slack_ms)..name.until_ms);
        }
        locks.values_mut().for_each(|locks| *locks = united(locks));
        if locks == self.locks {
            return;
        }
        self.locks = locks;
        let all = self.sources.iter();
        let all = all.flat_map(|(&source, files)| files.all().map(move |at| (source, at)));
        let all: Vec<_> = all.collect();
        all.into_iter()
            .for_each(|(source, at)| self.judge_locks(source, at));
    }

    /// Finds out whether a recording is locked, and whether it has an event.
    fn judge(&mut self, source: SourceId, at: At) {
        self.judge_locks(source, at);
        self.judge_events(source, at);
    }

    /// A recording may last to the start of the next one, to the millisecond.
    fn judge_locks(&mut self, source: SourceId, at: At) {
        let Some(files) = self.sources.get_mut(&source) else {
            return;
        };
        let end_ms = files.next_start_ms(at).unwrap_or(u64::MAX);
        let locks = self.locks.get(&source).map_or(&[][..], Vec::as_slice);
        let ended = locks.partition_point(|lock| lock.end <= at.0);
        let is_locked = locks.get(ended).is_some_and(|lock| lock.start <= end_ms);
        files.mark_locked(at, is_locked);
    }

    fn judge_events(&mut self, source: SourceId, at: At) {
        let Some(files) = self.sources.get_mut(&source) else {
            return;
        };
        let has_event = self.events.has(source, at.0, files.end_ms(at));
        files.mark_event(at, has_event);
    }

    /// The end of the recording before this one has changed.
    fn judge_before(&mut self, key: FileKey) {
        let files = self.sources.get(&key.source());
        if let Some(at) = files.and_then(|files| files.before(key.at())) {
            self.judge(key.source(), at);
        }
    }

    /// Whether a recording is open.
    pub(super) fn is_open(&self, key: FileKey) -> bool {
        self.listed(key)
            .is_some_and(|listed| listed.state == ListedState::Open)
    }

    /// The recording that is to be deleted next at `now`, and its bytes. It is neither open nor locked.
    ///
    /// Those beyond the newest `min_bytes` of their source come before others. Among these, those without events that are old enough
    /// come first, and then the oldest.
    ///
    /// For each source two ordered sets are asked for their first recording, and the hours of the minimum are added up. So the time
    /// hardly grows with the number of recordings. Only locked ones that are older than all others are passed one by one.
    pub(super) fn next_to_delete(&self, now: Duration, min_bytes: u64) -> Option<(FileKey, u64)> {
        let of_sources = self.sources.iter().flat_map(|(&source, files)| {
            // The oldest of each kind has the most newer bytes as well.
            let without_event = match self.is_indexed {
                true => files.oldest_without_event(now, self.prefer_after_ms),
                false => None,
            };
            let candidates = [(false, without_event), (true, files.oldest_due(now))];
            candidates.into_iter().filter_map(move |(comes_later, at)| {
                let (start_ms, number) = at?;
                let is_of_minimum = files.is_of_minimum(at?, min_bytes);
                let key = FileKey::new(source, start_ms, number);
                Some((is_of_minimum, comes_later, key))
            })
        });
        let (_, _, key) = of_sources.min()?;
        Some((key, self.listed(key)?.bytes))
    }

    /// Whether locks alone keep a closed recording from being deleted.
    pub(super) fn has_locked(&self) -> bool {
        self.sources.values().any(SourceStock::has_locked)
    }

    /// Whether the list has a recording of the source of `key` in its hour or day: the folder of that length.
    pub(super) fn has_in_folder(&self, key: FileKey, length_ms: u64) -> bool {
        let from = key.start_ms() - key.start_ms() % length_ms;
        let files = self.sources.get(&key.source());
        files.is_some_and(|files| files.has_start_in(from..from + length_ms))
    }

    /// The bytes of all recordings.
    pub(super) fn bytes(&self) -> u64 {
        self.sources.values().map(SourceStock::bytes).sum()
    }

    /// The bytes of those that are locked, open ones included.
    pub(super) fn locked_bytes(&self) -> u64 {
        self.sources.values().map(SourceStock::locked_bytes).sum()
    }

    /// Each source with the start of its oldest recording, since the Unix epoch.
    pub(super) fn oldest(&self) -> BTreeMap<SourceId, Duration> {
        let oldest = self.sources.iter().filter_map(|(&source, files)| {
            let (start_ms, _) = files.oldest()?;
            Some((source, Duration::from_millis(start_ms)))
        });
        oldest.collect()
    }

    /// The number of sources with recordings.
    pub(super) fn sources(&self) -> u64 {
        self.sources.len() as u64
    }

    fn listed(&self, key: FileKey) -> Option<Listed> {
        self.sources.get(&key.source())?.get(key.at())
    }

    fn set(&mut self, key: FileKey, bytes: u64, state: ListedState) {
        let files = self.sources.entry(key.source()).or_default();
        files.set(key.at(), bytes, state);
        self.judge(key.source(), key.at());
        self.judge_before(key);
    }
}

/// Times that overlap or touch each other become one.
fn united(times: &mut [Range<u64>]) -> Vec<Range<u64>> {
    times.sort_unstable_by_key(|time| time.start);
    let mut united: Vec<Range<u64>> = Vec::new();
    for time in times {
        match united.last_mut() {
            Some(last) if last.end >= time.start => last.end = last.end.max(time.end),
            _ => united.push(time.clone()),
        }
    }
    united
}

#[cfg(test)]
#[path = "stock_event_tests.rs"]
mod event_tests;
#[cfg(test)]
#[path = "stock_tests.rs"]
mod tests;
