//! The key that signs exports.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::super::layout::KEY_NAME;
use super::error::ExportError;
use crate::base::{KeyFileError, PrivateKey, read_private_key, write_private_key};

/// The key of `file`, which must exist; without it that of the folder of recordings, which is made at its first use.
///
/// # Errors
/// If there is no such key, or the system refuses to read or make it.
pub(super) fn signing_key(dir: &Path, file: Option<&Path>) -> Result<PrivateKey, ExportError> {
    if let Some(file) = file {
        return match read_private_key(file) {
            Err(error) if is_kind(&error, ErrorKind::NotFound) => {
                Err(ExportError::NoKey(file.to_owned()))
            }
            read => Ok(read?),
        };
    }
    let file = dir.join(KEY_NAME);
    match read_private_key(&file) {
        Err(error) if is_kind(&error, ErrorKind::NotFound) => {}
        read => return Ok(read?),
    }
    let key = PrivateKey::generate()?;
    match write_private_key(&key, &file) {
        // Another export was faster.
        Err(error) if is_kind(&error, ErrorKind::AlreadyExists) => Ok(read_private_key(&file)?),
        written => {
            written?;
            // The signature of an export is worth more if its key survives a power cut.
            let synced = File::open(dir).and_then(|dir| dir.sync_all());
            synced.map_err(ExportError::of("sync", dir))?;
            Ok(key)
        }
    }
}

/// Checks that the key of the folder of recordings can be read, if it is there. It is not made.
///
/// # Errors
/// If the system refuses to read it, or it is no key.
pub(super) fn check_key(dir: &Path) -> Result<(), ExportError> {
    match read_private_key(&dir.join(KEY_NAME)) {
        Err(error) if !is_kind(&error, ErrorKind::NotFound) => Err(error.into()),
        _ => Ok(()),
    }
}

fn is_kind(error: &KeyFileError, kind: ErrorKind) -> bool {
    matches!(error, KeyFileError::Io { cause, .. } if cause.kind() == kind)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_of_the_folder_is_made_once_and_is_private() {
        let dir = tempfile::tempdir().expect("a folder");
        check_key(dir.path()).expect("it can be made");
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
        let made = signing_key(dir.path(), None).expect("made");
        let again = signing_key(dir.path(), None).expect("read");
        assert_eq!(made.public(), again.public());
        let file = dir.path().join(".nvr-signing-key.pem");
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&file, "").expect("written");
        let error = signing_key(dir.path(), None).expect_err("no key");
        let told = format!(
            "{} has no `-----BEGIN PRIVATE KEY-----` block",
            file.display()
        );
        assert_eq!(error.to_string(), told);
        let error = check_key(dir.path()).expect_err("no key");
        assert_eq!(error.to_string(), told);
    }

    #[test]
    fn a_named_key_is_never_made() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("my.pem");
        let error = signing_key(dir.path(), Some(&file)).expect_err("no key");
        assert!(
            error.to_string().starts_with("there is no signing key "),
            "{error}"
        );
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
        let key = PrivateKey::generate().expect("a key");
        write_private_key(&key, &file).expect("written");
        let read = signing_key(dir.path(), Some(&file)).expect("read");
        assert_eq!(read.public(), key.public());
    }
}
