//! The reported document: what a device says of the desired one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DocumentError, DocumentHash, KeyId, SCHEMA};
use crate::event::{DecodeError, cut_text, decode_json};

/// Maximum number of errors, of warnings and of models that a reader keeps.
const MOST_ENTRIES: usize = 200;
/// Maximum number of log lines of a reverted document.
const MOST_LINES: usize = 20;
/// Maximum length of a kept text in bytes.
const TEXT_BYTES: usize = 1024;
/// Maximum length of a kept word in bytes.
const WORD_BYTES: usize = 256;

/// What a device says of its desired document. Retained on `{root}/fleet/{device}/reported`, on change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "reported document")]
pub struct Reported {
    /// Version of this schema: 1.
    pub schema: u32,
    /// Generation of the document that the phase and the errors are about. Null if it can't be read.
    #[serde(default)]
    pub generation: Option<u64>,
    /// Hash of that document: SHA-256 of its payload.
    #[serde(default)]
    pub sha256: Option<DocumentHash>,
    /// Generation in force. Null on a device without a document.
    #[serde(default)]
    pub applied: Option<u64>,
    /// Hash of the document in force, the `base` of the next one.
    #[serde(default)]
    pub applied_sha256: Option<DocumentHash>,
    /// Generation that the device returns to, and boots from.
    #[serde(default)]
    pub last_known_good: Option<u64>,
    /// What becomes of the document.
    pub phase: Phase,
    /// Problems that did not stop the device.
    #[serde(default)]
    pub warnings: Vec<DocumentError>,
    /// The reasons of `rejected`, `conflict` and `reverted`, or for what `waiting` waits.
    #[serde(default)]
    pub errors: Vec<DocumentError>,
    /// The software of the device.
    #[serde(default)]
    pub firmware: Firmware,
    /// The last lines of the log of a document that was reverted, without secrets. At most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// The models that the document names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelState>,
    /// How long the recordings of the document that is tried, else of the one in force, are kept. Absent: it records nothing, or
    /// nothing was measured yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingEstimate>,
    /// The keys that the device trusts. Empty: it accepts unsigned documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyId>,
}

/// What becomes of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// There is no document yet, or it waits for its time or for the clock.
    #[default]
    Waiting,
    /// The difference is being applied.
    Applying,
    /// It is applied and on trial.
    Probation,
    /// It is the last known good one.
    Applied,
    /// It was refused before it was applied.
    Rejected,
    /// Another document took its generation, or its place.
    Conflict,
    /// It failed on trial, and the last known good one is in force again.
    Reverted,
    /// A phase of a newer firmware.
    #[serde(other)]
    Unknown,
}

impl Phase {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Applying => "applying",
            Self::Probation => "probation",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Reverted => "reverted",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the device has finished with the document.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Applied | Self::Rejected | Self::Conflict | Self::Reverted
        )
    }
}

/// The software of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Firmware {
    /// Version of `nvr`.
    pub version: String,
    /// Version of the system image, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The slot that runs, if the device has slots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// What becomes of the firmware that the desired document names. Absent: `idle`.
    #[serde(skip_serializing_if = "FirmwarePhase::is_idle")]
    pub phase: FirmwarePhase,
    /// The version that the phase and the error are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The generation of that firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The reason of `failed` and `rolled-back`, and why another phase does not go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<DocumentError>,
}

impl Firmware {
    /// The version of the system image, else that of `nvr`.
    pub fn running(&self) -> &str {
        self.image.as_deref().unwrap_or(&self.version)
    }
}

/// What becomes of a firmware.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirmwarePhase {
    /// None is named.
    #[default]
    Idle,
    /// It waits for its time window, or for the end of the trial of a document.
    Waiting,
    /// It is being fetched.
    Downloading,
    /// The fetched image is checked.
    Verifying,
    /// It is written to the other slot.
    Installing,
    /// The device restarts into the other slot.
    Rebooting,
    /// The new slot runs and must prove itself.
    Confirming,
    /// The new slot has proved itself and stays.
    Confirmed,
    /// It was not installed.
    Failed,
    /// The former slot runs again.
    RolledBack,
    /// A phase of a newer firmware.
    #[serde(other)]
    Unknown,
}

impl FirmwarePhase {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Installing => "installing",
            Self::Rebooting => "rebooting",
            Self::Confirming => "confirming",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the device has begun to install, so that the firmware can't be taken back any more.
    pub fn is_begun(self) -> bool {
        matches!(
            self,
            Self::Installing | Self::Rebooting | Self::Confirming | Self::Confirmed
        )
    }

    fn is_idle(&self) -> bool {
        *self == Self::Idle
    }
}

/// The state of a model that a document names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelState {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub phase: ModelPhase,
    /// The reason of `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<DocumentError>,
}

/// What became of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelPhase {
    /// It is being fetched.
    Fetching,
    /// Its engine is being built.
    Building,
    /// It is installed.
    Ready,
    /// It can't be had now, or can't be used. The error tells whether the device tries again.
    Failed,
    /// A phase of a newer firmware.
    #[serde(other)]
    Unknown,
}

/// How long the recordings of a document are kept, estimated from the rates that were measured on the device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecordingEstimate {
    /// Number of cameras that are recorded.
    pub cameras: u32,
    /// Bytes of all cameras per day.
    pub bytes_per_day: u64,
    /// For how many seconds recordings are kept, at most ten years. Absent if it is unknown: the disk was not measured, or nothing is
    /// written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_s: Option<u64>,
}

impl ModelPhase {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetching => "fetching",
            Self::Building => "building",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl Reported {
    /// The report of a device without a document.
    pub fn new(firmware: Firmware) -> Self {
        Self {
            schema: SCHEMA,
            firmware,
            ..Self::default()
        }
    }

    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a report has string keys and no failing field")
    }

    /// Reads JSON. Unknown fields are ignored, lists and texts are cut.
    ///
    /// # Errors
    /// When the payload is over 1 MiB or not of the schema.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reported: Self = decode_json(payload)?;
        reported.cut();
        Ok(reported)
    }

    /// Bounds the memory of a report from another program.
    fn cut(&mut self) {
        for errors in [&mut self.warnings, &mut self.errors] {
            errors.truncate(MOST_ENTRIES);
            errors.iter_mut().for_each(cut_error);
        }
        self.log.truncate(MOST_LINES);
        for line in &mut self.log {
            cut_text(line, TEXT_BYTES);
        }
        self.models.truncate(MOST_ENTRIES);
        for model in &mut self.models {
            cut_text(&mut model.id, WORD_BYTES);
            model.error.iter_mut().for_each(cut_error);
        }
        self.keys.truncate(MOST_ENTRIES);
        cut_text(&mut self.firmware.version, WORD_BYTES);
        if let Some(image) = &mut self.firmware.image {
            cut_text(image, WORD_BYTES);
        }
        let firmware = &mut self.firmware;
        for word in [&mut firmware.slot, &mut firmware.target] {
            word.iter_mut().for_each(|word| cut_text(word, WORD_BYTES));
        }
        firmware.error.iter_mut().for_each(cut_error);
    }
}

fn cut_error(error: &mut DocumentError) {
    cut_text(error.code.to_mut(), WORD_BYTES);
    cut_text(&mut error.path, WORD_BYTES);
    cut_text(&mut error.message, TEXT_BYTES);
}

#[cfg(test)]
#[path = "reported_tests.rs"]
mod tests;
