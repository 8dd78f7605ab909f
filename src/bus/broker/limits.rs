//! The limits of the broker. They prevent a client from filling its memory or excluding others.

use std::time::Duration;

use crate::event::PAYLOAD_LIMIT_BYTES;

/// Maximum payload. A larger message is skipped, acknowledged and discarded.
pub(super) const MESSAGE_LIMIT_BYTES: usize = PAYLOAD_LIMIT_BYTES;

/// Maximum packet size after the header: payload, topic and packet id.
pub(super) const PACKET_LIMIT_BYTES: usize = MESSAGE_LIMIT_BYTES + 2 + u16::MAX as usize + 2;

/// Maximum size of CONNECT after the header: five strings of maximum length.
pub(super) const CONNECT_LIMIT_BYTES: usize = 16 + 5 * (2 + u16::MAX as usize);

/// Maximum number of unacknowledged messages of QoS 1 and 2 per client.
pub(super) const WINDOW: usize = 256;

/// Maximum size of one write to a socket.
pub(super) const BATCH_BYTES: usize = 64 * 1024;

/// Maximum size of the answers that wait for a client. Above it, nothing is read from that client.
pub(super) const ANSWERS_BYTES: usize = 64 * 1024;

/// Maximum number of connections without CONNECT. For a further one, the oldest is closed.
pub(super) const PENDING_LIMIT: usize = 256;

/// Maximum levels of a topic filter, as in mosquitto.
pub(super) const LEVELS: usize = 200;

/// Maximum memory of the filters of one client, with [`LEVEL_BYTES`] per level.
pub(super) const FILTERS_BYTES: usize = 1024 * 1024;

/// Memory of a filter level besides its text.
pub(super) const LEVEL_BYTES: usize = 128;

/// Memory of a message besides topic and payload.
pub(super) const MESSAGE_BYTES: usize = 128;

/// How long publishers wait for a slow client. A burst then passes without loss, and a client that does not read at all delays
/// others no longer than this.
pub(super) const CATCH_UP_LIMIT: Duration = Duration::from_secs(1);

/// Configurable limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Maximum number of clients, including the sessions of absent ones. Default: 512.
    pub clients: usize,
    /// Maximum memory of the retained messages with topics, plus 128 bytes each. Default: 128 MiB.
    pub retained_bytes: usize,
    /// Maximum memory of the messages that wait for one client. Default: 16 MiB.
    pub queue_bytes: usize,
    /// Maximum memory of the messages that wait for all clients. Default: 256 MiB.
    pub queues_bytes: usize,
    /// Time limit of the TLS handshake, and again of CONNECT after it. Default: 10 s.
    pub connect: Duration,
    /// Longest time in which a client's socket may accept no byte while messages wait. Default: 30 s.
    pub stalled: Duration,
    /// How long the persistent session of an absent client is kept. Default: 1 h.
    pub absent: Duration,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            clients: 512,
            retained_bytes: 128 << 20,
            queue_bytes: 16 << 20,
            queues_bytes: 256 << 20,
            connect: Duration::from_secs(10),
            stalled: Duration::from_secs(30),
            absent: Duration::from_secs(3600),
        }
    }
}
