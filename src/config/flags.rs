//! The options that every role has, and those of the broker alone; each of them is also a variable of the environment.
//!
//! An option that is not given is absent, so that it hides nothing of the file: the defaults named in the help texts
//! are those of the raw settings. Options here that set no single key have a field each; what a role has beside these is
//! made from the declarations of its settings, by the rows next door.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::declare::{Section, defaults};
use super::option_forms::{duration, switch};
use super::options::Row;
use super::{RawMqtt, RawSettings, UriText};
use crate::base::{SourceId, parse_id_list};

/// Settings as options. Every one of them can also be given by the environment, as NVR_ and its name in capitals
/// (NVR_MQTT_HOST).
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = HEADING)]
pub struct CommonFlags {
    /// Configuration file (TOML) [default: none; env: NVR_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,

    /// Who publishes.
    #[arg(long, value_name = "ID", help = help::<RawSettings>("instance_id", "Who publishes"))]
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
const HEADING: &str = "Settings (options over environment over file over defaults)";

/// How the broker is reached, as options: for every subcommand that speaks to it.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Broker")]
pub struct MqttFlags {
    /// The broker's address.
    #[arg(long, value_name = "HOST", value_parser = uri, help = help::<RawMqtt>("host", HOST))]
    pub mqtt_host: Option<UriText>,

    /// The broker's port.
    #[arg(long, value_name = "PORT", help = help::<RawMqtt>("port", "Port of the broker"))]
    pub mqtt_port: Option<u32>,

    /// First levels of every topic.
    #[arg(long, value_name = "TOPIC", help = help::<RawMqtt>("topic_root", "First levels of every topic"))]
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

const HOST: &str = "\
Broker: host, host:port, mqtt://host:port or mqtts://host:port {default}. A URL without a port means 1883 or 8883, whatever \
the file says. User and password: MQTT_USERNAME and MQTT_PASSWORD";

/// A help text with the default of a key.
fn help<T: Section>(key: &str, text: &str) -> String {
    let key = T::KEYS.iter().find(|declared| declared.name == key);
    key.map_or_else(String::new, |key| key.help(text, &defaults::<T>()))
}

/// What both roles have at the end, for the table of either.
pub(super) const LIMITS: &[Row] = &[
    switch("watchdog")
        .help("Feed systemd's watchdog while all stages make progress")
        .off("no-watchdog", "Leave systemd's watchdog alone"),
    duration("stall-limit")
        .help("Longest time without an access unit {default}. A camera's own in the file stands above it"),
    duration("start-limit").help(
        "Longest time from PLAY to the first decoded frame {default}. A camera's own in the file stands above it",
    ),
];

/// Declares the options of a role: those of every role, and groups of rows.
macro_rules! role_flags {
    ($(#[doc = $about:tt])* $name:ident: $groups:ident) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            /// What every role has.
            pub common: super::CommonFlags,
            /// What the role's options set.
            pub(crate) given: super::options::Assignments,
        }

        impl $name {
            /// The same options and this one, where there is a value; it is written as in the file.
            ///
            /// # Panics
            /// Where the role has no such option.
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
                super::options::augmented(super::CommonFlags::augment_args(command), $groups)
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
