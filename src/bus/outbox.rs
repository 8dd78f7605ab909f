//! What a link owes the broker, and what its subscribers are owed: the state behind one lock that publishers, subscribers
//! and the link's task share.
//!
//! Under load: an event that does not fit into the queue is dropped and counted by the caller; a retained value that does
//! not fit waits here, newest wins, and is offered again each time the connection moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rumqttc::{AsyncClient, Publish, QoS};
use tokio::sync::mpsc;

use super::filter_matches;

/// A message as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it, or it was published just now.
    pub retained: bool,
}

/// How a subscription's messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Quality of service 0: events, of which the next is more worth than the last.
    AtMostOnce,
    /// Quality of service 1: statuses.
    AtLeastOnce,
}

/// Messages of one or more filters. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription {
    pub(super) receiver: mpsc::Receiver<Message>,
    pub(super) overrun: Arc<AtomicU64>,
}

impl Subscription {
    /// The next message; none once the link has ended.
    pub async fn recv(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }

    /// A message that is there already.
    pub fn try_recv(&mut self) -> Option<Message> {
        self.receiver.try_recv().ok()
    }

    /// Messages that were dropped because nobody took the ones before them.
    pub fn overrun(&self) -> u64 {
        self.overrun.load(Ordering::Relaxed)
    }
}

/// A presence is not among the retained values: it goes first at every connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Whether the broker has accepted the connection; publishers look here under the same lock that clears it, so that
    /// nothing is queued for a connection that is gone.
    pub(super) connected: bool,
    presence: Option<Owed>,
    retained: BTreeMap<String, Owed>,
    subscribers: Vec<Subscriber>,
    obsolete: Vec<String>,
    goodbye: Goodbye,
}

#[derive(Debug)]
struct Owed {
    topic: String,
    payload: Vec<u8>,
    sent: bool,
}

#[derive(Debug)]
struct Subscriber {
    filters: Vec<Filter>,
    qos: QoS,
    sender: mpsc::Sender<Message>,
    overrun: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Filter {
    text: String,
    sent: bool,
}

/// How far the leave-taking is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    #[default]
    NotYet,
    OwesPresence,
    OwesDisconnect,
    Said,
}

impl Outbox {
    /// What is published first at every connection.
    pub(super) fn set_presence(&mut self, topic: String, payload: Vec<u8>) {
        self.presence = Some(Owed {
            topic,
            payload,
            sent: false,
        });
    }

    /// The newest value of `topic`; an empty one clears it at the broker.
    pub(super) fn retain(&mut self, topic: &str, payload: Vec<u8>) {
        self.retained.insert(
            topic.to_owned(),
            Owed {
                topic: topic.to_owned(),
                payload,
                sent: false,
            },
        );
    }

    pub(super) fn subscribe(
        &mut self,
        filters: Vec<String>,
        delivery: Delivery,
        capacity: usize,
    ) -> Subscription {
        let (sender, receiver) = mpsc::channel(capacity);
        let overrun = Arc::<AtomicU64>::default();
        self.obsolete.retain(|obsolete| !filters.contains(obsolete));
        self.subscribers.push(Subscriber {
            filters: filters
                .into_iter()
                .map(|text| Filter { text, sent: false })
                .collect(),
            qos: match delivery {
                Delivery::AtMostOnce => QoS::AtMostOnce,
                Delivery::AtLeastOnce => QoS::AtLeastOnce,
            },
            sender,
            overrun: overrun.clone(),
        });
        Subscription { receiver, overrun }
    }

