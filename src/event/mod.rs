//! The published documents: their schema and encodings.
//!
//! [`DetectionEvent`] has the tracks of a frame, [`Presence`] the state of a process, and [`SourceStatus`] that of a source. Plain
//! data: no threads, no clock, no broker. Decoding accepts arbitrary bytes and returns a value or a [`DecodeError`]; it never
//! panics.

mod detection;
mod error;
mod json;
mod postcard;
mod schema;
mod status;
#[cfg(test)]
mod testing;

pub use detection::{DetectedObject, DetectionEvent, Observation, summary, unix_time};
pub use error::DecodeError;
pub use json::{cut as cut_text, decode as decode_json};
#[cfg(test)]
pub(crate) use schema::assert_committed;
pub(crate) use schema::schema_of;
pub use schema::{SCHEMAS, schema_json};
pub use status::{
    Presence, PresenceState, RecordingState, RecordingStatus, SourceMetrics, SourceReason,
    SourceState, SourceStatus,
};

/// Maximum size of a payload that is read or published, in bytes.
pub const PAYLOAD_LIMIT_BYTES: usize = 1024 * 1024;
