//! The configuration files of the roles, which the agent writes: with them a role is started, and started again.
//!
//! They are in the runtime folder, not in the folder of the state: a disk that is full or read-only must not keep a role from
//! its start, and the logins in them are gone after a restart of the machine.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tracing::warn;

use super::cycle::ChildRole;
use super::identity::Identity;
use crate::base::private_file;
use crate::fleet::{Desired, name_instance};

/// A configuration can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write {}: {source}; check the disk and the owner of the folder", path.display())]
pub(super) struct ConfigFileError {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Creates the folder of a device's configurations below `runtime`, private to this user.
///
/// # Errors
/// When the system refuses it.
pub(super) fn make_folder(runtime: &Path, device: &str) -> io::Result<PathBuf> {
    let folder = runtime.join(format!("roles-{device}"));
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&folder)?;
    Ok(folder)
}

/// The file of a role in `folder`.
pub(super) fn path(folder: &Path, role: ChildRole) -> PathBuf {
    folder.join(format!("{role}.json"))
}

/// Writes the file of a role. It may contain secrets, so it is private to this user. Not synced: it is written again at every
/// start from the stored document.
///
/// # Errors
/// When the system refuses it.
pub(super) fn write(folder: &Path, role: ChildRole, config: &Value) -> Result<(), ConfigFileError> {
    let path = path(folder, role);
    let written = || {
        let part = path.with_extension("part");
        let file = private_file(&part)?;
        serde_json::to_writer_pretty(io::BufWriter::new(file), config)?;
        std::fs::rename(&part, &path)
    };
    written().map_err(|source| ConfigFileError {
        path: path.clone(),
        source,
    })
}

/// Removes the file of a role that is not to run any more: it may contain secrets.
pub(super) fn remove(folder: &Path, role: ChildRole) {
    let path = path(folder, role);
    match std::fs::remove_file(&path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => {
            warn!(path = %path.display(), %err, "the configuration of a stopped role can't be removed");
        }
        _ => {}
    }
}

/// The configuration of a role: the body of a document, with the broker of the box, and with its id where the body names no
/// instance. `None` if the document has no body for the role.
pub(super) fn config(desired: &Desired, role: ChildRole, identity: &Identity) -> Option<Value> {
    let body = match role {
        ChildRole::Processor => desired.processor.as_ref(),
        ChildRole::Wall => desired.wall.as_ref(),
    };
    let mut config = body?.clone();
    config
        .as_object_mut()?
        .insert("mqtt".to_owned(), identity.mqtt_table.clone());
    name_instance(&mut config, &identity.device);
    Some(config)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fleet::DeviceRole;

    #[test]
    fn a_configuration_has_the_broker_and_the_id_of_the_box() {
        let mut desired = Desired::new(1, DeviceRole::Processor);
        desired.processor = Some(serde_json::json!({"processor": {"backend": "scripted"}}));
        let identity = Identity::for_tests("box-1");
        let config = config(&desired, ChildRole::Processor, &identity).expect("it has a body");
        assert_eq!(
            config,
            serde_json::json!({
                "processor": {"backend": "scripted"},
                "mqtt": {"host": "localhost"},
                "instance_id": "box-1",
            })
        );
        assert_eq!(super::config(&desired, ChildRole::Wall, &identity), None);
        desired.processor = Some(serde_json::json!({"instance_id": "gate-2"}));
        let config = super::config(&desired, ChildRole::Processor, &identity).expect("a body");
        assert_eq!(config["instance_id"], "gate-2");
    }

    #[test]
    fn the_file_is_private_and_replaced_as_a_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        for config in [serde_json::json!({"a": 1}), serde_json::json!({"b": 2})] {
            write(dir.path(), ChildRole::Wall, &config).expect("written");
            let path = path(dir.path(), ChildRole::Wall);
            let mode = std::fs::metadata(&path)
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
            let text = std::fs::read_to_string(&path).expect("readable");
            assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(config));
        }
        let error = write(Path::new("/nonexistent"), ChildRole::Wall, &Value::Null);
        let told = error.expect_err("no folder").to_string();
        assert!(
            told.starts_with("can't write /nonexistent/wall.json: "),
            "{told}"
        );
    }
}
