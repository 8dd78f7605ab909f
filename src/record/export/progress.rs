//! The progress of an export, and its stop.

use std::time::Duration;

use super::error::ExportError;
use crate::base::Stop;

/// The longest pause at once.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What an export does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportProgress {
    /// It checks recordings.
    Checking {
        /// Recordings that are checked.
        done: u64,
        /// All recordings.
        total: u64,
    },
    /// It writes the videos.
    Writing {
        /// Bytes that are written.
        done: u64,
        /// All bytes.
        total: u64,
    },
}

/// Tells of the progress, and looks for a stop.
pub(super) struct Watch<'a> {
    pub(super) report: &'a mut dyn FnMut(ExportProgress),
    pub(super) stop: &'a Stop,
    /// Whether a recorder needs the disk more.
    pub(super) is_gentle: bool,
}

impl Watch<'_> {
    /// Tells of the progress.
    ///
    /// # Errors
    /// If it is stopped.
    pub(super) fn tell(&mut self, progress: ExportProgress) -> Result<(), ExportError> {
        (self.report)(progress);
        self.check()
    }

    /// # Errors
    /// If it is stopped.
    pub(super) fn check(&self) -> Result<(), ExportError> {
        match self.stop.is_raised() {
            true => Err(ExportError::Stopped),
            false => Ok(()),
        }
    }

    /// Pauses for as long as something was read, where a recorder needs the disk more: it has at least half of it then.
    pub(super) fn rest(&self, read: Duration) {
        if self.is_gentle {
            self.stop.wait(read.min(LONGEST_REST));
        }
    }
}
