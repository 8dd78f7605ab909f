//! Why a journal can't be used.

use std::io;
use std::path::PathBuf;

/// A journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file can't be read or written.
    #[error("can't {verb} the journal {}: {cause}", path.display())]
    Io {
        /// `read`, `write` or `lock`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
    },
    /// Another process works on the rollout.
    #[error("another `nvr fleet` works on the rollout of {}; wait for its end", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The last rollout was not finished.
    #[error("the rollout {id} of {} is not finished; go on with `apply --resume`, or take it back with `halt`", path.display())]
    Unfinished {
        /// Its id.
        id: String,
        /// The file.
        path: PathBuf,
    },
    /// The rollout is being taken back.
    #[error("the rollout {id} is being taken back; finish that with `nvr fleet halt`")]
    Halting {
        /// Its id.
        id: String,
    },
    /// There is no such rollout.
    #[error("there is no {what} in {}", path.display())]
    Absent {
        /// `unfinished rollout`, or the rollout's name.
        what: String,
        /// The folder.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("the journal {} is damaged: {detail}; move it away, then look at `nvr fleet plan`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        detail: String,
    },
}

impl JournalError {
    /// Whether another command or option is the remedy.
    pub(super) fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Unfinished { .. } | Self::Halting { .. } | Self::Absent { .. }
        )
    }
}
