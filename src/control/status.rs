//! The answers of a role: its status, its capabilities, and the changes that a document made.
//!
//! Client and server may have different versions. Unknown fields are ignored. Absent fields have their default, except the
//! sources of a processor and the state of a wall, which are required.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wall_state::WallState;
use crate::base::{SessionId, SourceId};
use crate::event::SourceStatus;

/// The state of a running role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Status {
    /// Of a processor.
    Processor(ProcessorStatus),
    /// Of a wall.
    Wall(WallStatus),
}

/// The state of a processor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessorStatus {
    /// The version of its program.
    #[serde(default)]
    pub version: String,
    /// Its name in topics.
    #[serde(default)]
    pub instance_id: String,
    /// The run of the process.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// The detector that runs.
    #[serde(default)]
    pub detector: Option<DetectorStatus>,
    /// `connected`, `connecting`, or why the broker can't be reached.
    #[serde(default)]
    pub broker: String,
    /// Its events since the start of the link.
    #[serde(default)]
    pub events: EventCounters,
    /// The sources that it runs.
    pub sources: Vec<SourceStatus>,
    /// The sources that another processor holds, each with its instance id.
    #[serde(default, deserialize_with = "refused_sources")]
    pub refused_sources: BTreeMap<SourceId, String>,
    /// Stages without progress beyond their limit.
    #[serde(default)]
    pub stuck: Vec<String>,
}

/// A detector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DetectorStatus {
    /// The id of its model.
    pub model: String,
    /// `tensorrt`, `tensorrt-rtx`, `onnxruntime`, `rten` or `scripted`.
    pub backend: String,
    /// How many classes it can find.
    pub classes: usize,
    /// Its work since it was installed.
    pub work: DetectorWork,
}

/// The work of a detector. Times are those of its thread from taking frames to being free for the next ones: letterbox,
/// inference, tracking and events. They are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DetectorWork {
    /// Time with work.
    pub busy_us: u64,
    /// Frames that were analysed in batches of the largest useful size.
    pub full_frames: u64,
    /// Time for these frames.
    pub full_us: u64,
}

/// Counted events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventCounters {
    /// Handed to the connection.
    pub published: u64,
    /// Dropped: the broker was away or slow, or they were too large.
    pub dropped: u64,
    /// Among the dropped, those that were too large.
    pub oversized: u64,
    /// In flight when a connection broke.
    pub lost: u64,
}

/// Serde reads the fields of a tagged enum from a buffer, in which keys of maps are texts and no numbers.
fn refused_sources<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<SourceId, String>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(deserializer)?.into_iter();
    let of_pair = |(id, holder): (String, String)| {
        let id = id.parse().map_err(serde::de::Error::custom)?;
        Ok((SourceId(id), holder))
    };
    texts.map(of_pair).collect()
}

/// The state of a wall.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WallStatus {
    /// The version of its program.
    #[serde(default)]
    pub version: String,
    /// The run of the process.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// Its displays.
    #[serde(default)]
    pub displays: Option<DisplayStatus>,
    /// Its cameras, monitors and broker.
    pub state: WallState,
}

/// The displays of a wall.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DisplayStatus {
    /// One report per head. Its fields depend on the output (`kms`, `headless`).
    pub heads: Vec<Value>,
    /// Why displays can't be opened at present.
    pub trouble: Option<String>,
}

/// The abilities of a build on a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Capabilities {
    /// Of a processor.
    Processor(ProcessorCapabilities),
    /// Of a wall.
    Wall(WallCapabilities),
}

/// The abilities of a processor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessorCapabilities {
    /// The version of its program.
    pub version: String,
    /// `processor`.
    pub roles: Vec<String>,
    /// Each backend, and `ready` or the reason why it can't be used.
    pub backends: BTreeMap<String, String>,
    /// Per codec, the decoders in order of preference.
    pub decoders: BTreeMap<String, Vec<DecoderFound>>,
    /// The encodings of events.
    pub encodings: Vec<String>,
}

/// The state of a decoder on this machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DecoderFound {
    /// The GStreamer element.
    pub decoder: String,
    /// `decodes`, `not probed yet`, or the reason why it can't be used.
    pub found: String,
}

/// The abilities of a wall.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WallCapabilities {
    /// `wall`.
    pub role: String,
    /// The version of its program.
    pub version: String,
    /// The kinds of output.
    pub outputs: Vec<String>,
    /// The ways to put boxes and frames together.
    pub sync: Vec<String>,
    /// Per codec, the decoders in order of preference.
    pub decoders: BTreeMap<String, Vec<DecoderWorks>>,
}

/// Whether a decoder works on this machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DecoderWorks {
    /// The GStreamer element.
    pub decoder: String,
    /// Whether it decodes; absent while it was not probed.
    pub works: Option<bool>,
}

/// The change of each source.
pub type Changes = BTreeMap<SourceId, Change>;

/// The change of one source by a new configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// None: it does not lose a frame.
    Unchanged,
    /// New thresholds, classes, rate or name, taken over between two frames.
    Updated,
    /// Another stream: its session ends and a new one begins.
    Restarted,
    /// It is new.
    Added,
    /// It is gone. A processor clears its retained status.
    Removed,
}
