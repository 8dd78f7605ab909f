//! Who listens to what, and how far the broker has been told of it.
//!
//! Brokers hand out only so many retained messages at once (mosquitto 1,020 to a subscriber that has not acknowledged any,
//! HiveMQ and EMQX about 1,000) and let a packet subscribe to only so many filters (AWS IoT to 8). Filters are therefore
//! asked for in small portions, the next one when the broker has answered the last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::packets::Qos;
use super::traffic::Request;
use super::{Delivery, Message, Subscription, filter_matches};

/// Filters of one SUBSCRIBE or UNSUBSCRIBE.
const PORTION: usize = 8;

/// Codes of a SUBACK above this one refuse the filter.
const GRANTED: u8 = 2;

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
#[path = "subscriptions_tests.rs"]
mod tests;
