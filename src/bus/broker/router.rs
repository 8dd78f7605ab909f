//! The router: sessions, subscriptions and the retained store behind one short lock. What a connected client asks for is
//! done here.
//!
//! Who is connected is in `presence`, where a message goes in `routing`. The tasks of all clients call it on the broker's
//! thread; nothing waits while the lock is held.

mod presence;
mod routing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{
    LastWill, Packet, SubAck, Subscribe, SubscribeReasonCode, UnsubAck, Unsubscribe,
};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::filters::{Filters, cost, is_filter, is_topic};
use super::limits::{ANSWERS_BYTES, BrokerLimits, FILTERS_BYTES, MESSAGE_LIMIT_BYTES};
use super::log_limit::LogLimiter;
use super::retained::{Cursor, Retained};
use super::session::{Key, Session};
use crate::base::sync::lock;
use crate::config::Secret;

/// The state of the broker.
#[derive(Debug)]
pub(super) struct Router {
    pub(super) limits: BrokerLimits,
    /// User name and digest of the password. Digests are compared in constant time.
    login: Option<(String, [u8; 32])>,
    pub(super) log_limit: LogLimiter,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sessions: HashMap<Key, Session>,
    by_client_id: HashMap<String, Key>,
    filters: Filters,
    retained: Retained,
    /// Memory of the messages that wait in all sessions, in bytes.
    queued_bytes: usize,
    /// Number of messages so far.
    messages: u64,
    /// Number of connections so far.
    numbers: u64,
    /// A buffer that is kept for its capacity.
    found: Vec<(Key, QoS)>,
}

/// The router's handle of a connected client.
#[derive(Debug, Clone)]
pub(super) struct ClientHandle {
    pub(super) key: Key,
    pub(super) number: u64,
    pub(super) wake: Arc<Notify>,
    pub(super) cut: CancellationToken,
}

/// A client that reads slowly; publishers wait for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlowClient(Key);

