//! Why a journal can't be used, and helpers of the files that can fail.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file can't be read or written.
    #[error("can't {verb} the journal {}: {cause}", path.display())]
    Io {
        /// `read`, `write`, `remove` or `lock`.
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

/// The error of an access to a file beside the journal.
pub(super) fn failed(verb: &'static str, path: &Path) -> impl Fn(io::Error) -> JournalError {
    let path = path.to_owned();
    move |cause| JournalError::Io {
        verb,
        path: path.clone(),
        cause,
    }
}

/// Makes a rename in the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), JournalError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed("write", folder))
}
