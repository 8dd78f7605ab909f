//! The task of a link: it polls the connection, and opens the next one when it breaks.
//!
//! It waits only for the connection and the clock. It never waits for room in the queue, because this task empties the queue.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::connection::Connection;
use super::outbox::Outbox;
use super::packets::Qos;
use super::refusal_log::RefusalLog;
use super::socket::{CONNECT_LIMIT, Target};
use super::traffic::{ConnectionError, ConnectionEvent, Request, Undelivered};
use super::twins::Twins;
use super::{LinkError, Subscription};
use crate::base::sync::lock;
use crate::base::{Backoff, Heartbeat, SessionId};
use crate::event::{Presence, PresenceState};

/// After a connection of this length the backoff starts again. Shorter ones do not reset it: two clients with one id would
/// otherwise disconnect each other twice a second.
const LASTING: Duration = Duration::from_secs(10);

/// Longest wait of a client whose id is used by another one that started before it. Short enough to take over when that one is
/// gone, long enough for the other's presence to count as steady.
const GIVING_WAY: Duration = Duration::from_secs(300);

/// Time limit of a stop without an explicit limit.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// Maximum number of refused filters in a log line.
const MOST_NAMED: usize = 8;

/// The state of the connection.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// The broker has accepted the connection.
    Connected {
        /// The time of its answer.
        since: Instant,
    },
    /// No connection; the link retries.
    Disconnected {
        /// The time of the loss, or of the link's start.
        since: Instant,
        /// The reason; absent before the end of the first attempt and after the stop.
        reason: Option<Arc<LinkError>>,
    },
}

/// The state that publishers and the task share.
#[derive(Debug)]
pub(super) struct LinkCore {
    pub(super) queue: mpsc::Sender<Request>,
    pub(super) outbox: Mutex<Outbox>,
    pub(super) counters: Counters,
    pub(super) state: watch::Sender<LinkState>,
    pub(super) stop: CancellationToken,
    pub(super) stop_deadline: Mutex<Option<Instant>>,
    pub(super) session: SessionId,
    pub(super) twins: Mutex<Twins>,
    pub(super) began: Presence,
    /// Not owned by the task: its heartbeat would end with it, and a task that died would not be detected.
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) event_qos: Qos,
    pub(super) task: Mutex<Option<JoinHandle<bool>>>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) published: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) oversized: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) reconnects: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) subscriptions_refused: AtomicU64,
    pub(super) connected: AtomicBool,
}

impl LinkCore {
    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        lock(&self.outbox)
    }
}

pub(super) struct Session {
    target: Target,
    queue: mpsc::Receiver<Request>,
    core: Arc<LinkCore>,
    backoff: Backoff,
    /// The subscription to this client's own presence.
    own: Option<Subscription>,
    refusals: RefusalLog,
    /// Whether the shutdown took too long.
    cut_off: bool,
}

impl Session {
    pub(super) fn new(
        target: Target,
        queue: mpsc::Receiver<Request>,
        core: Arc<LinkCore>,
        backoff: Backoff,
        own: Option<Subscription>,
    ) -> Self {
        Self {
            target,
            queue,
            core,
            backoff,
            own,
            refusals: RefusalLog::default(),
            cut_off: false,
        }
    }

    /// Runs until the stop. False if the stop could not be published in time.
    pub(super) async fn run(mut self) -> bool {
        let mut logged = String::new();
        while !self.core.stop.is_cancelled() {
            self.beat();
            let mut connection = match self.connect().await {
                Some(Ok(connection)) => connection,
                Some(Err(error)) => {
                    self.lost(error, None, &mut logged).await;
                    continue;
                }
                None => break,
            };
            let accepted = Instant::now();
            info!(broker = %self.target.name, client_id = %self.target.client_id, "connected to the MQTT broker");
            logged.clear();
            let broken = self.serve(&mut connection).await;
            let (suspect, waiting) = (connection.suspect(), connection.waiting());
            self.take_back(connection.into_undelivered());
            match broken {
                Some(broken) => {
                    let error = broken.into_link_error(&self.target, suspect, waiting);
                    self.lost(error, Some(accepted), &mut logged).await;
                }
                None => break,
            }
        }
        self.mark_disconnected(None);
        // Only an orderly end makes the heartbeat idle: a task that died counts as stuck.
        self.idle();
        !self.cut_off
    }

