//! The bundle for a support call: report, logs, settings, and the answers of running roles. Every text passes the redaction.

use std::env::consts::{ARCH, OS};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{logs, redact::Redaction, secrets::Secrets};
use crate::base::archive::pack;
use crate::config::{ConfigProblems, Loaded, read_config_text};
use crate::control::{Request, is_stale};
use crate::doctor::{Machine, Report, page, roles};

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file of that name exists.
    #[error("{} already exists; choose another name, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// Its folder does not exist.
    #[error("there is no folder {}; create it, or choose another", .0.display())]
    NoFolder(PathBuf),
    /// It can't be written.
    #[error("can't write {}: {error}; free disk space, or choose another folder", path.display())]
    Write {
        /// The bundle.
        path: PathBuf,
        /// The error of the system.
        error: std::io::Error,
    },
}

/// Whether a bundle may be written to `target`. Call it before the examination.
///
/// # Errors
/// If a file exists that may not be replaced, or the folder does not exist.
pub fn check_target(target: &Path, force: bool) -> Result<(), BundleError> {
    if target.exists() && !force {
        return Err(BundleError::Exists(target.to_owned()));
    }
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(BundleError::NoFolder(folder.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Writes the bundle. Blocks while the journal is read, half a minute at most.
///
/// # Errors
/// If it can't be written. The bundle itself names its missing parts.
pub fn write_bundle(target: &Path, machine: &Machine, report: &Report) -> Result<(), BundleError> {
    let mut members = Members {
        redaction: Redaction::new(&Secrets::of(machine)),
        redacted: Vec::new(),
        notes: Vec::new(),
    };
    members.add("report.txt", &(page(report) + "\n"));
    let json = serde_json::to_value(report).unwrap_or_default();
    members.add_json("report.json", &json);
    let version = format!("nvr {}\n{OS} {ARCH}\n", env!("CARGO_PKG_VERSION"));
    members.add("version.txt", &version);
    configuration(machine, &mut members);
    logs_of(machine, &mut members);
    roles_of(machine, &mut members);
    let now = jiff::Timestamp::now();
    let folder = format!("nvr-doctor-{}", now.strftime("%Y%m%dT%H%M%SZ"));
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    pack(target, &folder, &members.finish(), seconds).map_err(|error| BundleError::Write {
        path: target.to_owned(),
        error,
    })
}

/// The members of the bundle, by their paths. Each is redacted when it is added.
struct Members {
    redaction: Redaction,
    redacted: Vec<(String, String)>,
    /// Names and reasons of missing members.
    notes: Vec<String>,
}

impl Members {
    fn add(&mut self, name: &str, text: &str) {
        let text = self.redaction.text(text);
        self.redacted.push((name.to_owned(), text));
    }

    fn add_json(&mut self, name: &str, value: &Value) {
        let text = format!("{:#}\n", self.redaction.json(value));
        self.redacted.push((name.to_owned(), text));
    }

    fn note(&mut self, name: &str, reason: impl Display) {
        self.notes.push(format!("{name} is missing: {reason}"));
    }

    fn add_or_note(&mut self, name: &str, text: Result<String, String>) {
        match text {
            Ok(text) => self.add(name, &text),
            Err(reason) => self.note(name, reason),
        }
    }

    fn finish(mut self) -> Vec<(String, String)> {
        let notes = match self.notes.join("\n") {
            none if none.is_empty() => "nothing is missing".to_owned(),
            notes => notes,
        };
        let readme =
            "Passwords, tokens, user names, logins in URLs and private keys are replaced by ***.";
        self.add("README.txt", &format!("{readme}\n\n{notes}\n"));
        self.redacted
    }
}

/// The configuration file as it is on disk, and the settings of each role.
fn configuration(machine: &Machine, members: &mut Members) {
    let Some(file) = &machine.config.file else {
        let reason = "no file is named, and /etc/nvr/nvr.toml does not exist";
        members.note("config", reason);
        return;
    };
    let text = read_config_text(Path::new(&file.path));
    let text = text.map_err(|error| format!("{}: {error}", file.path));
    members.add_or_note("config/file.toml", text);
    for (role, loaded) in [("processor", &file.processor), ("wall", &file.wall)] {
        members.add_or_note(&format!("config/effective-{role}.toml"), effective(loaded));
    }
}

fn logs_of(machine: &Machine, members: &mut Members) {
    let of_machine = |log: fn() -> logs::Log| match machine.tree.is_machine() {
        true => log(),
        false => Err("another machine's files were examined (--root)".to_owned()),
    };
    members.add_or_note("logs/journal.txt", of_machine(logs::journal));
    members.add_or_note("logs/kernel.txt", of_machine(logs::kernel));
}

/// As `nvr config show` prints it.
fn effective(loaded: &Result<Loaded, ConfigProblems>) -> Result<String, String> {
    let loaded = loaded.as_ref().map_err(ToString::to_string)?;
    toml::to_string(&loaded.raw).map_err(|error| error.to_string())
}

fn roles_of(machine: &Machine, members: &mut Members) {
    let sockets = roles::sockets(machine).sockets.into_iter();
    for socket in sockets.filter(|socket| !is_stale(socket)) {
        let name = roles::role_name(&socket);
        for (what, request) in [
            ("status", Request::Status),
            ("capabilities", Request::Capabilities),
        ] {
            let member = format!("roles/{name}-{what}.json");
            match roles::ask(&socket, &request) {
                Ok(answer) => members.add_json(&member, &answer),
                Err(reason) => members.note(&member, reason),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_replaces_a_file_only_with_force() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("b.tar.gz");
        assert!(check_target(&target, false).is_ok());
        std::fs::write(&target, "").expect("written");
        let exists = check_target(&target, false);
        assert!(matches!(exists, Err(BundleError::Exists(_))));
        assert!(check_target(&target, true).is_ok());
        let nowhere = check_target(&dir.path().join("nowhere/b.tar.gz"), true);
        assert!(matches!(nowhere, Err(BundleError::NoFolder(_))));
        assert!(check_target(Path::new("b.tar.gz"), true).is_ok());
    }
}
