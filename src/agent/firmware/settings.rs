//! `firmware.toml`: how an image is installed on this box. The maker of the image writes it; without it the box installs nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::config::{ConfigProblems, Span, read_document};

/// The name of the file in the folder of the configuration.
const FILE: &str = "firmware.toml";

/// The file can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    /// It is missing.
    #[error("this box has no {}, so it can't install firmware; its image must bring the file", path.display())]
    Absent { path: PathBuf },
    /// It can't be read, or is not TOML.
    #[error(transparent)]
    Syntax(#[from] ConfigProblems),
    /// A key or a value.
    #[error("{}: {problem}; correct the file", path.display())]
    Content { path: PathBuf, problem: String },
}

/// The commands of the image's maker. In their arguments `{file}` is the path of the image, `{version}` its version and `{slot}` the
/// slot that runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Writes the image to the slot that does not run.
    pub(super) install: Vec<String>,
    /// Prints the name of the slot that runs.
    pub(super) slot: Vec<String>,
    /// Prints the version of the system that runs. Default: `IMAGE_VERSION` of /etc/os-release.
    #[serde(default)]
    pub(super) version: Vec<String>,
    /// Makes the bootloader try the other slot at the next start. Default: the installer does that.
    #[serde(default, alias = "set-next")]
    pub(super) set_next: Vec<String>,
    /// Makes the bootloader keep the slot that runs.
    pub(super) confirm: Vec<String>,
    /// Makes the bootloader start the other slot again.
    pub(super) rollback: Vec<String>,
    /// Maximum time of the installation. Default: 30m.
    #[serde(default = "install_limit", alias = "install-limit")]
    pub(super) install_limit: Span,
    /// Time within which the new slot must be healthy after the start of the agent. Default: 10m.
    #[serde(default = "confirm_within", alias = "confirm-within")]
    pub(super) confirm_within: Span,
}

fn install_limit() -> Span {
    Span(Duration::from_secs(30 * 60))
}

fn confirm_within() -> Span {
    Span(Duration::from_secs(10 * 60))
}

impl Settings {
    /// Reads the file in `config_dir`.
    ///
    /// # Errors
    /// When it is missing or can't be used.
    pub(super) fn read(config_dir: &Path) -> Result<Self, SettingsError> {
        let path = config_dir.join(FILE);
        if !path.exists() {
            return Err(SettingsError::Absent { path });
        }
        let read = serde_json::from_value::<Self>(read_document(&path)?);
        let checked = read.map_err(|err| err.to_string()).and_then(Self::check);
        checked.map_err(|problem| SettingsError::Content { path, problem })
    }

    fn check(self) -> Result<Self, String> {
        let needed = [
            ("install", &self.install),
            ("slot", &self.slot),
            ("confirm", &self.confirm),
            ("rollback", &self.rollback),
        ];
        if let Some((key, _)) = needed.iter().find(|(_, command)| command.is_empty()) {
            return Err(format!("{key}: must name a program"));
        }
        if !self.install.iter().any(|word| word.contains("{file}")) {
            return Err("install: must have {file} among its arguments".to_owned());
        }
        for (key, span) in [
            ("install_limit", self.install_limit),
            ("confirm_within", self.confirm_within),
        ] {
            if span.0.is_zero() {
                return Err(format!("{key}: must be above 0"));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        install = ["swupdate", "-i", "{file}"]
        slot = ["box-slot", "current"]
        set-next = ["box-slot", "try-other"]
        confirm = ["box-slot", "confirm"]
        rollback = ["box-slot", "other"]
        confirm_within = "5m"
        "#;

    fn read(text: &str) -> Result<Settings, SettingsError> {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join(FILE), text).expect("written");
        Settings::read(dir.path())
    }

    #[test]
    fn the_commands_and_their_limits_are_read() {
        let settings = read(TEXT).expect("a good file");
        assert_eq!(settings.set_next, ["box-slot", "try-other"]);
        assert_eq!(settings.confirm_within.0, Duration::from_secs(300));
        assert_eq!(settings.install_limit.0, Duration::from_secs(1800));
        assert!(settings.version.is_empty());
    }

    #[test]
    fn an_absent_or_bad_file_is_named_with_its_remedy() {
        let dir = tempfile::tempdir().expect("a folder");
        let told = Settings::read(dir.path()).expect_err("absent").to_string();
        assert!(told.contains("firmware.toml"), "{told}");
        for (from, to, wanted) in [
            ("{file}", "x", "install: must have {file}"),
            ("[\"box-slot\", \"confirm\"]", "[]", "confirm: must name"),
            ("\"5m\"", "\"0s\"", "confirm_within: must be above 0"),
            ("slot =", "slots =", "unknown field `slots`"),
            ("confirm_within", "confirm_within = ", "firmware.toml"),
        ] {
            let told = read(&TEXT.replacen(from, to, 1))
                .expect_err(wanted)
                .to_string();
            assert!(told.contains(wanted), "{wanted} in {told}");
        }
    }
}
