//! `nvr provision`: finds a provisioning file, takes it over, and gives the settings of the system to systemd.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::{debug, error, info, warn};

use super::services::Services;
use super::stick::{Mounted, devices};
use super::take::{ProvisionError, Provisioned, moved, take_over, told};
use super::{search, system};
use crate::agent::state_dir;
use crate::config::Environment;

/// The file with the problems of the last provisioning, a line each, which the agent shows on the monitor.
const PROBLEMS: &str = "problems";

/// Settings of `nvr provision`.
#[derive(Debug, Clone)]
pub struct ProvisionOptions {
    /// Folders that are looked at, in this order.
    pub folders: Vec<PathBuf>,
    /// The one block device that is looked at, instead of the folders and all sticks.
    pub device: Option<PathBuf>,
    /// Whether sticks are looked at.
    pub sticks: bool,
    /// The folder of the agent's state.
    pub state_dir: PathBuf,
    /// The root of the system: `/`.
    pub root: PathBuf,
    /// Whether the services that the file concerns are restarted.
    pub restart_services: bool,
}

impl ProvisionOptions {
    /// The folder for what does not outlast a restart of the machine, `/run/nvr-provision`.
    fn run_dir(&self) -> PathBuf {
        self.root.join("run/nvr-provision")
    }
}

/// A search, and what came of it.
struct Search<'a> {
    options: &'a ProvisionOptions,
    environment: &'a Environment,
    services: Services,
    /// Whether a file was there, good or not.
    has_found: bool,
    /// Whether the settings are others than before.
    is_taken: bool,
    problems: Vec<String>,
}

/// Looks for a file, takes the first one over, and applies the kept settings of the system. Returns whether there was no problem; the
/// problems are logged and kept for the monitor.
///
/// # Errors
/// Those of the disk.
pub fn run(options: &ProvisionOptions, environment: &Environment) -> Result<bool, ProvisionError> {
    let (run_dir, state_dir) = (options.run_dir(), &options.state_dir);
    state_dir::make(state_dir).map_err(moved(state_dir))?;
    fs::create_dir_all(&run_dir).map_err(moved(&run_dir))?;
    // Sticks that are plugged in at once come one after the other.
    let _turn = turn(&run_dir).map_err(moved(&run_dir))?;
    let mut found = Search {
        options,
        environment,
        // Until the end, so that what it has stopped is started again in any case.
        services: Services::new(options.restart_services),
        has_found: false,
        is_taken: false,
        problems: Vec::new(),
    };
    found.search()?;
    for problem in &found.problems {
        error!("provisioning: {problem}");
    }
    if found.has_found || options.device.is_none() {
        let path = run_dir.join(PROBLEMS);
        let text = found.problems.join("\n");
        let written = match text.is_empty() {
            true => fs::remove_file(&path).or_else(absent),
            false => fs::write(&path, text),
        };
        written.map_err(moved(&path))?;
    }
    let settings = system::load(state_dir);
    let (systemd, etc) = (options.root.join("run/systemd"), options.root.join("etc"));
    let applied = system::apply(&settings, &systemd, &etc, &run_dir.join("environment"));
    applied.map_err(moved(&systemd))?;
    if found.is_taken {
        found.services.restart();
    }
    Ok(found.problems.is_empty())
}

/// The problems that the last run has left below `root`, a line each.
pub(in crate::agent) fn problems(root: &Path) -> Vec<String> {
    let path = root.join("run/nvr-provision").join(PROBLEMS);
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The first `most` of `problems`, each with `prefix`, and how many more there are.
pub(in crate::agent) fn first_problems(
    problems: &[String],
    most: usize,
    prefix: &str,
) -> Vec<String> {
    let shown = problems.iter().take(most);
    let mut lines: Vec<String> = shown.map(|problem| format!("{prefix}{problem}")).collect();
    if let Some(more) = problems.len().checked_sub(most).filter(|more| *more > 0) {
        lines.push(format!("and {more} more problems, in the journal"));
    }
    lines
}

impl Search<'_> {
    /// Looks everywhere, until a file was taken over.
    fn search(&mut self) -> Result<(), ProvisionError> {
        let options = self.options;
        if options.device.is_none() {
            for folder in &options.folders {
                self.look(folder, |file| fs::remove_file(file))?;
            }
        }
        let sticks = match &options.device {
            Some(device) => vec![device.clone()],
            None if options.sticks => devices(&options.root.join("sys"), &options.root.join("dev")),
            None => Vec::new(),
        };
        for device in sticks {
            if self.is_taken {
                break;
            }
            let at = options.run_dir().join("stick");
            match Mounted::new(&device, &at) {
                Ok(None) => debug!(device = %device.display(), "not mounted"),
                Ok(Some(mounted)) => self.look(&mounted.path, |file| mounted.remove(file))?,
                Err(err) => {
                    warn!(device = %device.display(), %err, "the stick can't be read; try another one")
                }
            }
        }
        Ok(())
    }

    /// Takes over the file of a folder, unless another one was taken over before it.
    fn look(
        &mut self,
        folder: &Path,
        remove: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), ProvisionError> {
        if self.is_taken {
            return Ok(());
        }
        let found = search::look(folder);
        self.has_found |= found.file.is_some() || !found.problems.is_empty();
        self.problems.extend(found.problems);
        let Some(file) = found.file else {
            return Ok(());
        };
        info!(path = %file.display(), "a provisioning file");
        let (state_dir, environment) = (&self.options.state_dir, self.environment);
        let before = || self.services.stop_agent();
        match take_over(&file, state_dir, environment, before, remove) {
            Ok(provisioned) => self.is_taken = provisioned == Provisioned::Taken,
            Err(ProvisionError::File(err)) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                for text in told(err) {
                    let lines = text.lines().map(|line| format!("{name}: {line}"));
                    self.problems.extend(lines);
                }
            }
            Err(err) => return Err(err),
        }
        // A good file ends the problems of others.
        if self.is_taken {
            self.problems.clear();
        }
        Ok(())
    }
}

fn turn(run_dir: &Path) -> io::Result<fs::File> {
    use rustix::fs::{FlockOperation, flock};
    let file = crate::base::private_file(&run_dir.join("lock"))?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

fn absent(err: io::Error) -> io::Result<()> {
    match err.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(err),
    }
}
