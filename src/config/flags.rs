//! The options that every role has, and those of the broker alone; each of them is also a variable of the environment.
//!
//! An option that is not given is absent, so that it hides nothing of the file: the defaults named in the help texts
//! are those of the raw settings. What a role has beside these is next door.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::UriText;
use crate::base::{SourceId, parse_id_list};

/// Settings as options. Every one of them can also be given by the environment, as NVR_ and its name in capitals
/// (NVR_MQTT_HOST).
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = HEADING)]
pub struct CommonFlags {
    /// Configuration file (TOML) [default: none; env: NVR_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,

    /// Who publishes [default: hostname and a part of the machine id]
    #[arg(long, value_name = "ID")]
    pub instance_id: Option<String>,

    /// Number of streams, 0 to N-1, of the stream server; takes the place of the file's cameras [default: 6, where the
    /// file has no cameras and none of --streams, --source and a --stream-server with ids is given]
    #[arg(long, value_name = "N", conflicts_with = "streams")]
    pub n: Option<u32>,

    /// Ids of the streams, such as 0-5,8: of the file's cameras where it has any, else of the stream server
    #[arg(long, value_name = "IDS", value_parser = ids)]
    pub streams: Option<StreamIds>,

    /// RTSP server of the streams, used where the file has no cameras or --n is given [default: $STREAM_SERVER or
    /// rtsp://localhost:8554]. Of some streams alone as 0-11=rtsp://site-a:8554, repeatable; one without ids is for the
    /// rest. In NVR_STREAM_SERVER several are separated by blanks
    #[arg(long, value_name = "[IDS=]URL", value_parser = uri)]
    pub stream_server: Vec<UriText>,

    /// What follows the stream server; {id} is the stream's id [default: live{id}.stream]
    #[arg(long, value_name = "TEMPLATE")]
    pub stream_path: Option<String>,

    /// A camera by its id; repeatable. Adds one, or gives the file's camera of that id another address (its name,
    /// classes, confidence and rate stay). In NVR_SOURCE several are separated by blanks
    #[arg(long, value_name = "ID=URI", value_parser = uri)]
    pub source: Vec<UriText>,

    /// How the broker is reached.
    #[command(flatten)]
    pub mqtt: MqttFlags,
}

/// What stands above the settings in help texts.
pub(super) const HEADING: &str = "Settings (options over environment over file over defaults)";

/// How the broker is reached, as options: for every subcommand that speaks to it.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Broker")]
pub struct MqttFlags {
    /// Broker: host, host:port, mqtt://host:port or mqtts://host:port [default: localhost]. A URL without a port means 1883 or
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
