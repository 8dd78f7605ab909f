//! The configuration after every check: what the rest of the program is built from.
//!
//! A value of these types is right by construction; raw settings, layers and checks are next door.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::choice::choice;
use super::{Secret, WallSettings};
use crate::base::{Size, SourceId};

/// Everything a role needs to start.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who publishes; stable across restarts.
    pub instance_id: String,
    /// The broker and the topics.
    pub mqtt: MqttSettings,
    /// The cameras, by id, each with the stream and the limits that the role chose: a processor has at least one, and a
    /// wall may have none.
    pub sources: BTreeMap<SourceId, SourceSettings>,
    /// Detection and tracking.
    pub processor: ProcessorSettings,
    /// What a wall shows.
    pub wall: WallSettings,
    /// Where models are sought, in order.
    pub models_dirs: Vec<PathBuf>,
    /// Where a processor serves /metrics and /healthz; nowhere where absent.
    pub http: Option<SocketAddr>,
    /// Names under which a page on loopback may be asked for, beside those of loopback.
    pub http_hosts: Vec<String>,
    /// Whether a processor feeds systemd's watchdog.
    pub watchdog: bool,
}

/// How the broker is reached and what is published where.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttSettings {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name, resolved.
    pub username: Option<Secret>,
    /// Password, resolved.
    pub password: Option<Secret>,
    /// TLS where set.
    pub tls: Option<TlsSettings>,
    /// First levels of every topic.
    pub topic_root: String,
    /// First levels of the detections' topics.
    pub detections_prefix: String,
    /// Quality of service of detections: 0, 1 or 2.
    pub qos: u8,
    /// Which encodings of an event are published.
    pub encoding: Encoding,
}

impl MqttSettings {
    /// Host and port, as they are written: `broker:1883`, `[::1]:1883`.
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
    /// Certificate authorities in PEM; the system's where absent.
    pub ca: Option<PathBuf>,
    /// Our certificate chain in PEM, where the broker asks for one.
    pub certificate: Option<PathBuf>,
    /// Its private key in PEM.
    pub key: Option<PathBuf>,
}

choice! {
    /// Encodings of a detection event.
    Encoding {
        /// JSON, as the published schema has it.
        #[default]
        Json,
        /// Postcard behind a version byte, on topics of its own.
        Postcard,
        /// Both of them.
        Both,
    }
}

/// One camera: how it is reached, and how it is analysed.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSettings {
    /// Its number on the wire.
    pub id: SourceId,
    /// What people call it.
    pub name: Option<String>,
    /// A change here starts the source anew.
    pub stream: StreamSettings,
    /// A change here is taken over in place.
    pub analysis: AnalysisSettings,
}

/// How a camera is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSettings {
    /// Where it is.
    pub location: Location,
    /// Login, where it asks for one.
    pub credentials: Option<Credentials>,
    /// How RTP travels.
    pub transport: Transport,
    /// How much jitter is evened out.
    pub jitter_buffer: Duration,
    /// How RTSPS is trusted.
    pub tls: SourceTls,
    /// Longest time without an access unit.
    pub stall_limit: Duration,
    /// Longest time from PLAY to the first decoded frame.
    pub start_limit: Duration,
}

/// Where pictures come from. Displayed as a URI that never holds a login: what logs, events and pages may show.
#[derive(Clone, PartialEq)]
pub enum Location {
    /// `rtsp://` or `rtsps://`, without user and password.
    Rtsp(Url),
    /// A V4L2 device, `v4l2:///dev/video0`.
    V4l2(PathBuf),
    /// The sensor of a Jetson's CSI connector with that number, `csi:0`.
    Csi(u32),
    /// A video file, played in real time, once and again.
    File(PathBuf),
    /// A still image (JPEG or PNG), shown at one frame a second.
    Image(PathBuf),
    /// The built-in moving pattern, `test-pattern:?width=1280&height=720&fps=25&objects=3`.
    TestPattern(TestPattern),
}

/// What the moving pattern looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestPattern {
    /// Its size; 1280×720 by default.
    pub size: Size,
    /// Frames a second; 25 by default.
    pub fps: f64,
    /// How many objects move; 3 by default.
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
    /// Which of a camera's streams is analysed.
    StreamChoice {
        /// `uri`.
        Main,
        /// `sub_uri` where there is one, else `uri`.
        #[default]
        Sub,
    }
}

choice! {
    /// How RTP travels.
    Transport {
        /// Interleaved in the RTSP connection.
        #[default]
        Tcp,
        /// Datagrams.
        Udp,
    }
}

/// How the certificate of an RTSPS camera is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceTls {
    /// Authorities in PEM beside the system's.
    pub ca: Option<PathBuf>,
    /// SHA-256 of the one certificate that is accepted, self-signed or not.
    pub pinned_sha256: Option<[u8; 32]>,
}

/// How a camera's frames are analysed.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisSettings {
    /// Least confidence of what is published, 0–1.
    pub confidence: f32,
    /// Classes that are published; all where absent.
    pub classes: Option<Vec<String>>,
    /// Most frames a second that are inferred.
    pub max_fps: Option<f64>,
}

/// Detection and tracking of a processor.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessorSettings {
    /// Which model.
    pub model: ModelChoice,
    /// What runs it.
    pub backend: Backend,
    /// Overlap (IoU) above which the weaker of two boxes of one class is dropped, 0–1.
    pub iou: f32,
    /// Threads of the inference engine; absent: as many as the machine has cores.
    pub threads: Option<usize>,
    /// Whether detections are joined to tracks.
    pub tracking: bool,
    /// How long the `scripted` backend takes over a frame.
    pub scripted_delay: Duration,
    /// Longest time that a stage may go without progress before it counts as stuck.
    pub stage_limit: Duration,
    /// First wait before a failed source is tried again.
    pub retry_first: Duration,
    /// Longest wait before a failed source is tried again.
    pub retry_longest: Duration,
}

/// Which model is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelChoice {
    /// This one, named by the operator: its absence is an error.
    Named(String),
    /// The published default where it is installed, else the one that `nvr model default` names.
    Default,
}

choice! {
    /// What runs a model.
    Backend {
        /// The best that is there: tensorrt, onnxruntime, rten.
        #[default]
        Auto,
        /// NVIDIA TensorRT.
        Tensorrt,
        /// ONNX Runtime, its library opened at run time.
        Onnxruntime,
        /// The built-in pure Rust engine.
        Rten,
        /// No network: reads the object positions that the test pattern paints into its pictures.
        Scripted,
    }
}
