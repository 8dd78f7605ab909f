//! The checked settings of the recording.

use std::path::PathBuf;
use std::time::Duration;

use super::choice::choice;

/// Where recordings are kept, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSettings {
    /// Directory of the recordings.
    pub dir: PathBuf,
    /// Maximum space of the recordings in bytes; `None` means no limit but `min_free`.
    pub budget_bytes: Option<u64>,
    /// Bytes that stay free in the file system.
    pub min_free_bytes: u64,
    /// Bytes of the newest recordings of each camera that stay while another camera has more.
    pub min_per_camera_bytes: u64,
    /// Age from which recordings without events are deleted before those with events.
    pub prefer_events_after: Duration,
    /// Time after which what was recorded survives a power cut.
    pub durable_every: Duration,
    /// Length of a file, up to the next key frame.
    pub file_length: Duration,
    /// Time before an event that belongs to it, and is recorded too.
    pub pre_roll: Duration,
    /// Time after an event that belongs to it, and is recorded too.
    pub post_roll: Duration,
    /// Whether recordings may lie on a medium that they wear out within some years.
    pub accept_wear: bool,
    /// Which directory this is.
    pub place: RecordPlace,
    /// The directory that takes over while this one fails.
    pub next: Option<NextDirectory>,
}

/// A directory of recordings that takes over while another one fails. Its other settings are those of that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextDirectory {
    /// Directory of the recordings.
    pub dir: PathBuf,
    /// Maximum space of its recordings in bytes; `None` means no limit but `min_free`.
    pub budget_bytes: Option<u64>,
}

/// Which of the directories of recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordPlace {
    /// `dir`.
    #[default]
    First,
    /// `next_dir`.
    Next,
}

impl RecordSettings {
    /// The settings of the directory that takes over.
    pub fn of_next(&self) -> Option<Self> {
        let NextDirectory { dir, budget_bytes } = self.next.clone()?;
        Some(Self {
            dir,
            budget_bytes,
            place: RecordPlace::Next,
            next: None,
            ..self.clone()
        })
    }
}

impl RecordPlace {
    /// The setting that names the directory.
    pub fn dir_key(self) -> &'static str {
        match self {
            Self::First => "record.dir",
            Self::Next => "record.next_dir",
        }
    }

    /// The setting of its budget.
    pub fn budget_key(self) -> &'static str {
        match self {
            Self::First => "record.budget",
            Self::Next => "record.next_budget",
        }
    }
}

choice! {
    /// What of a camera is recorded.
    RecordChoice {
        /// All that it sends.
        #[default]
        Continuous,
        /// Events, with some time before and after them.
        Events,
        /// Nothing.
        Off,
    }
}
