//! What goes wrong with the store, with the path and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use super::record::{LONGEST_DOCUMENT, RecordError};

/// Why a change was not saved. The former contents are still valid.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused a write.
    #[error("can't save {path}: {}", remedy(.source, .path))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The document is too long.
    #[error(
        "a document of {bytes} bytes is longer than the {LONGEST_DOCUMENT} that the store keeps"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The document is not the pending one.
    #[error("{name} is not the pending document; save it first")]
    NotPending {
        /// The document.
        name: String,
    },
}

impl StoreError {
    /// Whether a later attempt may succeed: the disk has space again, or can be written again.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Write { .. })
    }
}

/// What was found amiss when the store was opened. The box goes on with what is left.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A record is damaged. Another one is used in its place.
    #[error("{path} is damaged: {reason}; {used}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: RecordError,
        /// What is used in its place.
        used: &'static str,
    },
    /// A record is missing although another one proves that it was written.
    #[error("{path} is missing; {used}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What is used in its place.
        used: &'static str,
    },
    /// A file can't be read.
    #[error("can't read {path}: {source}; check the disk and its file system; {used}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
        /// What is used in its place.
        used: &'static str,
    },
    /// An interrupted change could not be completed on the disk. It is complete in memory.
    #[error("the store could not be put in order: {0}")]
    Unfinished(#[from] StoreError),
}

/// The system's error and its remedy.
fn remedy(error: &io::Error, path: &Path) -> String {
    let folder = path.parent().unwrap_or(path).display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("the disk is full; free space on the file system of {folder}")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!(
                "the file system of {folder} is read-only; check the disk and mount it for writing"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("permission denied; {folder} must belong to the user of the agent")
        }
        _ => format!("{error}; check the disk of {folder}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_path_and_remedy() {
        let error = |kind: io::ErrorKind| {
            let path = PathBuf::from("/var/lib/nvr/agent/pending");
            let source = kind.into();
            StoreError::Write { path, source }.to_string()
        };
        assert_eq!(
            error(io::ErrorKind::StorageFull),
            "can't save /var/lib/nvr/agent/pending: the disk is full; free space on the file system of /var/lib/nvr/agent"
        );
        assert_eq!(
            error(io::ErrorKind::ReadOnlyFilesystem),
            "can't save /var/lib/nvr/agent/pending: the file system of /var/lib/nvr/agent is read-only; check the disk and mount it for writing"
        );
        assert_eq!(
            error(io::ErrorKind::PermissionDenied),
            "can't save /var/lib/nvr/agent/pending: permission denied; /var/lib/nvr/agent must belong to the user of the agent"
        );
    }
}
