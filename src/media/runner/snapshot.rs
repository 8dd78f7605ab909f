//! What a source tells: its frames, its health with the reason, and the amounts it has delivered.
//!
//! Threads of the source write, any thread may read. A snapshot holds the present state; earlier ones are not kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::source::{Health, StreamFacts};
use crate::base::{Frame, SourceId};

/// Receives frames and health. It is called from the source's threads and from the schedule's thread. It must not block
/// and must not call [`crate::media::Runner::stop`].
pub trait SourceListener: Send + Sync {
    /// A frame was decoded. Frames are numbered across sessions. The listener should keep the newest frame or none.
    fn frame(&self, frame: Frame);

    /// Health, reason or facts have changed. Calls come one after the other, in the order of the changes.
    fn status(&self, status: &SourceSnapshot);
}

/// The state of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSnapshot {
    /// The id of the source.
    pub id: SourceId,
    /// The health of the source.
    pub health: Health,
    /// The time of the last change of health, as Unix time.
    pub since: Duration,
    /// The reason, if the source is not live.
    pub reason: Option<SourceReason>,
    /// The facts about its stream, from the last session that knew them.
    pub facts: StreamFacts,
    /// The number of sessions after the first one.
    pub reconnects: u64,
}

/// The reason why a source is not live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReason {
    /// A code for programs, see [`crate::media::SessionEnd::Failed`].
    pub code: &'static str,
    /// A message for people, without credentials.
    pub message: String,
}

/// The amounts that a source has delivered since the start of the process. They pass from one runner of a source to the
/// next, so that frame numbers continue.
#[derive(Debug, Default)]
pub struct SourceCounters {
    pub(super) access_units: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) frames: AtomicU64,
    /// Access units between decoded ones that were not decoded.
    pub(super) skipped: AtomicU64,
}

impl SourceCounters {
    /// The number of a decoded frame, `skipped` access units after the one before. It counts it.
    pub(super) fn number(&self, skipped: u64) -> u64 {
        let skipped = self.skipped.fetch_add(skipped, Ordering::Relaxed) + skipped;
        self.frames.fetch_add(1, Ordering::Relaxed) + skipped
    }

    /// Access units that arrived.
    pub fn access_units(&self) -> u64 {
        self.access_units.load(Ordering::Relaxed)
    }

    /// Bytes of these access units.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Decoded frames.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}
