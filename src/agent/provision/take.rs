//! Takes over a provisioning file.
//!
//! It has the structure of `device.toml`, the tables `network` and `time`, and a table `files` with the contents of certificates and
//! secrets. What it contains is moved to the folder of the state, private to this user, and the file is removed: a card that leaves the
//! box takes no logins with it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tracing::{info, warn};

use super::network::{self, SystemSettings};
use super::system;
use crate::agent::identity::{DEVICE_FILE, DeviceFileError, IDENTITY_KEYS, read_identity};
use crate::agent::key_store::KEY_FILE;
use crate::agent::state_dir;
use crate::base::private_file;
use crate::config::{Environment, is_instance_id, read_document, unknown_key};
use crate::fleet::DocumentHash;

/// Maximum length of a contained file in bytes.
const FILE_BYTES: usize = 64 * 1024;
/// The hash of the file that was taken over last, so that one that can't be removed is not taken over again.
const TAKEN_FILE: &str = "provisioned";

/// The provisioning file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The file.
    #[error("the provisioning file can't be used: {0}")]
    File(#[from] DeviceFileError),
    /// It can't be moved.
    #[error("can't move the provisioning file to {}: {source}; check the disk", path.display())]
    Move {
        /// The file that can't be written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// What became of a provisioning file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provisioned {
    /// It was not there.
    Absent,
    /// It was taken over.
    Taken,
    /// The same file was taken over before, and could not be removed then.
    Before,
}

/// Takes over the provisioning file, if it is there, and removes it. A file with problems changes nothing and stays.
///
/// # Errors
/// Every problem of the file, or that of the disk.
pub fn provision(
    file: &Path,
    state_dir: &Path,
    environment: &Environment,
) -> Result<Provisioned, ProvisionError> {
    take_over(
        file,
        state_dir,
        environment,
        || (),
        |path| std::fs::remove_file(path),
    )
}

/// As [`provision`], with a function that is called before anything changes, and one that removes the file.
pub(super) fn take_over(
    file: &Path,
    state_dir: &Path,
    environment: &Environment,
    before: impl FnOnce(),
    remove: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<Provisioned, ProvisionError> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Provisioned::Absent),
        // Another kind of file, or a broken stick.
        Err(err) => {
            return Err(ProvisionError::File(DeviceFileError::Problems {
                path: file.to_owned(),
                problems: vec![format!("can't be read: {err}")],
            }));
        }
    };
    let hash = DocumentHash::of(&bytes).to_string();
    let taken = state_dir.join(TAKEN_FILE);
    let is_known = std::fs::read_to_string(&taken).is_ok_and(|known| known == hash)
        && state_dir.join(DEVICE_FILE).exists();
    if !is_known {
        let (document, files, system) = read(file, state_dir, environment)?;
        before();
        write_all(state_dir, &document, &files)?;
        system::save(state_dir, &system).map_err(moved(state_dir))?;
        // The keys of this file count from now on, whatever documents have changed.
        let keys = state_dir.join(KEY_FILE);
        match std::fs::remove_file(&keys) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(ProvisionError::Move { path: keys, source });
            }
            _ => {}
        }
        state_dir::save(&taken, hash.as_bytes()).map_err(moved(&taken))?;
    }
    match remove(file) {
        Ok(()) => info!(path = %file.display(), "the provisioning file was taken over and removed"),
        Err(err) => {
            warn!(path = %file.display(), %err, "the provisioning file was taken over and can't be removed: it has the logins of this box; remove it");
        }
    }
    Ok(match is_known {
        true => Provisioned::Before,
        false => Provisioned::Taken,
    })
}

/// Takes the keys that no part has out of the document. The identity would name its own keys alone.
fn take_unknown(table: &mut Map<String, Value>, problems: &mut Vec<String>) {
    let known = [&IDENTITY_KEYS[..], &["files", "network", "time"]].concat();
    table.retain(|key, _| {
        let is_known = known.contains(&key.as_str());
        if !is_known {
            problems.push(format!("{key}: {}", unknown_key(key, &known)));
        }
        is_known
    });
}

