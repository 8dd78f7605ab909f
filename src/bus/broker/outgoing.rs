//! The outgoing queues of one client: answers, live messages, retained messages, and unacknowledged messages.
//!
//! Live messages are limited in bytes; the router enforces the limit. The retained messages of a filter with wildcards are not
//! copied: a cursor walks the store. That of a single topic is queued with the live ones.
//! Messages of QoS 1 and 2 are sent in order while fewer than [`WINDOW`] of them are unacknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubRel, Publish};
use tracing::debug;

use super::limits::{BATCH_BYTES, WINDOW};
use super::retained::{Cursor, CursorStep, Message, Retained};

/// A message that waits for one client.
#[derive(Debug, Clone)]
pub(super) struct OutgoingMessage {
    pub(super) message: Arc<Message>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Whether its memory counts for the queue. Messages from a cursor belong to the store.
    counted: bool,
}

/// A sent message without acknowledgement.
#[derive(Debug)]
struct Unacknowledged {
    id: u16,
    /// Absent after PUBREC, when PUBREL is due.
    outgoing: Option<OutgoingMessage>,
}

/// The queues of one client.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    answers: BytesMut,
    live: VecDeque<OutgoingMessage>,
    cursors: VecDeque<Cursor>,
    unacknowledged: VecDeque<Unacknowledged>,
    /// Index of the first unacknowledged message to send again to a reconnected client.
    resend: Option<usize>,
    last_id: u16,
    bytes: usize,
}

impl Outgoing {
    /// Memory of live and unacknowledged messages, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Size of the answers in bytes.
    pub(super) fn answers(&self) -> usize {
        self.answers.len()
    }

    /// Queues an answer. Answers are sent before messages.
    pub(super) fn answer(&mut self, packet: &Packet) {
        write(packet, &mut self.answers);
    }

    pub(super) fn push(&mut self, message: Arc<Message>, qos: QoS) {
        self.queue(message, qos, false);
    }

    /// Adds the retained message of a new subscription to one topic, in the order of the live messages.
    pub(super) fn push_retained(&mut self, message: Arc<Message>, granted: QoS) {
        let qos = lower_qos(message.qos, granted);
        self.queue(message, qos, true);
    }

    fn queue(&mut self, message: Arc<Message>, qos: QoS, retain: bool) {
        self.bytes += message.bytes();
        self.live.push_back(OutgoingMessage {
            message,
            qos,
            retain,
            counted: true,
        });
    }

    /// Adds the retained messages of a subscription. It replaces an earlier subscription to the same filter.
    pub(super) fn add_cursor(&mut self, cursor: Cursor) {
        self.drop_cursor(&cursor.filter);
        self.cursors.push_back(cursor);
    }

    pub(super) fn drop_cursor(&mut self, filter: &str) {
        self.cursors.retain(|cursor| *cursor.filter != *filter);
    }

    /// Prepares for a new connection: drops the answers, and marks unacknowledged messages to be sent again.
    pub(super) fn reconnect(&mut self) {
        self.answers.clear();
        self.resend = Some(0);
    }

    /// Drops answers and messages of QoS 0, which are not kept for an absent client. Returns the freed bytes.
    pub(super) fn detach(&mut self) -> usize {
        let before = self.bytes;
        self.live.retain(|outgoing| outgoing.qos != QoS::AtMostOnce);
        self.count_again();
        self.answers = BytesMut::new();
        before - self.bytes
    }

    /// PUBACK or PUBCOMP. Returns the freed bytes.
    pub(super) fn acknowledged(&mut self, id: u16) -> usize {
        let Some(at) = self
            .unacknowledged
            .iter()
            .position(|flight| flight.id == id)
        else {
            return 0;
        };
        if let Some(resend) = &mut self.resend
            && at < *resend
        {
            *resend -= 1;
        }
        let flight = self.unacknowledged.remove(at);
        self.forget(flight.and_then(|flight| flight.outgoing))
    }

    /// PUBREC: answers with PUBREL. Returns the freed bytes.
    pub(super) fn received(&mut self, id: u16) -> usize {
        let flight = self
            .unacknowledged
            .iter_mut()
            .find(|flight| flight.id == id);
        let outgoing = flight.and_then(|flight| flight.outgoing.take());
        self.answer(&Packet::PubRel(PubRel::new(id)));
        self.forget(outgoing)
    }

