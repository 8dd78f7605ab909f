//! How the recording of each source goes, for statuses and metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::index::IndexReport;
use super::mode::RecordMode;
use super::recovery::Recovered;
use super::space::SpaceReport;
use crate::base::SourceId;
use crate::base::sync::lock;

/// How recording goes at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingReport {
    /// Each source that is recorded.
    pub sources: BTreeMap<SourceId, SourceReport>,
    /// What the start found open, after a loss of power or a crash.
    pub recovered: Vec<Recovered>,
    /// Bytes of pictures that wait for the disk.
    pub queued_bytes: u64,
    /// The space of all recordings.
    pub space: SpaceReport,
    /// The index of all recordings.
    pub index: IndexReport,
}

/// How the recording of one source goes. The numbers count since the start of the recorder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceReport {
    /// Whether it is recorded now.
    pub state: RecordingState,
    /// Bytes that were written to files.
    pub bytes: u64,
    /// Fragments that were written.
    pub fragments: u64,
    /// Files that were begun.
    pub files: u64,
    /// Groups of pictures that are missing in the recording, in whole or from some picture on.
    pub dropped_groups: u64,
    /// Groups of pictures that wait for the disk.
    pub queued_groups: u64,
    /// Scenes that are missing in the recording because they had no room: in memory while the disk was slow, or in their fragment.
    pub dropped_scenes: u64,
    /// Capture time, since the Unix epoch, of the newest picture that survives a loss of power.
    pub durable_until: Option<Duration>,
}

/// Whether a source is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RecordingState {
    /// No units yet, no key frame yet, or none for some time.
    #[default]
    Waiting,
    /// Units are written.
    Recording,
    /// Events are recorded, and there is none now. What comes is held for the next one.
    Armed,
    /// The disk takes nothing, or no space is left. New files are tried from time to time.
    Failing {
        /// When it began, by the clock of the recorder.
        since: Duration,
        /// The system's words or the limit, and the remedy.
        reason: String,
    },
    /// The source sends what can't be recorded.
    NotRecordable {
        /// What it sends, and the remedy.
        reason: String,
    },
}

impl SourceReport {
    /// Something was refused. The beginning of a failure stays the first one until something is durable again.
    pub(super) fn fail(&mut self, reason: String, now: Duration) {
        let since = match self.state {
            RecordingState::Failing { since, .. } => since,
            _ => now,
        };
        self.state = RecordingState::Failing { since, reason };
    }
}

/// One source between the threads that receive, write and report.
#[derive(Debug)]
pub(super) struct SourceShared {
    pub source: SourceId,
    pub mode: RecordMode,
    report: Mutex<SourceReport>,
    removed: AtomicBool,
}

impl SourceShared {
    /// A source of which all is recorded.
    #[cfg(test)]
    pub(super) fn new(source: SourceId) -> Self {
        Self::in_mode(source, RecordMode::default())
    }

    pub(super) fn in_mode(source: SourceId, mode: RecordMode) -> Self {
        Self {
            source,
            mode,
            report: Mutex::default(),
            removed: AtomicBool::new(false),
        }
    }

    /// Its report, for reading and changing. Nobody holds it while a disk works.
    pub(super) fn report(&self) -> MutexGuard<'_, SourceReport> {
        lock(&self.report)
    }

    /// Adds to the dropped groups.
    pub(super) fn dropped(&self, groups: u64) {
        self.report().dropped_groups += groups;
    }

    /// Adds to the dropped scenes.
    pub(super) fn dropped_scenes(&self, scenes: u64) {
        self.report().dropped_scenes += scenes;
    }

    /// From now on its units and scenes are ignored.
    pub(super) fn remove(&self) {
        self.removed.store(true, Ordering::Release);
    }

    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }
}
