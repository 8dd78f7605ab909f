//! The task behind a link: polls the connection, and makes the next one when it is gone.
//!
//! It awaits nothing but the connection and the clock: whatever it sends goes through the queue without waiting, since the
//! queue is emptied by this very task.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rumqttc::{ConnectionError, Event, EventLoop, Packet, Request, SubscribeReasonCode};
use tracing::{debug, error, info, warn};

use super::error::classify;
use super::link::{CONNECT_LIMIT, LinkState, Shared, lock};
use crate::base::Backoff;
use crate::event::{PAYLOAD_LIMIT_BYTES, Presence, PresenceState};

/// A connection that lasted this long was a good one: the next wait is a first one again. Shorter ones are those of two
/// clients with one id, which would else throw each other out twice a second.
const LASTING: Duration = Duration::from_secs(10);

/// How long a stop may take where nobody said.
const STOP_LIMIT: Duration = Duration::from_secs(1);

pub(super) struct Session {
    pub(super) eventloop: EventLoop,
    pub(super) shared: Arc<Shared>,
    pub(super) broker: String,
    pub(super) client_id: String,
    pub(super) backoff: Backoff,
    /// Whether the leave-taking took too long.
    pub(super) cut_off: bool,
}

impl Session {
    /// Runs until the stop; false where the broker could not be told of it in time.
    pub(super) async fn run(mut self) -> bool {
        let mut connections: u64 = 0;
        let mut told = String::new();
        while !self.shared.stop.is_cancelled() {
            self.beat();
            let accepted = match self.connect().await {
                Some(Ok(_)) => {
                    connections += 1;
                    Some(Instant::now())
                }
                Some(Err(error)) => {
                    self.lost(&error, None, &mut told).await;
                    continue;
                }
                None => break,
            };
            if connections > 1 {
                self.shared
                    .counters
                    .reconnects
                    .fetch_add(1, Ordering::Relaxed);
            }
            info!(broker = %self.broker, client_id = %self.client_id, "connected to the MQTT broker");
            told.clear();
            match self.serve().await {
                Some(error) => self.lost(&error, accepted, &mut told).await,
                None => break,
            }
        }
        self.mark_disconnected(None);
        // Had the task died instead, the silence of its heartbeat would tell.
        self.idle();
        !self.cut_off
    }

    /// One attempt, which the library limits in time; nothing where a stop came first.
    async fn connect(&mut self) -> Option<Result<Event, ConnectionError>> {
        // Leftovers of the last connection: stale by now, or owed by the outbox anyway.
        self.eventloop.pending.clear();
        let stop = self.shared.stop.clone();
        let answer = tokio::select! {
            event = self.eventloop.poll() => event,
            () = stop.cancelled() => return None,
        };
        if answer.is_ok() {
            self.shared
                .counters
                .connected
                .store(true, Ordering::Relaxed);
            let mut outbox = self.shared.outbox();
            outbox.connected();
            outbox.flush(&self.shared.client);
            drop(outbox);
            self.shared.state.send_replace(LinkState::Connected {
                since: Instant::now(),
            });
        }
        Some(answer)
    }

    /// Polls an accepted connection until it breaks, which gives the reason, or until all is said at a stop.
    async fn serve(&mut self) -> Option<ConnectionError> {
        let mut leave_by = None;
        loop {
            self.beat();
            match self.turn(&mut leave_by).await {
                Some(Ok(event)) => self.take(&event),
                // After our DISCONNECT the broker hangs up: that is how we know that it has read everything.
                Some(Err(_)) if leave_by.is_some() => return None,
                Some(Err(error)) => return Some(error),
                None => {
                    warn!(broker = %self.broker, "MQTT connection cut off: the broker did not take our leave in time");
                    self.cut_off = true;
                    return None;
                }
            }
            let mut outbox = self.shared.outbox();
            outbox.flush(&self.shared.client);
            outbox.say_goodbye(&self.shared.client);
        }
    }