    fn forget(&mut self, outgoing: Option<OutgoingMessage>) -> usize {
        let freed = outgoing
            .filter(|outgoing| outgoing.counted)
            .map_or(0, |outgoing| outgoing.message.bytes());
        self.bytes -= freed;
        freed
    }

    fn count_again(&mut self) {
        let unacknowledged = self
            .unacknowledged
            .iter()
            .filter_map(|flight| flight.outgoing.as_ref());
        self.bytes = self
            .live
            .iter()
            .chain(unacknowledged)
            .filter(|outgoing| outgoing.counted)
            .map(|outgoing| outgoing.message.bytes())
            .sum();
    }

    /// Moves packets to `batch`, which must be empty. If more than `crowded` bytes wait, live messages come before retained
    /// ones. Returns the freed bytes, and whether to call again even if nothing was moved.
    pub(super) fn fill(
        &mut self,
        batch: &mut BytesMut,
        retained: &Retained,
        crowded: usize,
    ) -> (usize, bool) {
        std::mem::swap(batch, &mut self.answers);
        self.send_again(batch);
        if self.resend.is_some() {
            return (0, true);
        }
        let before = self.bytes;
        let mut again = false;
        while batch.len() < BATCH_BYTES {
            let retained_first = self.bytes <= crowded || self.live.is_empty();
            let next = match self.cursors.front() {
                Some(cursor) if retained_first => Some(cursor.qos),
                _ => self.live.front().map(|outgoing| outgoing.qos),
            };
            // Order is kept: messages of QoS 0 do not overtake messages that wait for the window.
            if self.unacknowledged.len() >= WINDOW && next != Some(QoS::AtMostOnce) {
                break;
            }
            if retained_first && let Some(cursor) = self.cursors.front_mut() {
                match retained.next(cursor) {
                    CursorStep::Message(message) => {
                        let qos = lower_qos(message.qos, cursor.qos);
                        self.send(
                            OutgoingMessage {
                                message,
                                qos,
                                retain: true,
                                counted: false,
                            },
                            batch,
                        );
                    }
                    CursorStep::End => drop(self.cursors.pop_front()),
                    CursorStep::Nothing => {
                        again = true;
                        break;
                    }
                }
            } else if let Some(outgoing) = self.live.pop_front() {
                self.send(outgoing, batch);
            } else {
                break;
            }
        }
        (before - self.bytes, again || batch.len() >= BATCH_BYTES)
    }

    fn send(&mut self, outgoing: OutgoingMessage, batch: &mut BytesMut) {
        if outgoing.qos == QoS::AtMostOnce {
            put(&outgoing, 0, false, batch);
            self.forget(Some(outgoing));
            return;
        }
        let id = self.free_id();
        put(&outgoing, id, false, batch);
        self.unacknowledged.push_back(Unacknowledged {
            id,
            outgoing: Some(outgoing),
        });
    }

    fn send_again(&mut self, batch: &mut BytesMut) {
        let Some(from) = self.resend else { return };
        let mut at = from;
        while at < self.unacknowledged.len() && batch.len() < BATCH_BYTES {
            let flight = &self.unacknowledged[at];
            match &flight.outgoing {
                Some(outgoing) => put(outgoing, flight.id, true, batch),
                None => write(&Packet::PubRel(PubRel::new(flight.id)), batch),
            }
            at += 1;
        }
        self.resend = (at < self.unacknowledged.len()).then_some(at);
    }

    /// A free packet id. There always is one: the window is smaller than the range of ids.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            let id = self.last_id;
            if id != 0 && !self.unacknowledged.iter().any(|flight| flight.id == id) {
                return id;
            }
        }
    }
}

/// The lower quality of service.
pub(super) fn lower_qos(one: QoS, other: QoS) -> QoS {
    if (one as u8) < (other as u8) {
        one
    } else {
        other
    }
}

fn put(outgoing: &OutgoingMessage, id: u16, again: bool, batch: &mut BytesMut) {
    let publish = Publish {
        dup: again,
        qos: outgoing.qos,
        retain: outgoing.retain,
        topic: outgoing.message.topic.to_string(),
        pkid: id,
        payload: outgoing.message.payload.clone(),
    };
    write(&Packet::Publish(publish), batch);
}

/// Encodes a packet. Packets from the codec can always be encoded; a failure is an internal error, which must not end the
/// client's connection.
pub(super) fn write(packet: &Packet, into: &mut BytesMut) {
    if let Err(error) = packet.write(into, usize::MAX) {
        debug!(%error, "a packet could not be encoded");
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
