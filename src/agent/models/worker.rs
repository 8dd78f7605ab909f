//! The thread `models`, which fetches and installs one model after the other, and removes files that were put away. It exists only
//! while there is something to do.
//!
//! The agent gives it the whole list at each change; what is not on it any more is cancelled. It answers over one bounded queue, and
//! waits when that is full.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use tokio::sync::mpsc::Sender;
use tracing::{error, info, warn};

use super::install::{SPARE_BYTES, build_engine, can_build, install_archive};
use super::library::{empty_removed, remove_version};
use super::places::Places;
use super::schedule::{Job, Next, Schedule, Told};
use super::version::Version;
use crate::base::sync::{self, lock};
use crate::base::{Clock, Stop, free_bytes, shown_bytes};
use crate::bus::Trust;
use crate::fetch::{Client, Fault, Host, Listing, Retry, TimeLimits, Wanted, fetch};

/// Maximum length of an archive whose length the document does not name.
const LARGEST: u64 = 1 << 30;

/// What happened to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent) struct ModelEvent {
    pub(super) version: Version,
    pub(super) progress: Progress,
}

/// How far a version has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its file arrives.
    Fetching,
    /// Its engine is being built.
    Building,
    /// It is installed. The reason, if its engine could not be built.
    Ready(Option<String>),
    /// It can't be had now, or at all.
    Failed(Fault),
    /// It was removed, because space was needed.
    Removed,
}

/// What the thread works with.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) places: Places,
    /// `nvr` itself.
    pub(super) program: PathBuf,
    /// A file of authorities that is trusted besides those of the system.
    pub(super) ca: Option<PathBuf>,
    pub(super) clock: Clock,
    pub(super) events: Sender<ModelEvent>,
}

/// The agent's side of the thread.
#[derive(Debug)]
pub(super) struct Worker {
    tools: Tools,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    schedule: Schedule,
    /// Versions that may be removed when space is needed, the next one first.
    spare: Vec<Version>,
    /// Whether files were put away to be removed.
    has_removed: bool,
    /// The job under way.
    current: Option<(Job, Stop)>,
    is_running: bool,
}

impl Worker {
    pub(super) fn new(tools: Tools) -> Self {
        Self {
            tools,
            shared: Arc::default(),
            thread: None,
        }
    }

    /// Works on `jobs` from now on, and on nothing else.
    pub(super) fn follow(&mut self, jobs: Vec<Job>, spare: Vec<Version>) {
        let mut state = lock(&self.shared.state);
        let has_jobs = !jobs.is_empty();
        state.schedule.set(jobs, self.tools.clock.now());
        state.spare = spare;
        let current = state.current.clone();
        let stop = current.filter(|(job, _)| !state.schedule.has(job));
        drop(state);
        if let Some((job, stop)) = stop {
            info!(version = %job.version, "a download is cancelled");
            stop.raise();
        }
        self.wake(has_jobs);
    }

    /// Removes what was put away, between two downloads or when one needs the space.
    pub(super) fn remove(&mut self) {
        lock(&self.shared.state).has_removed = true;
        self.wake(true);
    }

    /// Wakes the thread, and starts it if it is needed and there is none.
    fn wake(&mut self, is_needed: bool) {
        let mut state = lock(&self.shared.state);
        let is_missing = is_needed && !state.is_running;
        state.is_running |= is_missing;
        drop(state);
        self.shared.changed.notify_all();
        if is_missing {
            self.start();
        }
    }

    fn start(&mut self) {
        let (tools, shared) = (self.tools.clone(), Arc::clone(&self.shared));
        let thread = std::thread::Builder::new().name("models".to_owned());
        match thread.spawn(move || work(&tools, &shared)) {
            Ok(thread) => self.thread = Some(thread),
            Err(err) => {
                error!(%err, "the system gives no thread for models; free memory or raise the limit of tasks");
                lock(&self.shared.state).is_running = false;
            }
        }
    }

    /// Cancels everything. Returns the thread, which ends soon.
    pub(super) fn stop(&mut self) -> Option<JoinHandle<()>> {
        // The next start of the agent removes it.
        lock(&self.shared.state).has_removed = false;
        self.follow(Vec::new(), Vec::new());
        self.thread.take()
    }
}

