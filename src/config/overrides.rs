//! Options as a layer: the same ones read from the environment, and what they set in the tree.

use clap::{Args, FromArgMatches};
use serde_json::{Value, json};

use super::problem::Problems;
use super::{Environment, Flags};

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
    use crate::base::SourceId;
    use crate::config::{StreamIds, UriText};

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
            mqtt_host: Some(UriText::new("broker")),
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
