//! The options of `nvr processor` and `nvr config show`, each of them also a variable of the environment.
//!
//! An option that is not given is absent, so that it hides nothing of the file: the defaults named in the help texts
//! are those of the raw settings.

use clap::builder::BoolishValueParser;
use clap::{Args, FromArgMatches};
use serde_json::{Value, json};

use super::problem::Problems;
use super::{Backend, Encoding, Environment, UriText};
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

    /// Broker, a name or mqtt://host:port or mqtts://host:port [default: localhost]. A URL without a port means 1883 or
    /// 8883, whatever the file says. User and password: MQTT_USERNAME and MQTT_PASSWORD
    #[arg(long, value_name = "HOST")]
    pub mqtt_host: Option<String>,

    /// Port of the broker [default: 1883; 8883 with TLS]
    #[arg(long, value_name = "PORT")]
    pub mqtt_port: Option<u32>,

    /// First levels of every topic [default: nvr]
    #[arg(long, value_name = "TOPIC")]
    pub topic_root: Option<String>,

    /// First levels of the detections' topics [default: {topic root}/detections]
    #[arg(long, value_name = "TOPIC")]
    pub mqtt_topic_prefix: Option<String>,

    /// Quality of service of detections, 0 to 2 [default: 0]
    #[arg(long, value_name = "QOS")]
    pub mqtt_qos: Option<u32>,

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

/// Where an option is written: for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `--mqtt-host`
    Option,
    /// `NVR_MQTT_HOST`
    Variable,
}

impl Spelling {
    pub(super) fn of(self, option: &str) -> String {
        match self {
            Self::Option => format!("--{option}"),
            Self::Variable => variable(option),
        }
    }
}

fn variable(option: &str) -> String {
    format!("NVR_{}", option.replace('-', "_").to_uppercase())
}

impl Flags {
    /// The same options from the environment. Each variable is read alone, so that one bad one hides no other.
    pub(super) fn of_environment(environment: &Environment, problems: &mut Problems) -> Self {
        let command = Self::augment_args(clap::Command::new("environment").no_binary_name(true));
        let mut arguments = Vec::new();
        for argument in command.get_arguments() {
            let Some(option) = argument
                .get_long()
                .filter(|_| argument.get_action().takes_values())
            else {
                continue;
            };
            let name = variable(option);
            let standing_in = (option == "stream-server").then_some("STREAM_SERVER");
            let (name, Some(value)) = (match (environment.get(&name), standing_in) {
                (None, Some(other)) => (other.to_owned(), environment.get(other)),
                (value, _) => (name, value),
            }) else {
                continue;
            };
            let parts: Vec<&str> = match option {
                "source" => value.split_whitespace().collect(),
                "models-dir" => value.split(':').filter(|part| !part.is_empty()).collect(),
                _ => vec![value],
            };
            let written: Vec<String> = parts
                .iter()
                .map(|part| format!("--{option}={part}"))
                .collect();
            match command.clone().try_get_matches_from(&written) {
                Ok(_) => arguments.extend(written),
                Err(error) => problems.add("", Some(&name), first_line(&error)),
            }
        }
        let matches = command.try_get_matches_from(&arguments);
        match matches.and_then(|matches| Self::from_arg_matches(&matches)) {
            Ok(flags) => flags,
            Err(error) => {
                problems.add("", Some("environment"), first_line(&error));
                Self::default()
            }
        }
    }