    /// Waits for the connection to move; nothing where the leave-taking took too long. A stop begins the leave-taking
    /// without dropping the poll, which may hold a message that is half on its way.
    async fn turn(
        &mut self,
        leave_by: &mut Option<Instant>,
    ) -> Option<Result<Event, ConnectionError>> {
        let shared = &self.shared;
        let mut poll = pin!(self.eventloop.poll());
        loop {
            if let Some(deadline) = *leave_by {
                return tokio::time::timeout_at(deadline.into(), poll).await.ok();
            }
            tokio::select! {
                event = &mut poll => return Some(event),
                () = shared.stop.cancelled() => {
                    let deadline = *lock(&shared.stop_deadline);
                    *leave_by = Some(deadline.unwrap_or_else(|| Instant::now() + STOP_LIMIT));
                    let stopped = Presence::now(PresenceState::Stopped, &shared.session);
                    let mut outbox = shared.outbox();
                    outbox.begin_goodbye(Some(stopped.to_json()));
                    outbox.say_goodbye(&shared.client);
                }
            }
        }
    }

    fn take(&self, event: &Event) {
        match event {
            Event::Incoming(Packet::Publish(publish)) => {
                if publish.payload.len() > PAYLOAD_LIMIT_BYTES {
                    self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
                    debug!(topic = %publish.topic, bytes = publish.payload.len(), "message refused: too large");
                } else {
                    self.shared.outbox().dispatch(publish);
                }
            }
            Event::Incoming(Packet::SubAck(ack))
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) =>
            {
                let counter = &self.shared.counters.subscriptions_refused;
                counter.fetch_add(1, Ordering::Relaxed);
                error!(
                    broker = %self.broker,
                    "the MQTT broker refuses a subscription; its access list has to let this user read the topics"
                );
            }
            _ => {}
        }
    }

    /// Takes note of a lost connection or a failed attempt, tells it once a reason, and waits for the next attempt.
    async fn lost(
        &mut self,
        error: &ConnectionError,
        accepted: Option<Instant>,
        told: &mut String,
    ) {
        let error = Arc::new(classify(
            error,
            &self.broker,
            &self.client_id,
            accepted.is_some(),
            CONNECT_LIMIT,
        ));
        self.mark_disconnected(Some(error.clone()));
        if accepted.is_some_and(|since| since.elapsed() >= LASTING) {
            self.backoff.succeeded();
        }
        let wait = self.backoff.next_wait();
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let attempt = self.backoff.attempt();
        let reason = error.to_string();
        if *told == reason {
            debug!(%reason, attempt, wait_ms, "still no connection to the MQTT broker");
        } else {
            warn!(%reason, attempt, wait_ms, "no connection to the MQTT broker");
            *told = reason;
        }
        self.idle();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.shared.stop.cancelled() => {}
        }
    }

    /// From here on publishers drop their events; what they had queued is counted as lost.
    fn mark_disconnected(&mut self, reason: Option<Arc<super::LinkError>>) {
        let mut outbox = self.shared.outbox();
        outbox.connected = false;
        // With the lock held nobody adds to the queue any more; the library has moved there what it had not got rid of.
        self.eventloop.clean();
        // The library forgets to forget this one, and would wait for its acknowledgement in the next connection.
        self.eventloop.state.collision = None;
        let unsent = self
            .eventloop
            .pending
            .drain(..)
            .filter_map(|request| match request {
                Request::Publish(publish) => Some(publish),
                _ => None,
            });
        let lost = outbox.take_back(unsent);
        drop(outbox);
        let counters = &self.shared.counters;
        counters.connected.store(false, Ordering::Relaxed);
        counters.lost.fetch_add(lost, Ordering::Relaxed);
        self.shared.state.send_replace(LinkState::Disconnected {
            since: Instant::now(),
            reason,
        });
    }

    fn beat(&self) {
        if let Some(heartbeat) = &self.shared.heartbeat {
            heartbeat.beat();
        }
    }

    fn idle(&self) {
        if let Some(heartbeat) = &self.shared.heartbeat {
            heartbeat.idle();
        }
    }
}
