//! Tests of the opening of messages.

use proptest::prelude::*;

use super::*;
use crate::fleet::PrivateKey;

const PAYLOAD: &[u8] = br#"{"schema":1,"generation":7,"role":"wall","wall":{}}"#;

fn key() -> PrivateKey {
    PrivateKey::from_seed([1; 32]).expect("a key")
}

fn keyring() -> Keyring {
    Keyring::new([key().public()])
}

fn envelope() -> Vec<u8> {
    Envelope::sign(PayloadType::Desired, PAYLOAD, &[&key()]).to_json()
}

fn code(message: &[u8], keyring: &Keyring) -> String {
    match open(message, PayloadType::Desired, keyring) {
        Ok(_) => "good".to_owned(),
        Err(errors) => errors.into_vec()[0].code.to_string(),
    }
}

#[test]
fn a_signed_document_is_opened_and_hashed_by_its_payload() {
    let opened = open(&envelope(), PayloadType::Desired, &keyring()).expect("a good envelope");
    assert_eq!(opened.payload, PAYLOAD);
    assert_eq!(opened.hash, DocumentHash::of(PAYLOAD));
    assert_eq!(opened.signers, [key().public().id()]);
    assert_eq!(opened.generation(), Some(7));
}

#[test]
fn a_device_with_keys_refuses_what_is_not_signed() {
    assert_eq!(code(PAYLOAD, &keyring()), "unsigned");
    assert_eq!(code(br#"{"payload":"e30="}"#, &keyring()), "unsigned");
    let none =
        br#"{"payloadType":"application/vnd.nvr.desired+json","payload":"e30=","signatures":[]}"#;
    assert_eq!(code(none, &keyring()), "unsigned");
}

#[test]
fn a_device_without_keys_takes_both_forms_and_trusts_no_signature() {
    for message in [PAYLOAD, &envelope()] {
        let opened = open(message, PayloadType::Desired, &Keyring::default()).expect("taken");
        assert_eq!(
            (opened.payload.as_slice(), opened.signers),
            (PAYLOAD, vec![])
        );
    }
    let command = Envelope::sign(PayloadType::Command, PAYLOAD, &[]).to_json();
    assert_eq!(code(&command, &Keyring::default()), "bad-envelope");
}

#[test]
fn a_bare_command_has_no_signers_and_a_badly_signed_one_is_refused() {
    let bare = open(
        br#"{"id":"7","verb":"ping"}"#,
        PayloadType::Command,
        &keyring(),
    );
    assert_eq!(bare.expect("taken").signers, []);
    let other = PrivateKey::from_seed([2; 32]).expect("a key");
    let signed = Envelope::sign(PayloadType::Command, b"{}", &[&other]).to_json();
    let errors = open(&signed, PayloadType::Command, &keyring()).expect_err("unknown");
    assert!(errors.has("unknown-key"), "{errors}");
}

#[test]
fn size_and_form_are_checked_before_the_signature() {
    let large = vec![b' '; crate::fleet::DOCUMENT_LIMIT_BYTES + 1];
    assert_eq!(code(&large, &keyring()), "too-large");
    assert_eq!(code(b"", &keyring()), "not-json");
    assert_eq!(code(br#"{"payloadType":"x"}"#, &keyring()), "bad-envelope");
}

#[test]
fn the_generation_of_an_unreadable_payload_is_told_if_it_has_one() {
    let opened = |payload: &[u8]| Opened {
        payload: payload.to_vec(),
        hash: DocumentHash::of(payload),
        signers: Vec::new(),
    };
    assert_eq!(
        opened(br#"{"generation":3,"zones":1}"#).generation(),
        Some(3)
    );
    for payload in [&b"x"[..], b"[]", br#"{"generation":"3"}"#] {
        assert_eq!(opened(payload).generation(), None);
    }
}

#[test]
fn every_flipped_bit_of_an_envelope_is_refused() {
    let (envelope, keyring) = (envelope(), keyring());
    for bit in 0..envelope.len() * 8 {
        let mut damaged = envelope.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let opened = open(&damaged, PayloadType::Desired, &keyring);
        assert!(
            opened.is_err(),
            "bit {bit}: {}",
            String::from_utf8_lossy(&damaged)
        );
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(message in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = open(&message, PayloadType::Desired, &keyring());
        let _ = open(&message, PayloadType::Command, &Keyring::default());
    }

    #[test]
    fn any_payload_is_opened_as_it_was_signed(payload in proptest::collection::vec(any::<u8>(), 0..512)) {
        let signed = Envelope::sign(PayloadType::Command, &payload, &[&key()]).to_json();
        let opened = open(&signed, PayloadType::Command, &keyring());
        prop_assert_eq!(opened.map(|opened| opened.payload), Ok(payload));
    }

    #[test]
    fn any_flipped_bit_is_refused(payload in proptest::collection::vec(any::<u8>(), 0..64), at in any::<u32>()) {
        let mut signed = Envelope::sign(PayloadType::Desired, &payload, &[&key()]).to_json();
        let bit = at as usize % (signed.len() * 8);
        signed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open(&signed, PayloadType::Desired, &keyring()).is_err());
    }
}
