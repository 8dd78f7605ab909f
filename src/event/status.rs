//! The retained documents: presences of processes and statuses of sources.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::detection::{not_negative, unix_time};
use super::{DecodeError, json};
use crate::base::{CaptureClock, SessionId, SourceId, unix_now};

/// Maximum length of a kept message in bytes.
const TEXT_BYTES: usize = 1024;
/// Maximum length of the names of a model's classes together, in bytes: more than a thousand names. Brokers send the
/// presence to each new subscriber.
const CLASSES_BYTES: usize = 16 * 1024;
/// Maximum length of a kept code or name in bytes.
const WORD_BYTES: usize = 64;

/// The presence of a process. `offline` is its will: it is set at the connection and published by the broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Presence {
    /// Online, stopped or offline.
    pub state: PresenceState,
    /// Id of this run of the process. It distinguishes a late will of an old run from the present run.
    pub session: SessionId,
    /// Online and offline: start of the run, because a will is set in advance. Stopped: end of the run.
    #[serde(with = "json::timestamp")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The program's version.
    #[serde(default)]
    pub version: String,
    /// Names of the classes that the processor's model detects. Absent for walls, and if they are longer than 16 KiB together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<Arc<str>>>,
}

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PresenceState {
    /// It runs and is connected.
    Online,
    /// It has ended in an orderly way.
    Stopped,
    /// The broker lost the connection: a crash, a cut cable, a power failure.
    Offline,
}

impl Presence {
    /// The present presence of the run `session` of this program.
    pub fn now(state: PresenceState, session: &SessionId) -> Self {
        Self {
            state,
            session: session.clone(),
            since: unix_time(unix_now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            classes: None,
        }
    }

    /// The same, with the classes of a model. They are left out if they are too long.
    #[must_use]
    pub fn with_classes(self, classes: &[Arc<str>]) -> Self {
        let classes = Some(classes.to_vec()).filter(|classes| are_short(classes));
        Self { classes, ..self }
    }

    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("invariant: a presence has string keys and no failing field")
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// When the payload is over 1 MiB or not of the schema.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut presence: Self = json::decode(payload)?;
        json::name("session", &presence.session.0)?;
        json::cut(&mut presence.version, WORD_BYTES);
        presence.classes = presence.classes.filter(|classes| are_short(classes));
        Ok(presence)
    }
}

fn are_short(classes: &[Arc<str>]) -> bool {
    // An empty name has two quotes and a comma.
    let bytes = classes.iter().map(|class| class.len() + 3);
    bytes.sum::<usize>() <= CLASSES_BYTES
}

/// The status of a source. Valid only while the processor `instance_id` is online with this `session`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceStatus {
    /// Id of the source.
    pub source_id: SourceId,
    /// Instance id of the processor.
    pub instance_id: Arc<str>,
    /// Session of the processor.
    pub session: SessionId,
    /// The state of the source.
    pub state: SourceState,
    /// Time of the last change of the state.
    #[serde(with = "json::timestamp")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// The reason of a fault.
    #[serde(default)]
    pub reason: Option<SourceReason>,
    /// Address of the source, without credentials.
    pub uri: String,
    /// How it is recorded. Absent if its processor does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingStatus>,
    /// Metrics of its stream.
    #[serde(flatten)]
    pub metrics: SourceMetrics,
}

/// Properties and counters of a source's stream; null while unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceMetrics {
    /// `h264`, `h265`, `mjpeg`, `raw`.
    #[serde(default)]
    pub codec: Option<String>,
    /// Picture width in pixels.
    #[serde(default)]
    pub width: Option<u32>,
    /// Picture height in pixels.
    #[serde(default)]
    pub height: Option<u32>,
    /// Decoded frames per second.
    #[serde(default, serialize_with = "json::maybe_hundredths")]
    #[schemars(range(min = 0))]
    pub fps_in: Option<f32>,
    /// Inferred frames per second.
    #[serde(default, serialize_with = "json::maybe_hundredths")]
    #[schemars(range(min = 0))]
    pub fps_inferred: Option<f32>,
    /// The decoder in use, such as `avdec_h264`.
    #[serde(default)]
    pub decoder: Option<String>,
    /// The clock of capture times.
    #[serde(default, deserialize_with = "json::known_or_none")]
    pub clock: Option<CaptureClock>,
    /// Number of decoded frames that a newer one replaced before they were inferred.
    #[serde(default)]
    pub dropped: u64,
    /// Number of sessions opened after the first.
    #[serde(default)]
    pub reconnects: u64,
}

/// The state of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// No frame yet, or waiting for the next attempt.
    Connecting,
    /// Frames arrive.
    Live,
    /// It was live, and frames no longer arrive.
    Stalled,
    /// The operator has paused it.
    Paused,
    /// It can't be reached or decoded; the processor retries.
    Failed,
}

impl SourceState {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Paused => "paused",
            Self::Failed => "failed",
        }
    }
}

/// The reason of a source's fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceReason {
    /// The error code: `unreachable`, `unauthorized`, `no-decoder` and others.
    pub code: String,
    /// The message for users, with the remedy.
    pub message: String,
}

/// How a source is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingStatus {
    /// Whether it is recorded; null for a state that this version does not know.
    #[serde(default, deserialize_with = "json::known_or_none")]
    pub state: Option<RecordingState>,
    /// Why it is not recorded, or why it is recorded to the second directory, for users, with the remedy.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Whether a source is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// What it sends is written to files.
    Recording,
    /// Events are recorded, and there is none now.
    Armed,
    /// It sends nothing at present, or no key frame yet.
    Waiting,
    /// The disk does not take what it sends. The processor tries again.
    Failing,
    /// It sends what can't be recorded.
    Refused,
}

impl RecordingState {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Armed => "armed",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Refused => "refused",
        }
    }
}

impl SourceStatus {
    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: a status has string keys and no failing field")
    }

    /// Cuts all texts, because the status is kept in memory.
    fn cut(&mut self) {
        json::cut(&mut self.uri, TEXT_BYTES);
        if let Some(reason) = &mut self.reason {
            json::cut(&mut reason.code, WORD_BYTES);
            json::cut(&mut reason.message, TEXT_BYTES);
        }
        if let Some(RecordingStatus {
            reason: Some(reason),
            ..
        }) = &mut self.recording
        {
            json::cut(reason, TEXT_BYTES);
        }
        let words = [&mut self.metrics.codec, &mut self.metrics.decoder];
        words
            .into_iter()
            .flatten()
            .for_each(|word| json::cut(word, WORD_BYTES));
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// When the payload is over 1 MiB, violates the schema, or has an invalid rate, instance id or session. Long texts are cut.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut status: Self = json::decode(payload)?;
        json::name("instance_id", &status.instance_id)?;
        json::name("session", &status.session.0)?;
        status.cut();
        for (field, value) in [
            ("fps_in", status.metrics.fps_in),
            ("fps_inferred", status.metrics.fps_inferred),
        ] {
            if let Some(value) = value {
                not_negative(field, value)?;
            }
        }
        Ok(status)
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
