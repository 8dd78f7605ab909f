//! Everything that the broker has of a device, for people and programs. Secrets are masked.

use serde_json::{Value, json};

use super::DeviceView;
use super::diff::masked;
use crate::fleet::{Keyring, PayloadType, open};

/// The retained messages of a device, with masked secrets.
pub fn show(device: &str, view: &DeviceView) -> Value {
    let desired = view.desired.as_ref().map(|retained| {
        let opened = open(&retained.message, PayloadType::Desired, &Keyring::default());
        let document: Option<Value> = opened
            .ok()
            .and_then(|opened| serde_json::from_slice(&opened.payload).ok());
        json!({
            "sha256": retained.hash,
            "generation": retained.generation,
            "signed_by": retained.signers,
            "document": document.map(|document| masked("", &document)),
        })
    });
    json!({
        "device": device,
        "presence": view.presence,
        "desired": desired,
        "reported": view.reported,
        "capabilities": view.capabilities,
        "unreadable": view.unreadable.iter().map(|topic| topic.level()).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::FleetTopic;

    #[test]
    fn a_document_is_shown_without_its_secrets() {
        let mut view = DeviceView::default();
        let document = br#"{"schema":1,"generation":3,"role":"processor","processor":{"camera":[{"id":1,"uri":"rtsp://u:hunter2@h/","password":"hunter3"}]}}"#;
        view.take(FleetTopic::Desired, document);
        let text = show("a", &view).to_string();
        assert!(!text.contains("hunter"), "{text}");
        assert!(
            text.contains(r#""generation":3"#) && text.contains(r#""password":"***""#),
            "{text}"
        );
    }
}
