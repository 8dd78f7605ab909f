//! The router: sessions, subscriptions and the retained store behind one short lock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Packet, SubAck, Subscribe, SubscribeReasonCode,
    UnsubAck, Unsubscribe,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::filters::{Filters, cost, is_filter, is_topic};
use super::limits::{
    ANSWERS_BYTES, BrokerLimits, CATCH_UP_LIMIT, FILTERS_BYTES, MESSAGE_LIMIT_BYTES,
};
use super::log_limit::LogLimiter;
use super::outgoing::lower_qos;
use super::retained::Message;
use super::retained::{Cursor, Retained};
use super::session::{ClientPresence, Connection, Key, Session};
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

    /// Accepts a client, and disconnects another one with the same id.
    ///
    /// # Errors
    /// The code with which the client is refused.
    pub(super) fn attach(
        &self,
        connect: Connect,
        peer: &str,
    ) -> Result<ClientHandle, ConnectReturnCode> {
        self.check_login(&connect, peer)?;
        if connect.client_id.contains('\0')
            || (connect.client_id.is_empty() && !connect.clean_session)
        {
            return Err(ConnectReturnCode::BadClientId);
        }
        let mut state = self.state();
        state.numbers += 1;
        let number = state.numbers;
        let client_id = match connect.client_id.as_str() {
            "" => format!("nvr-broker-{number}"),
            id => id.to_owned(),
        };
        self.forget_expired(&mut state);
        let former = state.by_client_id.get(&client_id).copied();
        if let Some(key) = former {
            self.end_connection(&mut state, key, "another client connected with its id");
        }
        if connect.clean_session
            && let Some(key) = former
        {
            state.remove(key);
        }
        let known = state.by_client_id.get(&client_id).copied();
        if known.is_none() && !self.make_room(&mut state) {
            if let Some(more) = self.log_limit.due("clients") {
                warn!(
                    %peer, client_id, limit = self.limits.clients, more,
                    "a client is refused: the limit of --clients is reached"
                );
            }
            return Err(ConnectReturnCode::ServiceUnavailable);
        }
        let key = known.unwrap_or(Key(number));
        let connection = Connection {
            number,
            will: connect.last_will,
            wake: Arc::new(Notify::new()),
            cut: CancellationToken::new(),
        };
        let attached = ClientHandle {
            key,
            number,
            wake: connection.wake.clone(),
            cut: connection.cut.clone(),
        };
        debug!(%peer, client_id, keep_alive = connect.keep_alive, "a client connects");
        let session = state.sessions.entry(key).or_insert_with(|| Session {
            client_id: client_id.clone(),
            clean: connect.clean_session,
            subscriptions: Default::default(),
            filters_bytes: 0,
            out: Default::default(),
            unreleased: Default::default(),
            presence: ClientPresence::Absent(Instant::now()),
            catch_up_until: None,
        });
        session.clean = connect.clean_session;
        session.presence = ClientPresence::Connected(connection);
        session.out.reconnect();
        let accepted = ConnAck::new(ConnectReturnCode::Success, known.is_some());
        session.out.answer(&Packet::ConnAck(accepted));
        state.by_client_id.insert(client_id, key);
        Ok(attached)
    }

    fn check_login(&self, connect: &Connect, peer: &str) -> Result<(), ConnectReturnCode> {
        let Some((user, password)) = &self.login else {
            return Ok(());
        };
        let Some(login) = &connect.login else {
            if let Some(more) = self.log_limit.due("login") {
                let client_id = &connect.client_id;
                warn!(%peer, client_id, more, "a client is refused: no user name and password");
            }
            return Err(ConnectReturnCode::NotAuthorized);
        };
        let same = digest(&login.password).ct_eq(password)
            & user.as_bytes().ct_eq(login.username.as_bytes());
        if bool::from(same) {
            return Ok(());
        }
        if let Some(more) = self.log_limit.due("login") {
            let client_id = &connect.client_id;
            warn!(%peer, client_id, more, "a client is refused: wrong user name or password");
        }
        Err(ConnectReturnCode::BadUserNamePassword)
    }

    /// Removes the sessions of clients that were absent for too long.
    fn forget_expired(&self, state: &mut State) {
        let expired: Vec<Key> = state
            .sessions
            .iter()
            .filter(|(_, session)| {
                let away = session.absent_since();
                away.is_some_and(|since| since.elapsed() > self.limits.absent)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in expired {
            state.remove(key);
        }
    }

    /// Makes room for one more session by removing that of the longest absent client. False if there is none.
    fn make_room(&self, state: &mut State) -> bool {
        if state.sessions.len() < self.limits.clients {
            return true;
        }
        let absent = state
            .sessions
            .iter()
            .filter_map(|(key, session)| session.absent_since().map(|since| (since, *key)))
            .min();
        let Some((_, key)) = absent else {
            return false;
        };
        if let Some(session) = state.remove(key) {
            info!(
                client_id = session.client_id,
                "the session of an absent client is removed to make room for another"
            );
        }
        true
    }

    /// Ends a connection. Publishes the will unless the client sent DISCONNECT.
    pub(super) fn detach(&self, client: &ClientHandle, sent_disconnect: bool) {
        let mut state = self.state();
        let Some(session) = state.sessions.get_mut(&client.key) else {
            return;
        };
        let ClientPresence::Connected(connection) = &mut session.presence else {
            return;
        };
        if connection.number != client.number {
            return;
        }
        if sent_disconnect {
            connection.will = None;
        }
        self.end_connection(&mut state, client.key, "");
    }

    /// Ends the connection of a session and publishes the will. A clean session is removed, another one waits for its client.
    fn end_connection(&self, state: &mut State, key: Key, why: &str) {
        let Some(session) = state.sessions.get_mut(&key) else {
            return;
        };
        let former = std::mem::replace(
            &mut session.presence,
            ClientPresence::Absent(Instant::now()),
        );
        let will = match former {
            ClientPresence::Connected(connection) => {
                connection.cut.cancel();
                // Limited, because two clients with one id disconnect each other repeatedly.
                if !why.is_empty()
                    && let Some(more) = self.log_limit.due("takeover")
                {
                    info!(
                        client_id = session.client_id,
                        why, more, "a client is disconnected"
                    );
                }
                connection.will
            }
            away => {
                session.presence = away;
                None
            }
        };
        session.catch_up_until = None;
        if session.clean {
            state.remove(key);
        } else {
            let freed = session.out.detach();
            state.queued_bytes -= freed;
        }
        if let Some(will) = will {
            self.route(
                state,
                will.topic.as_str().into(),
                will_of(&will),
                will.retain,
            );
        }
    }

    /// Publishes a message of a client. Returns a slow subscriber for which the publisher should wait.
    pub(super) fn publish(
        &self,
        topic: &str,
        payload: Bytes,
        qos: QoS,
        retain: bool,
    ) -> Option<SlowClient> {
        self.route(&mut self.state(), topic.into(), (payload, qos), retain)
    }

    fn route(
        &self,
        state: &mut State,
        topic: Arc<str>,
        (payload, qos): (Bytes, QoS),
        retain: bool,
    ) -> Option<SlowClient> {
        let mut behind = None;
        let mut work = VecDeque::from([(topic, payload, qos, retain)]);
        // Wills of clients that are disconnected here are published too. Each session can be disconnected only once.
        while let Some((topic, payload, qos, retain)) = work.pop_front() {
            state.messages += 1;
            let message = Message {
                topic,
                payload,
                qos,
                number: state.messages,
            };
            if retain
                && state.retained.set(&message).is_err()
                && let Some(more) = self.log_limit.due("retained")
            {
                let limit_mib = self.limits.retained_bytes >> 20;
                warn!(
                    topic = &*message.topic,
                    bytes = message.payload.len(),
                    limit_mib,
                    more,
                    "a retained message is refused and the previous one kept: the store is full; clear topics or raise \
                     --retained-mib"
                );
            }
            let mut slow = Vec::new();
            self.distribute(state, &Arc::new(message), &mut behind, &mut slow);
            if state.queued_bytes > self.limits.queues_bytes {
                let largest = state
                    .sessions
                    .iter()
                    .max_by_key(|(_, session)| session.out.bytes());
                slow.extend(largest.map(|(key, _)| *key));
            }
            for key in slow {
                if let Some(will) = disconnect_slow(state, key) {
                    work.push_back((
                        will.topic.as_str().into(),
                        will.message.clone(),
                        will.qos,
                        will.retain,
                    ));
                }
            }
        }
        behind
    }

    fn distribute(
        &self,
        state: &mut State,
        message: &Arc<Message>,
        behind: &mut Option<SlowClient>,
        slow: &mut Vec<Key>,
    ) {
        let mut found = std::mem::take(&mut state.found);
        state.filters.matching(&message.topic, &mut found);
        for &(key, granted) in &found {
            let Some(session) = state.sessions.get_mut(&key) else {
                continue;
            };
            let qos = lower_qos(message.qos, granted);
            if session.connection().is_none() && qos == QoS::AtMostOnce {
                continue;
            }
            session.out.push(message.clone(), qos);
            state.queued_bytes += message.bytes();
            session.wake();
            if session.out.bytes() > self.limits.queue_bytes {
                slow.push(key);
            } else if session.out.bytes() > self.limits.queue_bytes / 2
                && session.connection().is_some()
            {
                let now = Instant::now();
                if now < *session.catch_up_until.get_or_insert(now + CATCH_UP_LIMIT) {
                    *behind = Some(SlowClient(key));
                }
            }
        }
        state.found = found;
    }

    /// Whether publishers should still wait for the client.
    pub(super) fn is_slow(&self, SlowClient(key): SlowClient) -> bool {
        let state = self.state();
        state.sessions.get(&key).is_some_and(|session| {
            session.out.bytes() > self.limits.queue_bytes / 2
                && session
                    .catch_up_until
                    .is_some_and(|until| Instant::now() < until)
        })
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
                session.out.add_cursor(Cursor::new(filter, wanted.qos, until));
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

/// Ends the session of a client that does not read. Returns its will.
fn disconnect_slow(state: &mut State, key: Key) -> Option<LastWill> {
    let session = state.remove(key)?;
    let (client_id, bytes) = (&session.client_id, session.out.bytes());
    match session.presence {
        ClientPresence::Connected(connection) => {
            warn!(
                client_id,
                bytes,
                "a client is disconnected: it reads more slowly than its messages arrive, and too much waits for it"
            );
            connection.cut.cancel();
            connection.will
        }
        ClientPresence::Absent(_) => {
            warn!(
                client_id,
                bytes, "the session of an absent client is removed: too much waits for it"
            );
            None
        }
    }
}

fn will_of(will: &LastWill) -> (Bytes, QoS) {
    (will.message.clone(), will.qos)
}

/// Whether a will can be published.
pub(super) fn is_will(will: &LastWill) -> bool {
    is_topic(&will.topic) && will.message.len() <= MESSAGE_LIMIT_BYTES
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