    /// One attempt. `None` if the link is stopped meanwhile.
    async fn connect(&mut self) -> Option<Result<Connection, LinkError>> {
        let stop = self.core.stop.clone();
        let answer = tokio::select! {
            answer = self.target.log_in(CONNECT_LIMIT) => answer,
            () = stop.cancelled() => return None,
        };
        let (socket, packets) = match answer {
            Ok(accepted) => accepted,
            Err(error) => return Some(Err(error)),
        };
        let connection = Connection::new(&self.target, socket, packets);
        let is_reconnection = lock(&self.core.twins).connected();
        let mut outbox = self.core.outbox();
        let counters = &self.core.counters;
        // Before `connected`: a reader that finds this connection must find it counted.
        counters
            .reconnects
            .fetch_add(u64::from(is_reconnection), Ordering::Relaxed);
        counters.connected.store(true, Ordering::Release);
        outbox.connected();
        outbox.flush(&self.core.queue);
        drop(outbox);
        self.core.state.send_replace(LinkState::Connected {
            since: Instant::now(),
        });
        Some(Ok(connection))
    }

    /// Polls an accepted connection until it breaks, and returns the error; `None` after a shutdown.
    async fn serve(&mut self, connection: &mut Connection) -> Option<ConnectionError> {
        let core = self.core.clone();
        let mut shutdown_deadline: Option<Instant> = None;
        loop {
            self.beat();
            let moved = match shutdown_deadline {
                None => tokio::select! {
                    moved = connection.next_event(&mut self.queue) => moved,
                    () = core.stop.cancelled() => {
                        let deadline = *lock(&core.stop_deadline);
                        shutdown_deadline = Some(deadline.unwrap_or_else(|| Instant::now() + STOP_LIMIT));
                        let stopped = Presence::now(PresenceState::Stopped, &core.session);
                        let mut outbox = core.outbox();
                        outbox.begin_shutdown(Some(stopped.to_json()));
                        outbox.continue_shutdown(&core.queue);
                        continue;
                    }
                },
                Some(deadline) => {
                    let next_event = connection.next_event(&mut self.queue);
                    match tokio::time::timeout_at(deadline.into(), next_event).await {
                        Ok(moved) => moved,
                        Err(_) => {
                            warn!(broker = %self.target.name, "closing the MQTT connection: the broker did not read everything in time");
                            self.cut_off = true;
                            return None;
                        }
                    }
                }
            };
            match moved {
                Ok(moved) => self.take(moved),
                // The broker closes the connection after DISCONNECT: it has then read everything.
                Err(_) if shutdown_deadline.is_some() => return None,
                Err(broken) => return Some(broken),
            }
            let mut outbox = core.outbox();
            outbox.flush(&core.queue);
            outbox.continue_shutdown(&core.queue);
        }
    }

    fn take(&mut self, moved: ConnectionEvent) {
        match moved {
            ConnectionEvent::Sent => {}
            ConnectionEvent::Message(message) => {
                self.core.outbox().subscriptions.dispatch(&message);
                self.find_twin();
            }
            ConnectionEvent::Refused(message) => {
                self.core.counters.refused.fetch_add(1, Ordering::Relaxed);
                self.refusals
                    .tell(&self.target.name, &message, Instant::now());
            }
            ConnectionEvent::Subscribed(answers) => {
                let refused = self.core.outbox().subscriptions.answered(answers);
                if refused.is_empty() {
                    return;
                }
                let counter = &self.core.counters.subscriptions_refused;
                counter.fetch_add(refused.len() as u64, Ordering::Relaxed);
                error!(
                    broker = %self.target.name,
                    filters = ?&refused[..refused.len().min(MOST_NAMED)],
                    "the MQTT broker refuses a subscription; permit this user to read these topics in its access list, and check its \
                     limit of subscriptions per client"
                );
            }
        }
    }

