//! The list of the recordings in a folder with the space that each takes and whether it is locked, for [`super::retention`]: made
//! once by a walk ([`super::walk`]), then kept up to date by the writer.
//!
//! Only names that the layout itself makes are in it. Other files and folders, and links, are somebody else's.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::Range;
use std::time::Duration;

use super::file_key::FileKey;
use super::lock_name::LockName;
use crate::base::SourceId;

/// The list. It knows nothing of the disk.
#[derive(Debug, Default)]
pub(super) struct Stock {
    sources: BTreeMap<SourceId, Files>,
    /// The locked times of each source, in milliseconds since the Unix epoch, in order and apart from each other.
    locks: BTreeMap<SourceId, Vec<Range<u64>>>,
    bytes: u64,
    locked_bytes: u64,
}

/// The recordings of a source.
#[derive(Debug, Default)]
struct Files {
    /// By start and number.
    listed: BTreeMap<(u64, u32), Listed>,
    bytes: u64,
}

/// A recording in the list.
#[derive(Debug, Clone, Copy)]
struct Listed {
    bytes: u64,
    state: ListedState,
    is_locked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListedState {
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

    fn locked_bytes(&self) -> u64 {
        if self.is_locked { self.bytes } else { 0 }
    }
}

impl Stock {
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
        if let Some(listed) = files.listed.remove(&key.at()) {
            files.bytes -= listed.bytes;
            self.bytes -= listed.bytes;
            self.locked_bytes -= listed.locked_bytes();
        }
        if files.listed.is_empty() {
            self.sources.remove(&key.source());
        }
        self.judge_before(key);
    }

    /// Takes all locks. Each begins earlier by `slack`, the longest time by which a recording may overlap the next one of its source:
    /// after a clock was set back, names of files overlap.
    pub(super) fn set_locks(&mut self, names: impl Iterator<Item = LockName>, slack: Duration) {
        let slack_ms = u64::try_from(slack.as_millis()).unwrap_or(u64::MAX);
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
        let all = self.sources.iter().flat_map(|(&source, files)| {
            let keys = files.listed.keys();
            keys.map(move |&at| FileKey::new(source, at.0, at.1))
        });
        let all: Vec<_> = all.collect();
        all.into_iter().for_each(|key| self.judge(key));
    }

    /// Finds out whether a recording is locked. Its end is not known, but it is not after the start of the next one.
    fn judge(&mut self, key: FileKey) {
        let Some(files) = self.sources.get_mut(&key.source()) else {
            return;
        };
        let mut after = files.listed.range((Excluded(key.at()), Unbounded));
        let end_ms = after
            .next()
            .map_or(u64::MAX, |((start_ms, _), _)| *start_ms);
        let locks = self.locks.get(&key.source()).map_or(&[][..], Vec::as_slice);
        let ended = locks.partition_point(|lock| lock.end <= key.start_ms());
        let is_locked = locks.get(ended).is_some_and(|lock| lock.start <= end_ms);
        if let Some(listed) = files.listed.get_mut(&key.at()) {
            self.locked_bytes -= listed.locked_bytes();
            listed.is_locked = is_locked;
            self.locked_bytes += listed.locked_bytes();
        }
    }

    /// Finds out whether the recording before this one is locked.
    fn judge_before(&mut self, key: FileKey) {
        let files = self.sources.get(&key.source());
        let before = files.and_then(|files| files.listed.range(..key.at()).next_back());
        if let Some((&at, _)) = before {
            self.judge(FileKey::new(key.source(), at.0, at.1));
        }
    }

    /// Whether a recording is open.
    pub(super) fn is_open(&self, key: FileKey) -> bool {
        self.listed(key)
            .is_some_and(|listed| listed.state == ListedState::Open)
    }

    /// The recording that is to be deleted next at `now`, and its bytes: the oldest one of all sources that is neither open nor locked.
    /// One without which its source keeps less than `min_bytes` of newer recordings comes after all others.
    pub(super) fn next_to_delete(&self, now: Duration, min_bytes: u64) -> Option<(FileKey, u64)> {
        let of_sources = self.sources.iter().filter_map(|(&source, files)| {
            let mut newer_bytes = files.bytes;
            let (&at, listed) = files.listed.iter().find(|(_, listed)| {
                newer_bytes -= listed.bytes;
                listed.is_due(now)
            })?;
            let is_of_minimum = newer_bytes < min_bytes;
            Some((
                is_of_minimum,
                FileKey::new(source, at.0, at.1),
                listed.bytes,
            ))
        });
        let (_, key, bytes) = of_sources.min()?;
        Some((key, bytes))
    }

    /// Whether locks alone keep a closed recording from being deleted.
    pub(super) fn has_locked(&self) -> bool {
        let mut files = self
            .sources
            .values()
            .flat_map(|files| files.listed.values());
        files.any(|listed| listed.is_locked && listed.state == ListedState::Closed)
    }

    /// Whether the list has a recording of the source of `key` in its hour or day: the folder of that length.
    pub(super) fn has_in_folder(&self, key: FileKey, length_ms: u64) -> bool {
        let from = key.start_ms() - key.start_ms() % length_ms;
        let files = self.sources.get(&key.source());
        files.is_some_and(|files| {
            let inside = (from, 0)..(from + length_ms, 0);
            files.listed.range(inside).next().is_some()
        })
    }

    /// The bytes of all recordings.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes of those that are locked, open ones included.
    pub(super) fn locked_bytes(&self) -> u64 {
        self.locked_bytes
    }

    /// Each source with the start of its oldest recording, since the Unix epoch.
    pub(super) fn oldest(&self) -> BTreeMap<SourceId, Duration> {
        let oldest = self.sources.iter().filter_map(|(&source, files)| {
            let ((start_ms, _), _) = files.listed.first_key_value()?;
            Some((source, Duration::from_millis(*start_ms)))
        });
        oldest.collect()
    }

    /// The number of sources with recordings.
    pub(super) fn sources(&self) -> u64 {
        self.sources.len() as u64
    }

    fn listed(&self, key: FileKey) -> Option<Listed> {
        let files = self.sources.get(&key.source())?;
        files.listed.get(&key.at()).copied()
    }

    fn set(&mut self, key: FileKey, bytes: u64, state: ListedState) {
        let files = self.sources.entry(key.source()).or_default();
        let listed = Listed {
            bytes,
            state,
            is_locked: false,
        };
        if let Some(former) = files.listed.insert(key.at(), listed) {
            files.bytes -= former.bytes;
            self.bytes -= former.bytes;
            self.locked_bytes -= former.locked_bytes();
        }
        files.bytes += bytes;
        self.bytes += bytes;
        self.judge(key);
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
#[path = "stock_tests.rs"]
mod tests;
