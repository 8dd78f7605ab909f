//! Why a payload was refused. Each message is whole in itself: it goes into a log line or a counter, seldom up a chain.

use super::PAYLOAD_LIMIT_BYTES;

/// Bytes of the longest instance id or session.
pub(super) const NAME_LIMIT_BYTES: usize = 256;

/// Why a payload is none of ours.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Longer than anything that is published.
    #[error("payload of {bytes} bytes is over the limit of {PAYLOAD_LIMIT_BYTES}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// No JSON, or not of the published schema.
    #[error("payload does not follow the schema at `{path}`: {cause}")]
    Json {
        /// Where in the document, `detections[2].bbox.x` for one.
        path: String,
        /// What serde says, cut: it quotes values of any length.
        cause: String,
    },
    /// Postcard's version byte is missing or of a version that this build does not know.
    #[error("postcard payload of version {found:?}, this build reads version {known}")]
    Version {
        /// The first byte; none in an empty payload.
        found: Option<u8>,
        /// What is read here.
        known: u8,
    },
    /// Bytes that are no event behind a good version byte.
    #[error("postcard payload is not an event: {cause}")]
    Postcard {
        /// What postcard says.
        cause: postcard::Error,
    },
    /// A whole event, and something behind it.
    #[error("postcard payload has {bytes} bytes behind its event")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// An instance id or a session that can't be one.
    #[error(
        "`{field}` of {bytes} bytes is no name: it has 1 to {NAME_LIMIT_BYTES} bytes, without /, + and #"
    )]
    Name {
        /// Where it stands.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A time that no calendar holds.
    #[error("timestamp {unix_ms} ms is outside the calendar")]
    Timestamp {
        /// Milliseconds since the Unix epoch.
        unix_ms: i64,
    },
    /// NaN, infinite, or too large for the field.
    #[error("`{field}` is not a finite number")]
    NotFinite {
        /// Where it stands.
        field: String,
    },
    /// A size or a duration below zero.
    #[error("`{field}` is {value}, it can't be negative")]
    Negative {
        /// Where it stands.
        field: String,
        /// What it says.
        value: f32,
    },
    /// A confidence that is no probability.
    #[error("`{field}` is {value}, a confidence lies between 0 and 1")]
    Confidence {
        /// Where it stands.
        field: String,
        /// What it says.
        value: f32,
    },
}
