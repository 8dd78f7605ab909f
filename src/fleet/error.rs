//! The problems of a document, each with a path, a code for programs and a message for people.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The codes of this room. A device adds codes of its own, for example those of its capacity check.
pub mod codes {
    /// Not JSON, or a value that is no JSON object.
    pub const NOT_JSON: &str = "not-json";
    /// Larger than [`DOCUMENT_LIMIT_BYTES`](crate::fleet::DOCUMENT_LIMIT_BYTES).
    pub const TOO_LARGE: &str = "too-large";
    /// A key that this version does not know.
    pub const UNKNOWN_FIELD: &str = "unknown-field";
    /// A required key is absent.
    pub const MISSING_FIELD: &str = "missing-field";
    /// A value of another JSON type.
    pub const WRONG_TYPE: &str = "wrong-type";
    /// A value out of its range or form.
    pub const BAD_VALUE: &str = "bad-value";
    /// An address with an unsupported scheme.
    pub const BAD_SCHEME: &str = "bad-scheme";
    /// A version of the schema that this firmware does not know.
    pub const UNSUPPORTED_SCHEMA: &str = "unsupported-schema";
    /// The role has no body in the document.
    pub const MISSING_BODY: &str = "missing-body";
    /// A key that belongs to the device (`mqtt`) and not to a document.
    pub const FOREIGN_KEY: &str = "foreign-key";
    /// A login in plain text instead of a reference.
    pub const PLAIN_SECRET: &str = "plain-secret";
    /// The document names another device.
    pub const WRONG_DEVICE: &str = "wrong-device";
    /// No signature, but a public key is provisioned.
    pub const UNSIGNED: &str = "unsigned";
    /// The envelope is damaged, or of another payload type.
    pub const BAD_ENVELOPE: &str = "bad-envelope";
    /// The signature does not belong to the payload.
    pub const BAD_SIGNATURE: &str = "bad-signature";
    /// Signed with a key that this device does not trust.
    pub const UNKNOWN_KEY: &str = "unknown-key";
    /// Signed with a revoked key.
    pub const REVOKED_KEY: &str = "revoked-key";
    /// A change of keys that can't be accepted.
    pub const BAD_KEYS: &str = "bad-keys";
    /// The document's or the command's time is over.
    pub const EXPIRED: &str = "expired";
    /// The document's time has not come yet.
    pub const NOT_YET: &str = "not-yet";
    /// A time counts, and the clock is not synchronised.
    pub const CLOCK_UNKNOWN: &str = "clock-unknown";
    /// The same generation with another content.
    pub const SAME_GENERATION: &str = "same-generation";
    /// A generation that is not above the one in force.
    pub const OLD_GENERATION: &str = "old-generation";
    /// The document replaces another one than the one in force.
    pub const BASE_MISMATCH: &str = "base-mismatch";
    /// This document has failed on this device before.
    pub const FAILED_BEFORE: &str = "failed-before";
    /// A verb that this firmware does not know.
    pub const UNKNOWN_VERB: &str = "unknown-verb";
}

/// One problem of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentError {
    /// The place, such as `processor.camera[2].uri`; empty for the whole document.
    #[serde(default)]
    pub path: String,
    /// A stable word for programs, one of [`codes`] or of the device.
    pub code: Cow<'static, str>,
    /// The fault and its remedy, for people. Never contains a secret.
    #[serde(default)]
    pub message: String,
}

impl DocumentError {
    /// A problem at `path`; empty for the whole document.
    pub fn new(path: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}

/// Every problem of a document; never empty. Displayed with one problem per line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct DocumentErrors(Vec<DocumentError>);

impl DocumentErrors {
    /// `value` if there is no problem.
    ///
    /// # Errors
    /// The problems.
    pub fn or<T>(found: Vec<DocumentError>, value: T) -> Result<T, Self> {
        if found.is_empty() {
            Ok(value)
        } else {
            Err(Self(found))
        }
    }

    /// The problems in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &DocumentError> {
        self.0.iter()
    }

    /// The problems.
    pub fn into_vec(self) -> Vec<DocumentError> {
        self.0
    }

    /// Whether one of them has this code.
    pub fn has(&self, code: &str) -> bool {
        self.0.iter().any(|error| error.code == code)
    }
}

impl From<DocumentError> for DocumentErrors {
    fn from(error: DocumentError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for DocumentErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_path_message_and_code() {
        let errors = DocumentErrors(vec![
            DocumentError::new("generation", codes::BAD_VALUE, "must be 1 or more, got 0"),
            DocumentError::new("", codes::UNSIGNED, "is not signed"),
        ]);
        assert_eq!(
            errors.to_string(),
            "generation: must be 1 or more, got 0 (bad-value)\nis not signed (unsigned)"
        );
        assert!(errors.has("unsigned") && !errors.has("expired"));
    }
}
