//! Why the index can't be read or written, with the remedy.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::record::error::DiskFault;

/// Why the index can't be read or written. Recordings are not affected.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Nothing was recorded to the folder yet, or the index was deleted.
    #[error(
        "there is no index {path}; a recorder makes it at its start, `nvr record fsck --rebuild` without one"
    )]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// Another version of the program made it, or another program.
    #[error(
        "the index {path} is not of this version of nvr; a recorder makes it anew at its start, `nvr record fsck --rebuild` without one"
    )]
    Version {
        /// The database.
        path: PathBuf,
    },
    /// A recorder has the folder, and keeps its index itself.
    #[error("{dir} is in use by a recorder, which keeps the index itself; stop it first")]
    InUse {
        /// The folder of recordings.
        dir: PathBuf,
    },
    /// A file or folder can't be read or changed.
    #[error("{0}")]
    Disk(#[from] DiskFault),
    /// SQLite refused an operation.
    #[error("can't {action} the index {path}: {}", remedy(.source, .path))]
    Database {
        /// The operation, such as `read`.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
}

impl IndexError {
    /// For `map_err`: the error of `action` on the database at `path`.
    pub(super) fn of(action: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err`: the error of `action` on a file.
    pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Disk(DiskFault::of(action, path)(error))
    }

    /// Whether the database can't be used any more, and must be made anew.
    pub(super) fn is_unusable(&self) -> bool {
        match self {
            Self::Version { .. } => true,
            Self::Database { source, .. } => is_damaged(source),
            _ => false,
        }
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    match error {
        // A column or a row that the schema does not permit.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => true,
        // `Unknown` is the error of SQL that does not fit the schema.
        error => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        ),
    }
}

/// The error of SQLite and its remedy.
fn remedy(error: &rusqlite::Error, path: &Path) -> String {
    let folder = path.parent().unwrap_or(path).display();
    if is_damaged(error) {
        return format!(
            "it is damaged ({error}); a recorder makes it anew at its start, `nvr record fsck --rebuild` without one"
        );
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            format!("the disk is full ({error}); free space on the file system of {folder}")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "{error}; check that the file system of {folder} is mounted for writing and belongs to the user of the processor"
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{error}; end other programs that have it open")
        }
        _ => format!("{error}; check the disk of {folder}"),
    }
}
