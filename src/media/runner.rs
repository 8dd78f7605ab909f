//! Runs a source: one session after the other, each on a thread named after the source, without end.
//!
//! After a failed session there is a growing, jittered wait, during which the source has no thread (`schedule`). The
//! wait after a refused login is much longer, because cameras lock an account after a few wrong logins. Each change of
//! health is reported, and health does not flap: a failed camera stays failed, with its latest reason, until frames
//! arrive again. Frames are passed on from the decoder's thread and numbered across sessions; none is kept.

mod schedule;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::source::{FrameSink, FrameSource, Health, SessionEnd, StreamFacts};
use crate::base::sync::lock;
use crate::base::{Backoff, Frame, Heartbeat, Heartbeats, SourceId, Stop, unix_now};
use schedule::{Attempt, DescriptorShortage, OpeningPermit, Priority, Schedule, ScheduledSource};

/// A session that delivered frames for at least this long resets the backoff.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// The code of a session whose login the camera refused.
const LOGIN_REFUSED: &str = "unauthorized";
/// The code of a session for which this process has no thread or too few file descriptors.
const NO_RESOURCES: &str = "no-resources";

/// First and longest wait after a refused login. Cameras lock an account after five to seven wrong logins within some
/// minutes, often for half an hour and for all clients.
pub const LOGIN_WAITS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// Receives frames and health. It is called from the source's threads and from the schedule's thread. It must not block
/// and must not call [`Runner::stop`].
pub trait SourceListener: Send + Sync {
    /// A frame was decoded. Frames are numbered across sessions. The listener should keep the newest frame or none.
    fn frame(&self, frame: Frame);

    /// Health, reason or facts have changed. Calls come one after the other, in the order of the changes.
    fn status(&self, status: &SourceSnapshot);
}

/// The state of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSnapshot {
    /// The id of the source.
    pub id: SourceId,
    /// The health of the source.
    pub health: Health,
    /// The time of the last change of health, as Unix time.
    pub since: Duration,
    /// The reason, if the source is not live.
    pub reason: Option<SourceReason>,
    /// The facts about its stream, from the last session that knew them.
    pub facts: StreamFacts,
    /// The number of sessions after the first one.
    pub reconnects: u64,
}

/// The reason why a source is not live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReason {
    /// A code for programs, see [`SessionEnd::Failed`].
    pub code: &'static str,
    /// A message for people, without credentials.
    pub message: String,
}

/// The amounts that a source has delivered since the start of the process. They pass from one runner of a source to the
/// next, so that frame numbers continue.
#[derive(Debug, Default)]
pub struct SourceCounters {
    access_units: AtomicU64,
    bytes: AtomicU64,
    frames: AtomicU64,
}

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

struct RunnerState {
    id: SourceId,
    listener: Arc<dyn SourceListener>,
    counters: Arc<SourceCounters>,
    heart: Heartbeat,
    stop: Stop,
    /// Ends the current session.
    current: Mutex<Stop>,
    /// The data for the next session; empty while a session runs and after the end. It is locked before the schedule's
    /// state.
    idle: Mutex<Option<IdleSource>>,
    scheduled: ScheduledSource,
    status: Mutex<SourceSnapshot>,
    /// Held while the listener is called, so that it receives changes in their order.
    notifying: Mutex<()>,
}

/// The data that one session passes to the next.
struct IdleSource {
    open: Box<dyn FnMut() -> Box<dyn FrameSource> + Send>,
    /// `open` makes it on the thread of the first session.
    source: Option<Box<dyn FrameSource>>,
    backoff: Backoff,
    /// The backoff after refused logins.
    login_backoff: Backoff,
    /// The last field: it is raised after all other fields are dropped.
    _ended: RaiseOnDrop,
}

/// When the next session begins.
enum NextAttempt {
    AtOnce,
    After(Duration, Priority),
}

impl SourceCounters {
    /// Access units that arrived.
    pub fn access_units(&self) -> u64 {
        self.access_units.load(Ordering::Relaxed)
    }

