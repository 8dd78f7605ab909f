//! What a link owes the broker, and what its subscribers are owed: the state behind one lock that publishers, subscribers
//! and the link's task share.
//!
//! Under load: an event that does not fit into the queue is dropped and counted by the caller; a retained value that does
//! not fit waits here, newest wins, and is offered again each time the connection moves.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;

use super::packets::Qos;
use super::subscriptions::Subscriptions;
use super::traffic::{Publish, Request};

/// A presence is not among the retained values: it goes first at every connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Whether the broker has accepted the connection; publishers look here under the same lock that clears it, so that
    /// nothing is queued for a connection that is gone.
    pub(super) connected: bool,
    pub(super) subscriptions: Subscriptions,
    presence: Option<Presence>,
    retained: BTreeMap<String, Vec<u8>>,
    /// Topics of `retained` that this connection has not got yet.
    due: BTreeSet<String>,
    shutdown: Shutdown,
}

#[derive(Debug)]
struct Presence {
    topic: String,
    payload: Vec<u8>,
    sent: bool,
}

/// How far the leave-taking is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    #[default]
    NotBegun,
    PresenceDue,
    DisconnectDue,
    Sent,
}

impl Outbox {
    /// What is published first at every connection.
    pub(super) fn set_presence(&mut self, topic: String, payload: Vec<u8>) {
        self.presence = Some(Presence {
            topic,
            payload,
            sent: false,
        });
    }

    /// The newest value of `topic`; an empty one clears it at the broker.
    pub(super) fn retain(&mut self, topic: &str, payload: Vec<u8>) {
        self.retained.insert(topic.to_owned(), payload);
        self.due.insert(topic.to_owned());
    }

    /// The broker has accepted us and knows nothing of us.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        if let Some(presence) = &mut self.presence {
            presence.sent = false;
        }
        self.due = self.retained.keys().cloned().collect();
        self.subscriptions.connected();
    }

    /// Takes back the end of a topic that the lost connection had not delivered for certain. Values are kept until they are
    /// cleared; the clearing itself is kept until it is sent, no longer: by the next connection the topic may be somebody
    /// else's.
    pub(super) fn take_back_clearing(&mut self, topic: &str) {
        if !self.retained.contains_key(topic) {
            self.retain(topic, Vec::new());
        }
    }

    /// Hands over what is owed, as far as the queue takes it.
    pub(super) fn flush(&mut self, queue: &mpsc::Sender<Request>) {
        if self.connected && self.shutdown == Shutdown::NotBegun {
            let _ = self.try_flush(queue);
        }
    }

    /// Nothing where the queue is full.
    fn try_flush(&mut self, queue: &mpsc::Sender<Request>) -> Option<()> {
        if let Some(presence) = &mut self.presence {
            presence.send(queue)?;
        }
        self.subscriptions.flush(queue)?;
        while let Some(topic) = self.due.first() {
            let payload = self.retained.get(topic).cloned().unwrap_or_default();
            let cleared = payload.is_empty();
            retain(queue, topic, payload)?;
            if let Some(topic) = self.due.pop_first()
                && cleared
            {
                self.retained.remove(&topic);
            }
        }
        Some(())
    }

    /// From here on nothing else is handed over: the last presence, then DISCONNECT, behind what is queued already.
    pub(super) fn begin_shutdown(&mut self, last_presence: Option<Vec<u8>>) {
        if self.shutdown != Shutdown::NotBegun {
            return;
        }
        self.shutdown = Shutdown::DisconnectDue;
        if let (Some(presence), Some(payload)) = (&mut self.presence, last_presence) {
            presence.payload = payload;
            presence.sent = false;
            self.shutdown = Shutdown::PresenceDue;
        }
    }

    /// Whether the leave-taking has begun: no event is taken any more.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutdown != Shutdown::NotBegun
    }

    /// Goes on with the leave-taking, as far as the queue takes it.
    pub(super) fn continue_shutdown(&mut self, queue: &mpsc::Sender<Request>) {
        if self.shutdown == Shutdown::PresenceDue
            && let Some(presence) = &mut self.presence
            && presence.send(queue).is_some()
        {
            self.shutdown = Shutdown::DisconnectDue;
        }
        if self.shutdown == Shutdown::DisconnectDue && queue.try_send(Request::Disconnect).is_ok() {
            self.shutdown = Shutdown::Sent;
        }
    }
}

