//! Whatever a stranger publishes, decoding it ends in a value or an error; and a value that was decoded encodes into bytes
//! that decode into the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nvr::event::{DetectionEvent, Presence, SourceStatus};
use nvr::fleet::{
    Command, Desired, DeviceCapabilities, Keyring, PayloadType, Reported, Response, open,
};

fuzz_target!(|payload: &[u8]| {
    if let Ok(event) = DetectionEvent::from_postcard(payload) {
        let bytes = event.to_postcard();
        let again = DetectionEvent::from_postcard(&bytes).expect("our own bytes");
        assert_eq!(again.to_postcard(), bytes);
    }
    if let Ok(event) = DetectionEvent::from_json(payload) {
        let text = event.to_json();
        let again = DetectionEvent::from_json(&text).expect("our own text");
        assert_eq!(again.to_json(), text);
    }
    if let Ok(presence) = Presence::from_json(payload) {
        assert_eq!(
            Presence::from_json(&presence.to_json()).ok(),
            Some(presence)
        );
    }
    if let Ok(status) = SourceStatus::from_json(payload) {
        let text = status.to_json();
        let again = SourceStatus::from_json(&text).expect("our own text");
        assert_eq!(again.to_json(), text);
    }
    // Bodies have numbers of any length, which are rounded when they are written.
    let _ = Desired::read(payload);
    let _ = DeviceCapabilities::from_json(payload);
    let _ = Response::from_json(payload);
    let _ = open(payload, PayloadType::Desired, &Keyring::default());
    if let Ok(command) = Command::read(payload) {
        assert_eq!(Command::read(&command.to_json()).ok(), Some(command));
    }
    if let Ok(reported) = Reported::from_json(payload) {
        assert_eq!(
            Reported::from_json(&reported.to_json()).ok(),
            Some(reported)
        );
    }
});
