//! The configuration as it is written: every key of the file, its default, and nothing checked yet.
//!
//! The same structure as JSON is the body of a document for the control socket. The wall's table is next door.

use serde::{Deserialize, Serialize};

use super::duration::Span;
use super::{Backend, Encoding, RawWall, SecretRef, StreamChoice, Transport, UriText};

/// One file for every role: the broker, the cameras, how they are analysed and how they are shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "nvr configuration")]
pub struct RawSettings {
    /// Who publishes: letters, digits, `-`, `_` and `.`. Default: hostname and a part of the machine id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Directories in which models are sought before ./models, the cache, /usr/share/nvr/models and
    /// /var/lib/nvr/models. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models_dirs: Vec<String>,
    /// Names under which a page on loopback is asked for beside `localhost`: those of a proxy before it. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http_hosts: Vec<String>,
    /// The broker and the topics.
    pub mqtt: RawMqtt,
    /// The cameras. Default: six of them, 0–5, at `{stream server}/live{id}.stream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<Vec<RawCamera>>,
    /// Detection, tracking and publication.
    pub processor: RawProcessor,
    /// What a wall shows, where, and how.
    pub wall: RawWall,
}

impl RawSettings {
    /// Makes relative paths absolute, from `base` on, so that what is shown means the same anywhere.
    pub(super) fn anchor(&mut self, base: &std::path::Path) {
        let join = |path: &mut String| {
            if let Some(joined) = base.join(path.as_str()).to_str() {
                *path = joined.to_owned();
            }
        };
        self.models_dirs.iter_mut().for_each(join);
        self.wall.snapshot.iter_mut().for_each(join);
        if let Some(tls) = &mut self.mqtt.tls {
            let files = [&mut tls.ca, &mut tls.certificate, &mut tls.key];
            files.into_iter().flatten().for_each(join);
        }
        for camera in self.camera.iter_mut().flatten() {
            camera
                .tls
                .iter_mut()
                .filter_map(|tls| tls.ca.as_mut())
                .for_each(join);
            for uri in [&mut camera.uri, &mut camera.sub_uri].into_iter().flatten() {
                uri.anchor(base);
            }
        }
    }
}

/// How the broker is reached and what is published where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Mqtt")]
pub struct RawMqtt {
    /// Name or address of the broker, `host:port`, `mqtt://host:port` or `mqtts://host:port`. Default: localhost.
    pub host: String,
    /// Its port. Default: 1883; 8883 with TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
    /// User name. Default: $MQTT_USERNAME where it is set, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<SecretRef>,
    /// Password. Default: $MQTT_PASSWORD where it is set, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// First levels of every topic. Default: nvr.
    pub topic_root: String,
    /// First levels of the detections' topics. Default: `{topic_root}/detections`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_prefix: Option<String>,
    /// Quality of service of detections: 0, 1 or 2. Default: 0.
    #[schemars(range(min = 0, max = 2))]
    pub qos: i64,
    /// TLS, also where the table is empty. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RawTls>,
}

impl Default for RawMqtt {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: None,
            username: None,
            password: None,
            topic_root: "nvr".to_owned(),
            topic_prefix: None,
            qos: 0,
            tls: None,
        }
    }
}

