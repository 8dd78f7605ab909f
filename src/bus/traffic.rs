//! Requests to a connection, its events, and its errors.

use super::flight::Waiting;
use super::packets::{Qos, Refused};
use super::socket::Target;
use super::{LinkError, Message};

/// A request of a publisher or of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Publish(Publish),
    Subscribe(Vec<(String, Qos)>),
    Unsubscribe(Vec<String>),
    Disconnect,
}

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: Qos,
    pub(super) retain: bool,
}

/// An event of a connection.
#[derive(Debug)]
pub(super) enum ConnectionEvent {
    /// A request was taken from the queue, or a ping was sent.
    Sent,
    /// A message was received.
    Message(Message),
    /// A message was skipped.
    Refused(Refused),
    /// The filters of a subscription, with the broker's code for each.
    Subscribed(Vec<(String, u8)>),
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum ConnectionError {
    /// The broker closed it, or the network did.
    Closed,
    /// The broker stopped answering; the text names the missing answer.
    Silent(&'static str),
    /// The broker did not acknowledge a packet: which one, and the remedy.
    Unacknowledged { what: String, remedy: &'static str },
    /// TLS failed; a description.
    Tls(String),
    /// The broker sent invalid MQTT; a description.
    Protocol(String),
}

/// The messages that the broker may not have received from a broken connection.
#[derive(Debug, Default)]
pub(super) struct Undelivered {
    /// Number of events.
    pub(super) events: u64,
    /// Retained topics; true if the message was a clearing.
    pub(super) retained: Vec<(String, bool)>,
}

impl ConnectionError {
    /// The broker has not acknowledged this packet in time.
    pub(super) fn unacknowledged(waiting: Waiting<'_>) -> Self {
        const LOAD: &str = "check its load and the network";
        const QOS_2: &str = "if this repeats, it may not support quality of service 2, as AWS IoT does not; set --mqtt-qos 1 (mqtt.qos)";
        let remedy = match waiting {
            Waiting::Message(sent) if sent.qos == Qos::ExactlyOnce => QOS_2,
            Waiting::Release => QOS_2,
            Waiting::Message(_) | Waiting::Subscription(_) => LOAD,
        };
        Self::Unacknowledged {
            what: waiting.to_string(),
            remedy,
        }
    }

    /// The error for the operator. `suspect` is the largest message, if the connection ended right after it; `waiting` is the
    /// oldest packet without an acknowledgement.
    pub(super) fn into_link_error(
        self,
        target: &Target,
        suspect: Option<(String, usize)>,
        waiting: Option<String>,
    ) -> LinkError {
        let broker = target.name.clone();
        match self {
            Self::Silent(what) => LinkError::Silent { broker, what },
            Self::Unacknowledged { what, remedy } => LinkError::Unacknowledged {
                broker,
                what,
                remedy,
            },
            Self::Tls(detail) => LinkError::Tls { broker, detail },
            Self::Protocol(detail) => LinkError::Protocol { broker, detail },
            Self::Closed => match suspect {
                Some((topic, bytes)) => LinkError::ClosedAfterLargest {
                    broker,
                    topic,
                    bytes,
                },
                None => LinkError::Closed {
                    broker,
                    before: waiting.map_or_else(String::new, |waiting| {
                        format!(" before it acknowledged {waiting}")
                    }),
                    client_id: target.client_id.clone(),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flight::Sent;
    use super::*;

    #[test]
    fn a_packet_without_an_acknowledgement_is_named_with_the_remedy_of_its_kind() {
        let sent = |qos| Sent {
            topic: "nvr/detections/0".to_owned(),
            qos,
            retain: false,
            bytes: 1,
        };
        let (once, twice) = (sent(Qos::AtLeastOnce), sent(Qos::ExactlyOnce));
        let filters = ["nvr/sources/0".to_owned()];
        for (waiting, named, told) in [
            (
                Waiting::Message(&once),
                "a message of quality of service 1 on nvr/detections/0",
                "check its load",
            ),
            (
                Waiting::Message(&twice),
                "a message of quality of service 2 on nvr/detections/0",
                "set --mqtt-qos 1",
            ),
            (
                Waiting::Subscription(&filters),
                "a subscription to nvr/sources/0",
                "check its load",
            ),
        ] {
            let error = ConnectionError::unacknowledged(waiting);
            let ConnectionError::Unacknowledged { what, remedy } = error else {
                panic!("another error");
            };
            assert_eq!(what, named);
            assert!(remedy.contains(told), "{remedy}");
        }
    }
}
