//! A bundle for a call for support: the page, logs, settings and the answers of what runs; every text through the redaction.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::archive::{Member, write};
use super::machine::Machine;
use super::redact::Redaction;
use super::secrets::Secrets;
use super::{Report, logs, page, roles};
use crate::base::unix_now;
use crate::config::{ConfigProblems, Loaded, read_config_text};
use crate::control::Request;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file of that name is there.
    #[error("{} is there already; choose another name, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// Its folder is not.
    #[error("there is no folder {}; make it, or choose another", .0.display())]
    NoFolder(PathBuf),
    /// It can't be written.
    #[error("can't write {}: {error}; free disk space, or choose another folder", path.display())]
    Write {
        /// The bundle.
        path: PathBuf,
        /// The system's word.
        error: std::io::Error,
    },
}

/// Whether a bundle may be written to `target`: better asked before the machine is examined.
///
/// # Errors
/// When a file is there that may not be replaced, or the folder is not.
pub fn check_target(target: &Path, force: bool) -> Result<(), BundleError> {
    if target.exists() && !force {
        return Err(BundleError::Exists(target.to_owned()));
    }
    match target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        Some(folder) if !folder.is_dir() => Err(BundleError::NoFolder(folder.to_owned())),
        _ => Ok(()),
    }
}

/// Writes the bundle. Blocks for as long as the journal takes, half a minute at most.
///
/// # Errors
/// When it can't be written. What can't be read is told in the bundle itself.
pub fn write_bundle(target: &Path, machine: &Machine, report: &Report) -> Result<(), BundleError> {
    let mut members = Members {
        redaction: Redaction::new(&Secrets::of(machine)),
        kept: Vec::new(),
        notes: Vec::new(),
    };
    members.add("report.txt", &(page(report) + "\n"));
    members.add_json(
        "report.json",
        &serde_json::to_value(report).unwrap_or_default(),
    );
    members.add("version.txt", &version());
    configuration(machine, &mut members);
    let is_machine = machine.tree.is_machine();
    let log = |log: fn() -> logs::Log| {
        if is_machine {
            log()
        } else {
            Err("another machine's files were examined (--root)".to_owned())
        }
    };
    members.add_or_note("logs/journal.txt", log(logs::journal));
    members.add_or_note("logs/kernel.txt", log(logs::kernel));
    running(machine, &mut members);
    let now = unix_now();
    let day = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    write(
        target,
        &format!("nvr-doctor-{day}"),
        &members.finish(),
        now.as_secs(),
    )
    .map_err(|error| BundleError::Write {
        path: target.to_owned(),
        error,
    })
}

/// Texts on their way into the bundle: there is no other way in.
struct Members {
    redaction: Redaction,
    kept: Vec<Member>,
    notes: Vec<String>,
}

impl Members {
    fn add(&mut self, name: &str, text: &str) {
        self.kept.push(Member {
            name: name.to_owned(),
            text: self.redaction.text(text),
        });
    }

    fn add_json(&mut self, name: &str, value: &Value) {
        let text = serde_json::to_string_pretty(&self.redaction.json(value)).unwrap_or_default();
        self.kept.push(Member {
            name: name.to_owned(),
            text: text + "\n",
        });
    }

    fn add_or_note(&mut self, name: &str, text: Result<String, String>) {
        match text {
            Ok(text) => self.add(name, &text),
            Err(reason) => self.notes.push(format!("{name} is missing: {reason}")),
        }
    }

    fn finish(mut self) -> Vec<Member> {
        let notes = if self.notes.is_empty() {
            "nothing is missing".to_owned()
        } else {
            self.notes.join("\n")
        };
        let told = format!(
            "Passwords, tokens, user names, logins in URLs and private keys are replaced by ***.\n\n{notes}\n"
        );
        self.add("README.txt", &told);
        self.kept
    }
}

fn version() -> String {
    format!(
        "nvr {}\n{} {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// The settings as each role has them, and the file as it lies on disk.
fn configuration(machine: &Machine, members: &mut Members) {
    let config = &machine.config;
    let Some(file) = &config.file else {
        members
            .notes
            .push("config is missing: no file is named, and the usual one is not there".to_owned());
        return;
    };
    members.add_or_note(
        "config/file.toml",
        read_config_text(Path::new(file)).map_err(|error| format!("{file}: {error}")),
    );
    for (role, loaded) in [("processor", &config.processor), ("wall", &config.wall)] {
        if let Some(loaded) = loaded {
            members.add_or_note(&format!("config/effective-{role}.toml"), effective(loaded));
        }
    }
}

/// As `nvr config show` has it.
fn effective(loaded: &Result<Loaded, ConfigProblems>) -> Result<String, String> {
    let loaded = loaded.as_ref().map_err(ToString::to_string)?;
    toml::to_string(&loaded.raw).map_err(|error| error.to_string())
}

fn running(machine: &Machine, members: &mut Members) {
    let sockets = roles::sockets(machine).sockets.into_iter();
    for socket in sockets.filter(|socket| !roles::is_left(socket)) {
        let name = roles::role_name(&socket);
        for (what, request) in [
            ("status", Request::Status),
            ("capabilities", Request::Capabilities),
        ] {
            let member = format!("roles/{name}-{what}.json");
            match roles::ask(&socket, &request) {
                Ok(answer) => members.add_json(&member, &answer),
                Err(reason) => members.notes.push(format!("{member} is missing: {reason}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_replaces_nothing_unless_it_may() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("b.tar.gz");
        assert!(check_target(&target, false).is_ok());
        std::fs::write(&target, "").expect("written");
        assert!(matches!(
            check_target(&target, false),
            Err(BundleError::Exists(_))
        ));
        assert!(check_target(&target, true).is_ok());
        let nowhere = dir.path().join("nowhere/b.tar.gz");
        assert!(matches!(
            check_target(&nowhere, true),
            Err(BundleError::NoFolder(_))
        ));
        assert!(check_target(Path::new("b.tar.gz"), true).is_ok());
    }
}
