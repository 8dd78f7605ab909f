//! Why recordings can't be exported or an export can't be verified, with the remedy.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::moments::shown;
use crate::base::{KeyFileError, SourceId, shown_bytes};

/// Why nothing was exported. No file is left then.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The range is empty.
    #[error("the end {} is not after the beginning {}; exchange them", shown(*.until), shown(*.from))]
    Range {
        /// The beginning, since the Unix epoch.
        from: Duration,
        /// The end.
        until: Duration,
    },
    /// The name of the file is none of an MP4.
    #[error("the name of the export must end in .mp4, got {}", .0.display())]
    Name(PathBuf),
    /// There are no recordings of this source.
    #[error("there are no recordings of source {source_id} in {}; {there}", dir.display())]
    NoSource {
        /// The wanted source.
        source_id: SourceId,
        /// The folder of recordings.
        dir: PathBuf,
        /// The sources that there are, as text.
        there: String,
    },
    /// There are recordings, but of other times.
    #[error(
        "nothing of source {source_id} was recorded from {} to {}; its recordings go from {} to {}",
        shown(*.from), shown(*.until), shown(*.oldest), shown(*.newest)
    )]
    Nothing {
        /// The source.
        source_id: SourceId,
        /// The beginning of the range, since the Unix epoch.
        from: Duration,
        /// Its end.
        until: Duration,
        /// The start of the oldest recording.
        oldest: Duration,
        /// The end of the newest recording.
        newest: Duration,
    },
    /// Nothing in the recordings of the range is sound.
    #[error("all recordings from {} to {} are damaged, first {recording}: {reason}; run nvr record fsck", shown(*.from), shown(*.until))]
    Damaged {
        /// The beginning of the range, since the Unix epoch.
        from: Duration,
        /// Its end.
        until: Duration,
        /// The first damaged recording.
        recording: String,
        /// Its damage.
        reason: String,
    },
    /// A recording is not what it was when the export began.
    #[error("the recording {} was changed or deleted during the export ({reason}); export again", path.display())]
    Changed {
        /// The recording.
        path: PathBuf,
        /// The difference.
        reason: String,
    },
    /// A file of that name is there.
    #[error("{} exists; choose another name, or remove it", .0.display())]
    Exists(PathBuf),
    /// The disk of the export has no room.
    #[error("{} has {} free, and the export needs {}; choose a shorter time or another disk", dir.display(), shown_bytes(*free_bytes), shown_bytes(*needed_bytes))]
    NoRoom {
        /// The folder of the export.
        dir: PathBuf,
        /// Free space.
        free_bytes: u64,
        /// Size of the export.
        needed_bytes: u64,
    },
    /// The signing key can't be used.
    #[error("{0}")]
    Key(#[from] KeyFileError),
    /// The named signing key is not there.
    #[error("there is no signing key {}; make one with `openssl genpkey -algorithm ed25519`, or leave it out to use that of the recordings", .0.display())]
    NoKey(PathBuf),
    /// No key can be made.
    #[error("{0}")]
    NewKey(#[from] crate::base::KeyError),
    /// The system refused an operation.
    #[error("can't {action} {}: {}", path.display(), remedy(.source, .path))]
    Io {
        /// The operation, such as `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// What takes the export does not take more.
    #[error("the export is not taken: {0}")]
    Output(#[source] io::Error),
    /// Someone stopped it.
    #[error("the export was stopped; no file of it is left")]
    Stopped,
}

impl ExportError {
    /// For `map_err`: the fault of `action` on `path`.
    pub(super) fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            ErrorKind::AlreadyExists => Self::Exists(path.to_owned()),
            _ => Self::Io {
                action,
                path: path.to_owned(),
                source,
            },
        }
    }
}

/// The system's error and its remedy.
fn remedy(error: &io::Error, path: &Path) -> String {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
        _ => "this folder".to_owned(),
    };
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("the disk is full ({error}); free space on the file system of {folder}")
        }
        ErrorKind::ReadOnlyFilesystem => {
            format!("the file system of {folder} is read-only ({error}); choose another folder")
        }
        ErrorKind::PermissionDenied => {
            format!("{error}; run it as a user who may read the recordings and write to the export")
        }
        ErrorKind::NotFound => format!("{error}; check that {folder} exists"),
        _ => format!("{error}; check the disk of {folder}"),
    }
}

/// Why nothing can be said about an export.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The manifest can't be read.
    #[error("can't read the manifest {}: {cause}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The public key can't be read.
    #[error("{0}")]
    Key(#[from] KeyFileError),
}
