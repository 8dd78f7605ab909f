//! Why a recording fails, with the remedy.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why the recorder can't start. All may pass: the disk may be mounted later, the other process may end.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another process writes to the folder.
    #[error(
        "{dir} is in use by another recorder; stop the other process, or give each its own folder"
    )]
    InUse {
        /// The folder of recordings.
        dir: PathBuf,
    },
    /// The disk refused an operation.
    #[error("{0}")]
    Disk(#[from] DiskFault),
    /// The system gave no thread.
    #[error("no thread for the recorder of {dir}: {source}")]
    Thread {
        /// The folder of recordings.
        dir: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// An operation on the disk that failed.
#[derive(Debug, thiserror::Error)]
#[error("can't {action} {path}: {}", remedy(.source, .path))]
pub struct DiskFault {
    /// The operation, such as `write`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

impl DiskFault {
    /// For `map_err`: the fault of `action` on `path`.
    pub(super) fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// The system's error and its remedy.
fn remedy(error: &io::Error, path: &Path) -> String {
    let folder = path.parent().unwrap_or(path).display();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("the disk is full ({error}); free space on the file system of {folder}")
        }
        ErrorKind::ReadOnlyFilesystem => format!(
            "the file system of {folder} is read-only ({error}); check the disk and mount it for writing"
        ),
        ErrorKind::PermissionDenied => {
            format!("{error}; {folder} must belong to the user of the processor")
        }
        ErrorKind::NotFound => format!("{error}; check that the disk of {folder} is mounted"),
        _ => format!("{error}; check the disk of {folder}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_action_path_and_remedy() {
        let fault = |errno: i32| {
            let source = io::Error::from_raw_os_error(errno);
            DiskFault::of("write", Path::new("/rec/7/a.mp4"))(source).to_string()
        };
        assert_eq!(
            fault(28),
            "can't write /rec/7/a.mp4: the disk is full (No space left on device (os error 28)); free space on the file system of /rec/7"
        );
        assert_eq!(
            fault(30),
            "can't write /rec/7/a.mp4: the file system of /rec/7 is read-only (Read-only file system (os error 30)); check the disk and mount it for writing"
        );
        assert_eq!(
            fault(5),
            "can't write /rec/7/a.mp4: Input/output error (os error 5); check the disk of /rec/7"
        );
    }
}
