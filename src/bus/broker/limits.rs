//! What the broker bounds, so that no client can take its memory or keep others out.

use std::time::Duration;

use crate::event::PAYLOAD_LIMIT_BYTES;

/// Of one payload: a larger message is read past, acknowledged and discarded.
pub(super) const MESSAGE_LIMIT_BYTES: usize = PAYLOAD_LIMIT_BYTES;

/// Of a packet after its header: the payload, a topic, a packet id.
pub(super) const PACKET_LIMIT_BYTES: usize = MESSAGE_LIMIT_BYTES + 2 + u16::MAX as usize + 2;

/// Of a CONNECT after its header: five texts of the longest kind.
pub(super) const CONNECT_LIMIT_BYTES: usize = 16 + 5 * (2 + u16::MAX as usize);

/// Messages of QoS 1 and 2 on their way to one client before it has to acknowledge some.
pub(super) const WINDOW: usize = 256;

/// What goes to a socket at once.
pub(super) const BATCH_BYTES: usize = 64 * 1024;

/// Answers that wait for a client that sends and does not read; it is not read from meanwhile.
pub(super) const ANSWERS_BYTES: usize = 64 * 1024;

/// Connections that have not said CONNECT yet; for one more the oldest is closed.
pub(super) const PENDING_LIMIT: usize = 256;

/// Levels of a topic filter; as many as mosquitto takes.
pub(super) const LEVELS: usize = 200;

/// What the filters of one client may take, each level of them counted as [`LEVEL_BYTES`].
pub(super) const FILTERS_BYTES: usize = 1024 * 1024;

/// What a level of a filter takes beside its text.
pub(super) const LEVEL_BYTES: usize = 128;

/// What a message takes beside its topic and payload.
pub(super) const MESSAGE_BYTES: usize = 128;

/// How long a client that falls behind slows down those who publish to it: a burst passes without loss, and one that does
/// not read at all holds nobody up for longer.
pub(super) const CATCH_UP_LIMIT: Duration = Duration::from_secs(1);

/// Limits that a user or a test may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Clients at the same time, with the sessions that are kept for absent ones. 512.
    pub clients: usize,
    /// All retained messages with their topics, 128 bytes added for each. 128 MiB.
    pub retained_bytes: usize,
    /// What waits for one client that does not read or acknowledge. 16 MiB.
    pub queue_bytes: usize,
    /// What waits for all clients together. 256 MiB.
    pub queues_bytes: usize,
    /// From the connection, or the end of its TLS handshake, to a complete CONNECT; the handshake has as long. 10 s.
    pub connect: Duration,
    /// How long a client's socket may take nothing while something waits for it. 30 s.
    pub stalled: Duration,
    /// How long the session of an absent client is kept, where it asked for that. 1 h.
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
