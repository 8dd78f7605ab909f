//! Tests of the keys that a device trusts.

use super::*;
use crate::fleet::PrivateKey;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed([seed; 32]).expect("a key")
}

fn id(seed: u8) -> KeyId {
    key(seed).public().id()
}

/// A device that trusts the keys 1 and 2.
fn keyring() -> Keyring {
    Keyring::new([key(1).public(), key(2).public(), key(1).public()])
}

fn signed(payload: &[u8], seeds: &[u8]) -> Envelope {
    let keys: Vec<PrivateKey> = seeds.iter().map(|seed| key(*seed)).collect();
    let keys: Vec<&PrivateKey> = keys.iter().collect();
    Envelope::sign(PayloadType::Desired, payload, &keys)
}

fn code(keyring: &Keyring, envelope: &Envelope) -> String {
    match keyring.verify(envelope, PayloadType::Desired) {
        Ok(_) => "good".to_owned(),
        Err(error) => error.code.into_owned(),
    }
}

fn change(trusted: &[u8], revoked: &[u8]) -> KeyChange {
    KeyChange {
        trusted: trusted.iter().map(|seed| key(*seed).public()).collect(),
        revoked: revoked.iter().map(|seed| id(*seed)).collect(),
    }
}

#[test]
fn each_of_two_keys_is_valid_alone_and_the_signers_are_named() {
    let keyring = keyring();
    assert_eq!(keyring.trusted().count(), 2);
    for seeds in [&[1][..], &[2], &[1, 2], &[9, 2]] {
        let verified = keyring.verify(&signed(b"{}", seeds), PayloadType::Desired);
        let signers = seeds.iter().filter(|seed| **seed < 3).map(|seed| id(*seed));
        assert_eq!(
            verified,
            Ok((b"{}".to_vec(), signers.collect())),
            "{seeds:?}"
        );
    }
}

#[test]
fn what_is_not_signed_by_a_trusted_key_is_refused_with_the_reason() {
    let keyring = keyring();
    assert_eq!(code(&keyring, &signed(b"{}", &[])), "unsigned");
    assert_eq!(code(&keyring, &signed(b"{}", &[9])), "unknown-key");
    let error = keyring
        .verify(&signed(b"{}", &[9]), PayloadType::Desired)
        .expect_err("unknown");
    assert_eq!(
        error.message,
        format!(
            "this device does not trust key {}; it trusts {}, {}",
            id(9),
            id(1),
            id(2)
        )
    );
    let mut other_payload = signed(b"{}", &[1]);
    other_payload.payload = signed(b"{ }", &[1]).payload;
    assert_eq!(code(&keyring, &other_payload), "bad-signature");
    let mut other_key = signed(b"{}", &[1]);
    other_key.signatures[0].keyid = id(2);
    assert_eq!(code(&keyring, &other_key), "bad-signature");
    let mut no_base64 = signed(b"{}", &[1]);
    no_base64.signatures[0].sig = "*".to_owned();
    assert_eq!(code(&keyring, &no_base64), "bad-signature");
}

#[test]
fn the_type_of_the_payload_is_signed() {
    let keyring = keyring();
    let mut command = Envelope::sign(PayloadType::Command, b"{}", &[&key(1)]);
    assert_eq!(code(&keyring, &command), "bad-envelope");
    command.payload_type = PayloadType::Desired.as_str().to_owned();
    assert_eq!(code(&keyring, &command), "bad-signature");
}

#[test]
fn a_key_is_rotated_and_the_old_one_revoked_by_the_new_one() {
    let rotated = keyring()
        .changed(&change(&[3], &[]), &[id(1)])
        .expect("a good change")
        .expect("it is signed");
    assert_eq!(code(&rotated, &signed(b"{}", &[3])), "good");
    let revoked = rotated
        .changed(&change(&[], &[1, 2]), &[id(3)])
        .expect("a good change")
        .expect("it is signed");
    assert_eq!(code(&revoked, &signed(b"{}", &[1])), "revoked-key");
    assert_eq!(code(&revoked, &signed(b"{}", &[1, 3])), "good");
    assert_eq!(revoked.trusted().collect::<Vec<_>>(), [&key(3).public()]);
    let same = revoked.changed(&change(&[3], &[1]), &[id(3)]);
    assert_eq!(same, Ok(Some(revoked.clone())));
    let stored = serde_json::to_vec(&revoked).expect("JSON");
    assert_eq!(
        serde_json::from_slice::<Keyring>(&stored).expect("read"),
        revoked
    );
}

#[test]
fn a_change_without_a_signature_does_not_count() {
    assert_eq!(keyring().changed(&change(&[3], &[1]), &[]), Ok(None));
    assert_eq!(
        Keyring::default().changed(&change(&[3], &[]), &[]),
        Ok(None)
    );
}

#[test]
fn a_key_can_not_revoke_itself_or_bring_a_revoked_one_back() {
    let path = |changed: Result<Option<Keyring>, DocumentErrors>| {
        let errors = changed.expect_err("refused").into_vec();
        assert!(errors.iter().all(|error| error.code == "bad-keys"));
        errors
            .into_iter()
            .map(|error| error.path)
            .collect::<Vec<_>>()
    };
    let keyring = keyring();
    assert_eq!(
        path(keyring.changed(&change(&[], &[1]), &[id(1)])),
        ["keys.revoked"]
    );
    assert_eq!(
        path(keyring.changed(&change(&[], &[1, 2]), &[id(1), id(2)])),
        ["keys.revoked"]
    );
    keyring
        .changed(&change(&[], &[1]), &[id(1), id(2)])
        .expect("the other key signed as well");
    let both = change(&[3, 4], &[3, 1]);
    assert_eq!(path(keyring.changed(&both, &[id(2)])), ["keys.trusted[0]"]);
    let many: Vec<u8> = (10..20).collect();
    assert_eq!(
        path(keyring.changed(&change(&many, &[]), &[id(2)])),
        ["keys.trusted"]
    );
}

#[test]
fn a_device_whose_keys_are_all_revoked_accepts_nothing() {
    let stored = format!(
        r#"{{"trusted":["{}"],"revoked":["{}"]}}"#,
        key(1).public(),
        id(1)
    );
    let keyring: Keyring = serde_json::from_str(&stored).expect("a stored keyring");
    assert!(keyring.is_provisioned() && !Keyring::default().is_provisioned());
    assert_eq!(keyring.trusted().count(), 0);
    assert_eq!(code(&keyring, &signed(b"{}", &[1])), "revoked-key");
    let error = keyring.verify(&signed(b"{}", &[2]), PayloadType::Desired);
    assert!(
        error
            .expect_err("unknown")
            .message
            .ends_with("it trusts none any more")
    );
}
