//! The folder of the agent's state: documents, trusted keys and identity.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{error, warn};

use crate::base::private_file;

/// Creates the folder of the state, private to this user: documents may contain logins.
pub(super) fn make(path: &Path) -> std::io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.or_else(|source| match source.kind() {
        // A read-only disk has the folder already, or the box runs without.
        ErrorKind::ReadOnlyFilesystem if path.exists() => {
            error!(path = %path.display(), %source, "the state can't be saved");
            Ok(())
        }
        _ => Err(source),
    })
}

/// Locks the folder for this agent: two agents would undo each other's documents. The lock ends with the file.
///
/// # Errors
/// [`ErrorKind::WouldBlock`] if another agent has it.
pub(super) fn lock(path: &Path) -> std::io::Result<File> {
    let folder = File::open(path)?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder)
}

/// Replaces a file: after a power cut it has the former or the new contents. Private to this user. Blocks for the time of two
/// syncs.
///
/// # Errors
/// Those of the system.
pub(super) fn save(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = private_file(&part)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    sync_parent(path)
}

/// Reads what [`save_json`] wrote. Without the file, or if it is damaged, the default. `what` names the content in the log.
pub(super) fn read_json<T: DeserializeOwned + Default>(path: &Path, what: &str) -> T {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|err| {
            warn!(path = %path.display(), %err, "{what} are damaged; they are measured again");
            T::default()
        }),
        Err(err) => {
            if err.kind() != ErrorKind::NotFound {
                warn!(path = %path.display(), %err, "{what} can't be read");
            }
            T::default()
        }
    }
}

/// Replaces a file of measured values, as [`save`] does. If that fails, the log says so.
pub(super) fn save_json(path: &Path, value: &impl Serialize, what: &str) {
    let written = serde_json::to_vec_pretty(value)
        .map_err(std::io::Error::from)
        .and_then(|text| save(path, &text));
    if let Err(err) = written {
        warn!(path = %path.display(), %err, "{what} can't be saved; they are measured again after a restart");
    }
}

/// Makes the name of `path` durable.
pub(super) fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        make(dir.path()).expect("made");
        let held = lock(dir.path()).expect("the first");
        let error = lock(dir.path()).expect_err("the second");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        drop(held);
        lock(dir.path()).expect("free again");
    }
}
