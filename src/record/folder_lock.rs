//! The lock of a folder: one process at a time writes to it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::DiskFault;
use super::layout::LOCK_NAME;

/// Takes the lock of a folder, until the file is dropped. Nothing if another process has it.
///
/// # Errors
/// If the disk refuses it.
pub(super) fn lock_folder(dir: &Path) -> Result<Option<File>, DiskFault> {
    let path = dir.join(LOCK_NAME);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o640);
    let lock = options.open(&path).map_err(DiskFault::of("open", &path))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(lock)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(DiskFault::of("lock", &path)(errno.into())),
    }
}
