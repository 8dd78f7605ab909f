//! What a camera sent, before it is decoded: access units as a recording holds them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::codec::Codec;
use crate::base::{CaptureClock, Size};

/// What a decoder must know before the first unit of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedFormat {
    /// H.264 or H.265.
    pub codec: Codec,
    /// The decoder configuration record of MP4 (ISO/IEC 14496-15): `avcC` or `hvcC` without their box, with the parameter sets.
    pub record: Bytes,
    /// The coded size in pixels, as the parameter sets state it.
    pub size: Size,
}

/// One coded picture with all that belongs to it, of one source.
#[derive(Debug, Clone)]
pub struct CodedUnit {
    /// The format that it needs. Units of the same format share it.
    pub format: Arc<CodedFormat>,
    /// Its NAL units in the order in which the camera sent them, each after its length of four bytes, big-endian.
    pub data: Bytes,
    /// Whether decoding can start with it.
    pub is_key: bool,
    /// Number of its session: media times of different sessions have nothing to do with each other.
    pub session: u64,
    /// Presentation time in nanoseconds of the session. Units come in decoding order, so with B-frames it may go back.
    pub pts_ns: u64,
    /// Its arrival, by [`crate::base::Clock`], which never steps.
    pub arrival: Duration,
    /// Estimated capture time since the Unix epoch, by `clock`; the same as that of the frame that is decoded from it.
    pub captured_unix: Duration,
    /// The clock of `captured_unix`.
    pub clock: CaptureClock,
    /// RTCP NTP time as Unix nanoseconds, where the camera tells it: the key of the frame in events.
    pub ntp_ns: Option<u64>,
}

/// Takes the units of one source, on the thread that receives them.
pub trait UnitSink: Send + Sync {
    /// One unit. Must not block: the camera's stream waits for it.
    fn unit(&self, unit: CodedUnit);
}