/// Files of a TLS client; relative ones lie beside the configuration file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Tls")]
pub struct RawTls {
    /// Certificate authorities in PEM. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Our certificate chain in PEM, where the broker asks for one. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Its private key in PEM. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// One camera: how it is reached, and what is different in its analysis.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Camera")]
pub struct RawCamera {
    /// Its number, `source_id` on the wire. No default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, range(min = 0, max = 4294967295u32))]
    pub id: Option<i64>,
    /// What people call it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its main stream: rtsp://, rtsps://, v4l2:///dev/video0, csi:0, file:///path, a path, or
    /// `test-pattern:?width=1280&height=720&fps=25&objects=3`. No default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub uri: Option<UriText>,
    /// Its smaller stream. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_uri: Option<UriText>,
    /// Login, where it is not in the URI. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<SecretRef>,
    /// Password of the login. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// How RTP travels: tcp or udp. Default: tcp.
    pub transport: Transport,
    /// How much jitter is evened out, up to 10s. Default: 50ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_buffer: Option<Span>,
    /// How an rtsps:// camera is trusted. Default: the system's authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RawCameraTls>,
    /// Classes that are published of this camera. Default: the processor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Least confidence of what is published of this camera. Default: the processor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub confidence: Option<f64>,
    /// Most frames a second that are inferred of this camera. Default: the processor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<f64>,
    /// Longest time without an access unit from this camera. Default: the role's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_limit: Option<Span>,
    /// Longest time to the first decoded frame of this camera. Default: the role's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_limit: Option<Span>,
}

/// How the certificate of an rtsps:// camera is trusted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "CameraTls")]
pub struct RawCameraTls {
    /// Certificate authorities in PEM beside the system's; a relative path starts beside the configuration file.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// SHA-256 of the one certificate that is accepted, as 64 hexadecimal digits, colons allowed. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// Detection, tracking and publication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Processor")]
pub struct RawProcessor {
    /// Which model, by its id. Default: yolov8x-640 where it is installed, else the one that `nvr model default` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What runs it: auto, tensorrt, onnxruntime, rten or scripted. Default: auto.
    pub backend: Backend,
    /// Threads of the inference engine. Default: as many as the machine has cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub threads: Option<i64>,
    /// Least confidence of what is published, 0–1. Default: 0.5.
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f64,
    /// Overlap (IoU) above which the weaker of two boxes of one class is dropped, 0–1. Default: 0.45.
    #[schemars(range(min = 0, max = 1))]
    pub iou: f64,
    /// Classes that are published. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Most frames a second and camera that are inferred. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<f64>,
    /// Which of a camera's streams is analysed: main, or sub where there is one. Default: sub.
    pub stream: StreamChoice,
    /// Whether detections are joined to tracks. Default: true.
    pub tracking: bool,
    /// Encoding of events: json, postcard or both. Default: json.
    pub encoding: Encoding,
    /// Longest time without an access unit, 500ms to 1h; then the camera's session starts anew. Default: 5s.
    pub stall_limit: Span,
    /// Longest time from PLAY to the first decoded frame, 1s to 1h. Default: 20s.
    pub start_limit: Span,
    /// Longest time that a stage may go without progress before it counts as stuck, 12s to 1h. Default: 30s.
    pub stage_limit: Span,
    /// First wait before a failed camera is tried again; it doubles. 50ms to `retry_longest`. Default: 500ms.
    pub retry_first: Span,
    /// Longest wait before a failed camera is tried again, up to 1h. Default: 30s.
    pub retry_longest: Span,
    /// Where /metrics and /healthz are served, as address:port. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Whether systemd's watchdog is fed while all stages make progress. Default: true.
    pub watchdog: bool,
    /// How long the `scripted` backend takes over a frame, up to 1m. Default: 0s.
    pub scripted_delay: Span,
}

impl Default for RawProcessor {
    fn default() -> Self {
        use std::time::Duration;
        Self {
            model: None,
            backend: Backend::Auto,
            threads: None,
            confidence: 0.5,
            iou: 0.45,
            classes: None,
            max_fps: None,
            stream: StreamChoice::Sub,
            tracking: true,
            encoding: Encoding::Json,
            stall_limit: Span(Duration::from_secs(5)),
            start_limit: Span(Duration::from_secs(20)),
            stage_limit: Span(Duration::from_secs(30)),
            retry_first: Span(Duration::from_millis(500)),
            retry_longest: Span(Duration::from_secs(30)),
            http: None,
            watchdog: true,
            scripted_delay: Span(Duration::ZERO),
        }
    }
}
