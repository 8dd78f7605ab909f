//! Reads retained messages, and knows when the last one has arrived.
//!
//! A broker does not say that it has no more of them, and a topic may have none. Therefore one topic that had a message is requested
//! again after the others: brokers serve the requests of a client in their order, so its second message ends the reading.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::bus::{Delivery, Link, Message, Subscription};

/// Maximum time until everything is read.
const READ_LIMIT: Duration = Duration::from_secs(120);
/// Period in which the answers to the requests are looked for.
const TICK: Duration = Duration::from_millis(2);
/// After this time without a message there is none, if no topic has had one.
const QUIET: Duration = Duration::from_millis(300);
/// After this time without a message the broker does not answer the second request either.
const SILENT: Duration = Duration::from_secs(3);

/// The second request of a topic.
struct Again {
    subscription: Subscription,
    since: Instant,
    /// The end of the reading, once the second message is there.
    until: Option<Instant>,
}

impl Again {
    fn request(link: &Link, topic: &str) -> Self {
        Self {
            subscription: link.subscribe([topic], Delivery::AtLeastOnce),
            since: Instant::now(),
            until: None,
        }
    }

    /// Ready at the end of the reading. Goes on where it was cancelled.
    async fn answered(again: &mut Option<Self>) {
        let Some(again) = again else {
            return std::future::pending().await;
        };
        let until = loop {
            if let Some(until) = again.until {
                break until;
            }
            // A message that was published just now is no answer.
            if again
                .subscription
                .recv()
                .await
                .is_none_or(|message| message.retained)
            {
                // The servers of a cluster may answer one after the other: as long again.
                again.until = Some(Instant::now() + again.since.elapsed());
            }
        };
        tokio::time::sleep_until(until.into()).await;
    }
}

/// The retained messages of a new subscription to `asked` topics, and what was published meanwhile, in the order of their arrival.
pub(super) async fn retained(
    link: &Link,
    subscription: &mut Subscription,
    asked: usize,
) -> Vec<Message> {
    let deadline = Instant::now() + READ_LIMIT;
    let mut messages: Vec<Message> = Vec::new();
    let mut topics: BTreeSet<String> = BTreeSet::new();
    let mut again: Option<Again> = None;
    let mut last = Instant::now();
    while topics.len() < asked && Instant::now() < deadline {
        tokio::select! {
            // Messages first: what has arrived before the second message is not left behind.
            biased;
            message = subscription.recv() => {
                let Some(message) = message else { break };
                topics.insert(message.topic.clone());
                messages.push(message);
                last = Instant::now();
            }
            () = Again::answered(&mut again) => {
                while let Some(message) = subscription.try_recv() {
                    messages.push(message);
                }
                break;
            }
            () = tokio::time::sleep(TICK) => {
                let first = topics.first().filter(|_| again.is_none() && subscription.is_answered());
                if let Some(topic) = first {
                    again = Some(Again::request(link, topic));
                }
                let limit = if topics.is_empty() { QUIET } else { SILENT };
                if subscription.is_answered() && last.elapsed() >= limit {
                    break;
                }
            }
        }
    }
    messages
}
