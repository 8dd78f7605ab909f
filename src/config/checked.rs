//! The checked configuration, from which the other modules are built.
//!
//! `check.rs` makes these types from the raw settings; every value has passed its checks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::choice::choice;
use super::{RecordChoice, RecordSettings, Secret, WallSettings};
use crate::base::{Size, SourceId};

/// Everything a role needs to start.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name of this processor or wall on the broker; stable across restarts.
    pub instance_id: String,
    /// Broker and topics.
    pub mqtt: MqttSettings,
    /// Cameras by id, each with the stream and the limits of the role. A processor has at least one, a wall may have none.
    pub sources: BTreeMap<SourceId, SourceSettings>,
    /// Detection and tracking.
    pub processor: ProcessorSettings,
    /// Recording of what the cameras of a processor send; `None` if nothing is recorded.
    pub record: Option<RecordSettings>,
    /// Display of the cameras on monitors.
    pub wall: WallSettings,
    /// Directories that are searched for models, in order.
    pub models_dirs: Vec<PathBuf>,
    /// Address of the page of a processor; `None` if it is not served.
    pub http: Option<SocketAddr>,
    /// Token for the page of a processor.
    pub http_token: Option<Secret>,
    /// Host names, in addition to those of loopback, under which a page on loopback answers.
    pub http_hosts: Vec<String>,
    /// Whether a processor feeds systemd's watchdog.
    pub watchdog: bool,
}

/// Connection to the broker and topics.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttSettings {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name, read from its reference.
    pub username: Option<Secret>,
    /// Password, read from its reference.
    pub password: Option<Secret>,
    /// TLS; `None` means a connection without TLS.
    pub tls: Option<TlsSettings>,
    /// First levels of every topic.
    pub topic_root: String,
    /// First levels of the topics of detections.
    pub detections_prefix: String,
    /// Quality of service of detections: 0, 1 or 2.
    pub qos: u8,
    /// Encodings in which events are published.
    pub encoding: Encoding,
}

impl MqttSettings {
    /// Host and port: `broker:1883`, `[::1]:1883`.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The broker as a URL, without its login.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        format!("{scheme}://{}", self.address())
    }
}

/// Files of a TLS client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    /// Certificate authorities, PEM; `None` means the system's.
    pub ca: Option<PathBuf>,
    /// Client certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Private key of the client certificate, PEM.
    pub key: Option<PathBuf>,
}

choice! {
    /// Encodings of a detection event.
    Encoding {
        /// JSON, by the published schema.
        #[default]
        Json,
        /// Postcard after a version byte, on separate topics.
        Postcard,
        /// Both encodings.
        Both,
    }
}

/// One camera with its stream and its analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSettings {
    /// Id of the camera, `source_id` in events.
    pub id: SourceId,
    /// Name of the camera.
    pub name: Option<String>,
    /// Connection to the camera. A change restarts the source.
    pub stream: StreamSettings,
    /// Analysis. A change is applied without a restart of the source.
    pub analysis: AnalysisSettings,
    /// What of it is recorded. A change restarts the source.
    pub record: RecordChoice,
    /// Classes whose objects are events; `None` means all that are published. A change restarts the source, if it is recorded.
    pub event_classes: Option<Vec<String>>,
    /// The source that records the main stream of this camera, whose sub-stream this one is.
    pub main: Option<SourceId>,
    /// The source that analyses the sub-stream of this camera. This one is its main stream, and is only recorded.
    pub sub: Option<SourceId>,
}

impl SourceSettings {
    /// Whether it is not analysed, because another source analyses the sub-stream of its camera.
    pub fn is_only_recorded(&self) -> bool {
        self.sub.is_some()
    }
}

/// Connection to a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSettings {
    /// Address of the stream.
    pub location: Location,
    /// Login, if one is configured.
    pub credentials: Option<Credentials>,
    /// Transport of RTP.
    pub transport: Transport,
    /// Length of the jitter buffer.
    pub jitter_buffer: Duration,
    /// Verification of the camera's certificate.
    pub tls: SourceTls,
    /// Maximum time without an access unit.
    pub stall_limit: Duration,
    /// Maximum time from PLAY to the first decoded frame.
    pub start_limit: Duration,
}

