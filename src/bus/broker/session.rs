//! What the broker knows of one client.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use rumqttc::QoS;
use rumqttc::mqttbytes::v4::LastWill;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::outgoing::Outgoing;

/// Tells sessions apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub(super) u64);

/// A client's state: for as long as it is connected, or longer where it asked for that.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client_id: String,
    pub(super) clean: bool,
    pub(super) subscriptions: BTreeMap<Arc<str>, QoS>,
    /// What the subscriptions take in memory, about.
    pub(super) filters_bytes: usize,
    pub(super) out: Outgoing,
    /// Ids of messages of QoS 2 that came in and were not released yet.
    pub(super) unreleased: HashSet<u16>,
    pub(super) presence: ClientPresence,
    /// Until when those who publish to it wait for it to catch up.
    pub(super) catch_up_until: Option<Instant>,
}

/// Whether the client is there.
#[derive(Debug)]
pub(super) enum ClientPresence {
    /// It is.
    Connected(Connection),
    /// It is not, since then.
    Absent(Instant),
}

/// A connection of a client.
#[derive(Debug)]
pub(super) struct Connection {
    /// Another connection of the same client has another one.
    pub(super) number: u64,
    pub(super) will: Option<LastWill>,
    /// Something waits to be sent.
    pub(super) wake: Arc<Notify>,
    /// The connection is to be closed.
    pub(super) cut: CancellationToken,
}

impl Session {
    pub(super) fn connection(&self) -> Option<&Connection> {
        match &self.presence {
            ClientPresence::Connected(connection) => Some(connection),
            ClientPresence::Absent(_) => None,
        }
    }

    /// Since when the client is absent.
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
