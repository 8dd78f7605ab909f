//! First-boot provisioning: a file on the boot or data partition gives the box its identity, once.
//!
//! It has the structure of `device.toml`, and a table `files` with the contents of certificates and secrets. What it contains is
//! moved to the folder of the state, private to this user, and the file is removed: a card that leaves the box takes no logins
//! with it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tracing::{info, warn};

use super::identity::{DEVICE_FILE, DeviceFileError, read_identity};
use super::key_store::KEY_FILE;
use crate::base::private_file;
use crate::config::{Environment, is_instance_id, read_document};

/// Maximum length of a contained file in bytes.
const FILE_BYTES: usize = 64 * 1024;

/// The provisioning file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The file, outside the identity.
    #[error(transparent)]
    File(#[from] DeviceFileError),
    /// The identity in it has problems.
    #[error("the provisioning file describes no usable device: {0}")]
    Identity(DeviceFileError),
    /// It can't be moved.
    #[error("can't move the provisioning file to {}: {source}; check the disk", path.display())]
    Move {
        /// The file that can't be written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Takes over the provisioning file, if it is there, and removes it. A file with problems changes nothing and stays.
///
/// # Errors
/// Every problem of the file, or that of the disk.
pub fn provision(
    file: &Path,
    state_dir: &Path,
    environment: &Environment,
) -> Result<(), ProvisionError> {
    if !file.exists() {
        return Ok(());
    }
    let mut document = read_document(file).map_err(DeviceFileError::Syntax)?;
    let files = document
        .as_object_mut()
        .and_then(|table| table.remove("files"));
    let files = contained(files).map_err(|problems| DeviceFileError::Problems {
        path: file.to_owned(),
        problems,
    })?;
    // Everything is checked in a folder of its own, so that a file with problems changes nothing.
    let trial = state_dir.join("provisioning");
    let _ = std::fs::remove_dir_all(&trial);
    let result = try_out(&trial, &document, &files, environment);
    let _ = std::fs::remove_dir_all(&trial);
    result?;
    write_all(state_dir, &document, &files)?;
    // The keys of this file count from now on, whatever documents have changed.
    let keys = state_dir.join(KEY_FILE);
    match std::fs::remove_file(&keys) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(ProvisionError::Move { path: keys, source });
        }
        _ => {}
    }
    match std::fs::remove_file(file) {
        Ok(()) => info!(path = %file.display(), "the provisioning file was taken over and removed"),
        Err(err) => {
            warn!(path = %file.display(), %err, "the provisioning file can't be removed; it is taken over at every start");
        }
    }
    Ok(())
}

type Files = Vec<(String, String)>;

fn contained(files: Option<Value>) -> Result<Files, Vec<String>> {
    let table = match files {
        None => return Ok(Vec::new()),
        Some(Value::Object(table)) => table,
        Some(_) => {
            return Err(vec![
                "files: must be a table of names and contents".to_owned(),
            ]);
        }
    };
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for (name, content) in table {
        let is_taken = name == DEVICE_FILE || name.starts_with('.');
        match content {
            _ if !is_instance_id(&name) || is_taken => problems.push(format!(
                "files.{name}: must be a file name of letters, digits, `-`, `_` and `.`, other than {DEVICE_FILE}"
            )),
            Value::String(text) if text.len() <= FILE_BYTES => files.push((name, text)),
            Value::String(text) => problems.push(format!(
                "files.{name}: must be at most {FILE_BYTES} bytes long, has {}",
                text.len()
            )),
            _ => problems.push(format!("files.{name}: must be a text")),
        }
    }
    match problems.is_empty() {
        true => Ok(files),
        false => Err(problems),
    }
}

fn try_out(
    trial: &Path,
    document: &Value,
    files: &Files,
    environment: &Environment,
) -> Result<(), ProvisionError> {
    write_all(trial, document, files)?;
    read_identity(&trial.join(DEVICE_FILE), environment)
        .map(|_| ())
        .map_err(ProvisionError::Identity)
}

/// Writes the contained files first, and the identity, which counts, last.
fn write_all(folder: &Path, document: &Value, files: &Files) -> Result<(), ProvisionError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ProvisionError::Move { path, source }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let text = toml::to_string(document).map_err(|err| DeviceFileError::Problems {
        path: folder.to_owned(),
        problems: vec![err.to_string()],
    })?;
    let identity = (DEVICE_FILE.to_owned(), text);
    for (name, content) in files.iter().chain([&identity]) {
        let path = folder.join(name);
        let write = || {
            let part = path.with_extension("part");
            let mut file = private_file(&part)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&part, &path)
        };
        write().map_err(failed(&path))?;
    }
    // The names last as well.
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed(folder))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const GOOD: &str = r#"
        device = "dock-box-1"
        [mqtt]
        host = "broker.example.com"
        username = "dock"
        password = { file = "mqtt-password" }
        [files]
        mqtt-password = "hunter2"
        "#;

    #[test]
    fn it_is_taken_over_once_and_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, state) = (
            dir.path().join("nvr-provision.toml"),
            dir.path().join("state"),
        );
        std::fs::write(&file, GOOD).expect("written");
        let environment = Environment::default();
        provision(&file, &state, &environment).expect("taken over");
        assert!(!file.exists());
        let device = state.join(DEVICE_FILE);
        for path in [&device, &state.join("mqtt-password")] {
            let mode = std::fs::metadata(path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let identity = read_identity(&device, &environment).expect("an identity");
        assert_eq!(identity.device, "dock-box-1");
        assert_eq!(identity.mqtt.host, "broker.example.com");
        provision(&file, &state, &environment).expect("nothing to do");
    }

    #[test]
    fn a_file_with_problems_changes_nothing_and_names_all() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, state) = (
            dir.path().join("nvr-provision.toml"),
            dir.path().join("state"),
        );
        let environment = Environment::default();
        for (text, wanted) in [
            ("device =", "not TOML"),
            ("device = \"a/b\"\n[mqtt]\nport = 0", "mqtt.port: "),
            ("device = \"a/b\"\n[mqtt]\nport = 0", "device: "),
            (
                "[files]\n\"../x\" = \"\"",
                "files.../x: must be a file name",
            ),
            ("[files]\n\"device.toml\" = \"\"", "other than device.toml"),
            ("[files]\nx = 3", "files.x: must be a text"),
        ] {
            std::fs::write(&file, text).expect("written");
            let told = provision(&file, &state, &environment);
            let told = told.expect_err("problems").to_string();
            assert!(told.contains(wanted), "{wanted} in {told}");
            assert!(file.exists() && !state.join(DEVICE_FILE).exists());
        }
    }
}
