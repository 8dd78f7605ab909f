//! Who listens to what, and how far the broker has been told of it.
//!
//! Brokers hand out only so many retained messages at once (mosquitto 1,020 to a subscriber that has not acknowledged any,
//! HiveMQ and EMQX about 1,000) and let a packet subscribe to only so many filters (AWS IoT to 8). Filters are therefore
//! asked for in small portions, the next one when the broker has answered the last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::connection::Request;
use super::filter_matches;
use super::packets::Qos;

/// Filters of one SUBSCRIBE or UNSUBSCRIBE.
const PORTION: usize = 8;

/// Codes of a SUBACK above this one refuse the filter.
const GRANTED: u8 = 2;

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
    pub(super) id: u64,
    receiver: mpsc::Receiver<Message>,
    overrun: Arc<AtomicU64>,
    unanswered: Arc<AtomicUsize>,
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

    /// Counts the messages dropped, also for those who do not hold the subscription.
    pub fn overrun_counter(&self) -> Arc<AtomicU64> {
        self.overrun.clone()
    }

    /// Whether the broker has answered for every filter, at this connection. What it retains follows its answer.
    pub fn is_answered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) == 0
    }
}

/// All subscriptions of a link.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    last_id: u64,
    subscribers: Vec<Subscriber>,
    filters: BTreeMap<String, Asked>,
    /// Filters to ask for, in this order; some may be obsolete by now.
    due: VecDeque<String>,
    /// Whether a portion is on its way.
    asking: bool,
    obsolete: BTreeSet<String>,
}

#[derive(Debug)]
struct Subscriber {
    id: u64,
    topics: BTreeSet<String>,
    /// Filters with wildcards.
    patterns: Vec<String>,
    qos: Qos,
    sender: mpsc::Sender<Message>,
    overrun: Arc<AtomicU64>,
    unanswered: Arc<AtomicUsize>,
}

impl Subscriber {
    fn has(&self, filter: &String) -> bool {
        self.topics.contains(filter) || self.patterns.contains(filter)
    }
}

/// How far the broker has been asked for a filter.
#[derive(Debug, Clone, Copy)]
struct Asked {
    qos: Qos,
    /// Subscriptions that have it.
    users: usize,
    answered: bool,
}

impl Subscriptions {
    pub(super) fn add(
        &mut self,
        filters: Vec<String>,
        delivery: Delivery,
        capacity: usize,
    ) -> Subscription {
        // Of each filter a retained message may wait, whatever the usual number is.
        let (sender, receiver) = mpsc::channel(capacity.max(2 * filters.len()));
        let overrun = Arc::<AtomicU64>::default();
        let unanswered = Arc::<AtomicUsize>::default();
        self.last_id += 1;
        let id = self.last_id;
        self.subscribers.push(Subscriber {
            id,
            topics: BTreeSet::new(),
            patterns: Vec::new(),
            qos: match delivery {
                Delivery::AtMostOnce => Qos::AtMostOnce,
                Delivery::AtLeastOnce => Qos::AtLeastOnce,
            },
            sender,
            overrun: overrun.clone(),
            unanswered: unanswered.clone(),
        });
        self.change(id, filters);
        Subscription {
            id,
            receiver,
            overrun,
            unanswered,
        }
    }

    /// Gives a subscription other filters: those that it had already are not asked for again.
    pub(super) fn change(&mut self, id: u64, filters: Vec<String>) {
        let Some(subscriber) = self.subscribers.iter_mut().find(|one| one.id == id) else {
            return;
        };
        let (patterns, topics): (Vec<String>, Vec<String>) = filters
            .into_iter()
            .partition(|filter| filter.contains(['+', '#']));
        let had: BTreeSet<String> = std::mem::take(&mut subscriber.topics)
            .into_iter()
            .chain(std::mem::take(&mut subscriber.patterns))
            .collect();
        let wanted: BTreeSet<String> = topics.iter().chain(&patterns).cloned().collect();
        let qos = subscriber.qos;
        subscriber.topics = topics.into_iter().collect();
        subscriber.patterns = patterns;
        for filter in had.difference(&wanted) {
            self.release(filter);
        }
        for filter in wanted.difference(&had) {
            self.obsolete.remove(filter);
            let asked = self.filters.entry(filter.clone()).or_insert(Asked {
                qos,
                users: 0,
                answered: false,
            });
            asked.users += 1;
            asked.qos = asked.qos.max(qos);
            // Where another one has it already it is asked for again, for the sake of what is retained there.
            asked.answered = false;
            self.due.push_back(filter.clone());
        }
        self.count_unanswered();
    }

