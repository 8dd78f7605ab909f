//! What goes over a connection: what is handed to it, how it moved, and why it is over.

use super::packets::{Qos, Refused};
use super::socket::Target;
use super::{LinkError, Message};

/// What publishers and the outbox hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Publish(Publish),
    Subscribe(Vec<(String, Qos)>),
    Unsubscribe(Vec<String>),
    Disconnect,
}

/// A message of ours on its way to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: Qos,
    pub(super) retain: bool,
}

/// How a connection moved.
#[derive(Debug)]
pub(super) enum ConnectionEvent {
    /// Something was taken from the queue, or a ping.
    Sent,
    /// A message came.
    Message(Message),
    /// A message was read past.
    Refused(Refused),
    /// The filters that a subscription asked for, with the broker's code for each.
    Subscribed(Vec<(String, u8)>),
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum ConnectionError {
    /// The broker closed it, or the network did.
    Closed,
    /// It does not answer any more; what was waited for.
    Silent(&'static str),
    /// TLS, in words.
    Tls(String),
    /// It is no MQTT that comes.
    Protocol(String),
}

/// What a broken connection leaves behind.
#[derive(Debug, Default)]
pub(super) struct Undelivered {
    /// Events that the broker may not have.
    pub(super) events: u64,
    /// Retained topics of which the broker may not have the last value; where that is their end, true.
    pub(super) retained: Vec<(String, bool)>,
}

impl ConnectionError {
    /// What is told of it; `suspect` is the largest message, where the end came right after it.
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
