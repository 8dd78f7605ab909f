//! Logs skipped messages: each one is counted, and a few topics per minute are named.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::warn;

use super::packets::Refused;
use crate::event::PAYLOAD_LIMIT_BYTES;

/// A topic is named once in this time.
const WINDOW: Duration = Duration::from_secs(60);

/// Maximum number of topics that are named in that time.
const MOST_NAMED: usize = 8;

/// The recently skipped messages.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    began: Option<Instant>,
    named: BTreeSet<String>,
    unnamed: u64,
}

impl RefusalLog {
    /// Counts a message, and logs it unless its topic was named within the last minute.
    pub(super) fn tell(&mut self, broker: &str, message: &Refused, now: Instant) {
        if self.is_named_now(&message.topic, now) {
            let (topic, bytes) = (&*message.topic, message.bytes);
            // A message that is retained during a subscription arrives without the retain flag.
            let clear = if message.retained {
                "; it is retained: stop its publisher, and clear the topic with an empty retained message (mosquitto_pub -r -n \
                 -t TOPIC)"
            } else {
                "; stop its publisher; if it is retained, clear the topic with an empty retained message (mosquitto_pub -r -n \
                 -t TOPIC)"
            };
            match message.malformed {
                None => warn!(
                    broker,
                    topic,
                    bytes,
                    limit = PAYLOAD_LIMIT_BYTES,
                    "a message on a subscribed topic is too large and was skipped{clear}"
                ),
                Some(why) => warn!(
                    broker,
                    topic, bytes, why, "a malformed message was skipped{clear}"
                ),
            }
        }
    }

    /// Whether the topic is to be named now. Others are counted, and their number is logged after the minute.
    fn is_named_now(&mut self, topic: &str, now: Instant) -> bool {
        let is_over = |began: Instant| now.saturating_duration_since(began) >= WINDOW;
        if self.began.is_none_or(is_over) {
            if self.unnamed > 0 {
                warn!(
                    messages = self.unnamed,
                    "further messages were skipped without a log line"
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
