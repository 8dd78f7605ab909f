//! The raw configuration: every key of the file with its type and default, before the checks.
//!
//! The same structure as JSON is the body of a document for the control socket. `raw_wall.rs` has the wall's table.

use std::time::Duration;

use super::declare::settings;
use super::duration::{MINUTE, SECOND, Span};
use super::raw_role::{STALL_LIMITS, START_LIMITS, role_settings};
use super::{
    Auto, Backend, DecodeChoice, Encoding, OpenVinoPrecision, RawRecord, RawWall, RecordChoice,
    SecretRef, StreamChoice, Transport, UriText,
};

settings! {
    /// The configuration of every role: broker, cameras, analysis and display.
    #[schemars(title = "nvr configuration")]
    pub struct RawSettings {
        /// Name of this processor or wall on the broker: letters, digits, `-`, `_` and `.`. Default: hostname and a part of
        /// the machine id.
        pub instance_id: Option<String>;
        /// Directories that are searched for models before ./models, the cache, /usr/share/nvr/models and
        /// /var/lib/nvr/models. Default: none.
        pub models_dirs: Vec<String>;
        /// Host names, in addition to `localhost`, under which a page on loopback answers: those of a proxy in front of it.
        /// Default: none.
        pub http_hosts: Vec<String>;
        /// Broker and topics.
        pub mqtt: RawMqtt;
        /// Cameras. Default: six, with the ids 0 to 5 and the addresses `{stream server}/live{id}.stream`.
        pub camera: Option<Vec<RawCamera>>;
        /// Detection, tracking and publication.
        pub processor: RawProcessor;
        /// Recording of what the cameras send.
        pub record: RawRecord;
        /// Display of the cameras on monitors.
        pub wall: RawWall;
    }
}

impl RawSettings {
    /// Makes relative paths absolute, starting from `base`. The output of `nvr config show` is then valid in any directory.
    pub(super) fn make_absolute(&mut self, base: &std::path::Path) {
        let join = |path: &mut String| {
            if let Some(joined) = base.join(path.as_str()).to_str() {
                *path = joined.to_owned();
            }
        };
        self.models_dirs.iter_mut().for_each(join);
        self.wall.snapshot.iter_mut().for_each(join);
        // An empty one is refused later, and does not become `base`.
        let of_record = [&mut self.record.dir, &mut self.record.next_dir];
        let of_record = of_record.into_iter().flatten();
        of_record.filter(|dir| !dir.is_empty()).for_each(join);
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
                uri.make_absolute(base);
            }
        }
    }
}

/// Default port of the broker.
pub(super) const fn usual_port(tls: bool) -> u16 {
    if tls { 8883 } else { 1883 }
}

settings! {
    /// Connection to the broker and topics.
    #[schemars(rename = "Mqtt")]
    pub struct RawMqtt {
        /// Name or address of the broker, `host:port`, `mqtt://host:port` or `mqtts://host:port`.
        pub host: String = "localhost".to_owned();
        /// Port of the broker. Default: 1883; 8883 with TLS.
        pub port: Option<i64>, within 1..=65535;
        /// User name at the broker. Default: $MQTT_USERNAME if it is set, else none.
        pub username: Option<SecretRef>;
        /// Password at the broker. Default: $MQTT_PASSWORD if it is set, else none.
        pub password: Option<SecretRef>;
        /// First levels of every topic.
        pub topic_root: String = "nvr".to_owned();
        /// First levels of the topics of detections. Default: `{topic_root}/detections`.
        pub topic_prefix: Option<String>;
        /// Quality of service of detections: 0, 1 or 2.
        pub qos: i64 = 0, within 0..=2;
        /// TLS to the broker; an empty table also turns it on. Default: none.
        pub tls: Option<RawTls>;
    }
}

settings! {
    /// Files of a TLS client. Relative paths start from the directory of the configuration file.
    #[schemars(rename = "Tls")]
    pub struct RawTls {
        /// Certificate authorities, PEM. Default: the system's.
        pub ca: Option<String>;
        /// Client certificate chain, PEM, if the broker requires one. Default: none.
        pub certificate: Option<String>;
        /// Private key of the client certificate, PEM. Default: none.
        pub key: Option<String>;
    }
}

/// Default jitter buffer of a camera.
pub(super) const JITTER_BUFFER: Duration = Duration::from_millis(50);

