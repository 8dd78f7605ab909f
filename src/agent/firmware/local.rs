//! `nvr firmware`: the state of the updates on this box, and a word for people and units who know better than the box.
//!
//! While the agent runs it carries out the word; otherwise it is done here, under the agent's lock.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::command::{Words, run};
use super::record::{Places, Record, Step};
use super::settings::{Settings, SettingsError};
use super::updater::codes;
use crate::agent::state_dir;
use crate::base::Stop;
use crate::fleet::{DocumentError, FirmwarePhase};

/// Time limit of a command.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// Time within which a running agent takes a word.
const TAKEN_LIMIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

/// Where the box keeps its state.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The folder with `firmware.toml`.
    pub config_dir: PathBuf,
    /// The folder of the agent's state.
    pub state_dir: PathBuf,
    /// The command that restarts the machine, with its arguments.
    pub reboot: Vec<String>,
}

/// It can't be done.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The settings.
    #[error("{0}")]
    Settings(String),
    /// A command of the settings, or the slot that it tells.
    #[error("{0}")]
    Command(String),
    /// There is nothing to confirm, or nowhere to return.
    #[error("{0}")]
    State(String),
    /// The agent runs and does not answer.
    #[error("the agent runs and did not take the order within {} s; look at its log", TAKEN_LIMIT.as_secs())]
    NotTaken,
    /// The folder of the state.
    #[error("can't use {}: {source}; run this as the user of the agent", path.display())]
    Disk {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl From<SettingsError> for LocalError {
    fn from(err: SettingsError) -> Self {
        Self::Settings(err.to_string())
    }
}

/// The state of the updates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FirmwareStatus {
    /// The slot that runs; absent if the box has no slots, or the reason is in `slot_problem`.
    pub slot: Option<String>,
    /// Why the slot is unknown.
    pub slot_problem: Option<String>,
    /// How far the last update has come.
    pub phase: FirmwarePhase,
    /// Its version.
    pub target: Option<String>,
    /// Its generation; 0 without one.
    pub generation: u64,
    /// The version to which a rollback returns.
    pub former_version: Option<String>,
    /// The slot of that version.
    pub former_slot: Option<String>,
    /// The reason of `failed` and `rolled-back`.
    pub error: Option<DocumentError>,
}

/// Reads the state. Runs the command that tells the slot.
pub fn read_status(options: &LocalOptions) -> FirmwareStatus {
    let record = Places::new(&options.state_dir).load();
    let (slot, slot_problem) = match slot(options) {
        Ok(slot) => (Some(slot), None),
        Err(err) => (None, Some(err.to_string())),
    };
    FirmwareStatus {
        slot,
        slot_problem,
        phase: record.step.phase(),
        target: record.target.as_ref().map(|target| target.version.clone()),
        generation: record.generation,
        former_version: record.from.as_ref().map(|from| from.version.clone()),
        former_slot: record.from.as_ref().map(|from| from.slot.clone()),
        error: record.error,
    }
}

/// Confirms the new slot without further checks.
///
/// # Errors
/// When no slot is to be confirmed, or it can't be done.
pub fn confirm(options: &LocalOptions) -> Result<(), LocalError> {
    let step = Places::new(&options.state_dir).load().step;
    if step != Step::Confirming {
        let message = format!(
            "no slot is to be confirmed: the firmware is {}",
            step.phase().as_str()
        );
        return Err(LocalError::State(message));
    }
    let done = |settings: &Settings, record: &mut Record| {
        command(&settings.confirm, options)?;
        record.step = Step::Confirmed;
        record.error = None;
        Ok(())
    };
    give(options, "confirm", done)
}

/// Returns to the former slot: tells the bootloader, and restarts the machine.
///
/// # Errors
/// When there is no former slot, or it can't be done.
pub fn roll_back(options: &LocalOptions) -> Result<(), LocalError> {
    let record = Places::new(&options.state_dir).load();
    let is_new = matches!(record.step, Step::Confirming | Step::Confirmed);
    if !is_new || record.from.is_none() {
        let phase = record.step.phase().as_str();
        let message = format!("there is no former version to return to: the firmware is {phase}");
        return Err(LocalError::State(message));
    }
    let done = |settings: &Settings, record: &mut Record| {
        let message = "it was taken back by hand on the box";
        record.step = Step::Returning;
        record.error = Some(DocumentError::new("firmware", codes::BY_HAND, message));
        save(options, record)?;
        command(&settings.rollback, options)?;
        record.is_switched = true;
        save(options, record)?;
        command(&options.reboot, options).map(|_| ())
    };
    give(options, "rollback", done)
}

/// Has the agent carry out a word, or does it here if no agent runs.
fn give(
    options: &LocalOptions,
    word: &str,
    done: impl FnOnce(&Settings, &mut Record) -> Result<(), LocalError>,
) -> Result<(), LocalError> {
    let settings = Settings::read(&options.config_dir)?;
    let places = Places::new(&options.state_dir);
    let disk = |source| LocalError::Disk {
        path: options.state_dir.clone(),
        source,
    };
    match state_dir::lock(&options.state_dir) {
        Ok(_lock) => {
            let mut record = places.load();
            done(&settings, &mut record)?;
            save(options, &record)
        }
        Err(err) if err.kind() == ErrorKind::WouldBlock => {
            let path = places.request();
            state_dir::save(&path, word.as_bytes()).map_err(disk)?;
            let until = Instant::now() + TAKEN_LIMIT;
            while path.exists() {
                if Instant::now() >= until {
                    let _ = std::fs::remove_file(&path);
                    return Err(LocalError::NotTaken);
                }
                std::thread::sleep(LOOK);
            }
            Ok(())
        }
        Err(err) => Err(disk(err)),
    }
}

fn save(options: &LocalOptions, record: &Record) -> Result<(), LocalError> {
    let saved = Places::new(&options.state_dir).save(record);
    saved.map_err(|source| LocalError::Disk {
        path: options.state_dir.clone(),
        source,
    })
}

fn slot(options: &LocalOptions) -> Result<String, LocalError> {
    let settings = Settings::read(&options.config_dir)?;
    command(&settings.slot, options)
}

/// Runs a command, with a folder of its own for its output: the agent may run one too.
fn command(command: &[String], options: &LocalOptions) -> Result<String, LocalError> {
    let places = Places::new(&options.state_dir);
    let folder = places.root().join(format!("local-{}", std::process::id()));
    let ended = run(
        command,
        &Words::default(),
        &folder,
        COMMAND_LIMIT,
        &Stop::default(),
    );
    let _ = std::fs::remove_dir_all(&folder);
    ended.map_err(LocalError::Command)
}
