//! Where a message goes: into the retained store and the queue of each subscriber.
//!
//! All of it runs on the broker's thread, under the router's lock. A retained message for which the store has no room is
//! dropped, and a client for which too much waits is disconnected, with all that waited for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::LastWill;
use tracing::warn;

use super::super::limits::CATCH_UP_LIMIT;
use super::super::outgoing::lower_qos;
use super::super::retained::Message;
use super::super::session::{ClientPresence, Key};
use super::{Router, SlowClient, State};

impl Router {
    /// Publishes a message of a client. Returns a slow subscriber for which the publisher should wait.
    pub(in crate::bus::broker) fn publish(
        &self,
        topic: &str,
        payload: Bytes,
        qos: QoS,
        retain: bool,
    ) -> Option<SlowClient> {
        self.route(&mut self.state(), topic.into(), (payload, qos), retain)
    }

    pub(super) fn route(
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
    pub(in crate::bus::broker) fn is_slow(&self, SlowClient(key): SlowClient) -> bool {
        let state = self.state();
        state.sessions.get(&key).is_some_and(|session| {
            session.out.bytes() > self.limits.queue_bytes / 2
                && session
                    .catch_up_until
                    .is_some_and(|until| Instant::now() < until)
        })
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
