//! Why the demonstration of a fleet failed.

use std::path::PathBuf;
use std::time::Duration;

/// The demonstration failed.
#[derive(Debug, thiserror::Error)]
pub enum FleetDemoError {
    /// A file, a process or a signal.
    #[error("the demonstration failed: {0}")]
    System(#[from] std::io::Error),
    /// A process ended before its time.
    #[error("`{command}` ended with {status}; its last lines:\n{log}")]
    Ended {
        /// The command line.
        command: String,
        /// Its end.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A step failed.
    #[error("`{command}` ended with {status}")]
    Step {
        /// The command line.
        command: String,
        /// Its end.
        status: String,
    },
    /// Something did not happen in time.
    #[error("{what} within {} s", .limit.as_secs())]
    Late {
        /// The missing thing.
        what: String,
        /// The limit.
        limit: Duration,
    },
    /// The picture of the wall can't be read or written.
    #[error("the picture of the wall can't be written to {}: {reason}", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}
