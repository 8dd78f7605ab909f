//! What is published: the schema, and its encodings.
//!
//! Tracks become [`DetectionEvent`]s here, and the state of processes and sources becomes [`Presence`] and
//! [`SourceStatus`]. Pure data: no threads, no clock, no broker. Every `decode` takes bytes from strangers: it ends in a
//! value or in a [`DecodeError`] that says what was wrong, never in a panic.

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
pub use schema::{SCHEMAS, schema_json};
pub use status::{Presence, PresenceState, SourceMetrics, SourceReason, SourceState, SourceStatus};

/// Longest payload that is read or published, in bytes.
pub const PAYLOAD_LIMIT_BYTES: usize = 1024 * 1024;
