//! Keys of ed25519, and their ids. The only file that names the library of the signatures.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::hexadecimal::hexadecimal;

/// DER before the 32 bytes of a public key, as SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// DER before the 32 bytes of a private key, as PKCS#8 of version 1 (RFC 8410, section 7). OpenSSL does not read version 2, which
/// also has the public key.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// Number of bytes of a key's SHA-256 that make its id.
const ID_BYTES: usize = 8;

/// A text or file is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A public key in another form or of another algorithm.
    #[error(
        "is not a public key of ed25519; give the line between BEGIN and END of its PEM file, 60 characters that begin with MCowBQYDK2VwAyEA"
    )]
    Public,
    /// A private key in another form or of another algorithm.
    #[error(
        "is not a private key of ed25519 in PKCS#8; make one with `openssl genpkey -algorithm ed25519`"
    )]
    Private,
    /// A text that is no key id.
    #[error("is not the id of a key: 16 lower-case hexadecimal digits")]
    Id,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a new key")]
    Random,
}

/// The id of a key: the first 16 hexadecimal digits of the SHA-256 of the 32 bytes of the public key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 2 * ID_BYTES && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError::Id)
        }
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for KeyId {
    fn schema_name() -> Cow<'static, str> {
        "KeyId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{16}$",
            "description": "The first 16 hexadecimal digits of the SHA-256 of the 32 bytes of a public key."
        })
    }
}

/// A public key. As text, and in JSON, it is the base64 of its SubjectPublicKeyInfo: the line between BEGIN and END of a PEM
/// file.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of 32 raw bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its id.
    pub fn id(&self) -> KeyId {
        KeyId(hexadecimal(&Sha256::digest(self.0)[..ID_BYTES]))
    }

    /// Its SubjectPublicKeyInfo in DER.
    pub fn to_der(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0[..]].concat()
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// When it is no public key of ed25519.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let raw = der.strip_prefix(&SPKI_PREFIX).ok_or(KeyError::Public)?;
        raw.try_into().map(Self).map_err(|_| KeyError::Public)
    }

    /// Whether `signature` is one of this key over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.to_der()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let der = STANDARD.decode(text.trim()).map_err(|_| KeyError::Public)?;
        Self::from_der(&der)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for PublicKey {
    fn schema_name() -> Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A public key of ed25519: the line between BEGIN and END of its PEM file."
        })
    }
}

/// A private key. Never printed.
pub struct PrivateKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| KeyError::Random)?;
        Self::from_seed(seed)
    }

    /// The key of 32 secret bytes.
    ///
    /// # Errors
    /// When the library refuses them; it does not.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Private)?;
        Ok(Self { seed, pair })
    }

    /// Its PKCS#8 in DER, as OpenSSL writes it.
    pub(super) fn to_der(&self) -> Vec<u8> {
        [&PKCS8_PREFIX[..], &self.seed[..]].concat()
    }

    /// Reads a PKCS#8 in DER, as OpenSSL writes it.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let seed = der.strip_prefix(&PKCS8_PREFIX).ok_or(KeyError::Private)?;
        Self::from_seed(seed.try_into().map_err(|_| KeyError::Private)?)
    }

    /// Its public key.
    pub fn public(&self) -> PublicKey {
        let mut raw = [0; 32];
        raw.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(raw)
    }

    /// The 64 bytes of its signature of a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public().id())
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