    /// Bytes of these access units.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Decoded frames; also the `frame_id` of the next one.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
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

impl RunnerState {
    /// Runs sessions until one ends after which the source must wait, or without end.
    fn run(self: &Arc<Self>, mut idle: IdleSource, opening: OpeningPermit) {
        let is_first = idle.source.is_none();
        let source = idle.source.get_or_insert_with(&mut idle.open);
        if is_first {
            self.update(|status| {
                // A source that was refused before has a session now.
                if status.health == Health::Failed {
                    status.health = Health::Connecting;
                    status.since = unix_now();
                    status.reason = None;
                }
                true
            });
        } else {
            lock(&self.status).reconnects += 1;
        }
        let mut opening = Some(opening);
        loop {
            let current = Stop::default();
            *lock(&self.current) = current.clone();
            // The order matters: `begin_stop` raises `stop` first and `current` second.
            if self.stop.is_raised() {
                break;
            }
            self.heart.beat();
            let sink = Arc::new(SessionSink {
                state: self.clone(),
                answered: AtomicBool::new(false),
                opening: Mutex::new(opening.take()),
                live: AtomicBool::new(false),
                ended: AtomicBool::new(false),
            });
            let shared_sink: Arc<dyn FrameSink> = sink.clone();
            let end = source.run(&shared_sink, &current).without_secrets();
            sink.ended.store(true, Ordering::Release);
            sink.answered();
            if self.stop.is_raised() {
                break;
            }
            let backoffs = (&mut idle.backoff, &mut idle.login_backoff);
            match self.next_attempt(end, &sink, backoffs) {
                NextAttempt::AtOnce => lock(&self.status).reconnects += 1,
                NextAttempt::After(wait, priority) => {
                    self.heart.idle();
                    return self.wait_for_attempt(idle, wait, priority);
                }
            }
        }
        self.heart.idle();
    }

    /// Waits for the next attempt, unless the source was stopped.
    fn wait_for_attempt(&self, idle: IdleSource, wait: Duration, priority: Priority) {
        let mut place = lock(&self.idle);
        if self.stop.is_raised() {
            return;
        }
        *place = Some(idle);
        // A restart that was requested after the end of the session had no session to end.
        let ended = std::mem::take(&mut *lock(&self.current));
        if ended.is_raised() {
            self.scheduled.attempt_now();
        } else {
            self.scheduled.attempt_after(wait, priority);
        }
    }

    /// Reports the end of a session, and returns when the next one starts.
    fn next_attempt(
        &self,
        end: SessionEnd,
        sink: &SessionSink,
        (backoff, login_backoff): (&mut Backoff, &mut Backoff),
    ) -> NextAttempt {
        let SessionEnd::Failed {
            code,
            message,
            live_for,
        } = end
        else {
            // A restart was requested.
            backoff.succeeded();
            login_backoff.succeeded();
            self.change(Health::Connecting, None);
            return NextAttempt::AtOnce;
        };
        if live_for >= SETTLED_AFTER {
            backoff.succeeded();
            login_backoff.succeeded();
        }
        let backoff = if code == LOGIN_REFUSED {
            login_backoff
        } else {
            backoff
        };
        let wait = backoff.next_wait();
        tracing::warn!(
            code,
            reason = %message,
            attempt = backoff.attempt(),
            wait_ms = wait.as_millis(),
            "session ended"
        );
        let was_live = sink.live.load(Ordering::Acquire);
        let health = if code == "stalled" && was_live {
            Health::Stalled
        } else {
            Health::Failed
        };
        self.change(health, Some(SourceReason { code, message }));
        let priority = if was_live || backoff.attempt() <= 1 {
            Priority::First
        } else {
            Priority::Repeated
        };
        NextAttempt::After(wait, priority)
    }

    /// Sets health and reason. Returns whether they changed.
    fn change(&self, health: Health, reason: Option<SourceReason>) -> bool {
        self.update(|status| {
            let changed = status.health != health || status.reason != reason;
            if status.health != health {
                status.health = health;
                status.since = unix_now();
            }
            status.reason = reason;
            changed
        })
    }

