//! Errors of decoding. Each message includes its cause, because it is logged or counted without a chain.

use super::PAYLOAD_LIMIT_BYTES;

/// Maximum length of an instance id or a session in bytes.
pub(super) const NAME_LIMIT_BYTES: usize = 256;

/// A payload was refused.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Larger than any published document.
    #[error("payload of {bytes} bytes is over the limit of {PAYLOAD_LIMIT_BYTES}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or not of the published schema.
    #[error("payload does not follow the schema at `{path}`: {cause}")]
    Json {
        /// Path in the document, such as `detections[2].bbox.x`.
        path: String,
        /// The message of serde, cut, because it quotes values of any length.
        cause: String,
    },
    /// The version byte is missing or unknown.
    #[error("postcard payload of version {found:?}, this build reads version {known}")]
    Version {
        /// The first byte; absent in an empty payload.
        found: Option<u8>,
        /// The version that this build reads.
        known: u8,
    },
    /// Invalid bytes after a known version byte.
    #[error("postcard payload is not an event: {cause}")]
    Postcard {
        /// The error of postcard.
        cause: postcard::Error,
    },
    /// Additional bytes after a valid event.
    #[error("postcard payload has {bytes} bytes after its event")]
    Trailing {
        /// Their number.
        bytes: usize,
    },
    /// An invalid instance id or session.
    #[error(
        "`{field}` of {bytes} bytes is not a valid name; use 1 to {NAME_LIMIT_BYTES} bytes without /, + and #"
    )]
    Name {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A time out of range.
    #[error("timestamp {unix_ms} ms is out of range")]
    Timestamp {
        /// Milliseconds since the Unix epoch.
        unix_ms: i64,
    },
    /// NaN, infinite, or too large for the field.
    #[error("`{field}` is not a finite number")]
    NotFinite {
        /// The field.
        field: String,
    },
    /// A size or a duration below zero.
    #[error("`{field}` is {value}; it must not be negative")]
    Negative {
        /// The field.
        field: String,
        /// Its value.
        value: f32,
    },
    /// A confidence out of range.
    #[error("`{field}` is {value}; a confidence must be between 0 and 1")]
    Confidence {
        /// The field.
        field: String,
        /// Its value.
        value: f32,
    },
}
