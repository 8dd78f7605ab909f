//! What a processor that runs as another user may reach: its configuration, the secrets and certificates that this configuration
//! names, the installed models, and its notify socket. The rest of the box stays the agent's alone.
//!
//! The folders belong to the agent and are readable by the group of that user, so the processor can't replace what the agent writes. Only
//! the folder of its control socket and its cache belong to it.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::process::Command;

use super::config_file;
use super::role_user::{RoleUser, RoleUserError};
use super::service::AgentOptions;
use crate::base::private_file;

/// Maximum length of a lent file in bytes. Certificates of authorities are the largest ones.
const FILE_BYTES: u64 = 1 << 20;
/// Depth to which folders of models are looked through.
const DEPTH: usize = 8;
const READ_FOLDER: u32 = 0o750;
const READ_FILE: u32 = 0o640;

/// The folders that the processor of another user may reach.
#[derive(Debug, Clone)]
pub(super) struct Lending {
    user: RoleUser,
    /// Of the agent, readable by the user's group: configurations, secrets, notify socket.
    pub(super) folder: PathBuf,
    /// Of the user: its control socket.
    pub(super) runtime: PathBuf,
    secrets: PathBuf,
    /// Where the secrets are that a configuration names.
    credentials: PathBuf,
    models: PathBuf,
}

impl Lending {
    /// Makes the folders. `sockets` is the agent's own folder: the others have its name with `-roles` and `-processor`, so that
    /// the latter is the folder of the processor's own unit.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn new(
        user: RoleUser,
        sockets: &Path,
        credentials: PathBuf,
        state_dir: &Path,
    ) -> io::Result<Self> {
        let beside = |end: &str| {
            let mut path = sockets.as_os_str().to_owned();
            path.push(end);
            PathBuf::from(path)
        };
        let (folder, runtime) = (beside("-roles"), beside("-processor"));
        let lending = Self {
            secrets: folder.join("secrets"),
            models: state_dir.join("models"),
            credentials,
            folder,
            runtime,
            user,
        };
        make(&lending.folder)?;
        lending.give(&lending.folder, 0o710)?;
        make(&lending.secrets)?;
        lending.give(&lending.secrets, READ_FOLDER)?;
        make(&lending.runtime)?;
        chown(
            &lending.runtime,
            Some(lending.user.uid),
            Some(lending.user.gid),
        )?;
        // Models are below it.
        lending.give(state_dir, 0o710)?;
        Ok(lending)
    }

    /// Lets the user's group use `path`, which stays the agent's.
    fn give(&self, path: &Path, mode: u32) -> io::Result<()> {
        let found = fs::symlink_metadata(path)?;
        if found.gid() != self.user.gid {
            chown(path, None, Some(self.user.gid))?;
        }
        if found.mode() & 0o7777 != mode {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Copies the files that `config` names to where the user can read them. Returns the configuration with their new paths. A file
    /// that is not there keeps its path: the processor names it then.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn lend(&self, config: &Value) -> io::Result<Value> {
        let mut config = config.clone();
        let mut lent = Vec::new();
        for key in ["ca", "certificate", "key"] {
            if let Some(path) = config.pointer_mut(&format!("/mqtt/tls/{key}")) {
                self.lend_one(path, &mut lent)?;
            }
        }
        self.lend_below(&mut config, &mut lent)?;
        // Those of a former configuration.
        for entry in fs::read_dir(&self.secrets)?.flatten() {
            if !lent.contains(&entry.path()) {
                fs::remove_file(entry.path())?;
            }
        }
        self.lend_models(&self.models.clone(), DEPTH)?;
        Ok(config)
    }

    /// References to secrets are tables with the one key `file`.
    fn lend_below(&self, value: &mut Value, lent: &mut Vec<PathBuf>) -> io::Result<()> {
        match value {
            Value::Object(table) if table.len() == 1 && table.contains_key("file") => {
                match table.get_mut("file") {
                    Some(path) => self.lend_one(path, lent),
                    None => Ok(()),
                }
            }
            Value::Object(table) => table
                .values_mut()
                .try_for_each(|value| self.lend_below(value, lent)),
            Value::Array(list) => list
                .iter_mut()
                .try_for_each(|value| self.lend_below(value, lent)),
            _ => Ok(()),
        }
    }

    fn lend_one(&self, path: &mut Value, lent: &mut Vec<PathBuf>) -> io::Result<()> {
        let Some(from) = path.as_str().map(|path| self.credentials.join(path)) else {
            return Ok(());
        };
        if !fs::metadata(&from).is_ok_and(|found| found.is_file() && found.len() <= FILE_BYTES) {
            return Ok(());
        }
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        let to = self.secrets.join(format!("{}-{name}", lent.len()));
        let part = self.secrets.join(".part");
        private_file(&part)?.write_all(&fs::read(&from)?)?;
        self.give(&part, READ_FILE)?;
        fs::rename(&part, &to)?;
        *path = to.to_string_lossy().into_owned().into();
        lent.push(to);
        Ok(())
    }

    /// Lets the user read the installed models.
    fn lend_models(&self, path: &Path, depth: usize) -> io::Result<()> {
        let found = match fs::symlink_metadata(path) {
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        if found.is_file() {
            return self.give(path, READ_FILE);
        }
        if !found.is_dir() || depth == 0 {
            return Ok(());
        }
        self.give(path, READ_FOLDER)?;
        for entry in fs::read_dir(path)?.flatten() {
            self.lend_models(&entry.path(), depth - 1)?;
        }
        Ok(())
    }

    /// Lets `command` run as the user, with its own folder for sockets.
    pub(super) fn run(&self, command: &mut Command) {
        self.user.run(command);
        command
            .env("NVR_RUNTIME_DIR", &self.runtime)
            .env("CREDENTIALS_DIRECTORY", &self.secrets);
    }

    /// Lets the user read a configuration, or write to the notify socket.
    pub(super) fn give_file(&self, path: &Path, is_writable: bool) -> io::Result<()> {
        self.give(path, if is_writable { 0o660 } else { READ_FILE })
    }
}

/// Makes the folder of the configurations of `device`, and if `options` name a user for the processor, what that user may reach.
///
/// # Errors
/// When there is no such user, or those of the system.
pub(super) fn lend(
    options: &AgentOptions,
    sockets: &Path,
    device: &str,
) -> Result<(Option<Arc<Lending>>, PathBuf), RoleUserError> {
    let Some(name) = &options.processor_user else {
        return Ok((None, config_file::make_folder(sockets, device)?));
    };
    let user = RoleUser::find(name, Path::new("/etc"))?;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let credentials = credentials.unwrap_or_else(|| options.config_dir.clone());
    let lending = Lending::new(user, sockets, credentials, &options.state_dir)?;
    let configs = config_file::make_folder(&lending.folder, device)?;
    lending.give(&configs, READ_FOLDER)?;
    Ok((Some(Arc::new(lending)), configs))
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
#[path = "lending_tests.rs"]
mod tests;
