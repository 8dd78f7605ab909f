//! The sessions of one source: starts each on its own thread, passes its frames on, and decides when the next one starts.
//!
//! A session's thread runs the source; the schedule's thread starts sessions and reports refused ones. Frames and changes
//! of a session that has ended or was stopped are dropped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::source::{FrameSink, FrameSource, Health, SessionEnd, StreamFacts};
use super::descriptors::DescriptorShortage;
use super::schedule::{Attempt, OpeningPermit, Priority, ScheduledSource};
use super::snapshot::{SourceCounters, SourceListener, SourceReason, SourceSnapshot};
use crate::base::sync::lock;
use crate::base::{Backoff, Frame, Heartbeat, SourceId, Stop, unix_now};

/// A session that delivered frames for at least this long resets the backoff.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// The code of a session whose login the camera refused.
const LOGIN_REFUSED: &str = "unauthorized";
/// The code of a session for which this process has no thread or too few file descriptors.
const NO_RESOURCES: &str = "no-resources";

/// The state of a runner, which its threads share.
pub(super) struct RunnerState {
    pub(super) id: SourceId,
    pub(super) listener: Arc<dyn SourceListener>,
    pub(super) counters: Arc<SourceCounters>,
    pub(super) heart: Heartbeat,
    pub(super) stop: Stop,
    /// Ends the current session.
    pub(super) current: Mutex<Stop>,
    /// When the next session was asked for, if not by the schedule.
    pub(super) asked_at: Mutex<Option<Instant>>,
    /// The data for the next session; empty while a session runs and after the end. It is locked before the schedule's
    /// state.
    pub(super) idle: Mutex<Option<IdleSource>>,
    pub(super) scheduled: ScheduledSource,
    pub(super) status: Mutex<SourceSnapshot>,
    /// Held while the listener is called, so that it receives changes in their order.
    pub(super) notifying: Mutex<()>,
}

/// The data that one session passes to the next.
pub(super) struct IdleSource {
    pub(super) open: Box<dyn FnMut() -> Box<dyn FrameSource> + Send>,
    /// `open` makes it on the thread of the first session.
    pub(super) source: Option<Box<dyn FrameSource>>,
    pub(super) backoff: Backoff,
    /// The backoff after refused logins.
    pub(super) login_backoff: Backoff,
    /// The last field: it is raised after all other fields are dropped.
    pub(super) _ended: RaiseOnDrop,
}

/// When the next session begins.
enum NextAttempt {
    AtOnce,
    After(Duration, Priority),
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
                next_frame_id: AtomicU64::new(0),
                ended: AtomicBool::new(false),
            });
            let asked_at = lock(&self.asked_at).take();
            if let Some(asked_at) = asked_at {
                source.asked_for(asked_at);
            }
            let shared_sink: Arc<dyn FrameSink> = sink.clone();
            let end = source.run(&shared_sink, &current).without_secrets();
            sink.ended.store(true, Ordering::Release);
            sink.answered();
            if self.stop.is_raised() {
                break;
            }
            let backoffs = (&mut idle.backoff, &mut idle.login_backoff);
            match self.next_attempt(end, &sink, backoffs, source.shortest_wait()) {
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

    /// Reports the end of a session, and returns when the next one starts; not before `shortest_wait` if it failed.
    fn next_attempt(
        &self,
        end: SessionEnd,
        sink: &SessionSink,
        (backoff, login_backoff): (&mut Backoff, &mut Backoff),
        shortest_wait: Duration,
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
        let wait = backoff.next_wait().max(shortest_wait);
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
    /// The number in the session of a frame that follows the last one directly.
    next_frame_id: AtomicU64,
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
        let number = frame.meta.frame_id;
        let expected = self.next_frame_id.swap(number + 1, Ordering::AcqRel);
        frame.meta.frame_id = self.state.counters.number(number.saturating_sub(expected));
        self.state.listener.frame(frame);
    }
}

/// Raises the stop when it is dropped.
pub(super) struct RaiseOnDrop(pub(super) Stop);

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
