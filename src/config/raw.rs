//! The configuration as it is written: every key of the file, its default, and nothing checked yet.
//!
//! The same structure as JSON is the body of a document for the control socket. The wall's table is next door.

use std::time::Duration;

use super::declare::settings;
use super::duration::{MINUTE, SECOND, Span};
use super::raw_role::{STALL_LIMITS, START_LIMITS, role_settings};
use super::{Backend, Encoding, RawWall, SecretRef, StreamChoice, Transport, UriText};

settings! {
    /// One file for every role: the broker, the cameras, how they are analysed and how they are shown.
    #[schemars(title = "nvr configuration")]
    pub struct RawSettings {
        /// Who publishes: letters, digits, `-`, `_` and `.`. Default: hostname and a part of the machine id.
        pub instance_id: Option<String>;
        /// Directories in which models are sought before ./models, the cache, /usr/share/nvr/models and
        /// /var/lib/nvr/models. Default: none.
        pub models_dirs: Vec<String>;
        /// Names under which a page on loopback is asked for beside `localhost`: those of a proxy before it. Default: none.
        pub http_hosts: Vec<String>;
        /// The broker and the topics.
        pub mqtt: RawMqtt;
        /// The cameras. Default: six of them, 0–5, at `{stream server}/live{id}.stream`.
        pub camera: Option<Vec<RawCamera>>;
        /// Detection, tracking and publication.
        pub processor: RawProcessor;
        /// What a wall shows, where, and how.
        pub wall: RawWall;
    }
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

/// The default of the broker's port.
pub(super) const fn usual_port(tls: bool) -> u16 {
    if tls { 8883 } else { 1883 }
}

settings! {
    /// How the broker is reached and what is published where.
    #[schemars(rename = "Mqtt")]
    pub struct RawMqtt {
        /// Name or address of the broker, `host:port`, `mqtt://host:port` or `mqtts://host:port`.
        pub host: String = "localhost".to_owned();
        /// Its port. Default: 1883; 8883 with TLS.
        pub port: Option<i64>, within 1..=65535;
        /// User name. Default: $MQTT_USERNAME where it is set, else none.
        pub username: Option<SecretRef>;
        /// Password. Default: $MQTT_PASSWORD where it is set, else none.
        pub password: Option<SecretRef>;
        /// First levels of every topic.
        pub topic_root: String = "nvr".to_owned();
        /// First levels of the detections' topics. Default: `{topic_root}/detections`.
        pub topic_prefix: Option<String>;
        /// Quality of service of detections: 0, 1 or 2.
        pub qos: i64 = 0, within 0..=2;
        /// TLS, also where the table is empty. Default: none.
        pub tls: Option<RawTls>;
    }
}

settings! {
    /// Files of a TLS client; relative ones lie beside the configuration file.
    #[schemars(rename = "Tls")]
    pub struct RawTls {
        /// Certificate authorities in PEM. Default: the system's.
        pub ca: Option<String>;
        /// Our certificate chain in PEM, where the broker asks for one. Default: none.
        pub certificate: Option<String>;
        /// Its private key in PEM. Default: none.
        pub key: Option<String>;
    }
}

/// The default of a camera's jitter buffer.
pub(super) const JITTER_BUFFER: Duration = Duration::from_millis(50);

settings! {
    /// One camera: how it is reached, and what is different in its analysis.
    #[schemars(rename = "Camera")]
    pub struct RawCamera {
        /// Its number, `source_id` on the wire. No default.
        #[schemars(required)]
        pub id: Option<i64>, within 0..=i64::from(u32::MAX);
        /// What people call it. Default: none.
        pub name: Option<String>;
        /// Its main stream: rtsp://, rtsps://, v4l2:///dev/video0, csi:0, file:///path, a path, or
        /// `test-pattern:?width=1280&height=720&fps=25&objects=3`. No default.
        #[schemars(required)]
        pub uri: Option<UriText>;
        /// Its smaller stream. Default: none.
        pub sub_uri: Option<UriText>;
        /// Login, where it is not in the URI. Default: none.
        pub username: Option<SecretRef>;
        /// Password of the login. Default: none.
        pub password: Option<SecretRef>;
        /// How RTP travels: tcp or udp.
        pub transport: Transport = Transport::Tcp;
        /// How much jitter is evened out, up to {most}. Default: 50ms.
        pub jitter_buffer: Option<Span>, within Duration::ZERO..=10 * SECOND;
        /// How an rtsps:// camera is trusted. Default: the system's authorities.
        pub tls: Option<RawCameraTls>;
        /// Classes that are published of this camera. Default: the processor's.
        pub classes: Option<Vec<String>>;
        /// Least confidence of what is published of this camera. Default: the processor's.
        pub confidence: Option<f64>, within 0.0..=1.0;
        /// Most frames a second that are inferred of this camera. Default: the processor's.
        pub max_fps: Option<f64>;
        /// Longest time without an access unit from this camera. Default: the role's.
        pub stall_limit: Option<Span>, within STALL_LIMITS;
        /// Longest time to the first decoded frame of this camera. Default: the role's.
        pub start_limit: Option<Span>, within START_LIMITS;
    }
}

settings! {
    /// How the certificate of an rtsps:// camera is trusted.
    #[schemars(rename = "CameraTls")]
    pub struct RawCameraTls {
        /// Certificate authorities in PEM beside the system's; a relative path starts beside the configuration file.
        /// Default: none.
        pub ca: Option<String>;
        /// SHA-256 of the one certificate that is accepted, as 64 hexadecimal digits, colons allowed. Default: none.
        pub pin: Option<String>;
    }
}

role_settings! {
    /// Detection, tracking and publication.
    #[schemars(rename = "Processor")]
    pub struct RawProcessor {
        {
            /// Which model, by its id. Default: yolov8x-640 where it is installed, else the one that `nvr model default` names.
            pub model: Option<String>;
            /// What runs it: auto, tensorrt, onnxruntime, rten or scripted.
            pub backend: Backend = Backend::Auto;
            /// Threads of the inference engine. Default: as many as the machine has cores.
            pub threads: Option<i64>, within 1..=256;
            /// Least confidence of what is published, {least}–{most}.
            pub confidence: f64 = 0.5, within 0.0..=1.0;
            /// Overlap (IoU) above which the weaker of two boxes of one class is dropped, {least}–{most}.
            pub iou: f64 = 0.45, within 0.0..=1.0;
            /// Classes that are published. Default: all.
            pub classes: Option<Vec<String>>;
            /// Most frames a second and camera that are inferred. Default: no limit.
            pub max_fps: Option<f64>;
            /// Which of a camera's streams is analysed: main, or sub where there is one.
            pub stream: StreamChoice = StreamChoice::Sub;
            /// Whether detections are joined to tracks.
            pub tracking: bool = true;
            /// Encoding of events: json, postcard or both.
            pub encoding: Encoding = Encoding::Json;
        }
        limits
        {
            /// Where /metrics and /healthz are served, as address:port. Default: nowhere.
            pub http: Option<String>;
        }
        watchdog
        {
            /// How long the `scripted` backend takes over a frame, up to {most}.
            pub scripted_delay: Span = Span(Duration::ZERO), within Duration::ZERO..=MINUTE;
        }
    }
}
