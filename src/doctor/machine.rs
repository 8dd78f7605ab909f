//! The examined machine: its file tree, the configuration, and the options of the examination.

use std::ffi::OsString;
use std::path::PathBuf;

use super::file_tree::FileTree;
use crate::base::models_dirs;
use crate::config::{
    CommonFlags, ConfigProblems, ConfigSource, Environment, Loaded, MqttFlags, MqttSettings,
    ProcessorFlags, WallFlags,
};

/// The configuration file of the units of the package.
const USUAL_CONFIG: &str = "/etc/nvr/nvr.toml";

/// Options of an examination.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file. Default: that of the environment, otherwise `/etc/nvr/nvr.toml`.
    pub config: Option<String>,
    /// The broker, by the options of the roles.
    pub mqtt: MqttFlags,
    /// Whether TensorRT is tested with a small engine, which takes minutes on a board.
    pub tensorrt: bool,
    /// The root of the file tree; `/` except in tests.
    pub root: PathBuf,
    /// The variables of the environment.
    pub environment: Environment,
}

/// The examined machine.
pub struct Machine {
    pub(super) tree: FileTree,
    pub(super) config: Configured,
    /// Whether TensorRT is tested with a small engine.
    pub(super) tensorrt: bool,
    pub(super) environment: Environment,
}

/// The configuration as the roles read it.
pub(super) struct Configured {
    /// None if no file is named and the usual one is missing.
    pub(super) file: Option<String>,
    /// As a processor reads the file; none without a file.
    pub(super) processor: Option<Result<Loaded, ConfigProblems>>,
    /// As a wall reads the file.
    pub(super) wall: Option<Result<Loaded, ConfigProblems>>,
    /// The broker by options and environment, without a file.
    bare_mqtt: Option<MqttSettings>,
    /// Whether an option, a variable or a file names the broker; otherwise it is the default.
    pub(super) names_broker: bool,
}

impl Machine {
    /// Reads the configuration.
    pub fn new(options: &Options) -> Self {
        let tree = FileTree::new(&options.root);
        Self {
            config: Configured::read(options, &tree),
            tree,
            tensorrt: options.tensorrt,
            environment: options.environment.clone(),
        }
    }

    /// The folders of models.
    pub(super) fn models_dirs(&self) -> Vec<PathBuf> {
        if let Some(loaded) = self.config.any() {
            return loaded.settings.models_dirs.clone();
        }
        let named = self.environment.get("NVR_MODELS_DIR").unwrap_or_default();
        let mut named: Vec<PathBuf> = std::env::split_paths(named).collect();
        named.retain(|path| !path.as_os_str().is_empty());
        models_dirs(&named)
    }

    /// The options with which a separate process examines the same machine.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--root".into(), self.tree.root().into()];
        if let Some(file) = &self.config.file {
            arguments.extend(["--config".into(), file.into()]);
        }
        if self.tensorrt {
            arguments.push("--tensorrt".into());
        }
        arguments
    }
}

impl Configured {
    fn read(options: &Options, tree: &FileTree) -> Self {
        let environment = &options.environment;
        let names_broker =
            options.mqtt.mqtt_host.is_some() || environment.get("NVR_MQTT_HOST").is_some();
        let named = options.config.clone();
        let named = named.or_else(|| environment.get("NVR_CONFIG").map(str::to_owned));
        let usual = || {
            let usual = tree.at(USUAL_CONFIG);
            usual.exists().then(|| usual.display().to_string())
        };
        let Some(file) = named.or_else(usual) else {
            return Self {
                file: None,
                processor: None,
                wall: None,
                bare_mqtt: options.mqtt.load(environment).ok(),
                names_broker,
            };
        };
        let common = CommonFlags {
            config: Some(file.clone()),
            mqtt: options.mqtt.clone(),
            ..CommonFlags::default()
        };
        let for_processor = ProcessorFlags {
            common: common.clone(),
            ..ProcessorFlags::default()
        };
        let for_wall = WallFlags {
            common,
            ..WallFlags::default()
        };
        Self {
            file: Some(file),
            processor: Some(ConfigSource::new(for_processor, environment.clone()).load_all()),
            wall: Some(ConfigSource::new(for_wall, environment.clone()).load_all()),
            bare_mqtt: None,
            names_broker: true,
        }
    }

    /// The settings of one role, the processor first.
    pub(super) fn any(&self) -> Option<&Loaded> {
        self.loaded().next()
    }

    /// The settings of each role that can read the file.
    pub(super) fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        let both = [&self.processor, &self.wall].into_iter().flatten();
        both.filter_map(|loaded| loaded.as_ref().ok())
    }

    /// The broker; none if the configuration can't be read.
    pub(super) fn mqtt(&self) -> Option<&MqttSettings> {
        let of_file = self.any().map(|loaded| &loaded.settings.mqtt);
        of_file.or(self.bare_mqtt.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::machine_with;
    use super::*;

    #[test]
    fn the_usual_file_is_read_if_none_is_named() {
        let (dir, machine) = machine_with(r#"/etc/nvr/nvr.toml [mqtt]\nhost = "broker.local"\n"#);
        let file = dir.path().join("etc/nvr/nvr.toml");
        assert_eq!(machine.config.file, Some(file.display().to_string()));
        let host = machine.config.mqtt().map(|mqtt| mqtt.host.as_str());
        assert_eq!(host, Some("broker.local"));
        let (_dir, bare) = machine_with("");
        assert_eq!(bare.config.file, None);
        let mqtt = bare.config.mqtt().expect("the default");
        assert_eq!((mqtt.host.as_str(), mqtt.port), ("localhost", 1883));
    }

    #[test]
    fn the_broker_s_options_override_the_file_and_need_none() {
        let file = r#"/etc/nvr/nvr.toml instance_id = "box"\ncamera = []\n[mqtt]\nhost = "of-the-file"\nport = 1884\n"#;
        for files in ["", file] {
            let (dir, _) = machine_with(files);
            let machine = Machine::new(&Options {
                config: None,
                mqtt: MqttFlags {
                    mqtt_host: Some(crate::config::UriText::new("of-the-option")),
                    mqtt_port: Some(1885),
                    ..MqttFlags::default()
                },
                tensorrt: false,
                root: dir.path().to_owned(),
                environment: Environment::from_pairs([("NVR_MQTT_HOST", "of-the-environment")]),
            });
            let mqtt = machine.config.mqtt().expect("a broker");
            assert_eq!((mqtt.host.as_str(), mqtt.port), ("of-the-option", 1885));
            assert!(machine.config.names_broker);
        }
    }
}
