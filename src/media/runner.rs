//! A source's life: session after session on one named thread, for ever, whatever happens to the camera.
//!
//! Failed sessions are tried again after a jittered wait that grows; health is told on each change and never flaps: a
//! camera that failed stays failed, with its latest reason, until frames flow again. Frames pass through on the decoder's
//! thread, numbered across sessions; none is kept.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::source::{FrameSink, FrameSource, Health, SessionEnd, StreamFacts};
use crate::base::{Backoff, Frame, Heartbeat, Heartbeats, SourceId, Stop, unix_now};

/// A session that delivered frames for this long was a success: the next failure is a first one again.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// Who is told of frames and health. Called from the source's threads; must not block, and never the runner's
/// [`Runner::stop`].
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
    /// Counters to go on with.
    pub counters: Arc<SourceCounters>,
}

/// One source's thread. Dropping it asks the thread to end and does not wait.
#[derive(Debug)]
pub struct Runner {
    shared: Arc<Shared>,
    name: String,
    ended: Stop,
}

struct Shared {
    id: SourceId,
    listener: Arc<dyn SourceListener>,
    counters: Arc<SourceCounters>,
    heart: Heartbeat,
    stop: Stop,
    /// Ends the present session, or the present wait between two.
    present: Mutex<Stop>,
    status: Mutex<SourceSnapshot>,
    /// Held while the listener is told, so that it hears of changes in their order.
    telling: Mutex<()>,
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
    /// Starts the source's thread. `open` makes the source, on that thread, for each run of sessions.
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
            counters,
        } = options;
        let name = format!("source {id}");
        let shared = Arc::new(Shared {
            id,
            listener,
            counters,
            heart: heartbeats.stage(name.clone(), stage_limit),
            stop: Stop::default(),
            present: Mutex::default(),
            status: Mutex::new(SourceSnapshot {
                id,
                health: Health::Connecting,
                since: unix_now(),
                reason: None,
                facts: StreamFacts::default(),
                reconnects: 0,
            }),
            telling: Mutex::default(),
        });
        let ended = Stop::default();
        let (worker, end) = (shared.clone(), RaiseOnDrop(ended.clone()));
        let backoff = Backoff::new(retry_first, retry_longest);
        std::thread::Builder::new()
            .name(format!("source-{id}"))
            .spawn(move || {
                let _end = end;
                let span = tracing::info_span!("source", source_id = worker.id.0);
                span.in_scope(|| worker.run(open, backoff));
            })?;
        Ok(Self {
            shared,
            name,
            ended,
        })
    }

    /// How the source is now.
    pub fn snapshot(&self) -> SourceSnapshot {
        lock(&self.shared.status).clone()
    }

    /// What it has delivered so far.
    pub fn counters(&self) -> &Arc<SourceCounters> {
        &self.shared.counters
    }

    /// Ends the present session, or the wait for the next one, and begins the next one at once.
    pub fn restart(&self) {
        lock(&self.shared.present).raise();
    }

    /// Asks the thread to end, without waiting.
    pub fn begin_stop(&self) {
        self.shared.stop.raise();
        lock(&self.shared.present).raise();
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

impl Shared {
    fn run(self: &Arc<Self>, mut open: impl FnMut() -> Box<dyn FrameSource>, mut backoff: Backoff) {
        let mut source = open();
        self.tell(|_| true);
        loop {
            let present = Stop::default();
            *lock(&self.present) = present.clone();
            // The order matters: whoever stops raises the flag first and then what is present.
            if self.stop.is_raised() {
                break;
            }
            self.heart.beat();
            let sink = Arc::new(SessionSink {
                shared: self.clone(),
                live: AtomicBool::new(false),
                ended: AtomicBool::new(false),
            });
            let shared_sink: Arc<dyn FrameSink> = sink.clone();
            let end = source.run(&shared_sink, &present);
            sink.ended.store(true, Ordering::Release);
            if self.stop.is_raised() {
                break;
            }
            let wait = self.judge(end, &sink, &mut backoff);
            if let Some(wait) = wait {
                self.heart.idle();
                present.wait(wait);
            }
            lock(&self.status).reconnects += 1;
        }
        self.heart.idle();
    }

    /// Tells what became of a session; the wait before the next one.
    fn judge(
        &self,
        end: SessionEnd,
        sink: &SessionSink,
        backoff: &mut Backoff,
    ) -> Option<Duration> {
        let SessionEnd::Failed {
            code,
            message,
            live_for,
        } = end
        else {
            // It was asked to begin anew.
            backoff.succeeded();
            self.change(Health::Connecting, None);
            return None;
        };
        if live_for >= SETTLED_AFTER {
            backoff.succeeded();
        }
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
        Some(wait)
    }

    fn change(&self, health: Health, reason: Option<SourceReason>) {
        self.tell(|status| {
            let changed = status.health != health || status.reason != reason;
            if status.health != health {
                status.health = health;
                status.since = unix_now();
            }
            status.reason = reason;
            changed
        });
    }

    /// Applies `change` to the status and tells the listener if it says that there was one.
    fn tell(&self, change: impl FnOnce(&mut SourceSnapshot) -> bool) {
        let _in_order = lock(&self.telling);
        let snapshot = {
            let mut status = lock(&self.status);
            change(&mut status).then(|| status.clone())
        };
        if let Some(snapshot) = snapshot {
            self.listener.status(&snapshot);
        }
    }
}

/// What one session tells, as long as it lasts.
struct SessionSink {
    shared: Arc<Shared>,
    live: AtomicBool,
    ended: AtomicBool,
}

impl SessionSink {
    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.shared.stop.is_raised()
    }

    fn go_live(&self) {
        if self.live.swap(true, Ordering::AcqRel) {
            return;
        }
        self.shared.tell(|status| {
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
        self.shared.tell(|status| {
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
        let counters = &self.shared.counters;
        counters.access_units.fetch_add(1, Ordering::Relaxed);
        counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn alive(&self) {
        if !self.is_over() {
            self.shared.heart.beat();
        }
    }

    fn frame(&self, mut frame: Frame) {
        if self.is_over() {
            return;
        }
        self.go_live();
        frame.meta.frame_id = self.shared.counters.frames.fetch_add(1, Ordering::Relaxed);
        self.shared.listener.frame(frame);
    }
}

struct RaiseOnDrop(Stop);

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        self.0.raise();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("id", &self.id).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
