//! The link to the broker: it publishes, subscribes, and reconnects.
//!
//! One task (in `session`) polls the connection. Publishers on any thread queue their messages under a short lock and never
//! wait. While the broker is away, events are dropped and counted; of each retained topic the newest value is kept.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::outbox::Outbox;
use super::packets::Qos;
use super::session::{Counters, LinkCore, LinkState, Session};
use super::socket::{KEEP_ALIVE, Target};
use super::topics::{is_filter, is_topic};
use super::traffic::{Publish, Request};
use super::twins::Twins;
use super::{BusError, ClientRole, Delivery, Subscription, Topics, Twin};
use crate::base::sync::lock;
use crate::base::{Backoff, Heartbeat, SessionId};
use crate::config::MqttSettings;
use crate::event::{PAYLOAD_LIMIT_BYTES, Presence, PresenceState};

/// Queue of one subscription, in messages: one second of sixteen sources at full rate, with a margin.
pub const MESSAGE_QUEUE: usize = 1024;

/// Queue to the socket, in messages: two seconds of four sources at 25 fps. A longer queue would only delay events.
const SEND_QUEUE: usize = 256;

/// Settings of a link.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// The broker.
    pub mqtt: MqttSettings,
    /// The role of this client.
    pub role: ClientRole,
    /// Its instance id, the same after a restart.
    pub instance_id: String,
    /// The random id of this run.
    pub session: SessionId,
    /// First wait between attempts.
    pub retry_first: Duration,
    /// Longest wait between attempts.
    pub retry_longest: Duration,
}

impl LinkOptions {
    /// Options with the default waits: 0.5 s to 30 s.
    pub fn new(
        mqtt: MqttSettings,
        role: ClientRole,
        instance_id: &str,
        session: &SessionId,
    ) -> Self {
        Self {
            mqtt,
            role,
            instance_id: instance_id.to_owned(),
            session: session.clone(),
            retry_first: Duration::from_millis(500),
            retry_longest: Duration::from_secs(30),
        }
    }
}

/// The counters of a link since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Events handed to the connection.
    pub published: u64,
    /// Events dropped: the broker was away, the queue was full, or they were too large.
    pub dropped: u64,
    /// Events among the dropped that were too large.
    pub oversized: u64,
    /// Published events that were not written, or not acknowledged, when a connection broke.
    pub lost: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Incoming messages that were skipped: larger than 1 MiB, or not valid MQTT.
    pub refused: u64,
    /// Subscriptions that the broker refused.
    pub subscriptions_refused: u64,
    /// Whether there is a connection.
    pub connected: bool,
}

/// A link to the broker. Clones share one connection. Its task ends with [`Link::stop`], or when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Link {
    core: Arc<LinkCore>,
    _last: Arc<StopOnDrop>,
}

#[derive(Debug)]
struct StopOnDrop(CancellationToken);

