//! Which messages of others were read past: each is counted, and its topic is named in the log, a few a minute.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::warn;

use super::packets::Refused;
use crate::event::PAYLOAD_LIMIT_BYTES;

/// How often a topic is named.
const WINDOW: Duration = Duration::from_secs(60);

/// Topics that are named in that time.
const MOST_NAMED: usize = 8;

/// What was refused lately.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    began: Option<Instant>,
    named: BTreeSet<String>,
    unnamed: u64,
}

impl RefusalLog {
    /// Takes note of a message, and names it unless that was done in the last minute.
    pub(super) fn tell(&mut self, broker: &str, message: &Refused, now: Instant) {
        if self.is_named_now(&message.topic, now) {
            let (topic, bytes) = (&*message.topic, message.bytes);
            // What is retained while we listen comes without the mark.
            let clear = if message.retained {
                "; it is retained: whoever publishes it has to stop, and an empty retained message clears the topic \
                 (mosquitto_pub -r -n -t TOPIC)"
            } else {
                "; whoever publishes it has to stop; where it is retained, an empty retained message clears the topic \
                 (mosquitto_pub -r -n -t TOPIC)"
            };
            match message.malformed {
                None => warn!(
                    broker,
                    topic,
                    bytes,
                    limit = PAYLOAD_LIMIT_BYTES,
                    "a message on a topic of ours is too large and was read past{clear}"
                ),
                Some(why) => warn!(
                    broker,
                    topic, bytes, why, "a message can't be read and was passed over{clear}"
                ),
            }
        }
    }

    /// Whether this one is to be named; others are counted, and their number is told when the minute is over.
    fn is_named_now(&mut self, topic: &str, now: Instant) -> bool {
        let is_over = |began: Instant| now.saturating_duration_since(began) >= WINDOW;
        if self.began.is_none_or(is_over) {
            if self.unnamed > 0 {
                warn!(
                    messages = self.unnamed,
                    "further messages were read past since the last ones were named"
                );
            }
            *self = Self {
                began: Some(now),
                ..Self::default()
            };
        }
        let is_new = self.named.len() < MOST_NAMED && self.named.insert(topic.to_owned());
        self.unnamed += u64::from(!is_new);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_once_a_minute_and_eight_are_named_in_all() {
        let mut refusals = RefusalLog::default();
        let start = Instant::now();
        assert!(refusals.is_named_now("a", start));
        assert!(!refusals.is_named_now("a", start + WINDOW / 2));
        let others = (0..100_000)
            .filter(|number| refusals.is_named_now(&format!("b/{number}"), start + WINDOW / 2));
        assert_eq!(others.count(), MOST_NAMED - 1);
        assert_eq!(refusals.named.len(), MOST_NAMED, "no more are remembered");
        assert_eq!(refusals.unnamed, 100_000 - 7 + 1);
        assert!(refusals.is_named_now("a", start + WINDOW));
        assert_eq!(refusals.unnamed, 0);
    }
}