    /// The broker has accepted us and knows nothing of us.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        if let Some(presence) = &mut self.presence {
            presence.sent = false;
        }
        self.retained
            .values_mut()
            .for_each(|owed| owed.sent = false);
        self.filters().for_each(|(_, filter)| filter.sent = false);
        self.obsolete.clear();
    }

    /// Takes back what the lost connection had not delivered for certain; the count of events among it, which are lost.
    pub(super) fn take_back(&mut self, unsent: impl Iterator<Item = Publish>) -> u64 {
        let mut lost = 0;
        for publish in unsent {
            if !publish.retain {
                lost += 1;
            } else if publish.payload.is_empty() && !self.retained.contains_key(&publish.topic) {
                // Values are kept until they are cleared; the clearing itself is kept until it is sent, no longer:
                // by the next connection the topic may be somebody else's.
                self.retain(&publish.topic, Vec::new());
            }
        }
        lost
    }

    /// Hands over what is owed, as far as the queue takes it.
    pub(super) fn flush(&mut self, client: &AsyncClient) {
        if self.connected && self.goodbye == Goodbye::NotYet {
            let _ = self.try_flush(client);
        }
    }

    fn try_flush(&mut self, client: &AsyncClient) -> Result<(), rumqttc::ClientError> {
        if let Some(presence) = &mut self.presence {
            presence.send(client)?;
        }
        self.forget_closed();
        while let Some(filter) = self.obsolete.last() {
            client.try_unsubscribe(filter)?;
            self.obsolete.pop();
        }
        for (qos, filter) in self.filters().filter(|(_, filter)| !filter.sent) {
            client.try_subscribe(&filter.text, qos)?;
            filter.sent = true;
        }
        for owed in self.retained.values_mut() {
            owed.send(client)?;
        }
        self.retained
            .retain(|_, owed| !(owed.sent && owed.payload.is_empty()));
        Ok(())
    }

    fn filters(&mut self) -> impl Iterator<Item = (QoS, &mut Filter)> {
        self.subscribers.iter_mut().flat_map(|subscriber| {
            let qos = subscriber.qos;
            subscriber
                .filters
                .iter_mut()
                .map(move |filter| (qos, filter))
        })
    }

    /// Filters that nobody listens to any more are told to the broker.
    fn forget_closed(&mut self) {
        let closed: Vec<Subscriber> = self
            .subscribers
            .extract_if(.., |subscriber| subscriber.sender.is_closed())
            .collect();
        for filter in closed.into_iter().flat_map(|closed| closed.filters) {
            if !self.filters().any(|(_, other)| other.text == filter.text) {
                self.obsolete.push(filter.text);
            }
        }
    }

    /// A message to everybody whose filter it matches; never waits.
    pub(super) fn dispatch(&self, publish: &Publish) {
        for subscriber in &self.subscribers {
            let mut filters = subscriber.filters.iter();
            if !filters.any(|filter| filter_matches(&filter.text, &publish.topic)) {
                continue;
            }
            let message = Message {
                topic: publish.topic.clone(),
                payload: publish.payload.to_vec(),
                retained: publish.retain,
            };
            if let Err(mpsc::error::TrySendError::Full(_)) = subscriber.sender.try_send(message) {
                subscriber.overrun.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// From here on nothing else is handed over: the last presence, then DISCONNECT, behind what is queued already.
    pub(super) fn begin_goodbye(&mut self, last_presence: Option<Vec<u8>>) {
        if self.goodbye != Goodbye::NotYet {
            return;
        }
        self.goodbye = Goodbye::OwesDisconnect;
        if let (Some(presence), Some(payload)) = (&mut self.presence, last_presence) {
            presence.payload = payload;
            presence.sent = false;
            self.goodbye = Goodbye::OwesPresence;
        }
    }

    /// Whether the leave-taking has begun: no event is taken any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.goodbye != Goodbye::NotYet
    }

    /// Goes on with the leave-taking, as far as the queue takes it.
    pub(super) fn say_goodbye(&mut self, client: &AsyncClient) {
        if self.goodbye == Goodbye::OwesPresence
            && let Some(presence) = &mut self.presence
            && presence.send(client).is_ok()
        {
            self.goodbye = Goodbye::OwesDisconnect;
        }
        if self.goodbye == Goodbye::OwesDisconnect && client.try_disconnect().is_ok() {
            self.goodbye = Goodbye::Said;
        }
    }
}

impl Owed {
    fn send(&mut self, client: &AsyncClient) -> Result<(), rumqttc::ClientError> {
        if !self.sent {
            client.try_publish(&*self.topic, QoS::AtLeastOnce, true, self.payload.clone())?;
            self.sent = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::{EventLoop, MqttOptions, Request};

    use super::*;

    /// A client whose requests stay in its queue of `capacity`.
    fn client(capacity: usize) -> (AsyncClient, EventLoop) {
        AsyncClient::new(MqttOptions::new("test", "localhost", 1), capacity)
    }

    /// What was handed over, in order.
    fn handed_over(eventloop: &mut EventLoop) -> Vec<String> {
        eventloop.clean();
        eventloop
            .pending
            .drain(..)
            .map(|request| match request {
                Request::Publish(publish) => {
                    format!(
                        "{}={}",
                        publish.topic,
                        String::from_utf8_lossy(&publish.payload)
                    )
                }
                Request::Subscribe(subscribe) => format!("+{}", subscribe.filters[0].path),
                Request::Unsubscribe(unsubscribe) => format!("-{}", unsubscribe.topics[0]),
                Request::Disconnect(_) => "disconnect".to_owned(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn every_connection_gets_presence_subscriptions_and_the_last_values() {
        let (client, mut queue) = client(16);
        let mut outbox = Outbox::default();
        outbox.set_presence("p".to_owned(), b"online".to_vec());
        let _kept = outbox.subscribe(vec!["s/+".to_owned()], Delivery::AtLeastOnce, 1);
        outbox.retain("a", b"1".to_vec());
        outbox.retain("a", b"2".to_vec());
        outbox.flush(&client);
        assert!(
            handed_over(&mut queue).is_empty(),
            "nothing before the broker accepts"
        );
        for _ in 0..2 {
            outbox.connected();
            outbox.flush(&client);
            outbox.flush(&client);
            assert_eq!(handed_over(&mut queue), ["p=online", "+s/+", "a=2"]);
        }
        outbox.retain("a", b"3".to_vec());
        outbox.flush(&client);
        assert_eq!(handed_over(&mut queue), ["a=3"]);
    }

    #[test]
    fn a_full_queue_delays_retained_values_and_the_newest_wins() {
        let (client, mut queue) = client(1);
        let mut outbox = Outbox::default();
        outbox.connected();
        outbox.retain("a", b"1".to_vec());
        outbox.retain("b", b"1".to_vec());
        outbox.flush(&client);
        outbox.retain("b", b"2".to_vec());
        outbox.flush(&client);
        assert_eq!(handed_over(&mut queue), ["a=1"]);
        outbox.flush(&client);
        assert_eq!(handed_over(&mut queue), ["b=2"]);
    }

    #[test]
    fn a_clearing_is_sent_once_and_taken_back_where_it_was_not() {
        let (client, mut queue) = client(16);
        let mut outbox = Outbox::default();
        outbox.connected();
        outbox.retain("a", Vec::new());
        outbox.flush(&client);
        assert_eq!(handed_over(&mut queue), ["a="]);
        outbox.connected();
        outbox.flush(&client);
        assert!(
            handed_over(&mut queue).is_empty(),
            "the topic may be somebody else's by now"
        );
        let mut unsent = Publish::new("a", QoS::AtLeastOnce, Vec::new());
        unsent.retain = true;
        let event = Publish::new("e", QoS::AtMostOnce, b"late".to_vec());
        assert_eq!(outbox.take_back([unsent, event].into_iter()), 1);
        outbox.flush(&client);
        assert_eq!(handed_over(&mut queue), ["a="]);
    }

    #[test]
    fn an_ended_subscription_is_taken_from_the_broker_unless_another_has_its_filter() {
        let (client, mut queue) = client(16);
        let mut outbox = Outbox::default();
        outbox.connected();
        let first = outbox.subscribe(vec!["f".to_owned()], Delivery::AtMostOnce, 1);
        let second = outbox.subscribe(vec!["f".to_owned()], Delivery::AtMostOnce, 1);
        outbox.flush(&client);
        assert_eq!(handed_over(&mut queue), ["+f", "+f"]);
        drop(first);
        outbox.flush(&client);
        assert!(handed_over(&mut queue).is_empty());
        drop(second);
        outbox.flush(&client);
        assert_eq!(handed_over(&mut queue), ["-f"]);
    }

    #[test]
    fn a_reader_that_does_not_read_loses_messages_and_is_told_how_many() {
        let mut outbox = Outbox::default();
        let mut subscription = outbox.subscribe(vec!["f/+".to_owned()], Delivery::AtMostOnce, 2);
        for number in 0..5u8 {
            outbox.dispatch(&Publish::new("f/1", QoS::AtMostOnce, vec![number]));
        }
        outbox.dispatch(&Publish::new("g/1", QoS::AtMostOnce, vec![9]));
        let first = subscription.try_recv().expect("it fits");
        assert_eq!((first.topic.as_str(), first.payload), ("f/1", vec![0]));
        assert_eq!(subscription.try_recv().expect("it fits").payload, [1]);
        assert_eq!(subscription.try_recv(), None);
        assert_eq!(subscription.overrun(), 3);
    }

    #[test]
    fn the_last_words_are_the_stopped_presence_and_disconnect() {
        let (client, mut queue) = client(1);
        let mut outbox = Outbox::default();
        outbox.set_presence("p".to_owned(), b"online".to_vec());
        outbox.connected();
        outbox.flush(&client);
        outbox.begin_goodbye(Some(b"stopped".to_vec()));
        outbox.retain("a", b"late".to_vec());
        let mut said = Vec::new();
        for _ in 0..4 {
            outbox.flush(&client);
            outbox.say_goodbye(&client);
            said.extend(handed_over(&mut queue));
        }
        assert_eq!(said, ["p=online", "p=stopped", "disconnect"]);
    }
}