impl Link {
    /// Creates a link and starts its task on `runtime`. The broker need not be present. The heartbeat beats at least every five
    /// seconds while connected, and is idle between two attempts.
    ///
    /// # Errors
    /// When the TLS files or the login of the settings can't be used.
    pub fn start(
        options: LinkOptions,
        runtime: &Handle,
        heartbeat: Option<Heartbeat>,
    ) -> Result<Self, BusError> {
        let client_id = options
            .role
            .client_id(&options.instance_id, &options.session);
        let presence_topic = Topics::of(&options.mqtt).presence(options.role, &options.instance_id);
        let mut target = Target::of(&options.mqtt, &client_id, KEEP_ALIVE)?;
        let (queue, requests) = mpsc::channel(SEND_QUEUE);
        let began = Presence::now(PresenceState::Online, &options.session);
        let mut outbox = Outbox::default();
        let mut own = None;
        if let Some(topic) = presence_topic {
            let will = Presence {
                state: PresenceState::Offline,
                ..began.clone()
            };
            target.will = Some((topic.clone(), will.to_json()));
            own = Some(outbox.subscriptions.add_first(topic.clone()));
            outbox.set_presence(topic, began.to_json());
        }
        let stop = CancellationToken::new();
        let core = Arc::new(LinkCore {
            queue,
            outbox: Mutex::new(outbox),
            counters: Counters::default(),
            state: watch::Sender::new(LinkState::Disconnected {
                since: Instant::now(),
                reason: None,
            }),
            stop: stop.clone(),
            stop_deadline: Mutex::new(None),
            session: options.session.clone(),
            twins: Mutex::new(Twins::of(options.session.clone(), began.since)),
            began,
            heartbeat,
            event_qos: match options.mqtt.qos {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            task: Mutex::new(None),
        });
        let session = Session::new(
            target,
            requests,
            core.clone(),
            Backoff::new(options.retry_first, options.retry_longest),
            own,
        );
        *lock(&core.task) = Some(runtime.spawn(session.run()));
        Ok(Self {
            core,
            _last: Arc::new(StopOnDrop(stop)),
        })
    }

    /// Publishes an event. Never blocks. False if it was dropped, which is counted.
    pub fn publish_event(&self, topic: &str, payload: Vec<u8>) -> bool {
        let counters = &self.core.counters;
        let bytes = payload.len();
        if bytes > PAYLOAD_LIMIT_BYTES {
            counters.dropped.fetch_add(1, Ordering::Relaxed);
            if counters.oversized.fetch_add(1, Ordering::Relaxed) == 0 {
                error!(
                    topic,
                    bytes,
                    limit = PAYLOAD_LIMIT_BYTES,
                    "an event is too large and was dropped; further ones are only counted (events_oversized); raise the confidence or \
                     select classes to publish fewer objects"
                );
            }
            return false;
        }
        let publish = Publish {
            topic: topic.to_owned(),
            payload,
            qos: self.core.event_qos,
            retain: false,
        };
        let outbox = self.core.outbox();
        let taken = outbox.connected
            && !outbox.is_shutting_down()
            && self.core.queue.try_send(Request::Publish(publish)).is_ok();
        drop(outbox);
        let counter = if taken {
            &counters.published
        } else {
            &counters.dropped
        };
        counter.fetch_add(1, Ordering::Relaxed);
        taken
    }

    /// Publishes a retained message now, and again at every connection until it is replaced or cleared. Never blocks. An
    /// empty payload is [`Link::clear`]. A payload over 1 MiB or a topic with wildcards is refused with an error in the log.
    pub fn retain(&self, topic: &str, payload: Vec<u8>) {
        if payload.len() > PAYLOAD_LIMIT_BYTES || !is_topic(topic) {
            error!(
                topic,
                bytes = payload.len(),
                "a retained message is refused: too large, or its topic is invalid"
            );
            return;
        }
        let mut outbox = self.core.outbox();
        outbox.retain(topic, payload);
        outbox.flush(&self.core.queue);
    }

    /// Clears a retained topic at the broker, once, as soon as the broker is connected.
    pub fn clear(&self, topic: &str) {
        self.retain(topic, Vec::new());
    }

    /// Does not publish the retained message of `topic` again at later connections. The broker keeps what it has. For topics that
    /// others publish as well: a repetition would replace their newer message.
    pub fn forget(&self, topic: &str) {
        self.core.outbox().forget(topic);
    }

    /// Subscribes to `filters` at this and every later connection. Filters of one link should not overlap: a broker may deliver
    /// a message once per filter. Prefer topics to wildcards: for a wildcard a broker may deliver only the first thousand
    /// retained messages.
    pub fn subscribe(
        &self,
        filters: impl IntoIterator<Item = impl Into<String>>,
        delivery: Delivery,
    ) -> Subscription {
        let filters = valid(filters);
        let mut outbox = self.core.outbox();
        let subscription = outbox.subscriptions.add(filters, delivery, MESSAGE_QUEUE);
        outbox.flush(&self.core.queue);
        subscription
    }

    /// Changes the filters of a subscription of this link. Only the difference is sent to the broker.
    pub fn resubscribe(
        &self,
        subscription: &Subscription,
        filters: impl IntoIterator<Item = impl Into<String>>,
    ) {
        let filters = valid(filters);
        let mut outbox = self.core.outbox();
        outbox.subscriptions.change(subscription.id, filters);
        outbox.flush(&self.core.queue);
    }

    /// The state of the connection, and each change of it.
    pub fn state_changes(&self) -> watch::Receiver<LinkState> {
        self.core.state.subscribe()
    }

    /// The counters so far.
    pub fn counters(&self) -> LinkCounters {
        let counters = &self.core.counters;
        LinkCounters {
            // First: a connection that it tells is counted in the others.
            connected: counters.connected.load(Ordering::Acquire),
            published: counters.published.load(Ordering::Relaxed),
            dropped: counters.dropped.load(Ordering::Relaxed),
            oversized: counters.oversized.load(Ordering::Relaxed),
            lost: counters.lost.load(Ordering::Relaxed),
            reconnects: counters.reconnects.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            subscriptions_refused: counters.subscriptions_refused.load(Ordering::Relaxed),
        }
    }

    /// The start time of this run as in its presence. It decides between two processors that claim one source.
    pub fn began(&self) -> jiff::Timestamp {
        self.core.began.since
    }

    /// Another client with the id of this one that was seen lately. Both run on; the one that started later connects rarely.
    pub fn twin(&self) -> Option<Twin> {
        lock(&self.core.twins).known(Instant::now()).cloned()
    }

    /// Publishes the classes of a processor's model in its presence, now and at every connection.
    pub fn set_classes(&self, classes: &[Arc<str>]) {
        let presence = self.core.began.clone().with_classes(classes);
        let mut outbox = self.core.outbox();
        outbox.change_presence(presence.to_json());
        outbox.flush(&self.core.queue);
    }

    /// Sends the queue, the presence `stopped` and DISCONNECT, and ends the task; after `limit` the connection is closed. True
    /// if everything was sent in time, or there was no connection.
    pub async fn stop(&self, limit: Duration) -> bool {
        *lock(&self.core.stop_deadline) = Some(Instant::now() + limit);
        self.core.stop.cancel();
        let Some(mut task) = lock(&self.core.task).take() else {
            return true;
        };
        // The task keeps the deadline itself; the margin covers a task that hangs.
        match tokio::time::timeout(limit + Duration::from_millis(500), &mut task).await {
            Ok(ended) => ended.unwrap_or(false),
            Err(_) => {
                task.abort();
                false
            }
        }
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn valid(filters: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let (filters, invalid): (Vec<String>, Vec<String>) = filters
        .into_iter()
        .map(Into::into)
        .partition(|filter| is_filter(filter));
    if !invalid.is_empty() {
        error!(?invalid, "a subscription is refused: invalid topic filters");
    }
    filters
}