    fn release(&mut self, filter: &str) {
        if let Some(asked) = self.filters.get_mut(filter) {
            asked.users -= 1;
            if asked.users == 0 {
                self.filters.remove(filter);
                self.obsolete.insert(filter.to_owned());
            }
        }
    }

    /// The broker knows nothing of us.
    pub(super) fn connected(&mut self) {
        self.asking = false;
        self.obsolete.clear();
        self.filters
            .values_mut()
            .for_each(|asked| asked.answered = false);
        self.due = self.filters.keys().cloned().collect();
        self.count_unanswered();
    }

    /// Hands over what is due, as far as the queue takes it and the broker has answered.
    pub(super) fn flush(&mut self, queue: &mpsc::Sender<Request>) -> Option<()> {
        self.forget_closed();
        while !self.obsolete.is_empty() {
            let portion: Vec<String> = self.obsolete.iter().take(PORTION).cloned().collect();
            queue.try_send(Request::Unsubscribe(portion.clone())).ok()?;
            for filter in &portion {
                self.obsolete.remove(filter);
            }
        }
        if self.asking {
            return Some(());
        }
        let mut portion: Vec<(String, Qos)> = Vec::new();
        while portion.len() < PORTION {
            let Some(filter) = self.due.pop_front() else {
                break;
            };
            let asked_twice = portion.iter().any(|(text, _)| *text == filter);
            if let Some(asked) = self.filters.get(&filter)
                && !asked.answered
                && !asked_twice
            {
                portion.push((filter, asked.qos));
            }
        }
        if portion.is_empty() {
            return Some(());
        }
        if queue.try_send(Request::Subscribe(portion.clone())).is_err() {
            for (filter, _) in portion.into_iter().rev() {
                self.due.push_front(filter);
            }
            return None;
        }
        self.asking = true;
        Some(())
    }

    /// Takes the broker's answer to a portion; the filters that it refuses.
    pub(super) fn answered(&mut self, answers: Vec<(String, u8)>) -> Vec<String> {
        self.asking = false;
        let mut refused = Vec::new();
        for (filter, code) in answers {
            if let Some(asked) = self.filters.get_mut(&filter)
                && !asked.answered
            {
                asked.answered = true;
                let its = self.subscribers.iter().filter(|one| one.has(&filter));
                its.for_each(|one| {
                    one.unanswered.fetch_sub(1, Ordering::Relaxed);
                });
            }
            if code > GRANTED {
                refused.push(filter);
            }
        }
        refused
    }

    fn count_unanswered(&self) {
        let waits = |filter: &String| {
            self.filters
                .get(filter)
                .is_some_and(|asked| !asked.answered)
        };
        for subscriber in &self.subscribers {
            let all = subscriber.topics.iter().chain(&subscriber.patterns);
            let unanswered = all.filter(|filter| waits(filter)).count();
            subscriber.unanswered.store(unanswered, Ordering::Relaxed);
        }
    }

    /// Filters that nobody listens to any more are told to the broker.
    fn forget_closed(&mut self) {
        let closed: Vec<Subscriber> = self
            .subscribers
            .extract_if(.., |subscriber| subscriber.sender.is_closed())
            .collect();
        for subscriber in closed {
            for filter in subscriber.topics.iter().chain(&subscriber.patterns) {
                self.release(filter);
            }
        }
    }