/// Address of a stream. Displayed as a URI without login, for logs, events and pages.
#[derive(Clone, PartialEq)]
pub enum Location {
    /// `rtsp://` or `rtsps://`, without user and password.
    Rtsp(Url),
    /// A V4L2 device, `v4l2:///dev/video0`.
    V4l2(PathBuf),
    /// Number of a sensor on a Jetson's CSI connectors, `csi:0`.
    Csi(u32),
    /// A video file, played in real time in a loop.
    File(PathBuf),
    /// A still image (JPEG or PNG), one frame per second.
    Image(PathBuf),
    /// The built-in test pattern, `test-pattern:?width=1280&height=720&fps=25&objects=3`.
    TestPattern(TestPattern),
}

/// Parameters of the test pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestPattern {
    /// Size of the picture; 1280×720 by default.
    pub size: Size,
    /// Frame rate in frames per second; 25 by default.
    pub fps: f64,
    /// Number of moving objects; 3 by default.
    pub objects: u32,
}

/// A camera's login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: Secret,
    /// Password.
    pub password: Secret,
}

choice! {
    /// Stream of a camera that is analysed or shown.
    StreamChoice {
        /// `uri`.
        Main,
        /// `sub_uri` if the camera has one, else `uri`.
        #[default]
        Sub,
    }
}

choice! {
    /// Pictures of a camera that are decoded for its analysis.
    DecodeChoice {
        /// As few as `max_fps` needs: key frames alone where they come often enough.
        #[default]
        Auto,
        /// All.
        All,
        /// Key frames alone.
        Key,
    }
}

choice! {
    /// Transport of RTP.
    Transport {
        /// TCP, interleaved in the RTSP connection.
        #[default]
        Tcp,
        /// UDP.
        Udp,
    }
}

/// Verification of the certificate of an RTSPS camera.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceTls {
    /// Certificate authorities, PEM, in addition to the system's.
    pub ca: Option<PathBuf>,
    /// SHA-256 of the only accepted certificate, which may be self-signed.
    pub pinned_sha256: Option<[u8; 32]>,
}

/// Analysis of a camera's frames.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisSettings {
    /// Minimum confidence of a published detection, 0–1.
    pub confidence: f32,
    /// Classes that are published; `None` means all.
    pub classes: Option<Vec<String>>,
    /// Maximum inference rate in frames per second; `None` means no limit.
    pub max_fps: Option<f64>,
    /// Pictures that are decoded.
    pub decode: DecodeChoice,
}

/// Detection and tracking of a processor.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessorSettings {
    /// Model.
    pub model: ModelChoice,
    /// Inference backend.
    pub backend: Backend,
    /// Precision in which the backend `openvino` computes.
    pub openvino_precision: OpenVinoPrecision,
    /// IoU threshold of non-maximum suppression, 0–1.
    pub iou: f32,
    /// Number of threads of the inference engine, of all lanes together; `None` means the number of cores.
    pub threads: Option<usize>,
    /// Number of instances of the network that work at once; `None` leaves it to the backend.
    pub lanes: Option<usize>,
    /// Whether detections are tracked and get tracker ids.
    pub tracking: bool,
    /// Inference time per frame of the `scripted` backend.
    pub scripted_delay: Duration,
    /// Maximum time without progress of a stage. Then the stage counts as stuck.
    pub stage_limit: Duration,
    /// Wait before the first retry of a failed source.
    pub retry_first: Duration,
    /// Maximum wait before a retry of a failed source.
    pub retry_longest: Duration,
}

/// Choice of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelChoice {
    /// Id that the operator configured. It is an error if this model is missing.
    Named(String),
    /// The published default model if it is installed, else the one that `nvr model default` names.
    Default,
}

choice! {
    /// Precision in which OpenVINO computes.
    OpenVinoPrecision {
        /// 32-bit floats.
        #[default]
        F32,
        /// Floats of 16 bits with the exponent of 32-bit ones, where the processor has them; else 32-bit floats.
        Bf16,
    }
}

choice! {
    /// Inference backend.
    Backend {
        /// The first available one of tensorrt, tensorrt-rtx, openvino (where it is faster than onnxruntime), onnxruntime, rten.
        #[default]
        Auto,
        /// NVIDIA TensorRT.
        Tensorrt,
        /// NVIDIA TensorRT for RTX.
        #[serde(rename = "tensorrt-rtx")]
        TensorrtRtx,
        /// OpenVINO, inside a build of ONNX Runtime with it; opened at run time, x86-64 only.
        Openvino,
        /// ONNX Runtime; its library is opened at run time.
        Onnxruntime,
        /// The built-in pure Rust engine.
        Rten,
        /// No neural network: reads the object positions from the pixels of the test pattern.
        Scripted,
        /// No detector: the sources run, and are not analysed.
        None,
    }
}
