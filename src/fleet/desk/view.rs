//! What the broker has of a device.

use serde_json::{Map, Value};

use crate::bus::FleetTopic;
use crate::event::{Presence, PresenceState};
use crate::fleet::{
    Desired, DeviceCapabilities, DocumentHash, Envelope, KeyId, Keyring, PayloadType, Phase,
    Reported, check_publisher, open,
};

/// Keys of a document that do not belong to its body.
const HEAD: [&str; 5] = ["schema", "generation", "base", "device", "by"];

/// The retained messages of a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceView {
    /// The desired document.
    pub desired: Option<RetainedDocument>,
    /// What the device says of it.
    pub reported: Option<Reported>,
    /// Presence of the agent.
    pub presence: Option<Presence>,
    /// What it can do.
    pub capabilities: Option<DeviceCapabilities>,
    /// Topics with a message that can't be read.
    pub unreadable: Vec<FleetTopic>,
}

/// A desired document as the broker has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RetainedDocument {
    /// The message, with its envelope if it is signed.
    pub message: Vec<u8>,
    /// The hash of its payload. Absent if it can't be opened.
    pub hash: Option<DocumentHash>,
    /// Its generation.
    pub generation: Option<u64>,
    /// Who published it, as the document says. Absent if it says nothing, or nothing that may be shown.
    pub by: Option<String>,
    /// The generation of the firmware that it names; absent if it names none.
    pub firmware_generation: Option<u64>,
    /// Everything but schema, generation, base, device, publisher and the generation of the firmware. Absent if it can't be read.
    pub body: Option<Map<String, Value>>,
    /// The keys that signed it, as the envelope names them.
    pub signers: Vec<KeyId>,
}

impl RetainedDocument {
    /// Takes a message that is not empty.
    pub fn new(message: Vec<u8>) -> Self {
        let mut retained = Self {
            hash: None,
            generation: None,
            by: None,
            firmware_generation: None,
            body: None,
            signers: Vec::new(),
            message,
        };
        // The desk knows no keys of devices: it does not check signatures, and the devices do.
        let Ok(opened) = open(&retained.message, PayloadType::Desired, &Keyring::default()) else {
            return retained;
        };
        retained.generation = opened.generation();
        retained.by = by_of(&opened.payload);
        retained.firmware_generation = firmware_generation(&opened.payload);
        retained.body = body_of(&opened.payload);
        retained.hash = Some(opened.hash);
        let envelope = serde_json::from_slice(&retained.message)
            .ok()
            .and_then(|value| Envelope::from_value(value).ok());
        if let Some(envelope) = envelope {
            let keys = envelope.signatures.into_iter();
            retained.signers = keys.map(|signature| signature.keyid).collect();
        }
        retained
    }
}

/// The body of a payload, in the form in which the desk writes it.
fn body_of(payload: &[u8]) -> Option<Map<String, Value>> {
    let value = match Desired::read(payload) {
        Ok(desired) => body(&desired),
        // Of another version: as it is.
        Err(_) => serde_json::from_slice(payload).ok()?,
    };
    let mut value = value;
    value.retain(|key, _| !HEAD.contains(&key.as_str()));
    without_firmware_generation(&mut value);
    Some(value)
}

/// The desk sets it, as it sets the generation of the document.
fn without_firmware_generation(body: &mut Map<String, Value>) {
    if let Some(Value::Object(firmware)) = body.get_mut("firmware") {
        firmware.remove("generation");
    }
}

fn firmware_generation(payload: &[u8]) -> Option<u64> {
    let document: Value = serde_json::from_slice(payload).ok()?;
    let firmware = document.get("firmware")?.as_object()?;
    let own = firmware.get("generation").and_then(Value::as_u64);
    own.or_else(|| document.get("generation")?.as_u64())
}

fn by_of(payload: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(payload).ok()?;
    let by = document.get("by")?.as_str()?;
    check_publisher(by).is_ok().then(|| by.to_owned())
}

/// Everything of a document but schema, generation, base, device, publisher and the generation of the firmware.
pub(super) fn body(desired: &Desired) -> Map<String, Value> {
    let mut body = match serde_json::from_slice(&desired.to_json()) {
        Ok(Value::Object(body)) => body,
        _ => Map::new(),
    };
    body.retain(|key, _| !HEAD.contains(&key.as_str()));
    without_firmware_generation(&mut body);
    body
}

impl DeviceView {
    /// Takes a message. An empty one removes what was there.
    pub fn take(&mut self, document: FleetTopic, payload: &[u8]) {
        self.unreadable.retain(|topic| *topic != document);
        let is_read = match document {
            FleetTopic::Desired => {
                self.desired = match payload {
                    [] => None,
                    payload => Some(RetainedDocument::new(payload.to_vec())),
                };
                true
            }
            FleetTopic::Reported => read(&mut self.reported, payload, Reported::from_json),
            FleetTopic::Presence => read(&mut self.presence, payload, Presence::from_json),
            FleetTopic::Capabilities => read(
                &mut self.capabilities,
                payload,
                DeviceCapabilities::from_json,
            ),
            FleetTopic::Command | FleetTopic::Response => true,
        };
        if !is_read {
            self.unreadable.push(document);
        }
    }

    /// Whether the device's agent is connected to the broker.
    pub fn is_online(&self) -> bool {
        self.presence
            .as_ref()
            .is_some_and(|presence| presence.state == PresenceState::Online)
    }

    /// Whether the device has ever said anything.
    pub fn has_answered(&self) -> bool {
        self.presence.is_some() || self.reported.is_some()
    }