settings! {
    /// One camera: its address, and the settings that override those of the role.
    #[schemars(rename = "Camera")]
    pub struct RawCamera {
        /// Id of the camera, `source_id` in events. No default.
        #[schemars(required)]
        pub id: Option<i64>, within 0..=i64::from(u32::MAX);
        /// Name of the camera, as tiles show it. Default: none.
        pub name: Option<String>;
        /// Address of the main stream: rtsp://, rtsps://, v4l2:///dev/video0, csi:0, file:///path, a path, or
        /// `test-pattern:?width=1280&height=720&fps=25&objects=3`. No default.
        #[schemars(required)]
        pub uri: Option<UriText>;
        /// Address of the sub-stream, which has a lower resolution. Default: none.
        pub sub_uri: Option<UriText>;
        /// Id under which the main stream is recorded too, beside the sub-stream that is analysed. It has the boxes and the events of the
        /// sub-stream. Default: the main stream is not recorded then.
        pub main_id: Option<i64>, within 0..=i64::from(u32::MAX);
        /// User name, if the URI does not have one. Default: none.
        pub username: Option<SecretRef>;
        /// Password of this user. Default: none.
        pub password: Option<SecretRef>;
        /// Transport of RTP: tcp or udp.
        pub transport: Transport = Transport::Tcp;
        /// Length of the jitter buffer, up to {most}. Default: 50ms.
        pub jitter_buffer: Option<Span>, within Duration::ZERO..=10 * SECOND;
        /// Verification of the certificate of an rtsps:// camera. Default: the system's authorities.
        pub tls: Option<RawCameraTls>;
        /// Classes that are published for this camera. Default: the processor's.
        pub classes: Option<Vec<String>>;
        /// Minimum confidence of a published detection of this camera, {least}–{most}. Default: the processor's.
        pub confidence: Option<f64>, within 0.0..=1.0;
        /// Maximum inference rate of this camera, in frames per second. Default: the processor's.
        pub max_fps: Option<f64>;
        /// Pictures that a processor decodes: auto (as few as max_fps needs: key frames alone where they come often enough), all, or
        /// key (key frames alone).
        pub decode: DecodeChoice = DecodeChoice::Auto;
        /// What of this camera is recorded, if the table `record` names a directory: continuous, events, or off.
        pub record: RecordChoice = RecordChoice::Continuous;
        /// Classes whose objects are events of this camera. Default: those of the table `record`.
        pub event_classes: Option<Vec<String>>;
        /// Maximum time without an access unit from this camera. Default: the role's.
        pub stall_limit: Option<Span>, within STALL_LIMITS;
        /// Maximum time from PLAY to the first decoded frame of this camera. Default: the role's.
        pub start_limit: Option<Span>, within START_LIMITS;
    }
}

settings! {
    /// Verification of the certificate of an rtsps:// camera.
    #[schemars(rename = "CameraTls")]
    pub struct RawCameraTls {
        /// Certificate authorities, PEM, in addition to the system's. A relative path starts from the directory of the
        /// configuration file. Default: none.
        pub ca: Option<String>;
        /// SHA-256 of the only accepted certificate: 64 hexadecimal digits, colons allowed. Default: none.
        pub pin: Option<String>;
    }
}

role_settings! {
    /// Detection, tracking and publication.
    #[schemars(rename = "Processor")]
    pub struct RawProcessor {
        {
            /// Model id. Default: yolov8x-640 if it is installed, else the model that `nvr model default` names.
            pub model: Option<String>;
            /// Inference backend: auto, tensorrt, tensorrt-rtx, openvino, onnxruntime, rten, scripted, or none: the sources run and are not
            /// analysed.
            pub backend: Backend = Backend::Auto;
            /// Precision in which the backend openvino computes: f32, or bf16, which is faster on processors with AVX-512 or AMX, and
            /// moves boxes by up to a pixel.
            pub openvino_precision: OpenVinoPrecision = OpenVinoPrecision::F32;
            /// Number of threads of the inference engine, of all lanes together. Default: the number of cores.
            pub threads: Option<i64>, within 1..=256;
            /// Number of lanes, instances of the network that work at once, or auto: 3 with tensorrt and tensorrt-rtx; on the CPU 1 for
            /// one camera, and for several the number that infers the most pictures, which is measured once. Default: auto.
            pub lanes: Option<Auto<i64>>, within 1..=64;
            /// Minimum confidence of a published detection, {least}–{most}.
            pub confidence: f64 = 0.5, within 0.0..=1.0;
            /// IoU threshold of non-maximum suppression, {least}–{most}: of two boxes of one class with a larger overlap, the one
            /// with the lower confidence is dropped.
            pub iou: f64 = 0.45, within 0.0..=1.0;
            /// Classes that are published. Default: all.
            pub classes: Option<Vec<String>>;
            /// Maximum inference rate per camera, in frames per second. Default: no limit.
            pub max_fps: Option<f64>;
            /// Stream of a camera that is analysed: main, or sub (main if the camera has no sub-stream).
            pub stream: StreamChoice = StreamChoice::Sub;
            /// Whether detections are tracked and get tracker ids.
            pub tracking: bool = true;
            /// Encoding of events: json, postcard or both.
            pub encoding: Encoding = Encoding::Json;
        }
        limits
        {
            /// Address of the page of the recordings, /metrics and /healthz, as address:port; outside loopback recordings are
            /// shown with `http_token` only. Default: none, nothing is served.
            pub http: Option<String>;
            /// Token that a viewer of the page must give. Default: $NVR_HTTP_TOKEN if it is set, else none.
            pub http_token: Option<SecretRef>;
        }
        watchdog
        {
            /// Inference time per frame of the `scripted` backend, up to {most}.
            pub scripted_delay: Span = Span(Duration::ZERO), within Duration::ZERO..=MINUTE;
        }
    }
}
