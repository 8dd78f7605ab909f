//! The agent's side of the models: what the documents name, what the box has, and what is told of it.
//!
//! Runs on the agent's one thread. The files are fetched by the thread of `worker`, which answers with [`ModelEvent`]s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tracing::{error, info, warn};

use super::choice::{Choice, uses_engines, wanted, written_dirs};
use super::fault::{self, bad_model};
use super::library::Library;
use super::places::{Places, make, write_whole};
use super::schedule::Job;
use super::shelf::Shelf;
use super::version::Version;
use super::worker::{ModelEvent, Progress, Tools, Worker};
use crate::base::{Clock, models_dirs};
use crate::fetch::{Fault, Retry};
use crate::fleet::{Desired, DocumentError, ModelPhase, ModelState};

/// How often the age of models is looked at.
const SWEEP: Duration = Duration::from_secs(600);
/// Time limit for the thread to end.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// Maximum length of the reasons that are told of a refused model, in bytes.
const REASON_BYTES: usize = 600;

/// What the models of a box need.
#[derive(Debug, Clone)]
pub(in crate::agent) struct ModelOptions {
    /// The folder of the agent's state.
    pub(in crate::agent) state_dir: PathBuf,
    /// The folder of the configurations of the roles, from which their relative paths start.
    pub(in crate::agent) configs: PathBuf,
    /// `nvr` itself.
    pub(in crate::agent) program: PathBuf,
    /// How long a model is kept that no document names.
    pub(in crate::agent) keep: Duration,
    /// The folders of `NVR_MODELS_DIR`, which take the place of those of a document.
    pub(in crate::agent) dirs: Option<Vec<PathBuf>>,
    /// A file of authorities that is trusted besides those of the system.
    pub(in crate::agent) ca: Option<PathBuf>,
}

