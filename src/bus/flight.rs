//! Packets in flight: those sent and not acknowledged, and the received messages of QoS 2.
//!
//! No side effects. An acknowledgement of a packet that is not in flight is ignored: a broker may repeat it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Instant;

use super::packets::Qos;

/// Maximum number of unacknowledged messages. mosquitto accepts any number, rumqttd 100.
const MOST_MESSAGES: usize = 100;

/// A sent message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) topic: String,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    /// Size of the payload.
    pub(super) bytes: usize,
}

/// A packet that waits for its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting<'a> {
    /// PUBLISH.
    Message(&'a Sent),
    /// PUBREL: the broker has acknowledged the first half of a message of QoS 2.
    Release,
    /// SUBSCRIBE with these filters.
    Subscription(&'a [String]),
}

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(sent) => {
                let kind = if sent.retain { "retained " } else { "" };
                let qos = sent.qos as u8;
                write!(
                    f,
                    "a {kind}message of quality of service {qos} on {}",
                    sent.topic
                )
            }
            Self::Release => f.write_str("the second half of a message of quality of service 2"),
            Self::Subscription(filters) => write!(f, "a subscription to {}", filters.join(", ")),
        }
    }
}

/// The packets in flight on one connection.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    last_id: u16,
    messages: BTreeMap<u16, (Sent, Instant)>,
    releasing: BTreeMap<u16, Instant>,
    subscribing: BTreeMap<u16, (Vec<String>, Instant)>,
    unsubscribing: BTreeSet<u16>,
    received: BTreeSet<u16>,
}

impl InFlight {
    /// Whether one more message may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.messages.len() + self.releasing.len() < MOST_MESSAGES
    }

    /// Adds a message of QoS 1 or 2. Returns its packet id.
    pub(super) fn message(&mut self, sent: Sent, now: Instant) -> u16 {
        let id = self.free_id();
        self.messages.insert(id, (sent, now));
        id
    }

    /// Adds a subscription. Returns its packet id.
    pub(super) fn subscription(&mut self, filters: Vec<String>, now: Instant) -> u16 {
        let id = self.free_id();
        self.subscribing.insert(id, (filters, now));
        id
    }

    /// Adds the end of a subscription. Returns its packet id.
    pub(super) fn unsubscription(&mut self) -> u16 {
        let id = self.free_id();
        self.unsubscribing.insert(id);
        id
    }

    /// PUBACK: the broker has the message. Returns the time at which it was sent.
    pub(super) fn acknowledged(&mut self, id: u16) -> Option<Instant> {
        self.messages.remove(&id).map(|(_, since)| since)
    }

    /// PUBREC: the broker has the message. Returns the time at which it was sent. A PUBREL is due in any case.
    pub(super) fn recorded(&mut self, id: u16, now: Instant) -> Option<Instant> {
        let since = self.messages.remove(&id).map(|(_, since)| since)?;
        self.releasing.insert(id, now);
        Some(since)
    }

    /// PUBCOMP.
    pub(super) fn completed(&mut self, id: u16) {
        self.releasing.remove(&id);
    }

    /// SUBACK. Returns the filters of the subscription.
    pub(super) fn subscribed(&mut self, id: u16) -> Option<Vec<String>> {
        self.subscribing.remove(&id).map(|(filters, _)| filters)
    }

    /// UNSUBACK.
    pub(super) fn unsubscribed(&mut self, id: u16) {
        self.unsubscribing.remove(&id);
    }

    /// Records a received message of QoS 2. False if it is a repetition.
    pub(super) fn receive(&mut self, id: u16) -> bool {
        self.received.insert(id)
    }

    /// PUBREL: the id is free for another message.
    pub(super) fn release(&mut self, id: u16) {
        self.received.remove(&id);
    }

    /// The oldest unacknowledged packet, and the time at which it was sent.
    pub(super) fn oldest(&self) -> Option<(Instant, Waiting<'_>)> {
        let messages = self
            .messages
            .values()
            .map(|(sent, since)| (*since, Waiting::Message(sent)));
        let releasing = self
            .releasing
            .values()
            .map(|since| (*since, Waiting::Release));
        let subscribing = self
            .subscribing
            .values()
            .map(|(filters, since)| (*since, Waiting::Subscription(filters)));
        messages
            .chain(releasing)
            .chain(subscribing)
            .min_by_key(|(since, _)| *since)
    }

    /// The messages that the broker may not have received.
    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = &Sent> {
        self.messages.values().map(|(sent, _)| sent)
    }

    /// A packet id that is not in flight. There always is one: far fewer packets are in flight than there are ids.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            let taken = self.messages.contains_key(&id)
                || self.releasing.contains_key(&id)
                || self.subscribing.contains_key(&id)
                || self.unsubscribing.contains(&id);
            if !taken {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(topic: &str) -> Sent {
        Sent {
            topic: topic.to_owned(),
            qos: Qos::AtLeastOnce,
            retain: false,
            bytes: 1,
        }
    }

    #[test]
    fn ids_go_round_and_pass_over_those_under_way() {
        let now = Instant::now();
        let mut flight = InFlight::default();
        assert_eq!(flight.message(sent("a"), now), 1);
        assert_eq!(flight.subscription(vec!["f".to_owned()], now), 2);
        flight.last_id = u16::MAX;
        assert_eq!(flight.unsubscription(), 3);
        flight.last_id = u16::MAX;
        assert_eq!(flight.acknowledged(1), Some(now));
        assert_eq!(flight.message(sent("b"), now), 1);
    }

    #[test]
    fn a_message_of_quality_2_holds_its_id_until_it_is_complete() {
        let now = Instant::now();
        let mut flight = InFlight::default();
        let id = flight.message(sent("a"), now);
        assert_eq!(flight.recorded(id, now), Some(now));
        assert_eq!(flight.recorded(id, now), None, "told twice");
        assert_eq!(flight.oldest(), Some((now, Waiting::Release)));
        flight.completed(id);
        assert_eq!(flight.oldest(), None);
    }

    #[test]
    fn a_message_that_is_received_twice_is_new_once_until_it_is_released() {
        let mut flight = InFlight::default();
        assert!(flight.receive(4));
        assert!(!flight.receive(4));
        flight.release(4);
        assert!(flight.receive(4));
    }

    #[test]
    fn answers_to_nothing_change_nothing_and_there_is_room_for_a_hundred() {
        let now = Instant::now();
        let mut flight = InFlight::default();
        assert_eq!(flight.acknowledged(7), None);
        assert_eq!(flight.subscribed(7), None);
        for _ in 0..MOST_MESSAGES {
            assert!(flight.has_room());
            flight.message(sent("a"), now);
        }
        assert!(!flight.has_room());
        assert_eq!(flight.unacknowledged().count(), MOST_MESSAGES);
    }
}
