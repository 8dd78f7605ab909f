//! Private files and folders: for pictures of cameras, documents and downloads.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file and truncates it. A new file is private (0600); an existing one keeps its mode.
///
/// # Errors
/// When it can't be opened for writing.
pub fn private_file(path: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Makes a folder and its parents, private to this user (0700). An existing one keeps its mode.
///
/// # Errors
/// When it can't be made.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_file_is_private_and_an_old_one_keeps_its_rights() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("picture.png");
        let mode = |path: &Path| {
            let meta = std::fs::metadata(path).expect("it is there");
            meta.permissions().mode() & 0o777
        };
        private_file(&path).expect("made");
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("set");
        private_file(&path).expect("made anew");
        assert_eq!(mode(&path), 0o644);
    }

    #[test]
    fn a_new_folder_is_private_and_so_are_its_parents() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("a/b");
        private_folder(&folder).expect("made");
        private_folder(&folder).expect("it is there");
        for made in [dir.path().join("a"), folder] {
            let meta = std::fs::metadata(&made).expect("it is there");
            assert_eq!(meta.permissions().mode() & 0o777, 0o700);
        }
    }
}
