//! Recordings whose bytes are not those that were written: readers and recovery never panic, never take a changed block for a sound
//! one, and never lose what stands before the change.

use std::path::Path;

use fastrand::Rng;

use super::model_disk::ModelDisk;
use super::mp4::{self, FileEnding, FileHead, FragmentPlace, ReadError};
use super::recovery::recover;
use super::testing::{Camera, DIR, scene_of};
use crate::base::SourceId;

const ID: u64 = 0x1a2b_3c4d_5e6f_7081;
const PATH: &str = "/rec/7/2026-11-28/08/20261128T083000.323Z.mp4";
const MARK: &str = "/rec/.nvr-open/7_20261128T083000.323Z";
/// Lengths and numbers that parsers trip over.
const NUMBERS: [u32; 8] = [0, 1, 7, 8, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, u32::MAX];

/// A closed file with scenes, and where its blocks end.
fn original() -> (Vec<u8>, Vec<usize>) {
    let mut camera = Camera::new();
    let groups = [camera.group(4), camera.group(5), camera.group(3)];
    let first = &groups[0][0];
    let mut file = mp4::head(&FileHead {
        id: ID,
        source: SourceId(7),
        started_unix: first.captured_unix,
        format: (*first.format).clone(),
    });
    let mut ends = vec![file.len()];
    for (sequence, units) in (1..).zip(&groups) {
        let scenes: Vec<_> = units.iter().map(scene_of).collect();
        let base = groups[0][0].pts_ns;
        let fragment = mp4::fragment_with_scenes(ID, sequence, base, units, None, &scenes);
        file.extend(fragment.expect("a fragment").bytes);
        ends.push(file.len());
    }
    let places = mp4::read(&mut file.as_slice()).expect("a head").fragments;
    file.extend(mp4::tail(ID, places.len() as u32 + 1, &places));
    (file, ends)
}

/// Changes the bytes in one of the ways in which disks, crashes and people do.
fn mutate(bytes: &mut Vec<u8>, random: &mut Rng) {
    let at = random.usize(..bytes.len());
    let length = random.usize(1..=200).min(bytes.len() - at);
    match random.u8(..8) {
        0 => bytes[at] ^= 1 << random.u8(..8),
        1 => bytes.truncate(at),
        2 => bytes[at..].fill(0),
        3 => bytes[at..at + length].fill(0),
        4 => drop(bytes.drain(at..at + length)),
        5 => {
            let copy = bytes[at..at + length].to_vec();
            let to = random.usize(..=bytes.len());
            bytes.splice(to..to, copy);
        }
        6 => {
            let number = random.choice(NUMBERS).unwrap_or_default().to_be_bytes();
            let end = (at + 4).min(bytes.len());
            bytes[at..end].copy_from_slice(&number[..end - at]);
        }
        _ => bytes[at..at + length]
            .iter_mut()
            .for_each(|byte| *byte = random.u8(..)),
    }
}

/// The first byte that differs.
fn changed_at(original: &[u8], bytes: &[u8]) -> usize {
    let differs = original.iter().zip(bytes).position(|(was, is)| was != is);
    differs.unwrap_or(original.len().min(bytes.len()))
}

fn check(original: &[u8], ends: &[usize], known: &[FragmentPlace], bytes: &[u8]) {
    let changed_at = changed_at(original, bytes);
    let sound = ends.iter().filter(|end| **end <= changed_at).count();
    match mp4::read(&mut &*bytes) {
        Err(ReadError::Damaged { .. }) => assert_eq!(sound, 0, "the head is lost"),
        Err(ReadError::Io(error)) => panic!("{error}"),
        Ok(reading) => {
            assert_eq!(
                reading.fragments,
                known[..sound - 1],
                "changed at {changed_at}"
            );
            if bytes != original {
                let is_cut = changed_at == bytes.len() && ends.contains(&changed_at);
                assert!(is_cut || matches!(reading.ending, FileEnding::Damaged { .. }));
            }
        }
    }
    let _ = mp4::read_head(&mut &*bytes);
    let _ = mp4::closed_fragments(&mut std::io::Cursor::new(bytes));
    for place in known {
        let Some(mut rest) = bytes.get(place.offset as usize..) else {
            continue;
        };
        if let Ok(content) = mp4::read_fragment(&mut rest, ID, place.sequence) {
            let range = place.offset as usize..(place.offset + place.bytes) as usize;
            assert_eq!(bytes.get(range.clone()), original.get(range));
            assert_eq!(content.frames.len() as u32, place.frames);
            assert_eq!(content.scenes.len(), content.frames.len());
            // What the index reads of it is the same, without its media.
            let skimmed = mp4::skim_fragment(&mut std::io::Cursor::new(bytes), ID, place);
            assert_eq!(skimmed.expect("as listed").scenes, content.scenes);
        } else {
            let _ = mp4::skim_fragment(&mut std::io::Cursor::new(bytes), ID, place);
        }
    }
    let disk = ModelDisk::new(Path::new(DIR));
    disk.put(Path::new(PATH), bytes);
    disk.put(Path::new(MARK), b"");
    recover(&disk, Path::new(DIR)).expect("the marks can be read");
    match disk.content(Path::new(PATH)) {
        None => assert!(sound < 2, "{sound} sound blocks are removed"),
        Some(left) => {
            let reading = mp4::read(&mut left.as_slice()).expect("a head");
            assert_eq!(reading.ending, FileEnding::Closed);
            assert_eq!(reading.fragments, known[..sound - 1]);
        }
    }
}

fn check_mutations(count: u64) {
    let (original, ends) = original();
    let known = mp4::read(&mut original.as_slice()).expect("a head");
    assert_eq!(known.ending, FileEnding::Closed);
    for seed in 0..count {
        let mut random = Rng::with_seed(seed);
        let mut bytes = original.clone();
        for _ in 0..random.usize(1..=3) {
            if !bytes.is_empty() {
                mutate(&mut bytes, &mut random);
            }
        }
        let checked =
            std::panic::catch_unwind(|| check(&original, &ends, &known.fragments, &bytes));
        assert!(checked.is_ok(), "mutation {seed}");
    }
}

#[test]
fn changed_files_are_read_and_recovered_up_to_the_change() {
    check_mutations(3_000);
}

#[test]
#[ignore = "takes minutes: `tools/test power_cuts` runs it"]
fn a_million_changed_files_are_read_and_recovered_up_to_the_change() {
    check_mutations(1_000_000);
}
