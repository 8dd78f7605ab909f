//! The receiving end of a subscription.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Whether it was a retained message; otherwise it was published just now.
    pub retained: bool,
}

/// The quality of service of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0: for events, where a new one replaces the last.
    AtMostOnce,
    /// QoS 1: for statuses.
    AtLeastOnce,
}

/// A subscription to one or more filters. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription {
    pub(super) id: u64,
    pub(super) receiver: mpsc::Receiver<Message>,
    pub(super) overrun: Arc<AtomicU64>,
    pub(super) unanswered: Arc<AtomicUsize>,
}

impl Subscription {
    /// Waits for the next message. `None` after the end of the link.
    pub async fn recv(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }

    /// A message that has already arrived.
    pub fn try_recv(&mut self) -> Option<Message> {
        self.receiver.try_recv().ok()
    }

    /// Number of messages that were dropped because the queue was full.
    pub fn overrun(&self) -> u64 {
        self.overrun.load(Ordering::Relaxed)
    }

    /// The counter of [`Subscription::overrun`].
    pub fn overrun_counter(&self) -> Arc<AtomicU64> {
        self.overrun.clone()
    }

    /// Whether the broker has acknowledged every filter on this connection. Retained messages follow the acknowledgement.
    pub fn is_answered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) == 0
    }
}
