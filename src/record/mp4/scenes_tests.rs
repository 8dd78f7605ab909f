use std::io::Read;
use std::time::Duration;

use super::super::fragment::{SealedFragment, fragment_with_scenes};
use super::super::parts::{FileEnding, LARGEST_BYTES, Reading};
use super::super::seal::{BlockKind, CRC_BYTES, SMALLEST_BODY, seal, write_checksum};
use super::super::testing::{BASE_NS, ID, blocks, fragment, frames, mutate, unit, units};
use super::super::{read, read_fragment, tail};
use super::*;
use crate::base::{BBox, Size};
use crate::record::scene::SceneObject;

fn scenes() -> Vec<Scene> {
    let object = SceneObject {
        class_name: "person".into(),
        confidence: 0.75,
        bbox: BBox {
            x: 320.0,
            y: 200.5,
            width: 40.0,
            height: 120.25,
        },
        track: Some(17),
    };
    let scene = |at_ms: u64, objects| Scene {
        captured_unix: Duration::from_millis(1_790_000_000_123 + at_ms),
        ntp_ns: Some(1_790_000_000_000_000_000 + at_ms),
        frame_size: Size::new(640, 400),
        objects,
    };
    vec![scene(0, vec![object]), scene(100, Vec::new())]
}

fn sealed(scenes: &[Scene]) -> SealedFragment {
    let (units, next) = units()[1].clone();
    fragment_with_scenes(ID, 2, BASE_NS, &units, Some(next), scenes).expect("a fragment")
}

/// The first byte of the box of scenes in the fragment of [`sealed`].
fn box_at() -> usize {
    let (units, next) = units()[1].clone();
    let plain = fragment(ID, 2, BASE_NS, &units, Some(next));
    let plain = plain.expect("a fragment").bytes;
    plain.len() - 8 - SMALLEST_BODY - 17 * units.len()
}

fn read_with(bytes: &[u8]) -> Result<Vec<Scene>, ReadError> {
    read_fragment(&mut &*bytes, ID, 2).map(|content| content.scenes)
}

fn reason(bytes: &[u8]) -> String {
    read_with(bytes).expect_err("not sound").to_string()
}

/// A file whose second fragment is this one.
fn file(second: &[u8]) -> Vec<u8> {
    let mut blocks = blocks(ID);
    blocks[2] = second.to_vec();
    blocks.truncate(4);
    let open = blocks.concat();
    let places = read(&mut open.as_slice()).expect("a head").fragments;
    blocks.push(tail(ID, 4, &places));
    blocks.concat()
}

fn reading(file: &[u8]) -> Reading {
    read(&mut &*file).expect("a head")
}

#[test]
fn scenes_are_read_with_the_frames_of_their_fragment() {
    let (with, without) = (sealed(&scenes()), sealed(&[]));
    assert!(with.has_scenes && !without.has_scenes);
    assert_eq!(
        (with.first_tick, with.ticks),
        (without.first_tick, without.ticks)
    );
    let mut input = with.bytes.as_slice().chain(b"what follows".as_slice());
    let content = read_fragment(&mut input, ID, 2).expect("sound");
    assert_eq!(content.scenes, scenes());
    assert_eq!(content.bytes, with.bytes.len() as u64);
    assert_eq!(content.ticks, with.ticks);
    assert_eq!(content.frames, frames(&without.bytes).expect("sound"));
    // All before the box is as without it.
    let at = box_at();
    assert_eq!(with.bytes[..at], without.bytes[..at]);
    assert_eq!(with.bytes[at + 4..][..4], *b"uuid");
    assert_eq!(with.bytes[at + 8..][..16], UUID);
    let without = read_fragment(&mut without.bytes.as_slice(), ID, 2).expect("sound");
    assert_eq!(without.frames, content.frames);
    assert_eq!(without.scenes, []);
}

#[test]
fn a_file_with_scenes_has_the_fragments_of_one_without() {
    let with = reading(&file(&sealed(&scenes()).bytes));
    let without = reading(&file(&sealed(&[]).bytes));
    assert_eq!(with.ending, FileEnding::Closed);
    let times = |reading: &Reading| -> Vec<_> {
        let places = reading.fragments.iter();
        places
            .map(|place| (place.sequence, place.first_tick, place.ticks, place.frames))
            .collect()
    };
    assert_eq!(times(&with), times(&without));
    assert!(with.fragments[1].bytes > without.fragments[1].bytes);
}

#[test]
fn a_fragment_of_another_file_or_place_is_refused() {
    let bytes = sealed(&scenes()).bytes;
    let said = |id, sequence| {
        let read = read_fragment(&mut bytes.as_slice(), id, sequence);
        read.expect_err("another").to_string()
    };
    assert_eq!(
        said(ID + 1, 2),
        "the recording is damaged at byte 0: a block of another file"
    );
    assert_eq!(
        said(ID, 3),
        "the recording is damaged at byte 0: block 2 in the place of block 3"
    );
}

#[test]
fn every_flipped_bit_is_seen() {
    let bytes = sealed(&scenes()).bytes;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let read = read_with(&flipped);
            assert!(
                matches!(read, Err(ReadError::Damaged { .. })),
                "bit {bit} of byte {at}"
            );
        }
    }
    let mut flipped = bytes;
    flipped[box_at() + EMPTY_BYTES + 20] ^= 1;
    let length = flipped.len();
    assert_eq!(
        reason(&flipped),
        format!("the recording is damaged at byte 0: wrong checksum of bytes 0 to {length}")
    );
}