    /// What these options set: path, value and the option that sets it. The cameras' options are applied elsewhere.
    pub(super) fn assignments(&self) -> Vec<(&'static str, &'static str, Value)> {
        let tracking = self.tracking.filter(|_| !self.no_tracking);
        let watchdog = self.watchdog.filter(|_| !self.no_watchdog);
        let list = |text: &String| -> Value {
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect()
        };
        let file = |path: &String| json!(absolute(path));
        [
            (
                "instance_id",
                "instance-id",
                self.instance_id.as_ref().map(|v| json!(v)),
            ),
            ("mqtt.port", "mqtt-port", self.mqtt_port.map(|v| json!(v))),
            (
                "mqtt.topic_root",
                "topic-root",
                self.topic_root.as_ref().map(|v| json!(v)),
            ),
            (
                "mqtt.topic_prefix",
                "mqtt-topic-prefix",
                self.mqtt_topic_prefix.as_ref().map(|v| json!(v)),
            ),
            ("mqtt.qos", "mqtt-qos", self.mqtt_qos.map(|v| json!(v))),
            ("mqtt.tls.ca", "mqtt-ca", self.mqtt_ca.as_ref().map(file)),
            (
                "mqtt.tls.certificate",
                "mqtt-cert",
                self.mqtt_cert.as_ref().map(file),
            ),
            ("mqtt.tls.key", "mqtt-key", self.mqtt_key.as_ref().map(file)),
            (
                "processor.model",
                "model",
                self.model.as_ref().map(|v| json!(v)),
            ),
            (
                "processor.backend",
                "backend",
                self.backend.map(|v| json!(v)),
            ),
            (
                "processor.threads",
                "threads",
                self.threads.map(|v| json!(v)),
            ),
            (
                "processor.confidence",
                "confidence",
                self.confidence.map(number),
            ),
            ("processor.iou", "iou", self.iou.map(number)),
            ("processor.max_fps", "max-fps", self.max_fps.map(number)),
            (
                "processor.classes",
                "classes",
                self.classes.as_ref().map(list),
            ),
            (
                "processor.tracking",
                "no-tracking",
                self.no_tracking.then_some(json!(false)),
            ),
            ("processor.tracking", "tracking", tracking.map(|v| json!(v))),
            (
                "processor.encoding",
                "encoding",
                self.encoding.map(|v| json!(v)),
            ),
            (
                "processor.http",
                "http",
                self.http.as_ref().map(|v| json!(v)),
            ),
            (
                "processor.watchdog",
                "no-watchdog",
                self.no_watchdog.then_some(json!(false)),
            ),
            ("processor.watchdog", "watchdog", watchdog.map(|v| json!(v))),
            (
                "processor.stall_limit",
                "stall-limit",
                self.stall_limit.as_ref().map(|v| json!(v)),
            ),
            (
                "processor.start_limit",
                "start-limit",
                self.start_limit.as_ref().map(|v| json!(v)),
            ),
            (
                "processor.scripted_delay",
                "scripted-delay",
                self.scripted_delay.as_ref().map(|v| json!(v)),
            ),
        ]
        .into_iter()
        .filter_map(|(path, option, value)| Some((path, option, value?)))
        .collect()
    }
}

/// A number, or its text where JSON has none (nan): its type is then told as any other wrong one.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| json!(value.to_string()), Value::Number)
}

/// Paths of options start from the working directory, whatever the file's directory is.
pub(super) fn absolute(path: &str) -> String {
    std::path::absolute(path)
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok())
        .unwrap_or_else(|| path.to_owned())
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> (Flags, String) {
        let environment = Environment::from_pairs(pairs.iter().copied());
        let mut problems = Problems::default();
        let flags = Flags::of_environment(&environment, &mut problems);
        let told = problems.or(()).err().map(|problems| problems.to_string());
        (flags, told.unwrap_or_default())
    }

    #[test]
    fn every_option_has_its_variable() {
        let (flags, told) = of(&[
            ("NVR_MQTT_HOST", "broker"),
            ("STREAM_SERVER", "rtsp://a"),
            ("NVR_STREAMS", "0-1"),
            ("NVR_SOURCE", "3=test-pattern:  4=a.mp4"),
            ("NVR_MODELS_DIR", "/a:/b"),
            ("NVR_WATCHDOG", "off"),
            ("NVR_MODEL", ""),
        ]);
        assert_eq!(told, "");
        let expected = Flags {
            mqtt_host: Some("broker".to_owned()),
            stream_server: Some(UriText::new("rtsp://a")),
            streams: Some(StreamIds(vec![SourceId(0), SourceId(1)])),
            source: vec![UriText::new("3=test-pattern:"), UriText::new("4=a.mp4")],
            models_dir: vec!["/a".to_owned(), "/b".to_owned()],
            watchdog: Some(false),
            ..Flags::default()
        };
        assert_eq!(flags, expected);
    }

    #[test]
    fn a_bad_variable_is_told_by_its_name_and_hides_no_other() {
        let (flags, told) = of(&[
            ("NVR_MQTT_PORT", "x"),
            ("NVR_BACKEND", "gpu"),
            ("NVR_MODEL", "a"),
        ]);
        assert_eq!(flags.model.as_deref(), Some("a"));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines[0].ends_with("[NVR_BACKEND]"), "{told}");
        assert!(lines[1].ends_with("[NVR_MQTT_PORT]"), "{told}");
    }
}
