//! From the bytes of a message to a payload that may be read: size, envelope, signature.

use super::keyring::{payload_of, unsigned};
use super::{DocumentErrors, DocumentHash, Envelope, KeyId, Keyring, PayloadType, strict};

/// An accepted payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The JSON of the document, byte by byte as it was sent.
    pub payload: Vec<u8>,
    /// Its hash.
    pub hash: DocumentHash,
    /// The trusted keys that signed it. Empty on a device without keys, and for a bare command.
    pub signers: Vec<KeyId>,
}

impl Opened {
    /// The generation that the payload names, also if the rest can't be read. For reports.
    pub fn generation(&self) -> Option<u64> {
        let document: serde_json::Value = serde_json::from_slice(&self.payload).ok()?;
        document.get("generation")?.as_u64()
    }
}

/// Opens a received message: a bare document, or an envelope. A device with keys accepts signed desired documents only, and bare
/// commands without signers ([`Command::permit`] decides). A device without keys does not check signatures.
///
/// [`Command::permit`]: super::Command::permit
///
/// # Errors
/// `too-large`, `not-json`, or an error of [`Keyring::verify`].
pub fn open(
    message: &[u8],
    payload_type: PayloadType,
    keyring: &Keyring,
) -> Result<Opened, DocumentErrors> {
    let document = strict::parse(message)?;
    let (payload, signers) = if !Envelope::is_one(&document) {
        if keyring.is_provisioned() && payload_type == PayloadType::Desired {
            return Err(unsigned().into());
        }
        (message.to_vec(), Vec::new())
    } else {
        let envelope = Envelope::from_value(document)?;
        if keyring.is_provisioned() {
            keyring.verify(&envelope, payload_type)?
        } else {
            (payload_of(&envelope, payload_type)?, Vec::new())
        }
    };
    Ok(Opened {
        hash: DocumentHash::of(&payload),
        payload,
        signers,
    })
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
