//! Why the desk could not do its work, and the exit codes.

use super::{JournalError, LintProblems};
use crate::bus::BusError;
use crate::config::ConfigProblems;
use crate::fleet::{KeyError, KeyFileError};

/// The exit codes of `nvr fleet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// It failed, or a device failed.
    Failed = 1,
    /// The options or `fleet.toml` are not valid.
    Usage = 2,
    /// Nothing failed, but devices are missing or have not answered yet.
    Missing = 3,
    /// The rollout was stopped by failures and taken back.
    Halted = 4,
    /// The rollout pauses between two stages and can be resumed.
    Paused = 5,
}

/// The desk could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The file of the fleet can't be read.
    #[error(transparent)]
    File(#[from] ConfigProblems),
    /// The documents of the fleet are not valid.
    #[error(transparent)]
    Lint(#[from] LintProblems),
    /// Options contradict each other or the file.
    #[error("{0}")]
    Usage(String),
    /// The link can't be started.
    #[error(transparent)]
    Link(#[from] BusError),
    /// No connection within the limit.
    #[error("no connection to the broker {broker} within {limit_s} s: {reason}")]
    NoBroker {
        /// Host and port.
        broker: String,
        /// The limit in seconds.
        limit_s: u64,
        /// The last error.
        reason: String,
    },
    /// The broker refuses the topics of the fleet.
    #[error(
        "the broker refuses {refused} of {asked} subscriptions; give the operator access to the topics of the fleet (`nvr fleet export-acl`)"
    )]
    Refused {
        /// Number of refused topics.
        refused: u64,
        /// Number of topics.
        asked: usize,
    },
    /// The broker has not delivered in time.
    #[error(
        "the broker {broker} did not confirm {missing} of {all} documents within {limit_s} s; run the command again"
    )]
    Unconfirmed {
        /// Host and port.
        broker: String,
        /// Number of documents that it did not confirm.
        missing: usize,
        /// Number of documents.
        all: usize,
        /// The limit in seconds.
        limit_s: u64,
    },
    /// The journal of a rollout can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The audit file can't be written.
    #[error("can't write the audit file {path}: {cause}")]
    Audit {
        /// The file.
        path: String,
        /// The reason.
        cause: std::io::Error,
    },
    /// A key can't be read.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A key can't be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A document with its signature is too large.
    #[error(
        "{device}: the document has {bytes} bytes with its signature, the limit is {limit}; shorten it"
    )]
    TooLarge {
        /// The device.
        device: String,
        /// Size of the message.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A device is not there, or has not answered yet.
    #[error("{0}")]
    Missing(String),
    /// A device did not do what it was told.
    #[error("{0}")]
    Device(String),
}

impl DeskError {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::File(_) | Self::Lint(_) | Self::Usage(_) | Self::Link(_) | Self::KeyFile(_) => {
                Exit::Usage
            }
            Self::TooLarge { .. } => Exit::Usage,
            Self::Journal(error) if error.is_usage() => Exit::Usage,
            Self::Missing(_) => Exit::Missing,
            _ => Exit::Failed,
        }
    }
}
