//! All subscriptions of a link, and their progress at the broker.
//!
//! Brokers limit the retained messages that they deliver at once (mosquitto 1,020 to a subscriber that has not acknowledged any,
//! HiveMQ and EMQX about 1,000) and the filters of a packet (AWS IoT 8). Filters are therefore requested in small portions; the
//! next portion is sent when the broker has answered the last one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::packets::Qos;
use super::traffic::Request;
use super::{Delivery, Message, Subscription, filter_matches};

/// Maximum number of filters of one SUBSCRIBE or UNSUBSCRIBE.
const PORTION: usize = 8;

/// Highest code of a SUBACK that grants a filter.
const GRANTED: u8 = 2;

/// All subscriptions of a link.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    last_id: u64,
    subscribers: Vec<Subscriber>,
    filters: BTreeMap<String, Asked>,
    /// Filters to request, in order; some may be obsolete by now.
    due: VecDeque<String>,
    /// Whether a portion was sent and not answered yet.
    asking: bool,
    /// The filter that is requested first at every connection, before anything is published.
    first: Option<String>,
    first_is_due: bool,
    /// Whether it was sent, alone, and not answered yet.
    asking_first: bool,
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

/// The state of a filter at the broker.
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
        // Room for a retained message of each filter.
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

    /// Adds the subscription to the topic of this client's presence. It is requested first, so that the broker sends the presence
    /// that was there before this client's.
    pub(super) fn add_first(&mut self, topic: String) -> Subscription {
        let subscription = self.add(vec![topic.clone()], Delivery::AtLeastOnce, 1);
        self.first = Some(topic);
        subscription
    }

    /// Changes the filters of a subscription. Filters that it has already are not requested again.
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
            // Requested again even if another subscription has it, to get its retained messages.
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

    /// Records a new connection: all filters must be requested again.
    pub(super) fn connected(&mut self) {
        self.asking = false;
        self.asking_first = false;
        self.first_is_due = self.first.is_some();
        self.obsolete.clear();
        self.filters
            .values_mut()
            .for_each(|asked| asked.answered = false);
        let others = self.filters.keys();
        let others = others.filter(|filter| Some(*filter) != self.first.as_ref());
        self.due = others.cloned().collect();
        self.count_unanswered();
    }

    /// Queues the filter that comes before everything else.
    pub(super) fn flush_first(&mut self, queue: &mpsc::Sender<Request>) -> Option<()> {
        if let Some(first) = self.first.clone().filter(|_| self.first_is_due) {
            let portion = vec![(first, Qos::AtLeastOnce)];
            queue.try_send(Request::Subscribe(portion)).ok()?;
            self.first_is_due = false;
            self.asking_first = true;
        }
        Some(())
    }

    /// Queues the next portion, if the broker has answered the last one and the queue has room.
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

    /// Handles the broker's answer to a portion. Returns the filters that it refuses.
    pub(super) fn answered(&mut self, answers: Vec<(String, u8)>) -> Vec<String> {
        let is_first = self.asking_first
            && answers.len() == 1
            && self.first.as_deref() == Some(answers[0].0.as_str());
        match is_first {
            true => self.asking_first = false,
            false => self.asking = false,
        }
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
            // A client that may not read its own presence only does not notice another one with its id.
            if code > GRANTED && !is_first {
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

    /// Removes closed subscriptions. Filters without a subscriber are unsubscribed at the broker.
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

    /// Passes a message to all subscriptions with a matching filter. Never blocks.
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
#[path = "subscriptions_tests.rs"]
mod tests;
