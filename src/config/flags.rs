//! The options of every role, and those of the broker. Each option is also an environment variable.
//!
//! An option that is not given is absent and overrides nothing. The defaults in the help texts are those of the raw
//! settings. An option that sets more or less than one key has a field here. The other options of a role are made from the
//! declarations of its settings (`processor_flags.rs`, `wall_flags.rs`).

use clap::Args;
use clap::builder::BoolishValueParser;

use super::declare::{Section, defaults};
use super::option_forms::{duration, switch};
use super::options::Row;
use super::{RawMqtt, RawSettings, UriText};
use crate::base::{SourceId, parse_id_list};

/// Settings of every role as options. Each can also be given as an environment variable: NVR_ and the name in capitals
/// (NVR_MQTT_HOST).
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = HEADING)]
pub struct CommonFlags {
    /// Configuration file: TOML, or JSON if its name ends with .json [default: none; env: NVR_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,

    /// Name of this processor or wall on the broker.
    #[arg(long, value_name = "ID", help = help::<RawSettings>("instance_id", "Name of this processor or wall on the broker"))]
    pub instance_id: Option<String>,

    /// Use the streams 0 to N-1 of the stream server instead of the cameras of the file [default: 6 if the file has no
    /// cameras and none of --streams, --source and --stream-server with ids is given]
    #[arg(long, value_name = "N", conflicts_with = "streams")]
    pub n: Option<u32>,

    /// Ids of the cameras of the file that are used, such as 0-5,8; without cameras in the file, ids of streams of the
    /// stream server
    #[arg(long, value_name = "IDS", value_parser = ids)]
    pub streams: Option<StreamIds>,

    /// RTSP server of the streams, used if the file has no cameras or --n is given [default: $STREAM_SERVER or
    /// rtsp://localhost:8554]. Repeatable with ids, such as 0-11=rtsp://site-a:8554; a server without ids is used for all
    /// other ids. NVR_STREAM_SERVER separates several servers by blanks
    #[arg(long, value_name = "[IDS=]URL", value_parser = uri)]
    pub stream_server: Vec<UriText>,

    /// Path of a stream on the stream server; {id} is replaced by the id of the stream [default: live{id}.stream]
    #[arg(long, value_name = "TEMPLATE")]
    pub stream_path: Option<String>,

    /// Add a camera, or change the address of the camera of the file with this id (its name, classes, confidence and rate
    /// stay); repeatable. NVR_SOURCE separates several cameras by blanks
    #[arg(long, value_name = "ID=URI", value_parser = uri)]
    pub source: Vec<UriText>,

    /// Connection to the broker.
    #[command(flatten)]
    pub mqtt: MqttFlags,
}

/// Heading of the settings in help texts.
pub(super) const HEADING: &str = "Settings (options override environment, file and defaults)";

/// Connection to the broker as options, for every subcommand that connects to it.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Broker")]
pub struct MqttFlags {
    /// Address of the broker.
    #[arg(long, value_name = "HOST", value_parser = uri, help = help::<RawMqtt>("host", HOST))]
    pub mqtt_host: Option<UriText>,

    /// Port of the broker.
    #[arg(long, value_name = "PORT", help = help::<RawMqtt>("port", "Port of the broker"))]
    pub mqtt_port: Option<u32>,

    /// First levels of every topic.
    #[arg(long, value_name = "TOPIC", help = help::<RawMqtt>("topic_root", "First levels of every topic"))]
    pub topic_root: Option<String>,

    /// First levels of the topics of detections [default: {topic root}/detections]
    #[arg(long, value_name = "TOPIC")]
    pub mqtt_topic_prefix: Option<String>,

    /// Connect to the broker by TLS [default: yes if --mqtt-ca, --mqtt-cert or --mqtt-key is given or the host is
    /// mqtts://, else as in the file]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub mqtt_tls: Option<bool>,

    /// Certificate authorities for the broker, PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub mqtt_ca: Option<String>,

    /// Client certificate for the broker, PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub mqtt_cert: Option<String>,

    /// Private key of the client certificate, PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub mqtt_key: Option<String>,
}

const HOST: &str = "\
Address of the broker: host, host:port, mqtt://host:port or mqtts://host:port {default}. A URL without a port means port \
1883 or 8883, even if the file has another. User name and password: MQTT_USERNAME and MQTT_PASSWORD";

/// A help text with the default of a key.
fn help<T: Section>(key: &str, text: &str) -> String {
    let key = T::KEYS.iter().find(|declared| declared.name == key);
    key.map_or_else(String::new, |key| key.help(text, &defaults::<T>()))
}

/// The last options of both roles, for the table of either.
pub(super) const LIMITS: &[Row] = &[
    switch("watchdog")
        .help("Feed systemd's watchdog while all stages make progress")
        .off("no-watchdog", "Do not feed systemd's watchdog"),
    duration("stall-limit")
        .help("Maximum time without an access unit {default}. The limit of a camera in the file overrides it"),
    duration("start-limit").help(
        "Maximum time from PLAY to the first decoded frame {default}. The limit of a camera in the file overrides it",
    ),
];

/// Declares the options of a role: the common ones, and groups of rows.
macro_rules! role_flags {
    ($(#[doc = $about:tt])* $name:ident: $groups:ident) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            /// Options of every role.
            pub common: super::CommonFlags,
            /// Keys that the options of the role set.
            pub(crate) given: super::options::Assignments,
        }

        impl $name {
            /// Adds an option if there is a value, which is written as in the file.
            ///
            /// # Panics
            /// If the role has no such option.
            #[must_use]
            pub fn with(mut self, option: &str, value: Option<impl serde::Serialize>) -> Self {
                if let Some(value) = value {
                    self.given.set($groups, option, value);
                }
                self
            }
        }

        impl clap::Args for $name {
            fn augment_args(command: clap::Command) -> clap::Command {
                let command = super::CommonFlags::augment_args(command);
                super::options::augmented(command, super::flags::HEADING, $groups)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                Self::augment_args(command)
            }
        }

        impl clap::FromArgMatches for $name {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self {
                    common: super::CommonFlags::from_arg_matches(matches)?,
                    given: super::options::Assignments::read(matches, $groups),
                })
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}

pub(super) use role_flags;

/// Ids of streams, written `0-5,8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamIds(pub Vec<SourceId>);

fn ids(text: &str) -> Result<StreamIds, String> {
    parse_id_list(text).map(StreamIds)
}

/// Never fails: the error message of clap would quote the text with its login.
fn uri(text: &str) -> Result<UriText, std::convert::Infallible> {
    Ok(UriText::new(text))
}