/// The thread.
fn work(tools: &Tools, shared: &Shared) {
    while let Some(task) = next_task(tools, shared) {
        let (job, stop) = match task {
            Task::Remove => {
                empty_removed(&tools.places);
                continue;
            }
            Task::Fetch(job, stop) => (job, stop),
        };
        let mut attempt = Attempt {
            tools,
            shared,
            job: &job,
            has_received: false,
        };
        let outcome = attempt.carry_out(&stop);
        let has_received = attempt.has_received;
        let mut state = lock(&shared.state);
        state.current = None;
        let progress = match outcome {
            Ok(engine_problem) => {
                state.schedule.remove(&job);
                Some(Progress::Ready(engine_problem))
            }
            Err(fault) => {
                let now = tools.clock.now();
                let told = state.schedule.failed(&job, fault.retry, has_received, now);
                drop(state);
                warn!(version = %job.version, %fault, "a model was not fetched");
                (told == Told::Failed).then_some(Progress::Failed(fault))
            }
        };
        if let Some(progress) = progress {
            tell(tools, &job.version, progress);
        }
    }
}

/// What the thread does next.
enum Task {
    /// Removes what was put away.
    Remove,
    Fetch(Job, Stop),
}

/// Waits for a task that is due. None if there is none any more.
fn next_task(tools: &Tools, shared: &Shared) -> Option<Task> {
    let mut state = lock(&shared.state);
    loop {
        if std::mem::take(&mut state.has_removed) {
            return Some(Task::Remove);
        }
        match state.schedule.next(tools.clock.now()) {
            Next::Start(job) => {
                let stop = Stop::default();
                state.current = Some((job.clone(), stop.clone()));
                return Some(Task::Fetch(job, stop));
            }
            Next::Wait(wait) => {
                state = sync::wait(&shared.changed, state, Some(wait));
            }
            Next::Nothing => {
                state.is_running = false;
                return None;
            }
        }
    }
}

fn tell(tools: &Tools, version: &Version, progress: Progress) {
    let version = version.clone();
    // Without a receiver the agent is ending.
    let _ = tools.events.blocking_send(ModelEvent { version, progress });
}

/// One attempt at a job.
struct Attempt<'a> {
    tools: &'a Tools,
    shared: &'a Shared,
    job: &'a Job,
    has_received: bool,
}

impl Attempt<'_> {
    /// Fetches, installs, and builds the engine. Returns the reason if there should be an engine and is none.
    fn carry_out(&mut self, stop: &Stop) -> Result<Option<String>, Fault> {
        let (tools, job) = (self.tools, self.job);
        let (places, program) = (&tools.places, &tools.program);
        info!(version = %job.version, "fetching a model");
        let client = Client::new(Trust::of(tools.ca.as_deref()), TimeLimits::default());
        let name = job.version.to_string();
        let wanted = Wanted {
            name: &name,
            sha256: Some(job.version.sha256.as_str()),
            url: &job.url,
            size: job.size,
            largest: LARGEST,
            is_unpacked: true,
            listing: Listing::DOCUMENT,
        };
        let file = fetch(wanted, &places.part(&job.version), &client, stop, self)?;
        let installed = install_archive(&file, &job.version, places, program, stop);
        // A file that is no model is of no use; another one needs the space for another attempt.
        if installed
            .as_ref()
            .map_or_else(|fault| fault.retry == Retry::Never, |()| true)
        {
            places.part(&job.version).remove();
        }
        installed?;
        info!(version = %job.version, "a model is installed");
        if !job.builds_engine || !can_build() {
            return Ok(None);
        }
        tell(tools, &job.version, Progress::Building);
        info!(version = %job.version, "building the engine of a model");
        match build_engine(&job.version, places, program, stop) {
            Ok(()) => Ok(None),
            Err(Some(reason)) => {
                warn!(version = %job.version, reason, "the engine was not built");
                Ok(Some(reason))
            }
            Err(None) => Err(Fault::stopped()),
        }
    }
}

impl Host for Attempt<'_> {
    fn received(&mut self, _: u64, _: Option<u64>) {
        if !std::mem::replace(&mut self.has_received, true) {
            tell(self.tools, &self.job.version, Progress::Fetching);
        }
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), Fault> {
        let root = self.tools.places.root();
        let needed = bytes.saturating_add(SPARE_BYTES);
        loop {
            let free = match free_bytes(root) {
                Some(free) if free < needed => free,
                _ => return Ok(()),
            };
            let mut state = lock(&self.shared.state);
            if std::mem::take(&mut state.has_removed) {
                drop(state);
                empty_removed(&self.tools.places);
                continue;
            }
            let spare = (!state.spare.is_empty()).then(|| state.spare.remove(0));
            drop(state);
            let Some(spare) = spare else {
                return Err(Fault::disk(format!(
                    "the model needs {}, and the disk of {} has {} free; free some",
                    shown_bytes(needed),
                    root.display(),
                    shown_bytes(free)
                )));
            };
            info!(version = %spare, "removing a model that no document names: its space is needed");
            if let Err(err) = remove_version(&self.tools.places, &spare) {
                warn!(version = %spare, %err, "a model can't be removed");
            }
            tell(self.tools, &spare, Progress::Removed);
        }
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
