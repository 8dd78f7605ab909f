//! The next document of a device: generation, base and signature around a body.

use serde_json::{Map, Value, json};

use super::{DeskError, DeviceView};
use crate::fleet::{
    DOCUMENT_LIMIT_BYTES, DocumentHash, Envelope, KeyId, PayloadType, PrivateKey, SCHEMA,
};

/// Signs documents with the operator's keys; without keys it leaves them bare. Writes the operator's name into them.
#[derive(Debug, Default)]
pub struct Signer {
    keys: Vec<PrivateKey>,
    by: Option<String>,
}

/// A document that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NextDocument {
    pub(super) generation: u64,
    pub(super) hash: DocumentHash,
    /// The message, with its envelope if it is signed.
    pub(super) message: Vec<u8>,
}

impl Signer {
    /// A signer with these keys.
    pub fn new(keys: Vec<PrivateKey>) -> Self {
        Self { keys, by: None }
    }

    /// The same, which names the publisher `by` in each desired document.
    #[must_use]
    pub fn named(self, by: impl Into<String>) -> Self {
        let by = Some(by.into());
        Self { by, ..self }
    }

    /// Whether it leaves documents bare.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a message signed by `signers` has the signatures that this one makes.
    pub(super) fn is_among(&self, signers: &[KeyId]) -> bool {
        self.keys
            .iter()
            .all(|key| signers.contains(&key.public().id()))
    }

    /// The message of a payload.
    pub(super) fn message(&self, payload_type: PayloadType, payload: Vec<u8>) -> Vec<u8> {
        if self.keys.is_empty() {
            return payload;
        }
        let keys: Vec<&PrivateKey> = self.keys.iter().collect();
        Envelope::sign(payload_type, &payload, &keys).to_json()
    }

    /// The document with `body` that replaces what the broker has of the device.
    pub(super) fn next(
        &self,
        device: &str,
        body: &Map<String, Value>,
        view: &DeviceView,
    ) -> Result<NextDocument, DeskError> {
        self.next_with(device, body, view, false)
    }

    /// The same. `again` orders its firmware anew, also if the present document names it.
    pub(super) fn next_with(
        &self,
        device: &str,
        body: &Map<String, Value>,
        view: &DeviceView,
        again: bool,
    ) -> Result<NextDocument, DeskError> {
        let generation = view.highest_generation() + 1;
        let mut document = body.clone();
        if let Some(firmware) = document.get_mut("firmware") {
            let generation = view.next_firmware_generation(firmware, again);
            if let Some(firmware) = firmware.as_object_mut() {
                firmware.insert("generation".to_owned(), json!(generation));
            }
        }
        document.insert("schema".to_owned(), json!(SCHEMA));
        document.insert("generation".to_owned(), json!(generation));
        document.insert("device".to_owned(), json!(device));
        if let Some(by) = &self.by {
            document.insert("by".to_owned(), json!(by));
        }
        if let Some(base) = view.base() {
            document.insert("base".to_owned(), json!(base));
        }
        let payload = Value::Object(document).to_string().into_bytes();
        let hash = DocumentHash::of(&payload);
        let message = self.message(PayloadType::Desired, payload);
        let (bytes, limit) = (message.len(), DOCUMENT_LIMIT_BYTES);
        if bytes > limit {
            let device = device.to_owned();
            return Err(DeskError::TooLarge {
                device,
                bytes,
                limit,
            });
        }
        Ok(NextDocument {
            generation,
            hash,
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::FleetTopic;
    use crate::fleet::{Desired, Keyring, open};

    fn body() -> Map<String, Value> {
        let body = json!({ "role": "processor", "processor": { "camera": [] } });
        body.as_object().cloned().expect("a table")
    }

    #[test]
    fn the_next_document_is_above_all_and_names_its_base() {
        let signer = Signer::default();
        let mut view = DeviceView::default();
        let first = signer.next("a", &body(), &view).expect("small");
        let read = Desired::read(&first.message).expect("valid");
        assert_eq!((read.generation, read.base), (1, None));
        assert_eq!(read.device.as_deref(), Some("a"));
        view.take(FleetTopic::Desired, &first.message);
        view.take(
            FleetTopic::Reported,
            br#"{"schema":1,"generation":8,"phase":"rejected"}"#,
        );
        let second = signer.next("a", &body(), &view).expect("small");
        let read = Desired::read(&second.message).expect("valid");
        assert_eq!((second.generation, read.base), (9, Some(first.hash)));
    }

    #[test]
    fn the_next_document_names_its_publisher() {
        let signer = Signer::default().named("alice@desk");
        let next = signer.next("a", &body(), &DeviceView::default());
        let read = Desired::read(&next.expect("small").message).expect("valid");
        assert_eq!(read.by.as_deref(), Some("alice@desk"));
    }

    #[test]
    fn a_signed_document_opens_with_its_key_alone() {
        let key = PrivateKey::from_seed([3; 32]).expect("a key");
        let public = key.public();
        let signer = Signer::new(vec![key]);
        let next = signer
            .next("a", &body(), &DeviceView::default())
            .expect("small");
        let keyring = Keyring::new([public.clone()]);
        let opened = open(&next.message, PayloadType::Desired, &keyring).expect("signed");
        assert_eq!(
            (opened.hash, opened.signers),
            (next.hash, vec![public.id()])
        );
        assert!(signer.is_among(&[public.id()]) && !signer.is_among(&[]));
        assert!(Signer::default().is_among(&[]));
    }

    #[test]
    fn a_document_that_no_device_reads_is_refused() {
        let mut body = body();
        body.insert("x".to_owned(), json!("y".repeat(DOCUMENT_LIMIT_BYTES)));
        let error = Signer::default()
            .next("a", &body, &DeviceView::default())
            .expect_err("too large");
        assert!(
            error.to_string().starts_with("a: the document has 65"),
            "{error}"
        );
    }
}