/// The models of a box.
#[derive(Debug)]
pub(in crate::agent) struct Models {
    options: ModelOptions,
    places: Places,
    library: Library,
    worker: Worker,
    clock: Clock,
    /// How far versions have come that are not installed, or why they failed.
    states: BTreeMap<Version, State>,
    /// Installed versions whose engine could not be built.
    without_engine: BTreeMap<Version, String>,
    /// Versions that the processor can't run, until the agent starts again.
    condemned: BTreeSet<Version>,
    /// The version that may be to blame for a refusal.
    doubted: Option<Version>,
    /// The model that has run last.
    in_use: Option<Choice>,
    jobs: Vec<Job>,
    named: BTreeSet<Version>,
    swept_at: Option<Duration>,
    /// Whether the choice of the processor may be another one now.
    has_changed: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct State {
    phase: ModelPhase,
    fault: Option<(&'static str, String)>,
}

impl Models {
    pub(in crate::agent) fn open(
        options: ModelOptions,
        clock: Clock,
        events: Sender<ModelEvent>,
    ) -> Self {
        let places = Places::new(&options.state_dir);
        let tools = Tools {
            places: places.clone(),
            program: options.program.clone(),
            ca: options.ca.clone(),
            clock: clock.clone(),
            events,
        };
        let in_use = std::fs::read(places.in_use()).ok();
        let library = Library::open(places.clone());
        let mut worker = Worker::new(tools);
        if library.has_removed() {
            worker.remove();
        }
        Self {
            library,
            in_use: in_use.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            worker,
            options,
            places,
            clock,
            states: BTreeMap::new(),
            without_engine: BTreeMap::new(),
            condemned: BTreeSet::new(),
            doubted: None,
            jobs: Vec::new(),
            named: BTreeSet::new(),
            swept_at: None,
            has_changed: true,
        }
    }

    /// Fetches the models of `documents`, the most important document first, and keeps those of `kept` as well.
    pub(in crate::agent) fn follow<'a>(
        &mut self,
        documents: &[&'a Desired],
        kept: impl Iterator<Item = &'a Desired>,
        wall: Option<Timestamp>,
    ) {
        let mut jobs: Vec<Job> = Vec::new();
        for desired in documents {
            for model in &desired.models {
                let version = Version::of(model);
                let is_known = jobs.iter().any(|job| job.version == version);
                if is_known || self.library.has(&version) || self.is_final(&version) {
                    continue;
                }
                let is_run = wanted(desired).as_ref() == Some(&version);
                jobs.push(Job {
                    url: model.url.clone(),
                    size: model.size,
                    builds_engine: is_run && uses_engines(desired),
                    version,
                });
            }
        }
        let all = kept.chain(documents.iter().copied());
        let models = all.flat_map(|desired| &desired.models);
        let named: BTreeSet<Version> = models.map(Version::of).collect();
        if jobs != self.jobs || named != self.named {
            self.states.retain(|version, _| named.contains(version));
            self.named = named;
            self.jobs = jobs;
            self.has_changed = true;
            self.sweep(wall);
            self.instruct();
        } else if self.is_sweep_due() {
            self.sweep(wall);
        }
    }

    /// Gives the list to the thread.
    fn instruct(&mut self) {
        if !self.jobs.is_empty()
            && let Err(err) = make(self.places.root())
        {
            error!(path = %self.places.root().display(), %err, "models can't be saved");
        }
        let spare = self.library.spare(&|version| self.is_kept(version));
        self.worker.follow(self.jobs.clone(), spare);
    }

    /// A version that documents name, or that runs.
    fn is_kept(&self, version: &Version) -> bool {
        let runs = self.in_use.as_ref();
        let runs = runs.and_then(|in_use| in_use.version.as_ref());
        self.named.contains(version) || runs == Some(version)
    }

    /// Whether it has failed for good.
    fn is_final(&self, version: &Version) -> bool {
        self.condemned.contains(version)
    }

    fn is_sweep_due(&self) -> bool {
        self.swept_at
            .is_none_or(|at| self.clock.now() >= at + SWEEP)
    }

    /// Removes what no document has named for long, and parts of files that no document needs.
    fn sweep(&mut self, wall: Option<Timestamp>) {
        self.swept_at = Some(self.clock.now());
        let in_use = self.in_use.as_ref();
        let in_use = in_use.and_then(|in_use| in_use.version.as_ref());
        let named = &self.named;
        let is_kept = |version: &Version| named.contains(version) || in_use == Some(version);
        self.library.note_names(&is_kept, wall);
        if let Some(now) = wall {
            for version in self.library.old(self.options.keep, now) {
                self.library.remove(&version);
            }
        }
        self.library.sweep_partials(&self.named);
        self.remove_files();
    }

    /// Has the thread remove what was put away, also what it could not remove before.
    fn remove_files(&mut self) {
        if self.library.has_removed() {
            self.worker.remove();
        }
    }

    /// The thread has told something.
    pub(in crate::agent) fn event(&mut self, event: ModelEvent) {
        let ModelEvent { version, progress } = event;
        let state = |phase| State { phase, fault: None };
        match progress {
            Progress::Fetching => {
                self.states.insert(version, state(ModelPhase::Fetching));
            }
            Progress::Building => {
                self.states.insert(version, state(ModelPhase::Building));
            }
            Progress::Ready(problem) => {
                info!(%version, "a model is ready");
                self.library.add(&version);
                self.states.remove(&version);
                match problem {
                    Some(problem) => self.without_engine.insert(version.clone(), problem),
                    None => self.without_engine.remove(&version),
                };
                self.jobs.retain(|job| job.version != version);
            }
            Progress::Failed(fault) => self.failed(version, &fault),
            Progress::Removed => self.library.forget(&version),
        }
        self.has_changed = true;
    }

    fn failed(&mut self, version: Version, fault: &Fault) {
        if fault.retry == Retry::Never {
            self.condemned.insert(version.clone());
            self.jobs.retain(|job| job.version != version);
        }
        let state = State {
            phase: ModelPhase::Failed,
            fault: Some((fault.code, fault.message.clone())),
        };
        self.states.insert(version, state);
    }

    /// The model for the processor of `desired`.
    pub(in crate::agent) fn choose(&self, desired: &Desired) -> Choice {
        let dirs = models_dirs(&self.dirs(desired));
        let shelf = Shelf::new(&self.library, self.doubted.as_ref(), dirs);
        Choice::of(desired, &shelf, self.in_use.as_ref())
    }

    /// The folders that the processor of `desired` searches before the usual ones, without the fetched models.
    fn dirs(&self, desired: &Desired) -> Vec<PathBuf> {
        if let Some(dirs) = &self.options.dirs {
            return dirs.clone();
        }
        let written = written_dirs(desired).into_iter();
        written.map(|dir| self.options.configs.join(dir)).collect()
    }

    /// Puts a choice into the configuration of the processor of `desired`.
    pub(in crate::agent) fn put_into(
        &self,
        config: &mut Value,
        desired: &Desired,
        choice: &Choice,
    ) {
        let text = |path: &Path| path.to_str().map(str::to_owned);
        let version = choice.version.as_ref();
        let fetched = version.and_then(|version| text(&self.places.version(version)));
        let others: Vec<String> = match &self.options.dirs {
            Some(dirs) => dirs.iter().filter_map(|dir| text(dir)).collect(),
            None => written_dirs(desired),
        };
        let dirs = fetched.into_iter().chain(others).collect();
        choice.put_into(config, dirs);
    }

    /// The processor runs `choice`, which has proved itself. It stands in for models that are missing, also after a restart.
    pub(in crate::agent) fn runs(&mut self, choice: &Choice) {
        if !choice.detects() || self.in_use.as_ref() == Some(choice) {
            return;
        }
        self.in_use = Some(choice.clone());
        let saved = make(self.places.root()).and_then(|()| {
            let text = serde_json::to_vec(choice)?;
            write_whole(&self.places.in_use(), &text)
        });
        if let Err(err) = saved {
            warn!(%err, "the model in use can't be saved");
        }
    }

    /// Does without a version from now on, until it is condemned or not doubted any more.
    pub(in crate::agent) fn doubt(&mut self, version: Option<Version>) {
        self.doubted = version;
    }

    /// A version can't be run. Its files are removed, because they may be damaged.
    pub(in crate::agent) fn condemn(&mut self, version: &Version, reason: &str) {
        error!(%version, reason, "a model can't be used; the processor goes on without it");
        let mut reason = reason.to_owned();
        reason.truncate(reason.floor_char_boundary(REASON_BYTES));
        let message = format!(
            "the processor can't run the model: {reason}; name another file, or restart the agent to try it again"
        );
        self.library.remove(version);
        self.remove_files();
        self.doubted = None;
        self.failed(
            version.clone(),
            &bad_model(message).with_code(fault::NOT_LOADED),
        );
        self.has_changed = true;
    }

    /// Whether the choice may be another one since the last call.
    pub(in crate::agent) fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// The choice must be looked at again.
    pub(in crate::agent) fn mark_changed(&mut self) {
        self.has_changed = true;
    }

    /// The state of each model of `desired`.
    pub(in crate::agent) fn states(&self, desired: &Desired) -> Vec<ModelState> {
        let state = |(index, model): (usize, &crate::fleet::ModelRef)| {
            let version = Version::of(model);
            let state = self.states.get(&version);
            let phase = match state {
                _ if self.library.has(&version) => ModelPhase::Ready,
                Some(state) => state.phase,
                None => ModelPhase::Fetching,
            };
            let fault = state.and_then(|state| state.fault.as_ref());
            let fault = fault.filter(|_| phase == ModelPhase::Failed);
            ModelState {
                id: model.id.clone(),
                phase,
                error: fault.map(|(code, message)| {
                    DocumentError::new(format!("models[{index}]"), code, message.clone())
                }),
            }
        };
        desired.models.iter().enumerate().map(state).collect()
    }

    /// What is amiss with the models of the document that runs, with `choice`.
    pub(in crate::agent) fn warnings(
        &self,
        desired: &Desired,
        choice: Option<&Choice>,
    ) -> Vec<DocumentError> {
        let mut warnings = Vec::new();
        if let (Some(wanted), Some(choice)) = (wanted(desired), choice)
            && choice.version.as_ref() != Some(&wanted)
        {
            let message = format!("the model {wanted} is not in use yet; until then {choice} runs");
            let path = "processor.processor.model";
            warnings.push(DocumentError::new(path, fault::NOT_READY, message));
        }
        for (index, model) in desired.models.iter().enumerate() {
            if let Some(reason) = self.without_engine.get(&Version::of(model)) {
                let message = format!(
                    "its engine could not be built, so another backend may run it: {reason}"
                );
                let path = format!("models[{index}]");
                warnings.push(DocumentError::new(path, fault::NO_ENGINE, message));
            }
        }
        warnings
    }

    /// Cancels what is under way, and waits a little for its thread.
    pub(in crate::agent) async fn stop(&mut self) {
        if let Some(thread) = self.worker.stop() {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            let _ = tokio::time::timeout(STOP_LIMIT, joined).await;
        }
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
