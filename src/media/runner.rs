//! A source's life: session after session, each on a thread named after the source, for ever, whatever happens to the camera.
//!
//! Failed sessions are tried again after a jittered wait that grows, during which the source has no thread (`schedule`). A
//! refused login waits much longer: cameras lock an account after a few wrong ones. Health is told on each change and never
//! flaps: a camera that failed stays failed, with its latest reason, until frames flow again. Frames pass through on the
//! decoder's thread, numbered across sessions; none is kept.

mod schedule;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::source::{FrameSink, FrameSource, Health, SessionEnd, StreamFacts};
use crate::base::{Backoff, Frame, Heartbeat, Heartbeats, SourceId, Stop, unix_now};
use schedule::{Attempt, DescriptorShortage, OpeningPermit, Priority, Schedule, ScheduledSource};

/// A session that delivered frames for this long was a success: the next failure is a first one again.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// The code of a session whose login the camera refused.
const LOGIN_REFUSED: &str = "unauthorized";
/// The code of a session that this process has no means for.
const NO_RESOURCES: &str = "no-resources";

/// First and longest wait after a refused login. Cameras lock an account after five to seven wrong logins, often for half an
/// hour and for every client; they count those of some minutes.
pub const LOGIN_WAITS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));

/// Who is told of frames and health. Called from the source's threads and from the schedule's; must not block, and never call
/// the runner's [`Runner::stop`].
pub trait SourceListener: Send + Sync {
    /// A frame was decoded; its number counts on across sessions. Keep the newest, or none.
    fn frame(&self, frame: Frame);

    /// Health, reason or facts have changed. Calls come one after the other, in the order of the changes.
    fn status(&self, status: &SourceSnapshot);
}

/// How a source is.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSnapshot {
    /// Which source.
    pub id: SourceId,
    /// How it is.
    pub health: Health,
    /// Since when, as Unix time.
    pub since: Duration,
    /// Why it is not live, where there is a reason.
    pub reason: Option<SourceReason>,
    /// What is known of its stream; from the last session that knew it.
    pub facts: StreamFacts,
    /// How many sessions were begun after the first.
    pub reconnects: u64,
}

/// Why a source is not live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReason {
    /// For machines, see [`SessionEnd::Failed`].
    pub code: &'static str,
    /// For people; never a credential.
    pub message: String,
}

/// What a source has delivered since the process's start. Handed from one runner of a source to the next, so that
/// the frames' numbers go on.
#[derive(Debug, Default)]
pub struct SourceCounters {
    access_units: AtomicU64,
    bytes: AtomicU64,
    frames: AtomicU64,
}

/// What a runner is made with.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// Which source it runs.
    pub id: SourceId,
    /// Where it proves its progress, as `source {id}`.
    pub heartbeats: Heartbeats,
    /// Longest time without progress; more than twice [`super::ALIVE_INTERVAL`].
    pub stage_limit: Duration,
    /// First wait after a failed session.
    pub retry_first: Duration,
    /// Longest wait after many.
    pub retry_longest: Duration,
    /// First and longest wait after a session whose login was refused; [`LOGIN_WAITS`] but in tests.
    pub login_waits: (Duration, Duration),
    /// How many descriptors a session takes, see [`super::descriptors_of`].
    pub descriptors: usize,
    /// Counters to go on with.
    pub counters: Arc<SourceCounters>,
}

/// One source's sessions. Dropping it asks the present one to end and does not wait.
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
    /// Ends the present session.
    current: Mutex<Stop>,
    /// What the next session is run with; nothing while one runs, or after the end. Locked before the schedule's state.
    idle: Mutex<Option<IdleSource>>,
    scheduled: ScheduledSource,
    status: Mutex<SourceSnapshot>,
    /// Held while the listener is told, so that it hears of changes in their order.
    notifying: Mutex<()>,
}

/// What goes from one session to the next.
struct IdleSource {
    open: Box<dyn FnMut() -> Box<dyn FrameSource> + Send>,
    /// Made by `open` on the first session's thread.
    source: Option<Box<dyn FrameSource>>,
    backoff: Backoff,
    /// After refused logins.
    login_backoff: Backoff,
    /// Last: raised when all the above is gone.
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

    /// Frames that were decoded; the next one's `frame_id`.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

impl Runner {
    /// Asks for the source's first session. `open` makes the source, on that session's thread.
    ///
    /// # Errors
    /// When the system gives no thread.
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
        // Waiting for its turn is no lack of progress.
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

    /// How the source is now.
    pub fn snapshot(&self) -> SourceSnapshot {
        lock(&self.state.status).clone()
    }

    /// What it has delivered so far.
    pub fn counters(&self) -> &Arc<SourceCounters> {
        &self.state.counters
    }

    /// Ends the present session, or the wait for the next one, and begins the next one at once.
    pub fn restart(&self) {
        // Under the lock: a session that ends meanwhile sees the wish when it lies down.
        let idle = lock(&self.state.idle);
        if idle.is_some() {
            self.state.scheduled.attempt_now();
        } else {
            lock(&self.state.current).raise();
        }
    }

    /// Asks the present session to end, without waiting; between two sessions that is the end.
    pub fn begin_stop(&self) {
        self.state.stop.raise();
        lock(&self.state.current).raise();
        let idle = lock(&self.state.idle).take();
        self.state.scheduled.cancel();
        drop(idle);
    }

    /// Ends the thread and waits for it at most `limit`; false, with its name in the log, where it is stuck: then it is
    /// left to itself, and nothing that it still delivers reaches the listener.
    pub fn stop(&self, limit: Duration) -> bool {
        self.begin_stop();
        let ended = self.ended.wait(limit);
        if !ended {
            tracing::error!(
                stage = self.name,
                limit_ms = limit.as_millis(),
                "a source does not stop; it is left to itself"
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
    /// Runs sessions until one ends after which there is a wait, or for ever.
    fn run(self: &Arc<Self>, mut idle: IdleSource, opening: OpeningPermit) {
        let is_first = idle.source.is_none();
        let source = idle.source.get_or_insert_with(&mut idle.open);
        if is_first {
            self.update(|status| {
                // One that was refused before has its session now.
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
            // The order matters: whoever stops raises the flag first and then what is present.
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

    /// Lies down until the next attempt, unless the end has come.
    fn wait_for_attempt(&self, idle: IdleSource, wait: Duration, priority: Priority) {
        let mut place = lock(&self.idle);
        if self.stop.is_raised() {
            return;
        }
        *place = Some(idle);
        // Somebody who asked for a restart after the session's end has found nothing to wake.
        let ended = std::mem::take(&mut *lock(&self.current));
        if ended.is_raised() {
            self.scheduled.attempt_now();
        } else {
            self.scheduled.attempt_after(wait, priority);
        }
    }

    /// Tells what became of a session; when the next one begins.
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
            // It was asked to begin anew.
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

    /// Sets health and reason; whether that was a change.
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

    /// Applies `change` to the status and tells the listener if it says that there was one.
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
        // Where no thread comes of it, what it would have worked with must not be lost.
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
            "the system gives camera {} no thread ({err}); raise TasksMax= of the unit or the limit of tasks (ulimit -u), or free memory",
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

/// What one session tells, as long as it lasts.
struct SessionSink {
    state: Arc<RunnerState>,
    /// The camera has sent something, or the session is over: others may be opened.
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
            // A session that ended meanwhile must not overwrite what is told of its end.
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