type Files = Vec<(String, String)>;

/// Reads and checks the whole file, and reports every problem of every part.
fn read(
    file: &Path,
    state_dir: &Path,
    environment: &Environment,
) -> Result<(Value, Files, SystemSettings), ProvisionError> {
    let mut document = read_document(file).map_err(DeviceFileError::Syntax)?;
    let mut problems = Vec::new();
    let mut nothing = Map::new();
    let table = document.as_object_mut().unwrap_or(&mut nothing);
    let files = contained(table.remove("files"), &mut problems);
    let system = network::take(table, &mut problems);
    take_unknown(table, &mut problems);
    // Everything is checked in a folder of its own, so that a file with problems changes nothing.
    let trial = state_dir.join("provisioning");
    let _ = std::fs::remove_dir_all(&trial);
    let tried = write_all(&trial, &document, &files).map(|()| {
        let identity = read_identity(&trial.join(DEVICE_FILE), environment);
        problems.splice(0..0, identity.err().into_iter().flat_map(told));
    });
    let _ = std::fs::remove_dir_all(&trial);
    tried?;
    match problems.is_empty() {
        true => Ok((document, files, system)),
        false => Err(ProvisionError::File(DeviceFileError::Problems {
            path: file.to_owned(),
            problems,
        })),
    }
}

/// The problems of an identity, without the file of the trial.
pub(super) fn told(error: DeviceFileError) -> Vec<String> {
    match error {
        DeviceFileError::Problems { problems, .. } => problems,
        DeviceFileError::Syntax(problems) => vec![problems.to_string()],
    }
}

pub(super) fn moved(path: &Path) -> impl Fn(io::Error) -> ProvisionError + use<> {
    let path = path.to_owned();
    move |source| ProvisionError::Move {
        path: path.clone(),
        source,
    }
}

fn contained(files: Option<Value>, problems: &mut Vec<String>) -> Files {
    let table = match files {
        None => return Vec::new(),
        Some(Value::Object(table)) => table,
        Some(_) => {
            problems.push("files: must be a table of names and contents".to_owned());
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for (name, content) in table {
        let is_taken = OWN_FILES.contains(&name.as_str()) || name.starts_with('.');
        match content {
            _ if !is_instance_id(&name) || is_taken => problems.push(format!(
                "files.{name}: must be a file name of letters, digits, `-`, `_` and `.`, other than {}",
                OWN_FILES.join(", ")
            )),
            Value::String(text) if text.len() <= FILE_BYTES => files.push((name, text)),
            Value::String(text) => problems.push(format!(
                "files.{name}: must be at most {FILE_BYTES} bytes long, has {}",
                text.len()
            )),
            _ => problems.push(format!("files.{name}: must be a text")),
        }
    }
    files
}

/// Names of the folder of the state that a provisioning file must not write.
const OWN_FILES: [&str; 5] = [
    DEVICE_FILE,
    KEY_FILE,
    TAKEN_FILE,
    system::SYSTEM_FILE,
    "provisioning",
];

/// Writes the contained files first, and the identity, which counts, last.
fn write_all(folder: &Path, document: &Value, files: &Files) -> Result<(), ProvisionError> {
    state_dir::make(folder).map_err(moved(folder))?;
    let text = toml::to_string(document).map_err(|err| DeviceFileError::Problems {
        path: folder.to_owned(),
        problems: vec![err.to_string()],
    })?;
    let identity = (DEVICE_FILE.to_owned(), text);
    for (name, content) in files.iter().chain([&identity]) {
        let path = folder.join(name);
        let write = || {
            let mut part = path.clone().into_os_string();
            part.push(".part");
            let mut file = private_file(Path::new(&part))?;
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&part, &path)
        };
        write().map_err(moved(&path))?;
    }
    // The names last as well.
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(moved(folder))
}

#[cfg(test)]
#[path = "take_tests.rs"]
mod tests;
