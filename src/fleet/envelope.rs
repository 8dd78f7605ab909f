//! The DSSE envelope of signed documents. It carries the signed bytes as they are, so nothing has to be written again in the same
//! way before a signature is checked.
//!
//! DSSE v1: <https://github.com/secure-systems-lab/dsse>. Deviation: `keyid` is required.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DocumentError, KeyId, PrivateKey, codes};

/// What an envelope carries. The type is signed with the payload, so a command never passes for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadType {
    /// A desired document.
    Desired,
    /// A command.
    Command,
}

impl PayloadType {
    /// The value of `payloadType`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Desired => "application/vnd.nvr.desired+json",
            Self::Command => "application/vnd.nvr.command+json",
        }
    }
}

/// The signed form of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Type of the payload.
    pub payload_type: String,
    /// The payload in base64.
    pub payload: String,
    /// At least one signature.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// Id of the key.
    pub keyid: KeyId,
    /// The signature in base64.
    pub sig: String,
}

/// Maximum number of signatures whose keys are tried.
pub(super) const MOST_SIGNATURES: usize = 8;

/// The bytes that are signed: `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body`.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (type_bytes, bytes) = (payload_type.len(), payload.len());
    let mut encoded = format!("DSSEv1 {type_bytes} {payload_type} {bytes} ").into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

impl Envelope {
    /// Signs a payload with each of the keys.
    pub fn sign(payload_type: PayloadType, payload: &[u8], keys: &[&PrivateKey]) -> Self {
        let message = pre_authentication_encoding(payload_type.as_str(), payload);
        let signature = |key: &&PrivateKey| EnvelopeSignature {
            keyid: key.public().id(),
            sig: STANDARD.encode(key.sign(&message)),
        };
        Self {
            payload_type: payload_type.as_str().to_owned(),
            payload: STANDARD.encode(payload),
            signatures: keys.iter().map(signature).collect(),
        }
    }

    /// JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: an envelope consists of texts")
    }

    /// Whether a document is an envelope and not bare.
    pub(super) fn is_one(document: &Value) -> bool {
        document.get("payloadType").is_some() || document.get("signatures").is_some()
    }

    /// Reads an envelope. Unknown fields are ignored, as DSSE asks.
    ///
    /// # Errors
    /// Names the field.
    pub fn from_value(document: Value) -> Result<Self, DocumentError> {
        let envelope: Self = serde_path_to_error::deserialize(document).map_err(|error| {
            let path = error.path().to_string();
            let told = super::strict::told(&error.into_inner());
            let path = if path == "." { String::new() } else { path };
            DocumentError::new(path, codes::BAD_ENVELOPE, told)
        })?;
        let count = envelope.signatures.len();
        if count > MOST_SIGNATURES {
            return Err(DocumentError::new(
                "signatures",
                codes::BAD_ENVELOPE,
                format!("must be at most {MOST_SIGNATURES}, got {count}"),
            ));
        }
        Ok(envelope)
    }

    /// The payload.
    ///
    /// # Errors
    /// When it is no base64.
    pub fn decoded_payload(&self) -> Result<Vec<u8>, DocumentError> {
        decode(&self.payload)
            .ok_or_else(|| DocumentError::new("payload", codes::BAD_ENVELOPE, "must be base64"))
    }
}

/// Decodes base64 in either of its alphabets, padded or not: verifiers of DSSE accept all forms.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    const EITHER_PADDING: GeneralPurposeConfig =
        PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) {
        &alphabet::URL_SAFE
    } else {
        &alphabet::STANDARD
    };
    GeneralPurpose::new(alphabet, EITHER_PADDING)
        .decode(text)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // The example of the DSSE specification, protocol.md, "Test vectors".
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pre_authentication_encoding("", b""), b"DSSEv1 0  0 ");
        // Lengths are of bytes, not of characters.
        assert_eq!(
            pre_authentication_encoding("a", "ä".as_bytes()),
            "DSSEv1 1 a 2 ä".as_bytes()
        );
    }

    #[test]
    fn base64_is_read_in_all_forms_and_nothing_else() {
        for text in ["+/+/", "-_-_"] {
            assert_eq!(decode(text), Some(vec![0xfb, 0xff, 0xbf]), "{text}");
        }
        assert_eq!(
            (decode("YQ=="), decode("YQ")),
            (Some(b"a".to_vec()), Some(b"a".to_vec()))
        );
        // The last has bits after its end.
        for text in ["+_+_", "Y", "YQ\n", "YR=="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn an_envelope_has_the_fields_of_dsse() {
        let key = PrivateKey::from_seed([7; 32]).expect("a key");
        let envelope = Envelope::sign(PayloadType::Command, b"{}", &[&key]);
        let text = String::from_utf8(envelope.to_json()).expect("JSON is text");
        let begin = r#"{"payloadType":"application/vnd.nvr.command+json","payload":"e30=","signatures":[{"keyid":""#;
        assert!(text.starts_with(begin), "{text}");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert!(Envelope::is_one(&value));
        assert_eq!(Envelope::from_value(value), Ok(envelope));
    }

    #[test]
    fn a_damaged_envelope_is_refused_by_the_field() {
        for (text, path) in [
            (r#"{"payloadType":"x"}"#, ""),
            (
                r#"{"payloadType":"x","payload":1,"signatures":[]}"#,
                "payload",
            ),
            (
                r#"{"payloadType":"x","payload":"","signatures":[{"keyid":"x","sig":""}]}"#,
                "signatures[0].keyid",
            ),
            (
                r#"{"payloadType":"x","payload":"","signatures":[{"sig":""}]}"#,
                "signatures[0]",
            ),
        ] {
            let value = serde_json::from_str(text).expect("JSON");
            let error = Envelope::from_value(value).expect_err(text);
            assert_eq!(
                (error.path.as_str(), error.code.as_ref()),
                (path, "bad-envelope"),
                "{error}"
            );
        }
    }
}
