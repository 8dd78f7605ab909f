//! Reads the options from environment variables, as a layer below the command line.

use clap::Args;

use super::Environment;
use super::problem::Problems;

/// Whether a value came from an option or a variable, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagOrigin {
    /// `--mqtt-host`
    Option,
    /// `NVR_MQTT_HOST`
    Variable,
}

impl FlagOrigin {
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

/// The option whose variable holds the secret itself and not a reference to it.
const HOLDS_ITS_VALUE: &str = "http-token";

/// Reads the options from environment variables. Each is parsed separately, so that every invalid one is reported.
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

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SourceId;
    use crate::config::{CommonFlags, MqttFlags, ProcessorFlags, StreamIds, UriText, WallFlags};

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
            ..ProcessorFlags::default()
        };
        let expected = expected
            .with("models-dir", Some(["/a", "/b"]))
            .with("watchdog", Some(false));
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
        let expected = WallFlags::default().with("http", Some("127.0.0.1:8080"));
        assert_eq!(flags, expected);
    }

    #[test]
    fn a_bad_variable_is_told_by_its_name_and_hides_no_other() {
        let (flags, told) = of::<ProcessorFlags>(&[
            ("NVR_MQTT_PORT", "x"),
            ("NVR_BACKEND", "gpu"),
            ("NVR_MODEL", "a"),
        ]);
        assert_eq!(flags, ProcessorFlags::default().with("model", Some("a")));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert!(lines[0].ends_with("[NVR_MQTT_PORT]"), "{told}");
        assert!(lines[1].ends_with("[NVR_BACKEND]"), "{told}");
    }
}
