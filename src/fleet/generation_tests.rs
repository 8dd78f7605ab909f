//! Tests of the order of documents.

use super::*;
use crate::fleet::DeviceRole;

fn hash(name: &str) -> DocumentHash {
    DocumentHash::of(name.as_bytes())
}

fn stamp(generation: u64, name: &str) -> Stamp {
    Stamp {
        generation,
        hash: hash(name),
        by: Some("key 1122334455667788".to_owned()),
    }
}

/// A device that runs generation 16 `p` and on which 17 `q` failed; it ran 15 `o` before.
fn known() -> Known {
    Known {
        applied: Some(stamp(16, "p")),
        failed: Some(stamp(17, "q")),
        replaced: vec![stamp(15, "o")],
    }
}

fn place(known: &Known, generation: u64, name: &str, base: Option<&str>) -> Generation {
    let desired = Desired {
        base: base.map(hash),
        ..Desired::new(generation, DeviceRole::Wall)
    };
    known.place(&desired, &hash(name))
}

#[test]
fn a_new_device_takes_any_document() {
    for base in [None, Some("p")] {
        let placed = place(&Known::default(), 1, "a", base);
        assert_eq!(placed, Generation::Newer);
    }
}

#[test]
fn documents_are_placed_by_generation_and_hash() {
    let known = known();
    for (generation, name, expected) in [
        (18, "r", Generation::Newer),
        (16, "p", Generation::Same),
        (16, "x", Generation::SameGenerationOtherHash(stamp(16, "p"))),
        (17, "q", Generation::AlreadyFailed),
        (17, "x", Generation::SameGenerationOtherHash(stamp(17, "q"))),
        (15, "o", Generation::Older(stamp(17, "q"))),
    ] {
        assert_eq!(
            place(&known, generation, name, None),
            expected,
            "{generation} {name}"
        );
    }
}

#[test]
fn a_replay_below_the_failed_generation_is_old() {
    let known = Known {
        failed: Some(stamp(19, "q")),
        ..known()
    };
    let placed = place(&known, 18, "r", None);
    assert_eq!(placed, Generation::Older(stamp(19, "q")));
    assert_eq!(place(&known, 20, "r", None), Generation::Newer);
}

#[test]
fn the_old_body_with_a_higher_generation_is_new() {
    assert_eq!(place(&known(), 18, "p again", Some("q")), Generation::Newer);
}

#[test]
fn a_base_is_the_document_in_force_or_the_failed_one() {
    let known = known();
    for base in ["p", "q"] {
        assert_eq!(
            place(&known, 18, "r", Some(base)),
            Generation::Newer,
            "{base}"
        );
    }
    // Another operator's document came in between.
    let mismatch = Generation::BaseMismatch(stamp(16, "p"));
    assert_eq!(place(&known, 18, "r", Some("x")), mismatch);
    assert_eq!(place(&known, 30, "r", Some("o")), mismatch);
    assert!(mismatch.is_conflict());
}

#[test]
fn a_device_that_was_offline_takes_a_document_whose_base_it_never_saw() {
    assert_eq!(place(&known(), 19, "s", Some("r")), Generation::Newer);
}

#[test]
fn generations_of_any_size_are_placed() {
    let known = Known {
        applied: Some(stamp(u64::MAX, "p")),
        ..Known::default()
    };
    let placed = place(&known, 1, "a", Some("b"));
    assert_eq!(placed, Generation::Older(stamp(u64::MAX, "p")));
}

#[test]
fn problems_name_the_other_document_and_its_sender() {
    let told = |generation: u64, name: &str, base: Option<&str>| {
        let desired = Desired {
            base: base.map(hash),
            ..Desired::new(generation, DeviceRole::Wall)
        };
        let placed = known().place(&desired, &hash(name));
        placed.problem(&desired).map(|problem| problem.to_string())
    };
    assert_eq!((told(18, "r", None), told(16, "p", None)), (None, None));
    let (p, x) = (hash("p"), hash("x"));
    assert_eq!(
        told(16, "x", None).expect("a conflict"),
        format!(
            "generation: generation 16 is taken by the document {} by key 1122334455667788; publish a higher generation (same-generation)",
            p.short()
        )
    );
    assert_eq!(
        told(18, "r", Some("x")).expect("a conflict"),
        format!(
            "base: replaces the document {}, but that was replaced by generation 16 ({} by key 1122334455667788); read the present document and apply again (base-mismatch)",
            x.short(),
            p.short()
        )
    );
    for (generation, name, code) in [(15, "o", "(old-generation)"), (17, "q", "(failed-before)")] {
        let told = told(generation, name, None).expect("a problem");
        assert!(told.ends_with(code), "{told}");
    }
}
