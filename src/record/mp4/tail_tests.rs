use std::io::Cursor;

use super::super::testing::{ID, blocks, file, mutate, places};
use super::*;

fn closed(bytes: &[u8]) -> bool {
    let fragments = closed_fragments(&mut Cursor::new(bytes));
    fragments.expect("memory can be read").is_some()
}

#[test]
fn a_closed_file_is_known_by_its_tail() {
    let file = file();
    let found = closed_fragments(&mut Cursor::new(&file)).expect("memory can be read");
    assert_eq!(found, Some((ID, places(&file))));
}

#[test]
fn a_tail_names_the_fragments_that_begin_with_a_key_frame() {
    let blocks = blocks(ID);
    let tail = blocks.last().expect("a tail");
    let entries = Tfra::decode(&mut &tail[8..])
        .expect("it comes first")
        .entries;
    let file = blocks.concat();
    let first = &places(&file)[..2];
    assert_eq!(entries.len(), 2);
    for (entry, place) in entries.iter().zip(first) {
        assert_eq!(entry.time, place.first_tick);
        assert_eq!(file[entry.moof_offset as usize + 4..][..4], *b"moof");
    }
    assert_eq!(file[file.len() - 12..][..4], *b"mfro");
}

#[test]
fn a_file_without_its_whole_tail_is_open() {
    let file = file();
    for length in 0..file.len() {
        assert!(!closed(&file[..length]), "{length}");
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(!closed(&longer));
}

#[test]
fn a_tail_at_another_place_does_not_close_a_file() {
    let mut blocks = blocks(ID);
    blocks.remove(1);
    assert!(!closed(&blocks.concat()));
}

#[test]
fn every_flipped_bit_of_a_tail_is_seen() {
    let file = file();
    let bytes = blocks(ID).last().expect("a tail").len();
    for at in file.len() - bytes..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            assert!(!closed(&flipped), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_file_without_fragments_can_be_closed() {
    let mut file = blocks(ID).swap_remove(0);
    file.extend(tail(ID, 1, &[]));
    assert!(closed(&file));
}

#[test]
fn changed_tails_do_not_panic() {
    let mut random = fastrand::Rng::with_seed(5);
    let sound = blocks(ID).pop().expect("a tail");
    for _ in 0..20_000 {
        let mut bytes = sound.clone();
        mutate(&mut bytes, &mut random);
        if let Some(sealed) = bytes.len().checked_sub(MFRO_BYTES).filter(|&end| end > 4) {
            write_checksum(&mut bytes[..sealed]);
        }
        closed(&bytes);
    }
}
