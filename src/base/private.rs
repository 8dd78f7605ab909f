//! Private files, for pictures of cameras.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
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
}
