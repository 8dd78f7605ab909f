//! Runs a source: one session after the other, each on a thread named after the source, without end.
//!
//! After a failed session there is a growing, jittered wait, during which the source has no thread (`schedule`). The
//! wait after a refused login is much longer, because cameras lock an account after a few wrong logins. Each change of
//! health is reported, and health does not flap: a failed camera stays failed, with its latest reason, until frames
//! arrive again. Frames are passed on from the decoder's thread and numbered across sessions; none is kept.

mod descriptors;
mod schedule;
mod sessions;
mod snapshot;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::source::{FrameSource, Health, StreamFacts};
use crate::base::sync::lock;
use crate::base::{Backoff, Heartbeats, SourceId, Stop, unix_now};
use schedule::Schedule;
use sessions::{IdleSource, RaiseOnDrop, RunnerState};
pub use snapshot::{SourceCounters, SourceListener, SourceReason, SourceSnapshot};

/// First and longest wait after a refused login. Cameras lock an account after five to seven wrong logins within some
/// minutes, often for half an hour and for all clients.
pub const LOGIN_WAITS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// The parameters of a runner.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// The id of the source.
    pub id: SourceId,
    /// The registry of heartbeats; the stage is called `source {id}`.
    pub heartbeats: Heartbeats,
    /// Maximum time without progress. It must be more than twice [`super::ALIVE_INTERVAL`].
    pub stage_limit: Duration,
    /// First wait after a failed session.
    pub retry_first: Duration,
    /// Longest wait after many failed sessions.
    pub retry_longest: Duration,
    /// First and longest wait after a refused login. Only tests use other values than [`LOGIN_WAITS`].
    pub login_waits: (Duration, Duration),
    /// The number of file descriptors that a session takes, see [`super::descriptors_of`].
    pub descriptors: usize,
    /// The counters to continue.
    pub counters: Arc<SourceCounters>,
}

/// Runs the sessions of one source. Dropping it asks the current session to end and does not wait.
#[derive(Debug)]
pub struct Runner {
    state: Arc<RunnerState>,
    name: String,
    ended: Stop,
}

impl Runner {
    /// Schedules the first session of the source. `open` makes the source on the thread of that session.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(
        options: RunnerOptions,
        open: impl FnMut() -> Box<dyn FrameSource> + Send + 'static,
        listener: Arc<dyn SourceListener>,
    ) -> io::Result<Self> {
        let RunnerOptions {
            id,
            heartbeats,
            stage_limit,
            retry_first,
            retry_longest,
            login_waits,
            counters,
            descriptors,
        } = options;
        let schedule = Schedule::of_process()?;
        let name = format!("source {id}");
        let ended = Stop::default();
        let heart = heartbeats.stage(name.clone(), stage_limit);
        // A source that waits for its turn is not stuck.
        heart.idle();
        let idle = IdleSource {
            open: Box::new(open),
            source: None,
            backoff: Backoff::new(retry_first, retry_longest),
            login_backoff: Backoff::new(login_waits.0, login_waits.1),
            _ended: RaiseOnDrop(ended.clone()),
        };
        let state = Arc::new_cyclic(|state: &std::sync::Weak<RunnerState>| RunnerState {
            id,
            listener,
            counters,
            heart,
            stop: Stop::default(),
            current: Mutex::default(),
            asked_at: Mutex::new(Some(Instant::now())),
            idle: Mutex::new(Some(idle)),
            scheduled: schedule.register(state.clone(), descriptors),
            status: Mutex::new(SourceSnapshot {
                id,
                health: Health::Connecting,
                since: unix_now(),
                reason: None,
                facts: StreamFacts::default(),
                reconnects: 0,
            }),
            notifying: Mutex::default(),
        });
        state.scheduled.attempt_now();
        Ok(Self { state, name, ended })
    }

    /// The current state of the source.
    pub fn snapshot(&self) -> SourceSnapshot {
        lock(&self.state.status).clone()
    }

    /// The amounts delivered so far.
    pub fn counters(&self) -> &Arc<SourceCounters> {
        &self.state.counters
    }

    /// Ends the current session, or the wait for the next one, and starts the next session immediately.
    pub fn restart(&self) {
        *lock(&self.state.asked_at) = Some(Instant::now());
        // Under the lock: a session that ends at the same time sees the request in `wait_for_attempt`.
        let idle = lock(&self.state.idle);
        if idle.is_some() {
            self.state.scheduled.attempt_now();
        } else {
            lock(&self.state.current).raise();
        }
    }

    /// Asks the current session to end, and does not wait. Between two sessions the source ends immediately.
    pub fn begin_stop(&self) {
        self.state.stop.raise();
        lock(&self.state.current).raise();
        let idle = lock(&self.state.idle).take();
        self.state.scheduled.cancel();
        drop(idle);
    }

    /// Ends the source and waits at most `limit`. Returns false, after an error in the log, if the thread is stuck. The
    /// thread is then abandoned, and nothing that it delivers later reaches the listener.
    pub fn stop(&self, limit: Duration) -> bool {
        self.begin_stop();
        let ended = self.ended.wait(limit);
        if !ended {
            tracing::error!(
                stage = self.name,
                limit_ms = limit.as_millis(),
                "a source does not stop and is abandoned"
            );
        }
        ended
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
