//! The options of `nvr processor` and `nvr config show`, each of them also a variable of the environment.
//!
//! An option that is not given is absent, so that it hides nothing of the file: the defaults named in the help texts
//! are those of the raw settings.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{Backend, Encoding, UriText};
use crate::base::{SourceId, parse_id_list};

/// Settings as options. Every one of them can also be given by the environment, as NVR_ and its name in capitals
/// (NVR_MQTT_HOST).
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Settings (options over environment over file over defaults)")]
pub struct Flags {
    /// Configuration file (TOML) [default: none; env: NVR_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,

    /// Who publishes [default: hostname and a part of the machine id]
    #[arg(long, value_name = "ID")]
    pub instance_id: Option<String>,

    /// Number of streams, 0 to N-1, of the stream server; takes the place of the file's cameras [default: 6, where the
    /// file has no cameras and neither --streams nor --source is given]
    #[arg(long, value_name = "N", conflicts_with = "streams")]
    pub n: Option<u32>,

    /// Ids of the streams, such as 0-5,8: of the file's cameras where it has any, else of the stream server
    #[arg(long, value_name = "IDS", value_parser = ids)]
    pub streams: Option<StreamIds>,

    /// RTSP server of the streams, used where the file has no cameras or --n is given [default: $STREAM_SERVER or
    /// rtsp://localhost:8554]
    #[arg(long, value_name = "URL", value_parser = uri)]
    pub stream_server: Option<UriText>,

    /// What follows the stream server; {id} is the stream's id [default: live{id}.stream]
    #[arg(long, value_name = "TEMPLATE")]
    pub stream_path: Option<String>,

    /// A camera by its id; repeatable. Adds one, or gives the file's camera of that id another address (its name,
    /// classes, confidence and rate stay). In NVR_SOURCE several are separated by blanks
    #[arg(long, value_name = "ID=URI", value_parser = uri)]
    pub source: Vec<UriText>,

    /// Model id [default: yolov8x-640 where it is installed, else the one that `nvr model default` names]
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,

    /// Directory in which models are sought first; repeatable, separated by colons in NVR_MODELS_DIR [then: ./models,
    /// the cache, /usr/share/nvr/models, /var/lib/nvr/models]
    #[arg(long, value_name = "DIR")]
    pub models_dir: Vec<String>,

    /// What runs the model [default: auto]
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<Backend>,

    /// Threads of the inference engine [default: as many as the machine has cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<u32>,

    /// Least confidence of what is published, 0 to 1 [default: 0.5]. A camera's own in the file stands above it
    #[arg(long, value_name = "SCORE")]
    pub confidence: Option<f64>,

    /// Overlap above which the weaker of two boxes of one class is dropped, 0 to 1 [default: 0.45]
    #[arg(long, value_name = "IOU")]
    pub iou: Option<f64>,

    /// Most frames a second and camera that are inferred [default: none]. A camera's own in the file stands above it
    #[arg(long, value_name = "FPS")]
    pub max_fps: Option<f64>,

    /// Classes that are published, separated by commas [default: all]. A camera's own in the file stand above them
    #[arg(long, value_name = "NAMES")]
    pub classes: Option<String>,

    /// Join detections to tracks [default: yes]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), overrides_with = "no_tracking")]
    pub tracking: Option<bool>,

    /// Publish detections without tracks
    #[arg(long, overrides_with = "tracking")]
    pub no_tracking: bool,

    /// Encoding of events [default: json]
    #[arg(long, value_name = "ENCODING")]
    pub encoding: Option<Encoding>,

    /// Quality of service of detections, 0 to 2 [default: 0]
    #[arg(long, value_name = "QOS")]
    pub mqtt_qos: Option<u32>,

    /// Address for /metrics and /healthz, such as 127.0.0.1:9100 [default: none]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,

    /// Feed systemd's watchdog while all stages make progress [default: yes]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), overrides_with = "no_watchdog")]
    pub watchdog: Option<bool>,

    /// Leave systemd's watchdog alone
    #[arg(long, overrides_with = "watchdog")]
    pub no_watchdog: bool,

    /// Longest time without an access unit [default: 5s]. A camera's own in the file stands above it
    #[arg(long, value_name = "DURATION")]
    pub stall_limit: Option<String>,

    /// Longest time from PLAY to the first decoded frame [default: 20s]. A camera's own in the file stands above it
    #[arg(long, value_name = "DURATION")]
    pub start_limit: Option<String>,

    /// How long the scripted backend takes over a frame [default: 0s]
    #[arg(long, value_name = "DURATION")]
    pub scripted_delay: Option<String>,

    /// How the broker is reached.
    #[command(flatten)]
    pub mqtt: MqttFlags,
}

/// How the broker is reached, as options: for every subcommand that speaks to it.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Broker")]
pub struct MqttFlags {
    /// Broker, a name or mqtt://host:port or mqtts://host:port [default: localhost]. A URL without a port means 1883 or
    /// 8883, whatever the file says. User and password: MQTT_USERNAME and MQTT_PASSWORD
    #[arg(long, value_name = "HOST", value_parser = uri)]
    pub mqtt_host: Option<UriText>,

    /// Port of the broker [default: 1883; 8883 with TLS]
    #[arg(long, value_name = "PORT")]
    pub mqtt_port: Option<u32>,

    /// First levels of every topic [default: nvr]
    #[arg(long, value_name = "TOPIC")]
    pub topic_root: Option<String>,

    /// First levels of the detections' topics [default: {topic root}/detections]
    #[arg(long, value_name = "TOPIC")]
    pub mqtt_topic_prefix: Option<String>,

    /// TLS to the broker [default: where any of its files is given, or the host is mqtts://]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub mqtt_tls: Option<bool>,

    /// Certificate authorities of the broker, PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub mqtt_ca: Option<String>,

    /// Our certificate for the broker, PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub mqtt_cert: Option<String>,

    /// Private key of our certificate, PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub mqtt_key: Option<String>,
}

/// Ids of streams as they were written, `0-5,8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamIds(pub Vec<SourceId>);

fn ids(text: &str) -> Result<StreamIds, String> {
    parse_id_list(text).map(StreamIds)
}

/// Never fails: clap would quote the text, login and all.
fn uri(text: &str) -> Result<UriText, std::convert::Infallible> {
    Ok(UriText::new(text))
}
