//! Makes the parts of an agent from its options, its identity and its environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::abilities::Abilities;
use super::acts;
use super::child::{Child, ChildOptions, RoleEvent};
use super::config_file;
use super::cycle::ChildRole;
use super::driver::Children;
use super::firmware::{FirmwareEvent, FirmwareOptions, Keeper};
use super::identity::Identity;
use super::led::Led;
use super::lending::Lending;
use super::models::{ModelEvent, ModelOptions, Models};
use super::options::{AgentError, AgentOptions};
use super::publish;
use super::reading::Reader;
use crate::base::Clock;
use crate::config::{CommonFlags, ConfigSource, Environment, ProcessorFlags, WallFlags};
use crate::fleet::BodySources;

/// Queue of events of the models, and of the firmware. The threads that send them wait.
const FETCH_EVENTS: usize = 16;

/// What all roles have in common.
pub(super) fn child_options(
    options: &AgentOptions,
    identity: &Identity,
    sockets: PathBuf,
    configs: PathBuf,
    lending: Option<Arc<Lending>>,
) -> ChildOptions {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
    ChildOptions {
        program: options
            .role_program
            .clone()
            .unwrap_or_else(|| options.program.clone()),
        device: identity.device.clone(),
        configs,
        sockets,
        credentials: credentials.is_none().then(|| options.config_dir.clone()),
        lending,
        watchdog_limit: options.watchdog_limit,
        json_log: options.json_log,
    }
}

/// The two roles, of which none runs yet.
pub(super) fn children(
    common: &ChildOptions,
    clock: &Clock,
    events: &mpsc::Sender<RoleEvent>,
) -> Result<Children, AgentError> {
    let mut children = BTreeMap::new();
    for role in [ChildRole::Processor, ChildRole::Wall] {
        let child = Child::new(role, common.clone(), clock.clone(), events.clone())?;
        children.insert(role, child);
    }
    Ok(children)
}

/// The models of the box, and their events.
pub(super) fn models(
    options: &AgentOptions,
    configs: &Path,
    identity: &Identity,
    environment: &Environment,
    clock: &Clock,
) -> (Models, mpsc::Receiver<ModelEvent>) {
    let (events, fetched) = mpsc::channel(FETCH_EVENTS);
    let options = model_options(options, configs.to_owned(), identity, environment);
    (Models::open(options, clock.clone(), events), fetched)
}

/// What the models of the box need.
fn model_options(
    options: &AgentOptions,
    configs: PathBuf,
    identity: &Identity,
    environment: &Environment,
) -> ModelOptions {
    let dirs = environment.get("NVR_MODELS_DIR").map(|dirs| {
        let dirs = std::env::split_paths(dirs);
        dirs.filter_map(|dir| std::path::absolute(dir).ok())
            .collect()
    });
    ModelOptions {
        state_dir: options.state_dir.clone(),
        configs,
        program: options.program.clone(),
        keep: options.keep_models,
        dirs,
        ca: identity.mqtt.tls.as_ref().and_then(|tls| tls.ca.clone()),
    }
}

/// The firmware of the box, and its events.
pub(super) fn firmware(
    options: &AgentOptions,
    identity: &Identity,
    clock: &Clock,
) -> (Keeper, mpsc::Receiver<FirmwareEvent>) {
    let (events, updated) = mpsc::channel(FETCH_EVENTS);
    let options = firmware_options(options, identity);
    (Keeper::open(options, clock.clone(), events), updated)
}

/// What the firmware of the box needs.
fn firmware_options(options: &AgentOptions, identity: &Identity) -> FirmwareOptions {
    FirmwareOptions {
        config_dir: options.config_dir.clone(),
        state_dir: options.state_dir.clone(),
        program: options.program.clone(),
        ca: identity.mqtt.tls.as_ref().and_then(|tls| tls.ca.clone()),
        boot_id: options.boot_id.clone(),
        version: publish::firmware().running().to_owned(),
    }
}

/// The settings of commands that take time.
pub(super) fn act_settings(
    options: &AgentOptions,
    configs: PathBuf,
    led: Option<Led>,
) -> acts::Settings {
    acts::Settings {
        program: options.program.clone(),
        configs,
        led,
        reboot: options.reboot.clone(),
    }
}

/// The checks of documents, with the options, the environment and the folder that the roles have.
pub(super) fn reader(
    options: &AgentOptions,
    configs: &Path,
    identity: &Identity,
    environment: &Environment,
    abilities: Abilities,
) -> Reader {
    let common = CommonFlags {
        // Not read: it names the folder from which relative paths of a body start.
        config: config_file::path(configs, ChildRole::Processor)
            .to_str()
            .map(str::to_owned),
        ..CommonFlags::default()
    };
    let mut variables: Vec<(String, String)> = environment
        .names()
        .filter_map(|name| Some((name.to_owned(), environment.get(name)?.to_owned())))
        .collect();
    if environment.get("CREDENTIALS_DIRECTORY").is_none() {
        let folder = options.config_dir.display().to_string();
        variables.push(("CREDENTIALS_DIRECTORY".to_owned(), folder));
    }
    let environment = Environment::from_pairs(variables);
    let processor = ProcessorFlags {
        common: common.clone(),
        ..ProcessorFlags::default()
    };
    let wall = WallFlags {
        common,
        ..WallFlags::default()
    };
    Reader {
        device: identity.device.clone(),
        bodies: BodySources {
            processor: ConfigSource::new(processor, environment.clone()),
            wall: ConfigSource::new(wall, environment),
            device: Some(identity.device.clone()),
        },
        abilities,
    }
}
