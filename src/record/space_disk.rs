//! What retention does to a disk, as a trait: tests put a model in its place.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::disk::{LocalDisk, RecordingDisk};
use super::locks::hold_for_deletions;

/// What retention asks of a disk. All block; only the thread of retention calls them.
pub(super) trait SpaceDisk: RecordingDisk {
    /// While it exists, nobody makes a lock.
    type LockHold;

    /// Keeps others from making locks in a folder of recordings, before their names are read and recordings are deleted. `None` if
    /// a lock is being made. Does not wait for that.
    fn hold_locks(&self, dir: &Path) -> io::Result<Option<Self::LockHold>>;
    /// The bytes that this user may still allocate in the file system of a folder.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// What a name stands for. Links are not followed.
    fn entry(&self, path: &Path) -> io::Result<Entry>;
    /// Removes a folder. `DirectoryNotEmpty` if it has anything in it.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
}

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A folder.
    Folder,
    /// A file, and the bytes of the blocks that it has: more than its size if space is reserved for it.
    File {
        /// Bytes.
        allocated_bytes: u64,
    },
    /// A link, a socket, a device.
    Other,
}

impl SpaceDisk for LocalDisk {
    type LockHold = File;

    fn hold_locks(&self, dir: &Path) -> io::Result<Option<File>> {
        hold_for_deletions(dir)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(path)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(if found.is_dir() {
            Entry::Folder
        } else if found.is_file() {
            // `stat` counts in units of 512 bytes on every file system.
            let allocated_bytes = found.blocks().saturating_mul(512);
            Entry::File { allocated_bytes }
        } else {
            Entry::Other
        })
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }
}