#[test]
fn every_cut_is_seen() {
    let bytes = sealed(&scenes()).bytes;
    for length in 0..bytes.len() {
        assert!(matches!(
            read_with(&bytes[..length]),
            Err(ReadError::Damaged { .. })
        ));
    }
}

#[test]
fn scenes_that_can_not_be_read_are_damage_with_a_right_checksum() {
    let mut bytes = sealed(&scenes()).bytes;
    let at = box_at();
    bytes[at + EMPTY_BYTES] = 2;
    write_checksum(&mut bytes);
    assert_eq!(
        reason(&bytes),
        format!(
            "the recording is damaged at byte {at}: scenes have version Some(2); this program reads version 1"
        )
    );
    let file = file(&sealed(&scenes()).bytes);
    let start = reading(&file).fragments[1].offset as usize;
    let mut damaged = file;
    damaged[start..][..bytes.len()].copy_from_slice(&bytes);
    let damaged = reading(&damaged);
    assert_eq!(damaged.fragments.len(), 1);
    assert!(
        matches!(damaged.ending, FileEnding::Damaged { at: named, .. } if named == (start + at) as u64)
    );
}

/// The fragment of [`sealed`] with these boxes in the place of that of the scenes.
fn with_boxes(boxes: &[Vec<u8>]) -> Vec<u8> {
    let plain = sealed(&[]).bytes;
    let at = box_at();
    let content = &plain[at + 8 + SMALLEST_BODY - CRC_BYTES..plain.len() - CRC_BYTES];
    let mut block = plain[..at].to_vec();
    block.extend(boxes.concat());
    seal(&mut block, BlockKind::Fragment, ID, 2, |out| {
        out.extend_from_slice(content);
    });
    block
}

#[test]
fn at_most_one_box_of_scenes_is_accepted_and_none_that_is_too_large() {
    let mut one = Vec::new();
    assert!(write_scenes(&mut one, &scenes(), usize::MAX));
    assert_eq!(
        with_boxes(std::slice::from_ref(&one)),
        sealed(&scenes()).bytes
    );
    // The second one is in the place of the seal.
    let end = box_at() + 2 * one.len();
    assert_eq!(
        reason(&with_boxes(&[one.clone(), one])),
        format!("the recording is damaged at byte 0: wrong checksum of bytes 0 to {end}")
    );
    let mut large = Vec::new();
    write_box(&mut large, b"uuid", |out| {
        out.extend(UUID);
        out.resize(out.len() + LARGEST_SCENES_BYTES + 1, 0);
    });
    let at = box_at();
    assert_eq!(
        reason(&with_boxes(&[large])),
        format!("the recording is damaged at byte {at}: 2097169 bytes of scenes (limit 2097168)")
    );
    let mut short = Vec::new();
    write_box(&mut short, b"uuid", |out| out.extend(&UUID[..15]));
    assert_eq!(
        reason(&with_boxes(&[short])),
        format!("the recording is damaged at byte {at}: the seal is too short")
    );
}

#[test]
fn scenes_never_make_a_fragment_too_large() {
    let mut large = unit(0, true);
    let write = |unit: &_, scenes: &[Scene]| {
        let units = std::slice::from_ref(unit);
        fragment_with_scenes(ID, 1, BASE_NS, units, None, scenes)
    };
    let empty = write(&large, &[]).expect("a fragment").bytes.len() - large.data.len();
    let mut room = Vec::new();
    assert!(write_scenes(&mut room, &scenes(), usize::MAX));
    let data = LARGEST_BYTES as usize - empty - room.len();
    large.data = vec![0; data].into();
    let full = write(&large, &scenes()).expect("it has room");
    assert!(full.has_scenes);
    assert_eq!(full.bytes.len() as u64, LARGEST_BYTES);
    large.data = vec![0; data + 1].into();
    let without = write(&large, &scenes()).expect("the pictures have room");
    assert!(!without.has_scenes);
    assert_eq!(without.bytes.len(), empty + data + 1);
}

#[test]
fn changed_fragments_do_not_panic() {
    let mut random = fastrand::Rng::with_seed(22);
    let sound = sealed(&scenes()).bytes;
    let (mut accepted, mut other_scenes) = (0, 0);
    for round in 0..20_000 {
        let mut bytes = sound.clone();
        if round % 2 == 0 {
            mutate(&mut bytes, &mut random);
        } else {
            // Only the scenes, without another length.
            let end = sound.len() - 8 - SMALLEST_BODY - 17 * 4;
            bytes[random.usize(box_at() + EMPTY_BYTES..end)] = random.u8(..);
        }
        if bytes.len() < 4 {
            continue;
        }
        if random.u8(..8) > 0 {
            write_checksum(&mut bytes);
        }
        if let Ok(read) = read_with(&bytes) {
            accepted += 1;
            other_scenes += usize::from(read != scenes());
        }
    }
    assert!(
        accepted > 1000 && other_scenes > 1000,
        "{accepted}, {other_scenes}: the checks behind the checksum were reached"
    );
}
