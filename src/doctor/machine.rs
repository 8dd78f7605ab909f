//! The examined machine: its file tree, the configuration, and the options of the examination.

use std::ffi::OsString;
use std::path::PathBuf;

use super::FileTree;
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
    pub(crate) tree: FileTree,
    pub(crate) config: Configured,
    pub(super) tensorrt: bool,
    pub(crate) environment: Environment,
}

/// The configuration file as the roles read it.
pub(crate) struct ConfigFile {
    pub(crate) path: String,
    pub(crate) processor: Result<Loaded, ConfigProblems>,
    pub(crate) wall: Result<Loaded, ConfigProblems>,
}

/// The configuration.
pub(crate) struct Configured {
    /// None if no file is named and the usual one is missing.
    pub(crate) file: Option<ConfigFile>,
    /// The broker; none if the configuration can't be read.
    pub(super) mqtt: Option<MqttSettings>,
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
        if let Some(loaded) = self.config.loaded().next() {
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
            arguments.extend(["--config".into(), (&file.path).into()]);
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
        let named = options.config.clone();
        let named = named.or_else(|| environment.get("NVR_CONFIG").map(str::to_owned));
        let usual = Some(tree.at(USUAL_CONFIG)).filter(|usual| usual.exists());
        let Some(path) = named.or(usual.map(|usual| usual.display().to_string())) else {
            let is_set = environment.get("NVR_MQTT_HOST").is_some();
            return Self {
                file: None,
                mqtt: options.mqtt.load(environment).ok(),
                names_broker: is_set || options.mqtt.mqtt_host.is_some(),
            };
        };
        let common = CommonFlags {
            config: Some(path.clone()),
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
        let file = ConfigFile {
            path,
            processor: ConfigSource::new(for_processor, environment.clone()).load_all(),
            wall: ConfigSource::new(for_wall, environment.clone()).load_all(),
        };
        let of_loaded = |loaded: &Loaded| loaded.settings.mqtt.clone();
        let mqtt = file.loaded().next().map(of_loaded);
        Self {
            file: Some(file),
            mqtt,
            names_broker: true,
        }
    }

    /// The settings of each role that can read the file, the processor first.
    pub(crate) fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        self.file.iter().flat_map(ConfigFile::loaded)
    }
}

impl ConfigFile {
    fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        [&self.processor, &self.wall].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{machine_with, options};
    use super::*;
    use std::path::Path;

    #[test]
    fn the_usual_file_is_read_if_none_is_named() {
        let (dir, machine) = machine_with(r#"/etc/nvr/nvr.toml [mqtt]\nhost = "broker.local"\n"#);
        let file = machine.config.file.as_ref().expect("a file");
        assert_eq!(Path::new(&file.path), dir.path().join("etc/nvr/nvr.toml"));
        let host = machine.config.mqtt.as_ref().map(|mqtt| mqtt.host.as_str());
        assert_eq!(host, Some("broker.local"));
        let (_dir, bare) = machine_with("");
        assert!(bare.config.file.is_none());
        let mqtt = bare.config.mqtt.expect("the default");
        assert_eq!((mqtt.host.as_str(), mqtt.port), ("localhost", 1883));
    }

    #[test]
    fn the_broker_s_options_override_the_file_and_need_none() {
        let file = r#"/etc/nvr/nvr.toml instance_id = "box"\ncamera = []\n[mqtt]\nhost = "of-the-file"\nport = 1884\n"#;
        for files in ["", file] {
            let (dir, _) = machine_with(files);
            let machine = Machine::new(&Options {
                mqtt: MqttFlags {
                    mqtt_host: Some(crate::config::UriText::new("of-the-option")),
                    mqtt_port: Some(1885),
                    ..MqttFlags::default()
                },
                environment: Environment::from_pairs([("NVR_MQTT_HOST", "of-the-environment")]),
                ..options(dir.path())
            });
            let mqtt = machine.config.mqtt.expect("a broker");
            assert_eq!((mqtt.host.as_str(), mqtt.port), ("of-the-option", 1885));
            assert!(machine.config.names_broker);
        }
    }
}