    /// Applies `change` to the status, and calls the listener if `change` returns true.
    fn update(&self, change: impl FnOnce(&mut SourceSnapshot) -> bool) -> bool {
        let _in_order = lock(&self.notifying);
        let snapshot = {
            let mut status = lock(&self.status);
            change(&mut status).then(|| status.clone())
        };
        if let Some(snapshot) = &snapshot {
            self.listener.status(snapshot);
        }
        snapshot.is_some()
    }
}

impl Attempt for RunnerState {
    fn begin(self: Arc<Self>, opening: OpeningPermit) {
        let Some(idle) = lock(&self.idle).take() else {
            return;
        };
        // If no thread can be started, the data of the source must be kept.
        let handed = Arc::new(Mutex::new(Some((idle, opening))));
        let (worker, taken) = (self.clone(), handed.clone());
        let spawned = std::thread::Builder::new()
            .name(format!("source-{}", self.id))
            .spawn(move || {
                let taken = lock(&taken).take();
                if let Some((idle, opening)) = taken {
                    let span = tracing::info_span!("source", source_id = worker.id.0);
                    span.in_scope(|| worker.run(idle, opening));
                }
            });
        let Err(err) = spawned else { return };
        let Some((mut idle, _)) = lock(&handed).take() else {
            return;
        };
        let wait = idle.backoff.next_wait();
        let message = format!(
            "no thread for camera {} ({err}); raise TasksMax= of the unit or the limit of tasks (ulimit -u), or free memory",
            self.id
        );
        tracing::warn!(source_id = self.id.0, reason = message, "no session");
        let code = NO_RESOURCES;
        self.change(Health::Failed, Some(SourceReason { code, message }));
        self.wait_for_attempt(idle, wait, Priority::Repeated);
    }

    fn refused(&self, shortage: &DescriptorShortage) {
        let DescriptorShortage { limit, needed } = shortage;
        let message = format!(
            "camera {} is not opened: its session takes {needed} file descriptors, and of the {limit} that this process may have open \
             too few are left; raise LimitNOFILE= of the unit (ulimit -Hn), or give some cameras to another machine",
            self.id
        );
        let code = NO_RESOURCES;
        let reason = SourceReason {
            code,
            message: message.clone(),
        };
        if self.change(Health::Failed, Some(reason)) {
            tracing::error!(source_id = self.id.0, code, reason = message, "no session");
        }
    }
}

/// Receives the events of one session while it runs.
struct SessionSink {
    state: Arc<RunnerState>,
    /// The camera has sent something, or the session has ended: another session may be opened.
    answered: AtomicBool,
    opening: Mutex<Option<OpeningPermit>>,
    live: AtomicBool,
    ended: AtomicBool,
}

impl SessionSink {
    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.state.stop.is_raised()
    }

    fn answered(&self) {
        if !self.answered.swap(true, Ordering::AcqRel) {
            drop(lock(&self.opening).take());
        }
    }

    fn go_live(&self) {
        if self.live.swap(true, Ordering::AcqRel) {
            return;
        }
        self.state.update(|status| {
            // A session that has ended must not overwrite the status that its end has set.
            if self.is_over() || status.health == Health::Live {
                return false;
            }
            status.health = Health::Live;
            status.since = unix_now();
            status.reason = None;
            tracing::info!("frames flow");
            true
        });
    }
}

impl FrameSink for SessionSink {
    fn described(&self, facts: &StreamFacts) {
        self.answered();
        self.state.update(|status| {
            let changed = !self.is_over() && status.facts != *facts;
            if changed {
                status.facts = facts.clone();
            }
            changed
        });
    }

    fn access_unit(&self, bytes: usize) {
        if self.is_over() {
            return;
        }
        let counters = &self.state.counters;
        counters.access_units.fetch_add(1, Ordering::Relaxed);
        counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn alive(&self) {
        if !self.is_over() {
            self.state.heart.beat();
        }
    }

    fn frame(&self, mut frame: Frame) {
        if self.is_over() {
            return;
        }
        self.go_live();
        frame.meta.frame_id = self.state.counters.frames.fetch_add(1, Ordering::Relaxed);
        self.state.listener.frame(frame);
    }
}

struct RaiseOnDrop(Stop);

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        self.0.raise();
    }
}

impl std::fmt::Debug for RunnerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunnerState").field("id", &self.id).finish()
    }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
