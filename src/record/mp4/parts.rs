//! What files, fragments and frames are, and why they can't be written or read.

use std::io;
use std::time::Duration;

use crate::base::{CaptureClock, SourceId};
use crate::media::CodedFormat;
use crate::record::scene::Scene;

/// Ticks a second of all media times in a file.
pub(in crate::record) const TIMESCALE: u32 = 90_000;

/// The time of ticks of a file.
pub fn time_of_ticks(ticks: u64) -> Duration {
    // A tick is 100 000/9 ns.
    Duration::from_nanos(ticks.saturating_mul(100_000) / 9)
}

/// The most bytes of a fragment, and of any box that a reader accepts: 2 s of 250 Mbit/s.
pub(in crate::record) const LARGEST_BYTES: u64 = 64 << 20;

/// The latest time in a file: composition offsets are signed and have 32 bits.
pub(super) const LATEST_TICK: u64 = i32::MAX as u64;

/// The only track of a file.
pub(super) const TRACK: u32 = 1;

/// The beginning of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct FileHead {
    /// A random number. Every seal of the file has it.
    pub id: u64,
    /// The source that is recorded.
    pub source: SourceId,
    /// Capture time of the first frame since the Unix epoch.
    pub started_unix: Duration,
    /// The format of all frames.
    pub format: CodedFormat,
}

/// A fragment in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct FragmentPlace {
    /// Its first byte in the file.
    pub offset: u64,
    /// Its length in bytes, with its seal.
    pub bytes: u64,
    /// Its number in the file, from 1.
    pub sequence: u32,
    /// Decode time of its first frame, in ticks since the file's start.
    pub first_tick: u64,
    /// Sum of the durations of its frames, in ticks.
    pub ticks: u64,
    /// Capture time of its first frame since the Unix epoch.
    pub captured_unix: Duration,
    /// Number of its frames.
    pub frames: u32,
    /// Whether decoding can start with its first frame.
    pub begins_with_key: bool,
}

/// A frame in its fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct FrameAt {
    /// Its first byte in the fragment.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u32,
    /// Decode time in ticks since the file's start.
    pub decode_tick: u64,
    /// Presentation time in ticks since the file's start.
    pub presentation_tick: i64,
    /// Whether decoding can start with it.
    pub is_key: bool,
    /// Capture time since the Unix epoch, by `clock`.
    pub captured_unix: Duration,
    /// The clock of `captured_unix`.
    pub clock: CaptureClock,
    /// RTCP NTP time as Unix nanoseconds, where the camera told it.
    pub ntp_ns: Option<u64>,
}

/// What is in a fragment.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::record) struct FragmentContent {
    /// In decoding order, at least one.
    pub frames: Vec<FrameAt>,
    /// Sum of their durations, in ticks.
    pub ticks: u64,
    /// Its length in bytes, with its seal.
    pub bytes: u64,
    /// Scenes in the order in which they came: of frames of this fragment or of earlier ones, also of the file before. After a
    /// failed write a scene may be there twice.
    pub scenes: Vec<Scene>,
}

/// The sound part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct Reading {
    /// The beginning.
    pub head: FileHead,
    /// All sound fragments, in order.
    pub fragments: Vec<FragmentPlace>,
    /// Length of the sound part in bytes: where a damaged file can be cut.
    pub sound_bytes: u64,
    /// What follows the sound part.
    pub ending: FileEnding,
}

/// How a file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) enum FileEnding {
    /// With a tail: the file is complete.
    Closed,
    /// After the head or a fragment.
    Open,
    /// Bytes that are not sound follow.
    Damaged {
        /// The byte of the file at which the damaged box or block begins.
        at: u64,
        /// The reason.
        reason: String,
    },
}

/// A fragment that can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::record) enum FragmentError {
    /// No frame.
    #[error("a fragment needs at least one frame")]
    Empty,
    /// Readers would refuse it.
    #[error("a fragment of {bytes} bytes is too large (limit {LARGEST_BYTES}); cut it earlier")]
    TooLarge {
        /// Its length.
        bytes: u64,
    },
    /// Its times don't fit the fields of the format.
    #[error("a frame is {seconds} s after the start of its file (limit {limit} s); begin a new file", limit = LATEST_TICK / u64::from(TIMESCALE))]
    TooLate {
        /// Time since the start of the file.
        seconds: u64,
    },
}

/// A file that can't be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::record) enum ReadError {
    /// The system could not read it. Nothing is said about its bytes then.
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    /// Its bytes are not those that were written.
    #[error("the recording is damaged at byte {at}: {reason}")]
    Damaged {
        /// The byte at which the damaged box or block begins.
        at: u64,
        /// The reason.
        reason: String,
    },
}

impl ReadError {
    pub(super) fn damaged(at: u64, reason: impl Into<String>) -> Self {
        Self::Damaged {
            at,
            reason: reason.into(),
        }
    }
}
