//! A file that is written under a temporary name and renamed, so that it is never read in part.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// A file that does not have its name yet. It is removed if it is not finished.
#[derive(Debug)]
pub struct PartialFile {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl PartialFile {
    /// Creates the file beside `target`. Only its owner may read it.
    ///
    /// # Errors
    /// Those of the system.
    pub fn create(target: &Path) -> io::Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        // Each its own: two may be written for one target, and one may be left over from a loss of power.
        name.push(format!(".partial-{:016x}", fastrand::u64(..)));
        let path = target.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            file,
            path,
            target: target.to_owned(),
        })
    }

    /// Creates the file with the permissions of the older one, if there is one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn replacing(target: &Path) -> io::Result<Self> {
        let partial = Self::create(target)?;
        if let Ok(old) = std::fs::metadata(target) {
            partial.file.set_permissions(old.permissions())?;
        }
        Ok(partial)
    }

    /// The file, for writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name. It replaces an older file of that name.
    ///
    /// # Errors
    /// Those of the system. The older file stays then.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.target)
    }

    /// Gives the file its name, which must be free.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken; those of the system.
    pub fn finish_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            // Some file systems, such as NFS, have no such operation.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if self.target.symlink_metadata().is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                std::fs::rename(&self.path, &self.target)
            }
            renamed => Ok(renamed?),
        }
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // After the renaming there is no file of this name.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_replaces_the_older_one_when_it_is_finished() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("out.png");
        std::fs::write(&target, "old").expect("written");
        let names = || std::fs::read_dir(dir.path()).expect("a folder").count();
        let partial = PartialFile::create(&target).expect("created");
        partial.file().write_all(b"half").expect("written");
        assert_eq!(names(), 2);
        drop(partial);
        assert_eq!(names(), 1);
        assert_eq!(std::fs::read(&target).expect("it is there"), b"old");
        let partial = PartialFile::create(&target).expect("created");
        partial.file().write_all(b"new").expect("written");
        partial.finish().expect("finished");
        assert_eq!(names(), 1);
        assert_eq!(std::fs::read(&target).expect("it is there"), b"new");
    }

    #[test]
    fn two_files_for_one_target_are_written_at_once_and_keep_its_permissions() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("out.png");
        std::fs::write(&target, "old").expect("written");
        std::fs::set_permissions(&target, Permissions::from_mode(0o640)).expect("it is ours");
        let [one, other] = [(); 2].map(|()| PartialFile::replacing(&target).expect("created"));
        one.file().write_all(b"one").expect("written");
        other.file().write_all(b"other").expect("written");
        for (partial, content) in [(one, "one"), (other, "other")] {
            partial.finish().expect("finished");
            assert_eq!(
                std::fs::read_to_string(&target).expect("it is there"),
                content
            );
        }
        let permissions = std::fs::metadata(&target)
            .expect("it is there")
            .permissions();
        assert_eq!(permissions.mode() & 0o777, 0o640);
    }

    #[test]
    fn a_new_file_replaces_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("out.mp4");
        let finish = || {
            let partial = PartialFile::create(&target).expect("created");
            partial.finish_new()
        };
        finish().expect("the name is free");
        std::fs::write(&target, "old").expect("written");
        let error = finish().expect_err("the name is taken");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&target).expect("it is there"), b"old");
        let names = std::fs::read_dir(dir.path()).expect("a folder").count();
        assert_eq!(names, 1);
    }
}
