//! The keys that a device trusts, the check of an envelope, and the change of keys by a signed document.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DocumentError, DocumentErrors, Envelope, KeyId, PayloadType, PublicKey, codes, envelope,
    pre_authentication_encoding,
};

/// Maximum number of keys that a device trusts at once. A rotation needs two.
const MOST_TRUSTED: usize = 8;
/// Maximum number of revoked keys that a device remembers.
const MOST_REVOKED: usize = 256;

/// The public keys that a device trusts, and the ids of revoked ones. Stored by the device as JSON.
///
/// Each trusted key is valid alone. A revoked key is never trusted again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keyring {
    trusted: Vec<PublicKey>,
    revoked: BTreeSet<KeyId>,
}

/// A change of the keys that a device trusts, in a signed document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyChange {
    /// Keys that are trusted from now on, in addition to those that are trusted already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub trusted: Vec<PublicKey>,
    /// Ids of keys that are not trusted any more. The document must be signed with another trusted key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub revoked: Vec<KeyId>,
}

impl Keyring {
    /// The keys that are provisioned on a device.
    pub fn new(trusted: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut keyring = Self::default();
        for key in trusted {
            keyring.trust(key);
        }
        keyring
    }

    /// Whether documents must be signed. Also true when every key has been revoked.
    pub fn is_provisioned(&self) -> bool {
        !self.trusted.is_empty() || !self.revoked.is_empty()
    }

    /// The trusted keys.
    pub fn trusted(&self) -> impl Iterator<Item = &PublicKey> {
        let is_valid = |key: &&PublicKey| !self.revoked.contains(&key.id());
        self.trusted.iter().filter(is_valid)
    }

    /// The revoked keys.
    pub fn revoked(&self) -> impl Iterator<Item = &KeyId> {
        self.revoked.iter()
    }

    fn trust(&mut self, key: PublicKey) {
        if !self.trusted.contains(&key) {
            self.trusted.push(key);
        }
    }

    /// The payload of an envelope, and the trusted keys that signed it: at least one.
    ///
    /// # Errors
    /// `bad-envelope`, `unsigned`, `bad-signature`, `revoked-key` or `unknown-key`.
    pub fn verify(
        &self,
        envelope: &Envelope,
        payload_type: PayloadType,
    ) -> Result<(Vec<u8>, Vec<KeyId>), DocumentError> {
        let payload = payload_of(envelope, payload_type)?;
        let message = pre_authentication_encoding(payload_type.as_str(), &payload);
        let (mut signers, mut bad, mut revoked, mut unknown) = (vec![], vec![], vec![], vec![]);
        for signature in &envelope.signatures {
            let id = &signature.keyid;
            if self.revoked.contains(id) {
                revoked.push(id);
                continue;
            }
            let mut keys = self.trusted.iter().filter(|key| key.id() == *id).peekable();
            if keys.peek().is_none() {
                unknown.push(id);
                continue;
            }
            let bytes = envelope::decode(&signature.sig);
            if bytes.is_some_and(|bytes| keys.any(|key| key.verifies(&message, &bytes))) {
                signers.push(id.clone());
            } else {
                bad.push(id);
            }
        }
        if !signers.is_empty() {
            return Ok((payload, signers));
        }
        let refused = |code, message: String| DocumentError::new("signatures", code, message);
        Err(match (bad.first(), revoked.first(), unknown.first()) {
            (Some(id), _, _) => refused(
                codes::BAD_SIGNATURE,
                format!("the signature of key {id} does not belong to this payload; sign it again"),
            ),
            (None, Some(id), _) => refused(
                codes::REVOKED_KEY,
                format!("key {id} is revoked; sign with another key"),
            ),
            (None, None, Some(id)) => refused(
                codes::UNKNOWN_KEY,
                format!(
                    "this device does not trust key {id}; it trusts {}",
                    self.names()
                ),
            ),
            (None, None, None) => unsigned(),
        })
    }

    fn names(&self) -> String {
        let ids: Vec<String> = self.trusted().map(|key| key.id().to_string()).collect();
        match ids.is_empty() {
            true => "none any more".to_owned(),
            false => ids.join(", "),
        }
    }

    /// The keyring after a change by a document that `signers` signed. Absent if nobody did: the change does not count then.
    ///
    /// A change takes effect when its document has passed its checks, and stays if the document is reverted later.
    ///
    /// # Errors
    /// `bad-keys`, at `keys`, with every reason.
    pub fn changed(
        &self,
        change: &KeyChange,
        signers: &[KeyId],
    ) -> Result<Option<Self>, DocumentErrors> {
        if signers.is_empty() {
            return Ok(None);
        }
        let mut errors = Vec::new();
        let mut refuse = |path: &str, message: String| {
            errors.push(DocumentError::new(path, codes::BAD_KEYS, message));
        };
        let mut new = self.clone();
        new.revoked.extend(change.revoked.iter().cloned());
        for (index, key) in change.trusted.iter().enumerate() {
            let id = key.id();
            if new.revoked.contains(&id) {
                let message = format!("key {id} is revoked; make a new key");
                refuse(&format!("keys.trusted[{index}]"), message);
            }
            new.trust(key.clone());
        }
        if signers.iter().all(|id| new.revoked.contains(id)) {
            let message = "a key can't revoke itself; sign with another trusted key";
            refuse("keys.revoked", message.to_owned());
        }
        let revoked = &new.revoked;
        new.trusted.retain(|key| !revoked.contains(&key.id()));
        let (trusted, revoked) = (new.trusted.len(), new.revoked.len());
        if trusted > MOST_TRUSTED {
            let message = format!("at most {MOST_TRUSTED} keys, got {trusted}; revoke old ones");
            refuse("keys.trusted", message);
        }
        if revoked > MOST_REVOKED {
            let message = format!("at most {MOST_REVOKED} keys, got {revoked}");
            refuse("keys.revoked", message);
        }
        DocumentErrors::or(errors, Some(new))
    }
}

/// The payload of an envelope of the right type.
pub(super) fn payload_of(
    envelope: &Envelope,
    payload_type: PayloadType,
) -> Result<Vec<u8>, DocumentError> {
    let wanted = payload_type.as_str();
    if envelope.payload_type != wanted {
        let message = format!("must be {wanted}");
        return Err(DocumentError::new(
            "payloadType",
            codes::BAD_ENVELOPE,
            message,
        ));
    }
    envelope.decoded_payload()
}

/// The refusal of what is not signed.
pub(super) fn unsigned() -> DocumentError {
    DocumentError::new(
        "",
        codes::UNSIGNED,
        "this device accepts only signed documents; sign it with `nvr fleet sign`",
    )
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
