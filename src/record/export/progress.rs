//! The progress of an export, and its stop.

use super::error::ExportError;
use crate::base::Stop;

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
}
