//! The hash that names a document: SHA-256 of the received payload, the JSON inside an envelope.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use crate::base::hexadecimal;

/// SHA-256 of a document's bytes as they were sent, in lower-case hexadecimal digits. The envelope does not count, so a
/// document that is signed again keeps its hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DocumentHash(String);

impl DocumentHash {
    /// The hash of a payload.
    pub fn of(payload: &[u8]) -> Self {
        Self(hexadecimal(&Sha256::digest(payload)))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first digits, for messages.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DocumentHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be a SHA-256 of 64 lower-case hexadecimal digits".to_owned())
        }
    }
}

impl<'de> Deserialize<'de> for DocumentHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for DocumentHash {
    fn schema_name() -> Cow<'static, str> {
        "Sha256".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "A SHA-256 in lower-case hexadecimal digits."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_sha256sum() {
        // printf '{}' | sha256sum
        let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(DocumentHash::of(b"{}").as_str(), empty);
        assert_eq!(empty.parse(), Ok(DocumentHash::of(b"{}")));
        assert_eq!(DocumentHash::of(b"{}").short(), "44136fa355b3");
    }

    #[test]
    fn other_texts_are_no_hash() {
        let long = "0".repeat(65);
        let upper = "A".repeat(64);
        let accents = "é".repeat(32);
        for text in ["", "00", long.as_str(), upper.as_str(), accents.as_str()] {
            text.parse::<DocumentHash>().expect_err(text);
        }
    }
}
