//! Requests to a connection, its events, and its errors.

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
    /// The error for the operator. `suspect` is the largest message, if the connection ended right after it.
    pub(super) fn into_link_error(
        self,
        target: &Target,
        suspect: Option<(String, usize)>,
    ) -> LinkError {
        let broker = target.name.clone();
        match self {
            Self::Silent(what) => LinkError::Silent { broker, what },
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
                    client_id: target.client_id.clone(),
                },
            },
        }
    }
}