    /// A message to everybody whose filter it matches; never waits.
    pub(super) fn dispatch(&self, message: &Message) {
        for subscriber in &self.subscribers {
            let matches = subscriber.topics.contains(&message.topic)
                || subscriber
                    .patterns
                    .iter()
                    .any(|pattern| filter_matches(pattern, &message.topic));
            if !matches {
                continue;
            }
            let sent = subscriber.sender.try_send(message.clone());
            if let Err(mpsc::error::TrySendError::Full(_)) = sent {
                subscriber.overrun.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was handed over: `+` and a filter, `-` and a filter.
    fn handed_over(queue: &mut mpsc::Receiver<Request>) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(request) = queue.try_recv() {
            match request {
                Request::Subscribe(filters) => {
                    all.extend(filters.into_iter().map(|(filter, _)| format!("+{filter}")));
                }
                Request::Unsubscribe(filters) => {
                    all.extend(filters.into_iter().map(|filter| format!("-{filter}")));
                }
                other => panic!("{other:?}"),
            }
        }
        all
    }

    fn granted(filters: &[String]) -> Vec<(String, u8)> {
        filters
            .iter()
            .map(|filter| (filter.trim_start_matches('+').to_owned(), 1))
            .collect()
    }

    fn texts(filters: &[&str]) -> Vec<String> {
        filters.iter().map(|filter| (*filter).to_owned()).collect()
    }

    fn message(topic: &str) -> Message {
        Message {
            topic: topic.to_owned(),
            payload: Vec::new(),
            retained: false,
        }
    }

    #[test]
    fn many_filters_are_asked_for_in_portions_each_after_the_answer_to_the_last() {
        let (sender, mut queue) = mpsc::channel(16);
        let mut all = Subscriptions::default();
        let topics: Vec<String> = (10..30).map(|id| format!("s/{id}")).collect();
        let subscription = all.add(topics, Delivery::AtLeastOnce, 4);
        let mut asked = Vec::new();
        for portion in [8, 8, 4] {
            all.flush(&sender);
            all.flush(&sender);
            let handed_over = handed_over(&mut queue);
            assert_eq!(handed_over.len(), portion);
            assert!(!subscription.is_answered());
            all.answered(granted(&handed_over));
            asked.extend(handed_over);
        }
        all.flush(&sender);
        assert!(handed_over(&mut queue).is_empty());
        assert!(subscription.is_answered());
        asked.sort();
        asked.dedup();
        assert_eq!(asked.len(), 20, "each once");
        all.connected();
        assert!(
            !subscription.is_answered(),
            "a new connection, a new answer"
        );
        all.flush(&sender);
        assert_eq!(handed_over(&mut queue).len(), 8);
    }

    #[test]
    fn a_change_asks_for_the_difference_only() {
        let (sender, mut queue) = mpsc::channel(16);
        let mut all = Subscriptions::default();
        let mut subscription = all.add(texts(&["a", "b"]), Delivery::AtLeastOnce, 4);
        all.flush(&sender);
        all.answered(granted(&handed_over(&mut queue)));
        all.change(subscription.id, texts(&["b", "c/+"]));
        all.flush(&sender);
        let handed_over = handed_over(&mut queue);
        assert_eq!(handed_over, ["-a", "+c/+"]);
        for topic in ["a", "b", "c/1", "d"] {
            all.dispatch(&message(topic));
        }
        assert_eq!(subscription.try_recv(), Some(message("b")));
        assert_eq!(subscription.try_recv(), Some(message("c/1")));
        assert_eq!(subscription.try_recv(), None);
    }

    #[test]
    fn an_ended_subscription_is_taken_from_the_broker_unless_another_has_its_filter() {
        let (sender, mut queue) = mpsc::channel(16);
        let mut all = Subscriptions::default();
        let first = all.add(texts(&["f"]), Delivery::AtMostOnce, 1);
        all.flush(&sender);
        assert_eq!(handed_over(&mut queue), ["+f"]);
        all.answered(granted(&texts(&["f"])));
        let second = all.add(texts(&["f"]), Delivery::AtMostOnce, 1);
        all.flush(&sender);
        assert_eq!(
            handed_over(&mut queue),
            ["+f"],
            "for what is retained there"
        );
        all.answered(granted(&texts(&["f"])));
        drop(first);
        all.flush(&sender);
        assert!(handed_over(&mut queue).is_empty());
        drop(second);
        all.flush(&sender);
        assert_eq!(handed_over(&mut queue), ["-f"]);
    }

    #[test]
    fn a_refused_filter_is_named_and_waited_for_no_longer() {
        let mut all = Subscriptions::default();
        let subscription = all.add(texts(&["a", "b"]), Delivery::AtLeastOnce, 1);
        let answers = vec![("a".to_owned(), 1), ("b".to_owned(), 0x80)];
        assert_eq!(all.answered(answers), ["b"]);
        assert!(subscription.is_answered());
    }

    #[test]
    fn a_reader_that_does_not_read_loses_messages_and_is_told_how_many() {
        let mut all = Subscriptions::default();
        let mut subscription = all.add(texts(&["f/+"]), Delivery::AtMostOnce, 2);
        for number in 0..5u8 {
            all.dispatch(&Message {
                payload: vec![number],
                ..message("f/1")
            });
        }
        all.dispatch(&message("g/1"));
        assert_eq!(subscription.try_recv().expect("it fits").payload, [0]);
        assert_eq!(subscription.try_recv().expect("it fits").payload, [1]);
        assert_eq!(subscription.try_recv(), None);
        assert_eq!(subscription.overrun(), 3);
    }
}
