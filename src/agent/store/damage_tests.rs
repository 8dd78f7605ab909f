//! Flipped bits, missing and foreign files, and what is refused.

use proptest::prelude::*;

use super::super::disk_model::{Image, SharedDisk};
use super::super::{Finding, LONGEST_DOCUMENT};
use super::{Op, after, document, id, open, opened};
use crate::agent::attempts::Verdict;

const ALL_FILES: [&str; 5] = [
    "pending",
    "last-known-good",
    "previous-known-good",
    "attempts",
    "attempts-copy",
];

fn full_store() -> Image {
    use Op::{Begin, Fail, Promote, Save};
    let image = after(&[
        Save(1),
        Begin,
        Promote,
        Save(2),
        Begin,
        Promote,
        Save(3),
        Begin,
        Fail,
        Save(4),
        Begin,
    ]);
    let names: Vec<&str> = image.keys().map(String::as_str).collect();
    let mut expected = ALL_FILES;
    expected.sort_unstable();
    assert_eq!(names, expected);
    image
}

#[test]
fn a_flipped_bit_in_any_file_is_reported_and_another_record_used() {
    let image = full_store();
    let whole = opened(&image);
    for name in ALL_FILES {
        for bit in (0..image[name].len() * 8).step_by(3) {
            let mut image = image.clone();
            image.get_mut(name).expect("it is there")[bit / 8] ^= 1 << (bit % 8);
            let disk = SharedDisk::of(&image);
            let (store, findings) = open(&disk);
            let path = format!("/flash/{name}");
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(
                matches!(&findings[0], Finding::Damaged { path: found, .. } if found.to_str() == Some(&path)),
                "{findings:?}"
            );
            let mut expected = whole.clone();
            match name {
                "pending" => expected.pending = None,
                "last-known-good" => expected.last_known_good = Some(document(1)),
                "previous-known-good" => expected.previous = None,
                _ => {}
            }
            assert_eq!(store.contents(), &expected, "bit {bit} of {name}");
            // The start has put it in order.
            assert_eq!(opened(&disk.with(|disk| disk.image())), expected);
        }
    }
}

#[test]
fn a_damaged_record_is_reported_with_its_path_and_its_substitute() {
    let mut image = full_store();
    image.get_mut("last-known-good").expect("it is there")[100] ^= 1;
    let (_, findings) = open(&SharedDisk::of(&image));
    let told = findings[0].to_string();
    let start = "/flash/last-known-good is damaged: its CRC32 is ";
    let end =
        ": its contents have changed; the good document before it is used, where there is one";
    assert!(told.starts_with(start) && told.ends_with(end), "{told}");
}

#[test]
fn without_the_memory_of_attempts_the_next_generation_alone_is_tried() {
    for is_missing in [false, true] {
        let mut image = full_store();
        for name in ["attempts", "attempts-copy"] {
            if is_missing {
                image.remove(name);
            } else {
                image.get_mut(name).expect("it is there")[30] ^= 1;
            }
        }
        let (store, findings) = open(&SharedDisk::of(&image));
        assert_eq!(
            findings.len(),
            if is_missing { 1 } else { 2 },
            "{findings:?}"
        );
        let contents = store.contents();
        assert_eq!(contents.pending, None);
        assert_eq!(contents.last_known_good, Some(document(2)));
        assert_eq!(contents.attempts.verdict(&id(3), 1), Verdict::Old(4));
        assert_eq!(contents.attempts.verdict(&id(4), 1), Verdict::Old(4));
        assert_eq!(contents.attempts.verdict(&id(5), 1), Verdict::New);
    }
}

#[test]
fn a_decommissioned_box_has_no_document_and_takes_newer_ones_only() {
    let ops = [
        Op::Save(1),
        Op::Begin,
        Op::Promote,
        Op::Save(2),
        Op::Decommission(3),
    ];
    let image = after(&ops);
    let names: Vec<&str> = image.keys().map(String::as_str).collect();
    assert_eq!(names, ["attempts", "attempts-copy"]);
    let contents = opened(&image);
    assert_eq!(contents.last_known_good, None);
    assert!(contents.attempts.is_good(&id(3)));
    for generation in 1..=2 {
        assert_eq!(
            contents.attempts.verdict(&id(generation), 1),
            Verdict::Old(3)
        );
    }
    assert_eq!(contents.attempts.verdict(&id(4), 1), Verdict::New);
}

#[test]
fn a_document_that_is_too_long_and_an_attempt_without_a_document_are_refused() {
    let (mut store, _) = open(&SharedDisk::default());
    let mut long = document(1);
    long.bytes = vec![b' '; LONGEST_DOCUMENT + 1].into();
    assert_eq!(
        store.save_pending(long).expect_err("too long").to_string(),
        "a document of 262145 bytes is longer than the 262144 that the store keeps"
    );
    assert_eq!(
        store
            .begin_attempt(&id(7))
            .expect_err("not saved")
            .to_string(),
        format!(
            "generation 7 ({}) is not the pending document; save it first",
            id(7).sha256.short()
        )
    );
    assert!(store.is_saved());
}

proptest! {
    #[test]
    fn any_bytes_in_the_files_are_opened(
        files in prop::collection::btree_map(
            prop::sample::select(&ALL_FILES[..]),
            prop::collection::vec(any::<u8>(), 0..64),
            0..5,
        ),
    ) {
        let image: Image = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
        let (store, findings) = open(&SharedDisk::of(&image));
        prop_assert!(findings.len() >= image.len());
        prop_assert_eq!(&store.contents().last_known_good, &None);
    }
}
