//! What the writer does to a disk, as a trait: tests put a model in its place that loses power.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use rustix::io::Errno;

/// The operations on the disk of recordings. All block, on a bad disk for minutes; only the threads of the recorder call them.
///
/// Nothing is durable before [`RecordingDisk::sync_file`] for the content of a file and [`RecordingDisk::sync_folder`] for the names
/// in a folder. After an error of either, what it was to make durable counts as lost.
pub(super) trait RecordingDisk: Send {
    /// A file that is open for appending. Dropping it closes it.
    type File: Send;
    /// A file that is open for reading.
    type Reader: Read;

    /// Makes a folder in an existing one. No error if it exists.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Creates a file. `AlreadyExists` if the name is taken.
    fn create_new(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file for appending.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file for reading, as far as possible from the disk and not from the cache of the system.
    fn read(&self, path: &Path) -> io::Result<Self::Reader>;
    /// Reserves space for the bytes from `offset` on without a change of the file's size. No error where the file system can't.
    fn reserve(&self, file: &Self::File, offset: u64, bytes: u64) -> io::Result<()>;
    /// Appends with one call of the system. After an error the file may have a part of `bytes`.
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Sets the size and gives back the space that is reserved beyond it.
    fn truncate(&self, file: &Self::File, bytes: u64) -> io::Result<()>;
    /// Makes the content of a file durable, not its name.
    fn sync_file(&self, file: &Self::File) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// The size of a file in bytes.
    fn size(&self, path: &Path) -> io::Result<u64>;
    /// The names in a folder.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The file systems of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalDisk;

impl RecordingDisk for LocalDisk {
    type File = File;
    type Reader = File;

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o750).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o640).open(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).open(path)
    }

    fn read(&self, path: &Path) -> io::Result<Self::Reader> {
        let file = File::open(path)?;
        // After a failed fdatasync Linux keeps the pages in memory as if they were on the disk. Advice only: an error changes nothing.
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
        Ok(file)
    }

    fn reserve(&self, file: &File, offset: u64, bytes: u64) -> io::Result<()> {
        match fallocate(file, FallocateFlags::KEEP_SIZE, offset, bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            reserved => Ok(reserved?),
        }
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn truncate(&self, file: &File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            // Names of recordings are ASCII; others are somebody else's.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
