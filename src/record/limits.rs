//! The limits of the space of recordings.

use std::path::PathBuf;
use std::time::Duration;

/// Deletion goes on for this much, or 1 % of the budget, below the limit at which it begins.
const MARGIN_BYTES: u64 = 64_000_000;
/// Key frames that are farther apart than this are rare.
const KEY_FRAMES: Duration = Duration::from_secs(60);

/// How much space recordings may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpaceLimits {
    /// The folder of recordings. It exists.
    pub dir: PathBuf,
    /// The most bytes of all recordings together, as the file system counts them.
    pub budget_bytes: Option<u64>,
    /// The setting that has the budget, for remedies.
    pub budget_key: &'static str,
    /// Bytes that stay free in the file system.
    pub min_free_bytes: u64,
    /// Bytes of the newest recordings of each source that stay while another source has more.
    pub min_per_camera_bytes: u64,
    /// Age from which recordings without events are deleted before those with events.
    pub prefer_events_after: Duration,
    /// Time before an event that belongs to it.
    pub pre_roll: Duration,
    /// Time after an event that belongs to it.
    pub post_roll: Duration,
    /// The length of files.
    pub file_length: Duration,
}

impl SpaceLimits {
    /// No limits for a folder, events as they are, and files of the default length.
    #[cfg(test)]
    pub(super) fn none(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            budget_bytes: None,
            budget_key: "record.budget",
            min_free_bytes: 0,
            min_per_camera_bytes: 0,
            prefer_events_after: Duration::ZERO,
            pre_roll: Duration::ZERO,
            post_roll: Duration::ZERO,
            file_length: Duration::from_secs(60),
        }
    }

    /// The time of a file, unless its key frames are rare.
    pub(super) fn longest_file(&self) -> Duration {
        self.file_length * 5 / 4 + KEY_FRAMES
    }
}

/// The bytes that are deleted beyond what is necessary, so that deletion comes in larger pieces.
pub(super) fn margin(limits: &SpaceLimits) -> u64 {
    let of_budget = limits.budget_bytes.map(|budget| budget / 100);
    of_budget.map_or(MARGIN_BYTES, |bytes| bytes.min(MARGIN_BYTES))
}
