//! What the box knows of its firmware, on the data partition that both slots share.
//!
//! After a rollback older firmware reads what newer firmware has written. A reader ignores unknown keys, takes a default for each
//! missing one, and an unknown step for none; a newer version may only add keys that an older reader can do without.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::health::Before;
use crate::agent::state_dir::save;
use crate::base::private_folder;
use crate::fetch::Part;
use crate::fleet::{DocumentError, DocumentHash, FirmwarePhase, FirmwareRef};

/// The image that was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) version: String,
    pub(super) url: String,
    pub(super) sha256: DocumentHash,
    #[serde(default)]
    pub(super) size: Option<u64>,
}

impl Target {
    pub(super) fn of(firmware: &FirmwareRef) -> Self {
        Self {
            version: firmware.version.clone(),
            url: firmware.url.clone(),
            sha256: firmware.sha256.clone(),
            size: firmware.size,
        }
    }
}

/// The system that ran when the installation began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Origin {
    pub(super) version: String,
    pub(super) slot: String,
}

/// How far an update has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    #[default]
    Idle,
    Waiting,
    Downloading,
    Verifying,
    Installing,
    Rebooting,
    Confirming,
    Confirmed,
    /// On the way back to the former slot.
    Returning,
    Failed,
    RolledBack,
    /// A step of newer firmware.
    #[serde(other)]
    Unknown,
}

impl Step {
    /// Whether another order may take its place at once.
    pub(super) fn is_free(self) -> bool {
        !matches!(
            self,
            Self::Installing | Self::Rebooting | Self::Confirming | Self::Returning
        )
    }

    /// Whether it can still be taken back.
    pub(super) fn is_before_install(self) -> bool {
        matches!(self, Self::Waiting | Self::Downloading | Self::Verifying)
    }

    pub(super) fn phase(self) -> FirmwarePhase {
        match self {
            Self::Idle | Self::Unknown => FirmwarePhase::Idle,
            Self::Waiting => FirmwarePhase::Waiting,
            Self::Downloading => FirmwarePhase::Downloading,
            Self::Verifying => FirmwarePhase::Verifying,
            Self::Installing => FirmwarePhase::Installing,
            Self::Rebooting | Self::Returning => FirmwarePhase::Rebooting,
            Self::Confirming => FirmwarePhase::Confirming,
            Self::Confirmed => FirmwarePhase::Confirmed,
            Self::Failed => FirmwarePhase::Failed,
            Self::RolledBack => FirmwarePhase::RolledBack,
        }
    }
}

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// Generation of the last order.
    pub(super) generation: u64,
    /// Generation of the newest document that named it.
    pub(super) document: u64,
    pub(super) target: Option<Target>,
    pub(super) step: Step,
    /// The system to which a rollback returns.
    pub(super) from: Option<Origin>,
    /// The start of the machine in which the last restart was ordered.
    pub(super) boot: String,
    /// Whether the bootloader was told to try the new slot.
    pub(super) is_switched: bool,
    /// Begun installations of this order.
    pub(super) installs: u32,
    /// How often the bootloader was to be told.
    pub(super) switches: u32,
    /// Starts of the agent on the new slot without a confirmation.
    pub(super) starts: u32,
    /// Orders to return.
    pub(super) returns: u32,
    /// The state of the box before the restart.
    pub(super) before: Before,
    /// Why it failed, or does not go on.
    pub(super) error: Option<DocumentError>,
}

impl Record {
    /// The version of the target, for messages.
    pub(super) fn version(&self) -> &str {
        self.target.as_ref().map_or("", |target| &target.version)
    }

    pub(super) fn former_slot(&self) -> Option<&str> {
        self.from.as_ref().map(|from| &*from.slot)
    }
}

/// The folder of the firmware in the state of the agent.
#[derive(Debug, Clone)]
pub(super) struct Places {
    root: PathBuf,
}

impl Places {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self {
            root: state_dir.join("firmware"),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn record(&self) -> PathBuf {
        self.root.join("record.json")
    }

    /// Where the image is kept until it is installed.
    pub(super) fn part(&self, target: &Target) -> Part {
        let file = self.root.join(format!("image-{}", target.sha256));
        Part {
            validator: file.with_extension("validator"),
            file,
        }
    }

    /// Removes all images, except that of `target`.
    pub(super) fn sweep(&self, target: Option<&Target>) {
        let kept = target.map(|target| self.part(target).file);
        let entries = std::fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let is_image = name.to_string_lossy().starts_with("image-");
            let is_kept = kept
                .as_ref()
                .is_some_and(|kept| path == *kept || path == kept.with_extension("validator"));
            if is_image && !is_kept {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// A word of `nvr firmware` for the agent.
    pub(super) fn request(&self) -> PathBuf {
        self.root.join("request")
    }

    /// Reads the record. A damaged one counts as none.
    pub(super) fn load(&self) -> Record {
        let path = self.record();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Record::default(),
            Err(err) => {
                warn!(path = %path.display(), %err, "the record of the firmware can't be read");
                return Record::default();
            }
        };
        serde_json::from_slice(&bytes).unwrap_or_else(|err| {
            warn!(path = %path.display(), %err, "the record of the firmware is damaged; it starts again without it");
            Record::default()
        })
    }

    /// Saves the record. Blocks for the time of two syncs.
    pub(super) fn save(&self, record: &Record) -> std::io::Result<()> {
        private_folder(&self.root)?;
        save(&self.record(), &serde_json::to_vec_pretty(record)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_outlasts_a_restart_and_a_damaged_one_counts_as_none() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        assert_eq!(places.load(), Record::default());
        let record = Record {
            generation: 7,
            step: Step::RolledBack,
            error: Some(DocumentError::new("firmware", "did-not-boot", "why")),
            ..Record::default()
        };
        places.save(&record).expect("saved");
        assert_eq!(places.load(), record);
        std::fs::write(places.record(), "{").expect("written");
        assert_eq!(places.load(), Record::default());
    }

    #[test]
    fn a_record_of_newer_firmware_is_read() {
        let text = r#"{"generation":7,"step":"polishing","new":{"a":1},
            "target":{"version":"2","url":"https://a","sha256":"HASH","mirror":"https://b"}}"#;
        let text = text.replace("HASH", DocumentHash::of(b"x").as_str());
        let record: Record = serde_json::from_str(&text).expect("readable");
        assert_eq!((record.generation, record.step), (7, Step::Unknown));
        assert_eq!(record.version(), "2");
    }

    #[test]
    fn only_the_image_of_the_target_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        places.save(&Record::default()).expect("saved");
        let target = |text: &str| Target {
            version: text.to_owned(),
            url: String::new(),
            sha256: DocumentHash::of(text.as_bytes()),
            size: None,
        };
        let (kept, old) = (places.part(&target("kept")), places.part(&target("old")));
        for part in [&kept, &old] {
            std::fs::write(&part.file, "").expect("written");
            std::fs::write(&part.validator, "").expect("written");
        }
        places.sweep(Some(&target("kept")));
        assert!(kept.file.exists() && kept.validator.exists());
        assert!(!old.file.exists() && !old.validator.exists());
        assert!(places.record().exists());
    }
}
