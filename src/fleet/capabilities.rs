//! The capabilities document: what a device can do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SCHEMA;
use crate::event::{DecodeError, decode_json};

/// What a device can do. Retained on `{root}/fleet/{device}/capabilities`, on change. Fields that a device does not know are empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "capabilities of a device")]
#[serde(default)]
pub struct DeviceCapabilities {
    /// Version of this schema: 1.
    pub schema: u32,
    /// Version of `nvr`.
    pub version: String,
    /// The machine.
    pub machine: Machine,
    /// Inference backends that work here: `tensorrt`, `tensorrt-rtx`, `openvino`, `onnxruntime`, `rten`,
    /// `scripted`.
    pub backends: Vec<String>,
    /// Models that are installed.
    pub models: Vec<String>,
    /// Measured inference rates.
    pub inference: Vec<InferenceRate>,
    /// Decoders that work here.
    pub decoders: Vec<DecoderAbility>,
    /// Outputs for monitors.
    pub outputs: Vec<OutputAbility>,
    /// Verbs of commands that the device knows.
    pub verbs: Vec<String>,
}

/// The machine of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Machine {
    /// Its board or model, as the system names it.
    pub board: String,
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// Number of processor cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Number of DLA cores, accelerators for inference besides the GPU. Null if unknown.
    pub dla_cores: Option<u32>,
}

/// A measured inference rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InferenceRate {
    /// Id of the model.
    pub model: String,
    /// The backend.
    pub backend: String,
    /// Frames per second that the detector reaches without a pause, all sources together.
    #[schemars(range(min = 0))]
    pub fps: f64,
}

/// The decoder of a codec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DecoderAbility {
    /// `h264`, `h265` or `mjpeg`.
    pub codec: String,
    /// Its element, such as `nvv4l2decoder`.
    pub element: String,
    /// Whether it decodes in hardware.
    pub hardware: bool,
    /// Maximum number of sessions at once. Null if unknown or without limit.
    pub sessions: Option<u32>,
    /// Maximum number of decoded pixels per second, all sessions together. Null if unknown.
    pub pixels_per_second: Option<u64>,
}

/// An output for a monitor, whether the wall uses it or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OutputAbility {
    /// Its connector, such as `HDMI-A-1`.
    pub connector: String,
    /// Whether a monitor is connected.
    pub connected: bool,
    /// Number of planes that the wall uses on it; 0 while it shows nothing there.
    pub planes: u32,
}

impl DeviceCapabilities {
    /// Capabilities of this version of `nvr`, of which nothing else is known yet.
    pub fn new() -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Self::default()
        }
    }

    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("invariant: capabilities have string keys and finite numbers")
    }

    /// Reads JSON. Unknown fields are ignored.
    ///
    /// # Errors
    /// When the payload is over 1 MiB or not of the schema.
    pub fn from_json(payload: &[u8]) -> Result<Self, DecodeError> {
        decode_json(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_read_back_and_those_of_other_versions_are_read() {
        let known = DeviceCapabilities {
            inference: vec![InferenceRate {
                model: "yolov8n-640".to_owned(),
                backend: "tensorrt".to_owned(),
                fps: 96.5,
            }],
            verbs: vec!["ping".to_owned()],
            ..DeviceCapabilities::new()
        };
        let read = DeviceCapabilities::from_json(&known.to_json()).expect("own JSON is good");
        assert_eq!(read, known);
        let newer = br#"{"schema":2,"npu":{"tops":13},"machine":{"cores":6,"fan":true}}"#;
        let read = DeviceCapabilities::from_json(newer).expect("a reader is lenient");
        assert_eq!((read.schema, read.machine.cores), (2, 6));
        DeviceCapabilities::from_json(b"[1").expect_err("no JSON");
    }

    #[test]
    fn a_rate_that_is_no_number_is_written_as_null() {
        let mut known = DeviceCapabilities::new();
        known.inference = vec![InferenceRate::default()];
        known.inference[0].fps = f64::NAN;
        let text = String::from_utf8(known.to_json()).expect("JSON is text");
        assert!(text.contains(r#""fps":null"#), "{text}");
    }
}