impl Router {
    pub(super) fn new(limits: BrokerLimits, login: Option<&(String, Secret)>) -> Self {
        let retained = Retained::new(limits.retained_bytes);
        Self {
            limits,
            login: login.map(|(user, password)| (user.clone(), digest(password.reveal()))),
            log_limit: LogLimiter::default(),
            state: Mutex::new(State {
                sessions: HashMap::new(),
                by_client_id: HashMap::new(),
                filters: Filters::default(),
                retained,
                queued_bytes: 0,
                messages: 0,
                numbers: 0,
                found: Vec::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Runs `change` on the client's session, if the session still has this connection.
    fn with<T>(
        &self,
        client: &ClientHandle,
        change: impl FnOnce(&mut State, Key) -> T,
    ) -> Option<T> {
        let mut state = self.state();
        let connection = state.sessions.get(&client.key)?.connection()?;
        (connection.number == client.number).then(|| change(&mut state, client.key))
    }

    pub(super) fn subscribe(&self, client: &ClientHandle, subscribe: &Subscribe) {
        self.with(client, |state, key| {
            let until = state.messages;
            let Some(session) = state.sessions.get_mut(&key) else {
                return;
            };
            let mut codes = Vec::with_capacity(subscribe.filters.len());
            for wanted in &subscribe.filters {
                let filter: Arc<str> = wanted.path.as_str().into();
                let more = match session.subscriptions.contains_key(&filter) {
                    true => 0,
                    false => cost(&filter),
                };
                if !is_filter(&filter) || session.filters_bytes + more > FILTERS_BYTES {
                    if let Some(more) = self.log_limit.due("subscription") {
                        warn!(
                            client_id = session.client_id, filter = wanted.path, limit_bytes = FILTERS_BYTES, more,
                            "a subscription is refused: invalid topic filter, or the client has too many"
                        );
                    }
                    codes.push(SubscribeReasonCode::Failure);
                    continue;
                }
                session.filters_bytes += more;
                session.subscriptions.insert(filter.clone(), wanted.qos);
                state.filters.insert(&filter, key, wanted.qos);
                // A message that fits is taken now: the client may replace it with its very next packet.
                let free = (self.limits.queue_bytes / 4)
                    .saturating_sub(session.out.bytes())
                    .min((self.limits.queues_bytes / 4).saturating_sub(state.queued_bytes));
                match state.retained.get(&filter).filter(|one| one.bytes() <= free) {
                    Some(message) => {
                        state.queued_bytes += message.bytes();
                        session.out.drop_cursor(&filter);
                        session.out.push_retained(message.clone(), wanted.qos);
                    }
                    None => session.out.add_cursor(Cursor::new(filter, wanted.qos, until)),
                }
                codes.push(SubscribeReasonCode::Success(wanted.qos));
            }
            session.out.answer(&Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
            session.wake();
        });
    }

    pub(super) fn unsubscribe(&self, client: &ClientHandle, unsubscribe: &Unsubscribe) {
        self.with(client, |state, key| {
            let Some(session) = state.sessions.get_mut(&key) else {
                return;
            };
            for filter in &unsubscribe.topics {
                if session.subscriptions.remove(filter.as_str()).is_some() {
                    session.filters_bytes -= cost(filter);
                    session.out.drop_cursor(filter);
                    state.filters.remove(filter, key);
                }
            }
            session
                .out
                .answer(&Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
            session.wake();
        });
    }

    /// Sends an answer to the client.
    pub(super) fn answer(&self, client: &ClientHandle, packet: &Packet) {
        self.with(client, |state, key| {
            if let Some(session) = state.sessions.get_mut(&key) {
                session.out.answer(packet);
                session.wake();
            }
        });
    }

    /// Whether too many answers wait for the client.
    pub(super) fn has_unread_answers(&self, client: &ClientHandle) -> bool {
        let state = self.state();
        let session = state.sessions.get(&client.key);
        session.is_some_and(|session| session.out.answers() > ANSWERS_BYTES)
    }

    /// Records a received message of QoS 2. False if it is a repetition.
    pub(super) fn note_unreleased(&self, client: &ClientHandle, id: u16) -> bool {
        let noted = self.with(client, |state, key| {
            let session = state.sessions.get_mut(&key);
            session.is_some_and(|session| session.unreleased.insert(id))
        });
        noted == Some(true)
    }

    pub(super) fn release(&self, client: &ClientHandle, id: u16) {
        self.with(client, |state, key| {
            if let Some(session) = state.sessions.get_mut(&key) {
                session.unreleased.remove(&id);
            }
        });
    }

    /// Handles an acknowledgement of the client. `received`: PUBREC, the first of the two of QoS 2.
    pub(super) fn acknowledge(&self, client: &ClientHandle, id: u16, received: bool) {
        self.with(client, |state, key| {
            if let Some(session) = state.sessions.get_mut(&key) {
                let freed = match received {
                    true => session.out.received(id),
                    false => session.out.acknowledged(id),
                };
                state.queued_bytes -= freed;
                session.wake();
            }
        });
    }

    /// Moves packets to `batch`. True if more packets may be ready.
    pub(super) fn fill(&self, client: &ClientHandle, batch: &mut BytesMut) -> bool {
        let filled = self.with(client, |state, key| {
            let Some(session) = state.sessions.get_mut(&key) else {
                return false;
            };
            let crowded = self.limits.queue_bytes / 4;
            let (freed, again) = session.out.fill(batch, &state.retained, crowded);
            state.queued_bytes -= freed;
            if session.out.bytes() <= crowded {
                session.catch_up_until = None;
            }
            again
        });
        filled == Some(true)
    }

    /// The client id, for the log.
    pub(super) fn client_id(&self, client: &ClientHandle) -> String {
        let state = self.state();
        let session = state.sessions.get(&client.key);
        session.map_or_else(String::new, |session| session.client_id.clone())
    }
}

impl State {
    fn remove(&mut self, key: Key) -> Option<Session> {
        let session = self.sessions.remove(&key)?;
        for filter in session.subscriptions.keys() {
            self.filters.remove(filter, key);
        }
        if self.by_client_id.get(&session.client_id) == Some(&key) {
            self.by_client_id.remove(&session.client_id);
        }
        self.queued_bytes -= session.out.bytes();
        Some(session)
    }
}

/// Whether a will can be published.
pub(super) fn is_will(will: &LastWill) -> bool {
    is_topic(&will.topic) && will.message.len() <= MESSAGE_LIMIT_BYTES
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
