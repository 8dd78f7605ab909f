//! The session of one client.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use rumqttc::QoS;
use rumqttc::mqttbytes::v4::LastWill;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::outgoing::Outgoing;

/// Identifies a session; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub(super) u64);

/// The state of a client. It exists while the client is connected; a persistent session longer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client_id: String,
    pub(super) clean: bool,
    pub(super) subscriptions: BTreeMap<Arc<str>, QoS>,
    /// Approximate memory of the subscriptions in bytes.
    pub(super) filters_bytes: usize,
    pub(super) out: Outgoing,
    /// Ids of received messages of QoS 2 without PUBREL.
    pub(super) unreleased: HashSet<u16>,
    pub(super) presence: ClientPresence,
    /// Until when publishers wait for this client to catch up.
    pub(super) catch_up_until: Option<Instant>,
}

/// Whether the client is connected.
#[derive(Debug)]
pub(super) enum ClientPresence {
    /// Connected.
    Connected(Connection),
    /// Absent since this time.
    Absent(Instant),
}

/// A connection of a client.
#[derive(Debug)]
pub(super) struct Connection {
    /// Unique number of the connection.
    pub(super) number: u64,
    pub(super) will: Option<LastWill>,
    /// Notified when packets wait to be sent.
    pub(super) wake: Arc<Notify>,
    /// Cancelled to close the connection.
    pub(super) cut: CancellationToken,
}

impl Session {
    pub(super) fn connection(&self) -> Option<&Connection> {
        match &self.presence {
            ClientPresence::Connected(connection) => Some(connection),
            ClientPresence::Absent(_) => None,
        }
    }

    /// The time since which the client is absent.
    pub(super) fn absent_since(&self) -> Option<Instant> {
        match self.presence {
            ClientPresence::Absent(since) => Some(since),
            ClientPresence::Connected(_) => None,
        }
    }

    pub(super) fn wake(&self) {
        if let Some(connection) = self.connection() {
            connection.wake.notify_one();
        }
    }
}
