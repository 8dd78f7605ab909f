//! The sessions of a role's sources: one runner for each source that runs, and the counters of each source that ever ran.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::error;

use super::Timing;
use crate::base::{Clock, Heartbeats, SourceId};
use crate::config::SourceSettings;
use crate::media::{self, OpenOptions, Runner, RunnerOptions, SourceCounters, SourceListener};

/// How long the session of a source that is removed may take to end.
const SESSION_LIMIT: Duration = Duration::from_secs(3);

/// The sources of a role. Not shared: the role keeps it behind its own lock.
pub struct Sources {
    heartbeats: Heartbeats,
    clock: Clock,
    runners: BTreeMap<SourceId, Runner>,
    /// Of every source that ever was: its frame numbers continue when it is restarted or comes back.
    counters: BTreeMap<SourceId, Arc<SourceCounters>>,
}

impl Sources {
    /// No sources yet. Each one that starts gets a stage of `heartbeats`.
    pub fn new(heartbeats: Heartbeats, clock: Clock) -> Self {
        Self {
            heartbeats,
            clock,
            runners: BTreeMap::new(),
            counters: BTreeMap::new(),
        }
    }

    /// The counters of a source, the same ones before and after a restart.
    pub fn counters(&mut self, id: SourceId) -> Arc<SourceCounters> {
        self.counters.entry(id).or_default().clone()
    }

    /// Starts the sessions of a source, opened with `options`; `listener` gets its frames and its states. If the system
    /// gives no thread, the log says so and the source does not run.
    pub fn start(
        &mut self,
        source: &SourceSettings,
        timing: Timing,
        options: OpenOptions,
        listener: Arc<dyn SourceListener>,
    ) {
        let (id, stream, clock) = (source.id, source.stream.clone(), self.clock.clone());
        let runner = RunnerOptions {
            id,
            heartbeats: self.heartbeats.clone(),
            stage_limit: timing.stage_limit,
            retry_first: timing.retry_first,
            retry_longest: timing.retry_longest,
            login_waits: media::LOGIN_WAITS,
            descriptors: media::descriptors_of(&stream),
            counters: self.counters(id),
        };
        let open = move || media::open(id, &stream, &clock, options.clone());
        match Runner::spawn(runner, open, listener) {
            Ok(runner) => {
                self.runners.insert(id, runner);
            }
            Err(err) => {
                error!(source_id = %id, %err, "no thread for this source; free memory or raise the limit of tasks");
            }
        }
    }

    /// Ends a source, if it runs.
    pub fn end(&mut self, id: SourceId) {
        if let Some(runner) = self.runners.remove(&id) {
            runner.stop(SESSION_LIMIT);
        }
    }

    /// Ends the session of a source and starts the next one at once. False if it does not run.
    pub fn restart(&self, id: SourceId) -> bool {
        let runner = self.runners.get(&id);
        if let Some(runner) = runner {
            runner.restart();
        }
        runner.is_some()
    }

    /// Whether a source runs.
    pub fn runs(&self, id: SourceId) -> bool {
        self.runners.contains_key(&id)
    }

    /// How many sessions of a source were started after the first. The runner counts them: a listener hears of changes
    /// only, and an attempt that fails like the one before is no change.
    pub fn reconnects(&self, id: SourceId) -> u64 {
        let runner = self.runners.get(&id);
        runner.map_or(0, |runner| runner.snapshot().reconnects)
    }

    /// Tells all sources to end, without waiting.
    pub fn begin_stop(&self) {
        self.runners.values().for_each(Runner::begin_stop);
    }

    /// Ends all sources; they share the time limit.
    pub fn stop(self, limit: Duration) {
        self.begin_stop();
        let deadline = Instant::now() + limit;
        for runner in self.runners.into_values() {
            runner.stop(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

/// The source that a stage belongs to, by the stage's name; `media` names it.
pub fn source_of(stage: &str) -> Option<SourceId> {
    stage.strip_prefix("source ")?.parse().ok().map(SourceId)
}
