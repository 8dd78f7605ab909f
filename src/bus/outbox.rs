//! The outbox: presence, retained values and subscriptions that must reach the broker. Publishers, subscribers and the link's
//! task share it behind one lock.
//!
//! Under load, the caller drops and counts an event that does not fit into the queue. A retained value that does not fit stays
//! here, newest wins, and is queued at the next event of the connection.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;

use super::packets::Qos;
use super::subscriptions::Subscriptions;
use super::traffic::{Publish, Request};

/// The presence is separate from the retained values, because it is sent before them at every connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Whether the broker has accepted the connection. It is read and cleared under the same lock, so nothing is queued for a
    /// closed connection.
    pub(super) connected: bool,
    pub(super) subscriptions: Subscriptions,
    presence: Option<Presence>,
    retained: BTreeMap<String, Vec<u8>>,
    /// Topics of `retained` that were not sent on this connection yet.
    due: BTreeSet<String>,
    shutdown: Shutdown,
}

#[derive(Debug)]
struct Presence {
    topic: String,
    payload: Vec<u8>,
    sent: bool,
}

/// The progress of the shutdown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    #[default]
    NotBegun,
    PresenceDue,
    DisconnectDue,
    Sent,
}

impl Outbox {
    /// Sets the message that is published before others at every connection.
    pub(super) fn set_presence(&mut self, topic: String, payload: Vec<u8>) {
        self.presence = Some(Presence {
            topic,
            payload,
            sent: false,
        });
    }

    /// Changes that message, and publishes it again. Once the shutdown has begun, the last one stays.
    pub(super) fn change_presence(&mut self, payload: Vec<u8>) {
        if let Some(presence) = &mut self.presence
            && self.shutdown == Shutdown::NotBegun
            && presence.payload != payload
        {
            presence.payload = payload;
            presence.sent = false;
        }
    }

    /// Sets the newest value of `topic`. An empty one clears the topic at the broker.
    pub(super) fn retain(&mut self, topic: &str, payload: Vec<u8>) {
        self.retained.insert(topic.to_owned(), payload);
        self.due.insert(topic.to_owned());
    }

    /// Keeps the value of `topic` no longer. What the broker has stays there.
    pub(super) fn forget(&mut self, topic: &str) {
        self.retained.remove(topic);
        self.due.remove(topic);
    }

    /// Records a new connection: everything must be sent again.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        if let Some(presence) = &mut self.presence {
            presence.sent = false;
        }
        self.due = self.retained.keys().cloned().collect();
        self.subscriptions.connected();
    }

    /// Queues the clearing of a topic again, if the lost connection may not have delivered it. Values are kept until they are
    /// cleared. A clearing is kept only until it is sent, because later the topic may belong to another processor.
    pub(super) fn take_back_clearing(&mut self, topic: &str) {
        if !self.retained.contains_key(topic) {
            self.retain(topic, Vec::new());
        }
    }

    /// Queues everything that is due, as far as the queue has room.
    pub(super) fn flush(&mut self, queue: &mpsc::Sender<Request>) {
        if self.connected && self.shutdown == Shutdown::NotBegun {
            let _ = self.try_flush(queue);
        }
    }

    /// `None` if the queue is full.
    fn try_flush(&mut self, queue: &mpsc::Sender<Request>) -> Option<()> {
        self.subscriptions.flush_first(queue)?;
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

    /// Begins the shutdown: after the messages in the queue, only the last presence and DISCONNECT are sent.
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

    /// Whether the shutdown has begun. No event is accepted any more.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutdown != Shutdown::NotBegun
    }

    /// Continues the shutdown, as far as the queue has room.
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

    /// The queued requests in order.
    fn queued(queue: &mut mpsc::Receiver<Request>) -> Vec<String> {
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
            queued(&mut queue).is_empty(),
            "nothing before the broker accepts"
        );
        for _ in 0..2 {
            outbox.connected();
            outbox.flush(&sender);
            outbox.flush(&sender);
            assert_eq!(queued(&mut queue), ["p=online", "+s/+", "a=2"]);
        }
        outbox.retain("a", b"3".to_vec());
        outbox.flush(&sender);
        assert_eq!(queued(&mut queue), ["a=3"]);
        for (changed, sent) in [("online", &[][..]), ("changed", &["p=changed"])] {
            outbox.change_presence(changed.as_bytes().to_vec());
            outbox.flush(&sender);
            assert_eq!(queued(&mut queue), sent);
        }
        outbox.connected();
        outbox.flush(&sender);
        assert_eq!(queued(&mut queue), ["p=changed", "+s/+", "a=3"]);
    }

    #[test]
    fn the_presence_of_another_client_is_asked_for_before_the_own_is_published() {
        let (sender, mut queue) = mpsc::channel(16);
        let mut outbox = Outbox::default();
        outbox.set_presence("p".to_owned(), b"online".to_vec());
        let own = outbox.subscriptions.add_first("p".to_owned());
        let kept = outbox
            .subscriptions
            .add(vec!["a".to_owned()], Delivery::AtLeastOnce, 1);
        for _ in 0..2 {
            outbox.connected();
            outbox.flush(&sender);
            outbox.flush(&sender);
            assert_eq!(queued(&mut queue), ["+p", "p=online", "+a"]);
            let refused = outbox.subscriptions.answered(vec![("p".to_owned(), 0x80)]);
            assert!(refused.is_empty(), "others do not depend on it");
            assert_eq!((own.is_answered(), kept.is_answered()), (true, false));
            outbox.subscriptions.answered(vec![("a".to_owned(), 1)]);
            assert!(kept.is_answered());
        }
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
        assert_eq!(queued(&mut queue), ["a=1"]);
        outbox.flush(&sender);
        assert_eq!(queued(&mut queue), ["b=2"]);
    }

    #[test]
    fn a_clearing_is_sent_once_and_taken_back_where_it_was_not() {
        let (sender, mut queue) = mpsc::channel(16);
        let mut outbox = Outbox::default();
        outbox.connected();
        outbox.retain("a", Vec::new());
        outbox.flush(&sender);
        assert_eq!(queued(&mut queue), ["a="]);
        outbox.connected();
        outbox.flush(&sender);
        assert!(
            queued(&mut queue).is_empty(),
            "the topic may belong to another processor by now"
        );
        outbox.take_back_clearing("a");
        outbox.flush(&sender);
        assert_eq!(queued(&mut queue), ["a="]);
        outbox.retain("a", b"again".to_vec());
        outbox.take_back_clearing("a");
        outbox.flush(&sender);
        assert_eq!(queued(&mut queue), ["a=again"]);
    }

    #[test]
    fn a_shutdown_ends_with_the_stopped_presence_and_disconnect() {
        let (sender, mut queue) = mpsc::channel(1);
        let mut outbox = Outbox::default();
        outbox.set_presence("p".to_owned(), b"online".to_vec());
        outbox.connected();
        outbox.flush(&sender);
        outbox.begin_shutdown(Some(b"stopped".to_vec()));
        outbox.change_presence(b"late".to_vec());
        outbox.retain("a", b"late".to_vec());
        let mut said = Vec::new();
        for _ in 0..4 {
            outbox.flush(&sender);
            outbox.continue_shutdown(&sender);
            said.extend(queued(&mut queue));
        }
        assert_eq!(said, ["p=online", "p=stopped", "disconnect"]);
    }
}
