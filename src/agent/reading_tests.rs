//! Tests of the file beside this one.

use super::*;
use crate::base::SourceId;
use crate::fleet::{Envelope, PrivateKey};

fn reader() -> Reader {
    let nothing = std::path::Path::new("/nonexistent");
    Reader {
        device: "box-1".to_owned(),
        bodies: BodySources::of_desk(),
        abilities: Abilities::new(nothing, None, nothing),
    }
}

fn text(device: &str) -> String {
    format!(
        r#"{{"schema": 1, "generation": 17, "device": "{device}", "role": "processor", "processor": {{
            "processor": {{"backend": "scripted"}},
            "camera": [{{"id": 4, "uri": "test-pattern:"}}, {{"id": 2, "uri": "test-pattern:"}}]}}}}"#
    )
}

fn codes_of(refusal: &Refusal) -> Vec<&str> {
    refusal.errors.iter().map(|error| &*error.code).collect()
}

#[test]
fn a_good_document_becomes_a_candidate() {
    let text = text("box-1");
    let none = Keyring::default();
    let (candidate, keys) = reader()
        .received(text.as_bytes(), &none, None)
        .expect("good");
    assert_eq!(candidate.id().generation, 17);
    assert_eq!(candidate.id().sha256, DocumentHash::of(text.as_bytes()));
    assert_eq!(
        candidate.roles[&ChildRole::Processor],
        [SourceId(4), SourceId(2)]
    );
    assert_eq!(keys, None);
    let Received::Checked(stored) = reader().stored(&candidate.document) else {
        panic!("it was good");
    };
    assert_eq!(stored, candidate);
    assert!(desired_of(&candidate.document).is_ok());
}

#[test]
fn refusals_name_generation_and_code() {
    let none = Keyring::default();
    let refused = |text: &str| {
        reader()
            .received(text.as_bytes(), &none, None)
            .expect_err("bad")
    };
    assert_eq!(codes_of(&refused("{")), ["not-json"]);
    let other = refused(&text("box-2"));
    assert_eq!(codes_of(&other), ["wrong-device"]);
    assert_eq!(other.generation, Some(17));
    let scheme = refused(&text("box-1").replace("test-pattern:\"}]", "http://a\"}]"));
    assert_eq!(codes_of(&scheme), ["bad-scheme"]);
    assert_eq!(scheme.errors[0].path, "processor.camera[1].uri");
}

#[test]
fn a_stored_document_is_good_after_its_key_was_revoked() {
    let key = PrivateKey::from_seed([7; 32]).expect("a key");
    let keys = Keyring::new([key.public()]);
    let bare = text("box-1");
    let unsigned = reader().received(bare.as_bytes(), &keys, None);
    assert_eq!(codes_of(&unsigned.expect_err("unsigned")), ["unsigned"]);
    let signed = Envelope::sign(PayloadType::Desired, bare.as_bytes(), &[&key]).to_json();
    let (candidate, _) = reader().received(&signed, &keys, None).expect("signed");
    // The hash is that of the payload, so that another signature makes no other document.
    assert_eq!(candidate.id().sha256, DocumentHash::of(bare.as_bytes()));
    let stored = reader().stored(&candidate.document);
    assert!(matches!(stored, Received::Checked(_)), "{stored:?}");
}

#[test]
fn a_stored_document_is_good_after_the_box_was_measured_as_too_small() {
    let dir = tempfile::tempdir().expect("a folder");
    let board = dir.path().join("board.toml");
    std::fs::write(&board, "[decoder]\nsessions = 1\nsource = \"x\"").expect("written");
    let small = Reader {
        abilities: Abilities::new(dir.path(), Some(&board), dir.path()),
        ..reader()
    };
    let text = text("box-1").replace("test-pattern:", "rtsp://10.0.0.20/main");
    let none = Keyring::default();
    let (candidate, _) = reader()
        .received(text.as_bytes(), &none, None)
        .expect("good");
    let refused = small.received(text.as_bytes(), &none, None);
    assert_eq!(codes_of(&refused.expect_err("too much")), ["over-capacity"]);
    let Received::Checked(stored) = small.stored(&candidate.document) else {
        panic!("it was good");
    };
    let codes: Vec<&str> = stored.warnings.iter().map(|one| &*one.code).collect();
    assert_eq!(codes, ["over-capacity"]);
}
