//! From the fetched file to an installed model: unpacked, checked, and with an engine where one can be built.
//!
//! Networks are run by other processes (`nvr model import`, `nvr model build`): a model must not end the agent, nor take its memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::fault::bad_model;
use super::library::{Record, install, remove_all};
use super::places::{Places, make};
use super::version::Version;
use crate::agent::subprocess::{Unended, log_end, run_to_end};
use crate::base::archive::{ArchiveKind, UnpackError, UnpackLimits, unpack};
use crate::base::{Stop, ending, private_file};
use crate::config::without_secrets;
use crate::detect::{ModelStore, can_build_engines};
use crate::fetch::Fault;

/// Space in bytes that stays free for the documents of the box.
pub(super) const SPARE_BYTES: u64 = 64 << 20;
const LIMITS: UnpackLimits = UnpackLimits {
    entries: 256,
    bytes: 4 << 30,
    spare_bytes: SPARE_BYTES,
};
/// Time limit of an import, which runs the model once.
const IMPORT_LIMIT: Duration = Duration::from_secs(600);
/// Time limit of the build of an engine: half an hour on a small board.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);
/// The end of the output of a child that is told.
const TOLD_BYTES: u64 = 1000;
const MANIFEST: &str = "model.toml";

/// Installs the file `archive` as `version`: a tar archive of a model's folder, or an ONNX file.
///
/// # Errors
/// When it is no model, with what is wrong; or the disk refuses it.
pub(super) fn install_archive(
    archive: &Path,
    version: &Version,
    places: &Places,
    program: &Path,
    stop: &Stop,
) -> Result<(), Fault> {
    let staging = places.staging();
    let io = |err: std::io::Error| {
        Fault::disk(format!(
            "can't install the model in {}: {err}; check the disk and the owner of the folder",
            places.root().display()
        ))
    };
    remove_all(&staging).map_err(io)?;
    make(&staging).map_err(io)?;
    let made = match ArchiveKind::of(archive).map_err(io)? {
        ArchiveKind::Other => import(archive, version, places, program, stop),
        kind => unpack_model(archive, kind, version, &staging, stop),
    };
    let installed = made.and_then(|()| {
        let record = Record::new(version.clone());
        install(places, &staging, &record).map_err(io)
    });
    if installed.is_err() {
        // What is left would take the space that the next attempt needs.
        let _ = remove_all(&staging);
    }
    installed
}

fn unpack_model(
    archive: &Path,
    kind: ArchiveKind,
    version: &Version,
    staging: &Path,
    stop: &Stop,
) -> Result<(), Fault> {
    let into = staging.join("unpacked");
    unpack(archive, kind, &into, LIMITS, stop).map_err(|err| match err {
        UnpackError::Stopped => Fault::stopped(),
        UnpackError::Space { .. } | UnpackError::Write { .. } => Fault::disk(err.to_string()),
        UnpackError::Archive(_) | UnpackError::Entry { .. } => bad_model(err.to_string()),
    })?;
    let Some(folder) = model_folder(&into) else {
        return Err(bad_model(format!(
            "the archive has no {MANIFEST}, neither at its top nor in its only folder; pack the folder of a model"
        )));
    };
    let place = staging.join(&version.id);
    fs::rename(&folder, &place)
        .map_err(|err| Fault::disk(format!("can't write {}: {err}", place.display())))?;
    let _ = remove_all(&into);
    let model = ModelStore::new(vec![staging.to_owned()]).find(&version.id);
    let checked = model.and_then(|model| model.verify());
    checked.map_err(|err| {
        // The folder for the installation is of no use to the reader.
        let text = err.to_string();
        bad_model(text.replace(&format!("{}/", staging.display()), ""))
    })
}

/// The folder with the manifest: the top of the archive, or its only folder.
fn model_folder(unpacked: &Path) -> Option<PathBuf> {
    if unpacked.join(MANIFEST).is_file() {
        return Some(unpacked.to_owned());
    }
    let entries = fs::read_dir(unpacked).ok()?.flatten();
    let mut folders = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    let only = folders.next().filter(|_| folders.next().is_none())?;
    only.join(MANIFEST).is_file().then_some(only)
}

fn import(
    file: &Path,
    version: &Version,
    places: &Places,
    program: &Path,
    stop: &Stop,
) -> Result<(), Fault> {
    let mut command = Command::new(program);
    command
        .args(["model", "import", "--id", &version.id, "--models-dir"])
        .arg(places.staging())
        .arg("--")
        .arg(file);
    run(command, places, IMPORT_LIMIT, stop).map_err(|ended| match ended {
        Ended::Stopped => Fault::stopped(),
        Ended::Failed(told) => bad_model(format!(
            "the file is no tar archive, and can't be imported as an ONNX file: {told}"
        )),
        Ended::NotRun(told) => Fault::disk(told),
    })
}

/// Whether `version` should get an engine, and this machine has the tool. Blocks for a second.
pub(super) fn can_build() -> bool {
    can_build_engines()
}

/// Builds the engine of an installed version.
///
/// # Errors
/// The reason in words, or `None` if it was stopped.
pub(super) fn build_engine(
    version: &Version,
    places: &Places,
    program: &Path,
    stop: &Stop,
) -> Result<(), Option<String>> {
    let mut command = Command::new(program);
    command
        .args(["model", "build", &version.id, "--usual", "--models-dir"])
        .arg(places.version(version));
    run(command, places, BUILD_LIMIT, stop).map_err(|ended| match ended {
        Ended::Stopped => None,
        Ended::Failed(told) | Ended::NotRun(told) => Some(told),
    })
}

/// How a child has ended without success.
enum Ended {
    Stopped,
    /// What it has told.
    Failed(String),
    NotRun(String),
}

/// Runs a child to its end. Kills it when `stop` is raised, and at the time limit.
fn run(mut command: Command, places: &Places, limit: Duration, stop: &Stop) -> Result<(), Ended> {
    let not_run = |err: std::io::Error| Ended::NotRun(format!("can't run nvr model: {err}"));
    let log = places.root().join("child.log");
    let written = private_file(&log).map_err(not_run)?;
    command
        .env_remove("NVR_MODELS_DIR")
        .stdout(Stdio::null())
        .stderr(written);
    let status = run_to_end(&mut command, limit, stop).map_err(|unended| match unended {
        Unended::NotRun(err) => not_run(err),
        Unended::Late => Ended::Failed(format!("it did not end within {} s", limit.as_secs())),
        Unended::Stopped => Ended::Stopped,
    })?;
    let told = told(&log);
    let _ = fs::remove_file(&log);
    match status.success() {
        true => Ok(()),
        false if told.is_empty() => Err(Ended::Failed(ending(status))),
        false => Err(Ended::Failed(told)),
    }
}

/// The last lines that a child has written, in one.
fn told(log: &Path) -> String {
    let text = log_end(log, TOLD_BYTES);
    // After logs comes the error, which is the rest.
    let error = text.rfind("error: ").map_or("", |at| &text[at + 7..]);
    let lines: Vec<&str> = match error {
        "" => text.lines().rev().take(1).collect(),
        error => error.lines().collect(),
    };
    let lines: Vec<&str> = lines.into_iter().map(str::trim).collect();
    without_secrets(lines.join(" ").trim())
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