    /// The highest generation that the broker or the device names; 0 if none.
    pub fn highest_generation(&self) -> u64 {
        let desired = self.desired.as_ref().and_then(|desired| desired.generation);
        let reported = self.reported.as_ref();
        let reported = reported.map(|report| {
            let known = [report.generation, report.applied, report.last_known_good];
            known.into_iter().flatten().max().unwrap_or(0)
        });
        desired.unwrap_or(0).max(reported.unwrap_or(0))
    }

    /// The generation for `firmware` in the next document: the present one if the document names that firmware already, unless
    /// it is ordered `again`.
    pub(super) fn next_firmware_generation(&self, firmware: &Value, again: bool) -> u64 {
        let desired = self.desired.as_ref();
        let retained = desired.and_then(|desired| desired.firmware_generation);
        let named = desired.and_then(|desired| desired.body.as_ref()?.get("firmware"));
        let reported = self.reported.as_ref();
        let reported = reported.and_then(|report| report.firmware.generation);
        match retained {
            Some(generation) if named == Some(firmware) && !again => generation,
            _ => retained.max(reported).unwrap_or(0) + 1,
        }
    }

    /// Whether the device has begun to install the firmware of this generation.
    pub(super) fn has_begun_firmware(&self, generation: u64) -> bool {
        self.reported.as_ref().is_some_and(|report| {
            let firmware = &report.firmware;
            firmware.generation == Some(generation) && firmware.phase.is_begun()
        })
    }

    /// The hash that the next document names as its base.
    pub fn base(&self) -> Option<DocumentHash> {
        let reported = || self.reported.as_ref()?.applied_sha256.clone();
        let desired = self.desired.as_ref();
        desired
            .and_then(|desired| desired.hash.clone())
            .or_else(reported)
    }

    /// Whether the device has the document `hash` in force as its last known good one.
    pub fn has_applied(&self, hash: &DocumentHash) -> bool {
        self.reported.as_ref().is_some_and(|report| {
            let is_about_it = report.sha256.as_ref() == Some(hash);
            report.applied_sha256.as_ref() == Some(hash)
                && (!is_about_it || report.phase == Phase::Applied)
        })
    }
}

fn read<T, E>(
    slot: &mut Option<T>,
    payload: &[u8],
    from_json: impl Fn(&[u8]) -> Result<T, E>,
) -> bool {
    if payload.is_empty() {
        *slot = None;
        return true;
    }
    match from_json(payload) {
        Ok(value) => {
            *slot = Some(value);
            true
        }
        Err(_) => {
            *slot = None;
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{DeviceRole, PrivateKey};

    fn desired(generation: u64) -> Desired {
        Desired {
            device: Some("a".to_owned()),
            processor: Some(serde_json::json!({ "camera": [] })),
            ..Desired::new(generation, DeviceRole::Processor)
        }
    }

    #[test]
    fn a_retained_document_is_the_same_bare_and_signed() {
        let document = desired(3);
        let bare = RetainedDocument::new(document.to_json());
        let key = PrivateKey::from_seed([1; 32]).expect("a key");
        let envelope = Envelope::sign(PayloadType::Desired, &document.to_json(), &[&key]);
        let signed = RetainedDocument::new(envelope.to_json());
        assert_eq!(bare.generation, Some(3));
        assert_eq!(bare.hash, Some(DocumentHash::of(&document.to_json())));
        assert_eq!((&signed.hash, &signed.body), (&bare.hash, &bare.body));
        assert_eq!(signed.signers, [key.public().id()]);
        assert_eq!(bare.body, Some(body(&document)));
        let body = bare.body.expect("a body");
        let keys: Vec<&String> = body.keys().collect();
        assert_eq!(keys, ["probation", "processor", "role"]);
    }

    #[test]
    fn the_publisher_is_shown_and_is_no_part_of_the_body() {
        let by = |by: &str| {
            let document = Desired {
                by: Some(by.to_owned()),
                ..desired(3)
            };
            RetainedDocument::new(document.to_json())
        };
        let named = by("alice@desk");
        assert_eq!(named.by.as_deref(), Some("alice@desk"));
        assert_eq!(named.body, Some(body(&desired(3))));
        assert_eq!(by("a\u{1b}[2J").by, None, "not for a terminal");
        assert_eq!(RetainedDocument::new(desired(3).to_json()).by, None);
    }

    #[test]
    fn a_document_of_another_version_still_has_a_body() {
        let other = br#"{"schema":2,"generation":7,"role":"both","new":1}"#.to_vec();
        let retained = RetainedDocument::new(other);
        assert_eq!(retained.generation, Some(7));
        assert_eq!(
            retained.body.map(|body| body["new"].clone()),
            Some(1.into())
        );
        let garbage = RetainedDocument::new(b"\xff".to_vec());
        assert_eq!(
            (garbage.hash, garbage.generation, garbage.body),
            (None, None, None)
        );
    }

    #[test]
    fn a_view_follows_the_topics_and_empty_messages_clear() {
        let mut view = DeviceView::default();
        assert!(!view.has_answered() && !view.is_online());
        view.take(FleetTopic::Desired, &desired(4).to_json());
        let reported = br#"{"schema":1,"generation":6,"applied":5,"phase":"applied"}"#;
        view.take(FleetTopic::Reported, reported);
        assert_eq!(view.highest_generation(), 6);
        assert!(view.has_answered());
        view.take(FleetTopic::Presence, b"{");
        assert_eq!(view.unreadable, [FleetTopic::Presence]);
        for topic in [
            FleetTopic::Desired,
            FleetTopic::Reported,
            FleetTopic::Presence,
        ] {
            view.take(topic, b"");
        }
        assert_eq!(view, DeviceView::default());
    }
}