impl Presence {
    fn send(&mut self, queue: &mpsc::Sender<Request>) -> Option<()> {
        if !self.sent {
            retain(queue, &self.topic, self.payload.clone())?;
            self.sent = true;
        }
        Some(())
    }
}

fn retain(queue: &mpsc::Sender<Request>, topic: &str, payload: Vec<u8>) -> Option<()> {
    let publish = Publish {
        topic: topic.to_owned(),
        payload,
        qos: Qos::AtLeastOnce,
        retain: true,
    };
    queue.try_send(Request::Publish(publish)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Delivery;
    use super::*;

    /// What was handed over, in order.
    fn handed_over(queue: &mut mpsc::Receiver<Request>) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(request) = queue.try_recv() {
            all.push(match request {
                Request::Publish(publish) => {
                    format!(
                        "{}={}",
                        publish.topic,
                        String::from_utf8_lossy(&publish.payload)
                    )
                }
                Request::Subscribe(filters) => format!("+{}", filters[0].0),
                Request::Unsubscribe(filters) => format!("-{}", filters[0]),
                Request::Disconnect => "disconnect".to_owned(),
            });
        }
        all
    }

    #[test]
    fn every_connection_gets_presence_subscriptions_and_the_last_values() {
        let (sender, mut queue) = mpsc::channel(16);
        let mut outbox = Outbox::default();
        outbox.set_presence("p".to_owned(), b"online".to_vec());
        let _kept = outbox
            .subscriptions
            .add(vec!["s/+".to_owned()], Delivery::AtLeastOnce, 1);
        outbox.retain("a", b"1".to_vec());
        outbox.retain("a", b"2".to_vec());
        outbox.flush(&sender);
        assert!(
            handed_over(&mut queue).is_empty(),
            "nothing before the broker accepts"
        );
        for _ in 0..2 {
            outbox.connected();
            outbox.flush(&sender);
            outbox.flush(&sender);
            assert_eq!(handed_over(&mut queue), ["p=online", "+s/+", "a=2"]);
        }
        outbox.retain("a", b"3".to_vec());
        outbox.flush(&sender);
        assert_eq!(handed_over(&mut queue), ["a=3"]);
    }

    #[test]
    fn a_full_queue_delays_retained_values_and_the_newest_wins() {
        let (sender, mut queue) = mpsc::channel(1);
        let mut outbox = Outbox::default();
        outbox.connected();
        outbox.retain("a", b"1".to_vec());
        outbox.retain("b", b"1".to_vec());
        outbox.flush(&sender);
        outbox.retain("b", b"2".to_vec());
        outbox.flush(&sender);
        assert_eq!(handed_over(&mut queue), ["a=1"]);
        outbox.flush(&sender);
        assert_eq!(handed_over(&mut queue), ["b=2"]);
    }

    #[test]
    fn a_clearing_is_sent_once_and_taken_back_where_it_was_not() {
        let (sender, mut queue) = mpsc::channel(16);
        let mut outbox = Outbox::default();
        outbox.connected();
        outbox.retain("a", Vec::new());
        outbox.flush(&sender);
        assert_eq!(handed_over(&mut queue), ["a="]);
        outbox.connected();
        outbox.flush(&sender);
        assert!(
            handed_over(&mut queue).is_empty(),
            "the topic may be somebody else's by now"
        );
        outbox.take_back_clearing("a");
        outbox.flush(&sender);
        assert_eq!(handed_over(&mut queue), ["a="]);
        outbox.retain("a", b"again".to_vec());
        outbox.take_back_clearing("a");
        outbox.flush(&sender);
        assert_eq!(handed_over(&mut queue), ["a=again"]);
    }

    #[test]
    fn the_last_words_are_the_stopped_presence_and_disconnect() {
        let (sender, mut queue) = mpsc::channel(1);
        let mut outbox = Outbox::default();
        outbox.set_presence("p".to_owned(), b"online".to_vec());
        outbox.connected();
        outbox.flush(&sender);
        outbox.begin_shutdown(Some(b"stopped".to_vec()));
        outbox.retain("a", b"late".to_vec());
        let mut said = Vec::new();
        for _ in 0..4 {
            outbox.flush(&sender);
            outbox.continue_shutdown(&sender);
            said.extend(handed_over(&mut queue));
        }
        assert_eq!(said, ["p=online", "p=stopped", "disconnect"]);
    }
}
