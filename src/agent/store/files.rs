//! The files of the store, behind a trait: the directory on flash, or the model of a disk that tests cut the power of.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::record::LONGEST_RECORD;
use crate::base::private_file;

/// The operations that the store needs of a directory. All of them block. Names have no slashes.
///
/// Only what was synced survives a power cut: the bytes of a file after `write`, its name and all renames and removals after
/// `sync_names`. Before that, each may be lost alone.
pub trait StoreFiles: Send {
    /// The contents of a file; `None` if it is missing.
    ///
    /// # Errors
    /// When it can't be read, or is longer than any record.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Creates or truncates a file, writes it, and syncs its bytes.
    ///
    /// # Errors
    /// When one of the three fails. The file then has any contents.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Renames a file. An existing `to` is replaced atomically.
    ///
    /// # Errors
    /// When it fails. Nothing has changed then.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. A missing one is no error.
    ///
    /// # Errors
    /// When it fails. Nothing has changed then.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Syncs the names of the directory.
    ///
    /// # Errors
    /// When it fails. Each of the latest changes may be lost.
    fn sync_names(&mut self) -> io::Result<()>;

    /// The path of a file, for messages.
    fn path(&self, name: &str) -> PathBuf;
}

/// A directory. It is created with mode 0700 at the first write, and its files have mode 0600: documents may contain logins.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn create(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)?;
        // The name of a new directory is an entry of its parent, which may be new too.
        for parent in std::path::absolute(&self.path)?.ancestors().skip(1) {
            if let Ok(parent) = File::open(parent) {
                parent.sync_all()?;
            }
        }
        Ok(())
    }
}

impl StoreFiles for Directory {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        let limit = LONGEST_RECORD as u64 + 1;
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.create()?;
        let mut file = private_file(&self.path(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        match File::open(&self.path) {
            // Nothing was ever written.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            opened => opened?.sync_all(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_keeps_private_files() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut files = Directory::new(dir.path().join("nvr/agent"));
        assert_eq!(files.read("pending").expect("readable"), None);
        files.remove("pending").expect("absence is no error");
        files.sync_names().expect("absence is no error");
        files.write("new", b"one").expect("written");
        files.rename("new", "pending").expect("renamed");
        files.sync_names().expect("synced");
        assert_eq!(
            files.read("pending").expect("readable"),
            Some(b"one".to_vec())
        );
        assert_eq!(files.read("new").expect("readable"), None);
        let mode = |path: PathBuf| {
            let found = fs::metadata(path).expect("it is there");
            found.permissions().mode() & 0o777
        };
        assert_eq!(mode(files.path("pending")), 0o600);
        assert_eq!(mode(dir.path().join("nvr/agent")), 0o700);
        files.remove("pending").expect("removed");
        assert_eq!(files.read("pending").expect("readable"), None);
    }

    #[test]
    fn a_file_of_any_length_is_read_up_to_the_limit() {
        let dir = tempfile::tempdir().expect("a folder");
        let files = Directory::new(dir.path());
        let file = File::create(files.path("pending")).expect("a file");
        file.set_len(1 << 30).expect("a sparse file");
        let read = files
            .read("pending")
            .expect("readable")
            .expect("it is there");
        assert_eq!(read.len(), LONGEST_RECORD + 1);
    }
}
