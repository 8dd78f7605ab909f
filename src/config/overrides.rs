//! Options as a layer: the same ones read from the environment, and what they set in the tree.

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::problem::Problems;
use super::{Environment, MqttFlags};

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

/// The one option whose variable is no place to look at, but the secret itself.
const HOLDS_ITS_VALUE: &str = "http-token";

/// The same options from the environment. Each variable is read alone, so that one bad one hides no other.
pub(super) fn of_environment<T: Args + Default>(
    environment: &Environment,
    problems: &mut Problems,
) -> T {
    let command = T::augment_args(clap::Command::new("environment").no_binary_name(true));
    let mut arguments = Vec::new();
    for argument in command.get_arguments() {
        let takes_value = argument.get_action().takes_values();
        let Some(option) = argument
            .get_long()
            .filter(|option| takes_value && *option != HOLDS_ITS_VALUE)
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
            "source" | "stream-server" => value.split_whitespace().collect(),
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
    match matches.and_then(|matches| T::from_arg_matches(&matches)) {
        Ok(flags) => flags,
        Err(error) => {
            problems.add("", Some("environment"), first_line(&error));
            T::default()
        }
    }
}

/// What options set: path, value and the option that sets it.
#[derive(Default)]
pub(super) struct Assignments(pub(super) Vec<(&'static str, &'static str, Value)>);

impl Assignments {
    pub(super) fn put<T: Serialize>(
        mut self,
        path: &'static str,
        option: &'static str,
        value: Option<T>,
    ) -> Self {
        if let Some(value) = value {
            self.0.push((path, option, json!(value)));
        }
        self
    }
}

impl MqttFlags {
    /// What these options set, all but the host and TLS as such.
    pub(super) fn assignments(&self) -> Assignments {
        let file = |path: &Option<String>| path.as_deref().map(absolute);
        Assignments::default()
            .put("mqtt.port", "mqtt-port", self.mqtt_port)
            .put("mqtt.topic_root", "topic-root", self.topic_root.as_ref())
            .put(
                "mqtt.topic_prefix",
                "mqtt-topic-prefix",
                self.mqtt_topic_prefix.as_ref(),
            )
            .put("mqtt.tls.ca", "mqtt-ca", file(&self.mqtt_ca))
            .put("mqtt.tls.certificate", "mqtt-cert", file(&self.mqtt_cert))
            .put("mqtt.tls.key", "mqtt-key", file(&self.mqtt_key))
    }
}

/// What `--no-…` sets.
pub(super) fn off(given: bool) -> Option<bool> {
    given.then_some(false)
}

/// Names separated by commas.
pub(super) fn names(text: &str) -> Vec<&str> {
    text.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// A number, or its text where JSON has none (nan): its type is then told as any other wrong one.
pub(super) fn number(value: f64) -> Value {
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
    use crate::config::{CommonFlags, ProcessorFlags, StreamIds, UriText, WallFlags};

    fn of<T: Args + Default>(pairs: &[(&str, &str)]) -> (T, String) {
        let environment = Environment::from_pairs(pairs.iter().copied());
        let mut problems = Problems::default();
        let flags = of_environment(&environment, &mut problems);
        let told = problems.or(()).err().map(|problems| problems.to_string());
        (flags, told.unwrap_or_default())
    }

    #[test]
    fn every_option_has_its_variable() {
        let (flags, told) = of::<ProcessorFlags>(&[
            ("NVR_MQTT_HOST", "broker"),
            ("STREAM_SERVER", "rtsp://a 4-7=rtsp://b"),
            ("NVR_STREAMS", "0-1"),
            ("NVR_SOURCE", "3=test-pattern:  4=a.mp4"),
            ("NVR_MODELS_DIR", "/a:/b"),
            ("NVR_WATCHDOG", "off"),
            ("NVR_MODEL", ""),
        ]);
        assert_eq!(told, "");
        let expected = ProcessorFlags {
            common: CommonFlags {
                mqtt: MqttFlags {
                    mqtt_host: Some(UriText::new("broker")),
                    ..MqttFlags::default()
                },
                stream_server: vec![UriText::new("rtsp://a"), UriText::new("4-7=rtsp://b")],
                streams: Some(StreamIds(vec![SourceId(0), SourceId(1)])),
                source: vec![UriText::new("3=test-pattern:"), UriText::new("4=a.mp4")],
                ..CommonFlags::default()
            },
            models_dir: vec!["/a".to_owned(), "/b".to_owned()],
            watchdog: Some(false),
            ..ProcessorFlags::default()
        };
        assert_eq!(flags, expected);
    }

    #[test]
    fn a_role_reads_only_the_variables_of_its_own_options() {
        let variables = [
            ("NVR_HTTP", "127.0.0.1:8080"),
            ("NVR_CONFIDENCE", "of the processor"),
            ("NVR_HTTP_TOKEN", "hunter2"),
        ];
        let (flags, told) = of::<WallFlags>(&variables);
        assert_eq!(told, "");
        let expected = WallFlags {
            http: Some("127.0.0.1:8080".to_owned()),
            ..WallFlags::default()
        };
        assert_eq!(flags, expected);
    }

    #[test]
    fn a_bad_variable_is_told_by_its_name_and_hides_no_other() {
        let (flags, told) = of::<ProcessorFlags>(&[
            ("NVR_MQTT_PORT", "x"),
            ("NVR_BACKEND", "gpu"),
            ("NVR_MODEL", "a"),
        ]);
        assert_eq!(flags.model.as_deref(), Some("a"));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines[0].ends_with("[NVR_MQTT_PORT]"), "{told}");
        assert!(lines[1].ends_with("[NVR_BACKEND]"), "{told}");
    }
}
