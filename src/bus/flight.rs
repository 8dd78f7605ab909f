//! What was sent over a connection and is not acknowledged yet, and which messages of quality of service 2 were received.
//!
//! Pure. An acknowledgement of something that is not under way changes nothing: a broker may repeat itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Messages of ours that may wait for their acknowledgement at the same time. mosquitto takes any number, rumqttd 100.
const MOST_MESSAGES: usize = 100;

/// A message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) topic: String,
    pub(super) retain: bool,
    /// Of the payload.
    pub(super) bytes: usize,
}

/// All that is under way on one connection.
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

    /// Begins a message of quality of service 1 or 2; its packet id.
    pub(super) fn message(&mut self, sent: Sent, now: Instant) -> u16 {
        let id = self.free_id();
        self.messages.insert(id, (sent, now));
        id
    }

    /// Begins a subscription; its packet id.
    pub(super) fn subscription(&mut self, filters: Vec<String>, now: Instant) -> u16 {
        let id = self.free_id();
        self.subscribing.insert(id, (filters, now));
        id
    }

    /// Begins the end of a subscription; its packet id.
    pub(super) fn unsubscription(&mut self) -> u16 {
        let id = self.free_id();
        self.unsubscribing.insert(id);
        id
    }

    /// PUBACK: the broker has the message; when it was sent.
    pub(super) fn acknowledged(&mut self, id: u16) -> Option<Instant> {
        self.messages.remove(&id).map(|(_, since)| since)
    }

    /// PUBREC: the broker has the message; when it was sent. A PUBREL is due in any case.
    pub(super) fn recorded(&mut self, id: u16, now: Instant) -> Option<Instant> {
        let since = self.messages.remove(&id).map(|(_, since)| since)?;
        self.releasing.insert(id, now);
        Some(since)
    }

    /// PUBCOMP.
    pub(super) fn completed(&mut self, id: u16) {
        self.releasing.remove(&id);
    }

    /// SUBACK: the filters that it answers.
    pub(super) fn subscribed(&mut self, id: u16) -> Option<Vec<String>> {
        self.subscribing.remove(&id).map(|(filters, _)| filters)
    }

    /// UNSUBACK.
    pub(super) fn unsubscribed(&mut self, id: u16) {
        self.unsubscribing.remove(&id);
    }

    /// A message of quality of service 2: whether it is new.
    pub(super) fn receive(&mut self, id: u16) -> bool {
        self.received.insert(id)
    }

    /// PUBREL: the id may be used for another message.
    pub(super) fn release(&mut self, id: u16) {
        self.received.remove(&id);
    }

    /// Since when the oldest of what has to be acknowledged waits.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let messages = self.messages.values().map(|(_, since)| *since);
        let subscribing = self.subscribing.values().map(|(_, since)| *since);
        messages
            .chain(self.releasing.values().copied())
            .chain(subscribing)
            .min()
    }

    /// The messages that the broker may not have.
    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = &Sent> {
        self.messages.values().map(|(sent, _)| sent)
    }

    /// One that nothing under way has. There always is one: far fewer things are under way than there are ids.
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
        assert_eq!(flight.waiting_since(), Some(now));
        flight.completed(id);
        assert_eq!(flight.waiting_since(), None);
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