    /// Looks whether another client has published its presence in place of this one's.
    fn find_twin(&mut self) {
        let own = self.own.as_mut();
        let Some(message) = own.and_then(Subscription::try_recv) else {
            return;
        };
        let found = Presence::from_json(&message.payload);
        let Some(found) = found.ok().filter(|_| message.retained) else {
            return;
        };
        let Some(twin) = lock(&self.core.twins).take(&found, Instant::now()) else {
            return;
        };
        let client_id = &*self.target.client_id;
        let (other, since) = (&*twin.session.0, twin.since);
        if twin.is_first {
            error!(
                client_id,
                other,
                %since,
                wait_s = GIVING_WAY.as_secs(),
                "another process that started before has the same client id, and the broker serves only one of them; this one gives \
                 way and connects rarely; give each its own id"
            );
        } else {
            error!(
                client_id,
                other,
                %since,
                "another process that started later has the same client id; this one stays connected; give each its own id"
            );
        }
    }

    /// Records a lost connection or a failed attempt, logs each new reason once, and waits for the next attempt.
    async fn lost(&mut self, error: LinkError, accepted: Option<Instant>, logged: &mut String) {
        let error = Arc::new(error);
        self.mark_disconnected(Some(error.clone()));
        let lasted = accepted.map(|since| since.elapsed());
        if lasted.is_some_and(|lasted| lasted >= LASTING) {
            self.backoff.succeeded();
        }
        let wait = self.wait_after(lasted);
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let attempt = self.backoff.attempt();
        let reason = error.to_string();
        if *logged == reason {
            debug!(%reason, attempt, wait_ms, "still no connection to the MQTT broker");
        } else {
            warn!(%reason, attempt, wait_ms, "no connection to the MQTT broker");
            *logged = reason;
        }
        self.idle();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.core.stop.cancelled() => {}
        }
    }

    /// The wait before the next attempt, after a connection that lasted for `lasted`.
    fn wait_after(&mut self, lasted: Option<Duration>) -> Duration {
        let mut twins = lock(&self.core.twins);
        if let Some(lasted) = lasted {
            twins.lost(lasted);
        }
        match twins.gives_way(Instant::now()) {
            true => Backoff::new(GIVING_WAY, GIVING_WAY).next_wait(),
            false => self.backoff.next_wait(),
        }
    }

    /// Handles the messages that a broken connection may not have delivered. Events are counted as lost.
    fn take_back(&mut self, into_undelivered: Undelivered) {
        let mut outbox = self.core.outbox();
        outbox.connected = false;
        for (topic, clears) in into_undelivered.retained {
            if clears {
                outbox.take_back_clearing(&topic);
            }
        }
        drop(outbox);
        self.count_lost(into_undelivered.events);
    }

    /// Marks the link as disconnected: publishers drop their events from now on, and queued events are counted as lost.
    fn mark_disconnected(&mut self, reason: Option<Arc<LinkError>>) {
        let mut outbox = self.core.outbox();
        outbox.connected = false;
        // Under the lock nothing is added to the queue.
        let mut lost = 0;
        while let Ok(request) = self.queue.try_recv() {
            match request {
                Request::Publish(publish) if !publish.retain => lost += 1,
                Request::Publish(publish) if publish.payload.is_empty() => {
                    outbox.take_back_clearing(&publish.topic);
                }
                _ => {}
            }
        }
        drop(outbox);
        self.count_lost(lost);
        let counters = &self.core.counters;
        counters.connected.store(false, Ordering::Relaxed);
        self.core.state.send_replace(LinkState::Disconnected {
            since: Instant::now(),
            reason,
        });
    }

    fn count_lost(&self, events: u64) {
        let counters = &self.core.counters;
        counters.lost.fetch_add(events, Ordering::Relaxed);
    }

    fn beat(&self) {
        if let Some(heartbeat) = &self.core.heartbeat {
            heartbeat.beat();
        }
    }

    fn idle(&self) {
        if let Some(heartbeat) = &self.core.heartbeat {
            heartbeat.idle();
        }
    }
}
