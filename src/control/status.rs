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
    /// The recorder, if recordings are configured and it has started.
    #[serde(default)]
    pub recorder: Option<RecorderStatus>,
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
    /// `tensorrt`, `tensorrt-rtx`, `openvino`, `onnxruntime`, `rten` or `scripted`.
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

/// A recorder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecorderStatus {
    /// Directory of its recordings.
    pub dir: String,
    /// The cameras of which all is recorded.
    pub continuous: RecordedCameras,
    /// The cameras of which events are recorded.
    pub events: RecordedCameras,
    /// Space of all recordings in bytes; absent until they are counted after the start.
    pub recordings_bytes: Option<u64>,
    /// Bytes that are free in the file system of `dir`; absent if it does not tell.
    pub free_bytes: Option<u64>,
}

/// The cameras that are recorded in one mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedCameras {
    /// Number of those that are being recorded, or whose next event is.
    pub cameras: u32,
    /// Bytes that were written of all cameras since the start of the recorder.
    pub bytes: u64,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cameras() -> impl Strategy<Value = RecordedCameras> {
        let parts = (any::<u32>(), any::<u64>());
        parts.prop_map(|(cameras, bytes)| RecordedCameras { cameras, bytes })
    }

    fn recorder() -> impl Strategy<Value = RecorderStatus> {
        let space = (any::<Option<u64>>(), any::<Option<u64>>());
        let parts = (any::<String>(), cameras(), cameras(), space);
        parts.prop_map(|(dir, continuous, events, space)| RecorderStatus {
            dir,
            continuous,
            events,
            recordings_bytes: space.0,
            free_bytes: space.1,
        })
    }

    proptest! {
        #[test]
        fn the_status_of_a_processor_reads_back(recorder in proptest::option::of(recorder())) {
            let status = Status::Processor(ProcessorStatus {
                recorder,
                ..ProcessorStatus::default()
            });
            let text = serde_json::to_string(&status).expect("plain data");
            prop_assert_eq!(serde_json::from_str::<Status>(&text).expect("own JSON is good"), status);
        }
    }

    #[test]
    fn processors_of_other_versions_tell_less_or_more_of_their_recorder() {
        let recorder = |more: &str| {
            let text = format!(r#"{{"role":"processor","sources":[]{more}}}"#);
            match serde_json::from_str(&text).expect("a reader is lenient") {
                Status::Processor(status) => status.recorder,
                Status::Wall(_) => None,
            }
        };
        assert_eq!(recorder(""), None);
        assert_eq!(
            recorder(r#","recorder":{"dir":"/r","events":{"cameras":2,"mood":"good"},"tape":1}"#),
            Some(RecorderStatus {
                dir: "/r".to_owned(),
                events: RecordedCameras {
                    cameras: 2,
                    bytes: 0,
                },
                ..RecorderStatus::default()
            })
        );
    }
}
