//! What a subscriber of a link holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

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
    pub(super) receiver: mpsc::Receiver<Message>,
    pub(super) overrun: Arc<AtomicU64>,
    pub(super) unanswered: Arc<AtomicUsize>,
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
