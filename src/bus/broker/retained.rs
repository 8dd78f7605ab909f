//! The store of retained messages: the newest message of each topic, up to a limit of bytes.
//!
//! A new subscription with wildcards does not copy messages. It walks the store with a cursor, as fast as its client reads. The
//! cursor skips messages that were published after the subscription, because the client gets them as live messages. A
//! subscription to one topic takes its message at once: clients of the fleet look for the message that they are about to replace.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use rumqttc::QoS;

use super::limits::MESSAGE_BYTES;

use crate::bus::filter_matches;

/// Maximum number of topics that a cursor visits in one call.
const STEPS: usize = 1024;

/// A published message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    /// Sequence number; newer messages have larger numbers.
    pub(super) number: u64,
}

impl Message {
    /// Its memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len() + MESSAGE_BYTES
    }
}

/// The store of retained messages.
#[derive(Debug)]
pub(super) struct Retained {
    messages: BTreeMap<Arc<str>, Arc<Message>>,
    bytes: usize,
    limit: usize,
}

/// The store is full. The previous message of the topic stays.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The position of a subscription in the store.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) filter: Arc<str>,
    pub(super) qos: QoS,
    /// Sequence number of the newest message at the time of the subscription.
    until: u64,
    after: Option<Arc<str>>,
}

/// The result of a cursor's step.
#[derive(Debug)]
pub(super) enum CursorStep {
    /// A message.
    Message(Arc<Message>),
    /// No match yet: call again.
    Nothing,
    /// Its end.
    End,
}

impl Cursor {
    pub(super) fn new(filter: Arc<str>, qos: QoS, until: u64) -> Self {
        Self {
            filter,
            qos,
            until,
            after: None,
        }
    }

    /// The common prefix of all matching topics.
    fn prefix(&self) -> &str {
        let end = self.filter.find(['+', '#']).unwrap_or(self.filter.len());
        // `a/#` matches `a` too.
        self.filter[..end].trim_end_matches('/')
    }
}

impl Retained {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            messages: BTreeMap::new(),
            bytes: 0,
            limit,
        }
    }

    /// Stores `message` for its topic, or clears the topic if the payload is empty.
    pub(super) fn set(&mut self, message: &Message) -> Result<(), Full> {
        let old = self.messages.get(&message.topic);
        let freed = old.map_or(0, |old| old.bytes());
        if message.payload.is_empty() {
            self.messages.remove(&message.topic);
            self.bytes -= freed;
            return Ok(());
        }
        // A message that is smaller than its predecessor always fits.
        if message.bytes() > freed && self.bytes - freed + message.bytes() > self.limit {
            return Err(Full);
        }
        self.bytes = self.bytes - freed + message.bytes();
        // Copies the payload, which may be a part of a larger allocation.
        let kept = Message {
            topic: message.topic.clone(),
            payload: bytes::Bytes::copy_from_slice(&message.payload),
            ..*message
        };
        self.messages.insert(message.topic.clone(), Arc::new(kept));
        Ok(())
    }

    /// The message of one topic. Filters with wildcards have none.
    pub(super) fn get(&self, topic: &str) -> Option<&Arc<Message>> {
        self.messages.get(topic)
    }

    /// The next message for `cursor`, after a bounded number of steps.
    pub(super) fn next(&self, cursor: &mut Cursor) -> CursorStep {
        let after = cursor.after.clone();
        let start = match &after {
            Some(topic) => Bound::Excluded(&**topic),
            None => Bound::Included(cursor.prefix()),
        };
        let range = self.messages.range::<str, _>((start, Bound::Unbounded));
        for (step, (topic, message)) in range.enumerate() {
            if !topic.starts_with(cursor.prefix()) {
                return CursorStep::End;
            }
            if step == STEPS {
                return CursorStep::Nothing;
            }
            cursor.after = Some(topic.clone());
            if message.number <= cursor.until && filter_matches(&cursor.filter, topic) {
                return CursorStep::Message(message.clone());
            }
        }
        CursorStep::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &str, number: u64) -> Message {
        Message {
            topic: topic.into(),
            payload: payload.to_owned().into(),
            qos: QoS::AtLeastOnce,
            number,
        }
    }

    fn topics(store: &Retained, filter: &str, until: u64) -> Vec<String> {
        let mut cursor = Cursor::new(filter.into(), QoS::AtMostOnce, until);
        let mut topics = Vec::new();
        loop {
            match store.next(&mut cursor) {
                CursorStep::Message(message) => topics.push(message.topic.to_string()),
                CursorStep::Nothing => {}
                CursorStep::End => return topics,
            }
        }
    }

    #[test]
    fn a_cursor_meets_each_topic_of_its_filter_and_none_that_is_newer() {
        let mut store = Retained::new(1 << 20);
        for (number, topic) in ["a", "a/1", "a/2/x", "a-b", "$SYS/a", "ä/1"]
            .into_iter()
            .enumerate()
        {
            store
                .set(&message(topic, "x", number as u64))
                .expect("room");
        }
        assert_eq!(topics(&store, "a/#", 9), ["a", "a/1", "a/2/x"]);
        assert_eq!(topics(&store, "a/+", 9), ["a/1"]);
        assert_eq!(topics(&store, "a", 9), ["a"]);
        assert_eq!(topics(&store, "+/1", 9), ["a/1", "ä/1"]);
        assert_eq!(topics(&store, "#", 9).len(), 5, "without $SYS");
        assert_eq!(topics(&store, "$SYS/#", 9), ["$SYS/a"]);
        store.set(&message("a/1", "y", 10)).expect("room");
        assert_eq!(topics(&store, "a/#", 9), ["a", "a/2/x"]);
    }

    #[test]
    fn more_topics_than_steps_are_all_met() {
        let mut store = Retained::new(1 << 24);
        for number in 0..3 * STEPS {
            let topic = format!("t/{number}/x");
            store.set(&message(&topic, "x", 0)).expect("room");
        }
        assert_eq!(topics(&store, "t/+/x", 1).len(), 3 * STEPS);
        assert_eq!(topics(&store, "+/1/x", 1).len(), 1);
        assert_eq!(topics(&store, "+/none/x", 1).len(), 0);
    }

    #[test]
    fn a_full_store_keeps_the_old_message_and_makes_room_by_clearing() {
        let one = message("a", "12345", 0);
        let mut store = Retained::new(2 * one.bytes());
        store.set(&one).expect("room");
        store.set(&message("b", "12345", 1)).expect("room");
        assert_eq!(store.set(&message("c", "1", 2)), Err(Full));
        assert_eq!(store.set(&message("a", "123456", 3)), Err(Full));
        store.set(&message("a", "1234", 4)).expect("it is smaller");
        assert_eq!(topics(&store, "#", 9), ["a", "b"]);
        store.set(&message("a", "", 5)).expect("a clearing");
        store.set(&message("b", "", 5)).expect("a clearing");
        assert_eq!(store.bytes, 0);
    }
}
