//! What is examined, and how far: the machine's file tree, the configuration, and what was asked for.

use std::ffi::OsString;
use std::path::PathBuf;

use super::file_tree::FileTree;
use crate::base::{cache_dir, models_dirs};
use crate::config::{
    CommonFlags, ConfigProblems, ConfigSource, Environment, Loaded, MqttFlags, MqttSettings,
    ProcessorFlags, WallFlags,
};

/// Where the units of a package look for their configuration.
const USUAL_CONFIG: &str = "/etc/nvr/nvr.toml";

/// How an examination is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file; without it the environment's, else the usual one.
    pub config: Option<String>,
    /// The broker, as the roles' options name it.
    pub mqtt: MqttFlags,
    /// Whether TensorRT is tried with a small engine, which takes minutes on a board.
    pub tensorrt: bool,
    /// The file tree; `/` but for tests.
    pub root: PathBuf,
    /// The variables of the environment.
    pub environment: Environment,
}

/// The machine that is examined.
pub struct Machine {
    /// Its file tree.
    pub(super) tree: FileTree,
    /// The configuration.
    pub(super) config: Configured,
    /// Whether TensorRT is tried with a small engine.
    pub(super) tensorrt: bool,
    /// The variables of the environment.
    pub(super) environment: Environment,
}

/// What the configuration came to.
pub(super) struct Configured {
    /// The file; nothing where there is none.
    pub(super) file: Option<String>,
    /// As a processor reads it; nothing where there is no file.
    pub(super) processor: Option<Result<Loaded, ConfigProblems>>,
    /// As a wall reads it.
    pub(super) wall: Option<Result<Loaded, ConfigProblems>>,
    /// The broker by options and environment alone, for what has no file.
    bare_mqtt: Option<MqttSettings>,
    /// Whether somebody said which broker it is; else it is the default.
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

    /// Where models are sought.
    pub(super) fn models_dirs(&self) -> Vec<PathBuf> {
        match self.config.any() {
            Some(loaded) => loaded.settings.models_dirs.clone(),
            None => {
                let named = self.environment.get("NVR_MODELS_DIR").unwrap_or_default();
                let named: Vec<PathBuf> = std::env::split_paths(named)
                    .filter(|path| !path.as_os_str().is_empty())
                    .collect();
                models_dirs(&named)
            }
        }
    }

    /// Folders that this program writes to, each with what for.
    pub(super) fn written_folders(&self) -> Vec<(PathBuf, &'static str)> {
        vec![
            (cache_dir(), "models and engines"),
            ("/var/lib/nvr".into(), "state"),
            (std::env::temp_dir(), "temporary files"),
        ]
    }

    /// The options by which a process of its own examines the same machine.
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

    /// What one of the roles reads, the processor first.
    pub(super) fn any(&self) -> Option<&Loaded> {
        self.loaded().next()
    }

    /// What the roles read, as far as they can.
    pub(super) fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        let both = [&self.processor, &self.wall];
        both.into_iter()
            .flatten()
            .filter_map(|loaded| loaded.as_ref().ok())
    }

    /// The broker; nothing where the configuration can't be read.
    pub(super) fn mqtt(&self) -> Option<&MqttSettings> {
        self.any()
            .map(|loaded| &loaded.settings.mqtt)
            .or(self.bare_mqtt.as_ref())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A machine in a folder, with these files.
    pub(in crate::doctor) fn fixture(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().expect("a folder");
        for (path, content) in files {
            let path = dir.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            std::fs::write(path, content).expect("written");
        }
        let machine = Machine::new(&Options {
            config: None,
            mqtt: MqttFlags::default(),
            tensorrt: false,
            root: dir.path().to_owned(),
            environment: Environment::default(),
        });
        (dir, machine)
    }

    #[test]
    fn the_usual_file_is_read_where_none_is_named() {
        let text = "[mqtt]\nhost = \"broker.local\"\n";
        let (dir, machine) = fixture(&[("/etc/nvr/nvr.toml", text)]);
        let file = dir.path().join("etc/nvr/nvr.toml");
        assert_eq!(machine.config.file, Some(file.display().to_string()));
        let host = machine.config.mqtt().map(|mqtt| mqtt.host.as_str());
        assert_eq!(host, Some("broker.local"));
        let (_dir, bare) = fixture(&[]);
        assert_eq!(bare.config.file, None);
        let mqtt = bare.config.mqtt().expect("the default");
        assert_eq!((mqtt.host.as_str(), mqtt.port), ("localhost", 1883));
    }

    #[test]
    fn the_broker_s_options_stand_above_the_file_and_do_without_one() {
        let text =
            "instance_id = \"box\"\ncamera = []\n[mqtt]\nhost = \"of-the-file\"\nport = 1884\n";
        for files in [&[][..], &[("/etc/nvr/nvr.toml", text)]] {
            let (dir, _) = fixture(files);
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
