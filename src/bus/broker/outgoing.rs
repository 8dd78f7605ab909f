//! What waits for one client: answers, news, retained messages, and what it has not acknowledged.
//!
//! News are kept up to a limit of bytes, which the router holds; retained messages are no copies but cursors into the
//! store. Messages of QoS 1 and 2 go out while fewer than a window of them are unacknowledged, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubRel, Publish};
use tracing::debug;

use super::limits::{BATCH_BYTES, WINDOW};
use super::retained::{Cursor, CursorStep, Message, Retained};

/// A message on its way to one client.
#[derive(Debug, Clone)]
pub(super) struct OutgoingMessage {
    pub(super) message: Arc<Message>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Whether it counts as waiting: retained messages are the store's.
    counted: bool,
}

/// Sent and not acknowledged.
#[derive(Debug)]
struct Flight {
    id: u16,
    /// None once a message of QoS 2 was received and is to be released.
    outgoing: Option<OutgoingMessage>,
}

/// The queues of one client.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    answers: BytesMut,
    news: VecDeque<OutgoingMessage>,
    cursors: VecDeque<Cursor>,
    flights: VecDeque<Flight>,
    /// Flights from here on are to be sent again to a client that came back.
    resend: Option<usize>,
    last_id: u16,
    bytes: usize,
}

impl Outgoing {
    /// News and unacknowledged messages, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Answers, in bytes.
    pub(super) fn answers(&self) -> usize {
        self.answers.len()
    }

    /// Puts an answer before all messages.
    pub(super) fn answer(&mut self, packet: &Packet) {
        write(packet, &mut self.answers);
    }

    pub(super) fn push(&mut self, message: Arc<Message>, qos: QoS) {
        self.bytes += message.bytes();
        self.news.push_back(OutgoingMessage {
            message,
            qos,
            retain: false,
            counted: true,
        });
    }

    /// A subscription's retained messages; those of a former subscription to the same filter are not waited for.
    pub(super) fn add_cursor(&mut self, cursor: Cursor) {
        self.drop_cursor(&cursor.filter);
        self.cursors.push_back(cursor);
    }

    pub(super) fn drop_cursor(&mut self, filter: &str) {
        self.cursors.retain(|cursor| *cursor.filter != *filter);
    }

    /// Forgets what was meant for the connection alone, and sends the rest again where there is a next one.
    pub(super) fn reconnect(&mut self) {
        self.answers.clear();
        self.resend = Some(0);
    }

    /// Forgets what is not worth keeping for an absent client. Gives the bytes that were freed.
    pub(super) fn detach(&mut self) -> usize {
        let before = self.bytes;
        self.news.retain(|outgoing| outgoing.qos != QoS::AtMostOnce);
        self.count_again();
        self.answers = BytesMut::new();
        before - self.bytes
    }

    /// The client has a message of QoS 1, or the end of one of QoS 2. Gives the bytes that were freed.
    pub(super) fn acknowledged(&mut self, id: u16) -> usize {
        let Some(at) = self.flights.iter().position(|flight| flight.id == id) else {
            return 0;
        };
        if let Some(resend) = &mut self.resend
            && at < *resend
        {
            *resend -= 1;
        }
        let flight = self.flights.remove(at);
        self.forget(flight.and_then(|flight| flight.outgoing))
    }

    /// The client has a message of QoS 2 and is told to release its id. Gives the bytes that were freed.
    pub(super) fn received(&mut self, id: u16) -> usize {
        let flight = self.flights.iter_mut().find(|flight| flight.id == id);
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
        let flights = self
            .flights
            .iter()
            .filter_map(|flight| flight.outgoing.as_ref());
        self.bytes = self
            .news
            .iter()
            .chain(flights)
            .filter(|outgoing| outgoing.counted)
            .map(|outgoing| outgoing.message.bytes())
            .sum();
    }

    /// Moves what can go now to `batch`, which is empty. `crowded` says from how many waiting bytes on news go first.
    /// Gives the bytes that were freed, and whether to call again although nothing may have been moved.
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
            let retained_first = self.bytes <= crowded || self.news.is_empty();
            let next = match self.cursors.front() {
                Some(cursor) if retained_first => Some(cursor.qos),
                _ => self.news.front().map(|outgoing| outgoing.qos),
            };
            // Order is kept: what needs no acknowledgement does not overtake what waits for a place.
            if self.flights.len() >= WINDOW && next != Some(QoS::AtMostOnce) {
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
            } else if let Some(outgoing) = self.news.pop_front() {
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
        self.flights.push_back(Flight {
            id,
            outgoing: Some(outgoing),
        });
    }

    fn send_again(&mut self, batch: &mut BytesMut) {
        let Some(from) = self.resend else { return };
        let mut at = from;
        while at < self.flights.len() && batch.len() < BATCH_BYTES {
            let flight = &self.flights[at];
            match &flight.outgoing {
                Some(outgoing) => put(outgoing, flight.id, true, batch),
                None => write(&Packet::PubRel(PubRel::new(flight.id)), batch),
            }
            at += 1;
        }
        self.resend = (at < self.flights.len()).then_some(at);
    }

    /// There is one: the window is smaller than the range.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            let id = self.last_id;
            if id != 0 && !self.flights.iter().any(|flight| flight.id == id) {
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

/// What comes from the codec can be written by it; a packet that is not is a fault of ours and costs no client its
/// connection.
pub(super) fn write(packet: &Packet, into: &mut BytesMut) {
    if let Err(error) = packet.write(into, usize::MAX) {
        debug!(%error, "a packet could not be written");
    }
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
