use std::io;

use super::super::seal::write_checksum;
use super::super::testing::{ID, blocks, file, file_head, mutate};
use super::*;

fn reading(bytes: &[u8]) -> Reading {
    read(&mut &*bytes).expect("a sound head")
}

fn damage(bytes: &[u8]) -> (u64, String) {
    match reading(bytes).ending {
        FileEnding::Damaged { at, reason } => (at, reason),
        ending => panic!("{ending:?}"),
    }
}

/// The first byte after each block.
fn ends(blocks: &[Vec<u8>]) -> Vec<usize> {
    blocks
        .iter()
        .scan(0, |end, block| {
            *end += block.len();
            Some(*end)
        })
        .collect()
}

#[test]
fn a_closed_file_is_read_whole() {
    let file = file();
    let reading = reading(&file);
    assert_eq!(reading.head, file_head(ID));
    assert_eq!(reading.ending, FileEnding::Closed);
    assert_eq!(reading.sound_bytes, file.len() as u64);
    let told: Vec<_> = reading
        .fragments
        .iter()
        .map(|place| {
            (
                place.sequence,
                place.first_tick,
                place.ticks,
                place.frames,
                place.begins_with_key,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 0, 7200, 2, true),
            (2, 7200, 14400, 4, true),
            (3, 21600, 3600, 1, false)
        ]
    );
}

#[test]
fn a_cut_file_has_all_whole_fragments_before_the_cut() {
    let file = file();
    let ends = ends(&blocks(ID));
    for length in 0..file.len() {
        let whole = ends.iter().filter(|&&end| end <= length).count();
        let Some(fragments) = whole.checked_sub(1) else {
            assert!(read(&mut &file[..length]).is_err(), "{length}");
            continue;
        };
        let reading = reading(&file[..length]);
        assert_eq!(reading.fragments.len(), fragments, "{length}");
        assert_eq!(reading.sound_bytes, ends[fragments] as u64, "{length}");
        let open = reading.ending == FileEnding::Open;
        assert_eq!(open, ends.contains(&length), "{length}");
    }
}

#[test]
fn zeros_are_damage_wherever_they_begin() {
    let file = file();
    let ends = ends(&blocks(ID));
    for from in ends[0]..file.len() {
        let mut zeroed = file.clone();
        zeroed[from..].fill(0);
        if zeroed == file {
            continue;
        }
        let reading = reading(&zeroed);
        assert!(
            matches!(reading.ending, FileEnding::Damaged { .. }),
            "{from}"
        );
        assert!(reading.sound_bytes <= from as u64, "{from}");
    }
    let mut longer = file[..ends[2]].to_vec();
    longer.resize(ends[2] + 4096, 0);
    let at = ends[2] as u64;
    assert_eq!(
        damage(&longer),
        (at, "zeros in the place of a box".to_owned())
    );
}

#[test]
fn a_block_of_another_file_is_damage() {
    let mut mixed = blocks(ID);
    mixed[2] = blocks(ID + 1).swap_remove(2);
    let at = ends(&mixed)[1] as u64;
    assert_eq!(
        damage(&mixed.concat()),
        (at, "a block of another file".to_owned())
    );
}

#[test]
fn blocks_out_of_order_are_damage() {
    let mut swapped = blocks(ID);
    swapped.swap(1, 2);
    let at = swapped[0].len() as u64;
    assert_eq!(
        damage(&swapped.concat()),
        (at, "block 2 in the place of block 1".to_owned())
    );
    let mut shorter = blocks(ID);
    shorter.remove(3);
    let at = ends(&shorter)[2] as u64;
    assert_eq!(
        damage(&shorter.concat()),
        (at, "block 4 in the place of block 3".to_owned())
    );
}

#[test]
fn bytes_after_the_tail_are_damage() {
    let mut longer = blocks(ID);
    let end = ends(&longer)[4] as u64;
    longer.push(longer[1].clone());
    let found = damage(&longer.concat());
    assert_eq!(
        found,
        (end, "bytes follow the end of a closed file".to_owned())
    );
    assert_eq!(reading(&longer.concat()).sound_bytes, end);
}

#[test]
fn every_flipped_bit_is_named() {
    let file = file();
    let blocks = ends(&blocks(ID));
    for at in 0..file.len() {
        let block_at = blocks.iter().rfind(|&&end| end <= at).copied().unwrap_or(0) as u64;
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            match read(&mut flipped.as_slice()) {
                Err(ReadError::Damaged { .. }) => assert_eq!(block_at, 0, "bit {bit} of {at}"),
                Err(error) => panic!("{error}"),
                Ok(reading) => {
                    assert_eq!(reading.sound_bytes, block_at, "bit {bit} of {at}");
                    let FileEnding::Damaged { at: named, .. } = reading.ending else {
                        panic!("bit {bit} of {at} is not seen");
                    };
                    assert!(named >= block_at, "bit {bit} of {at}");
                }
            }
        }
    }
}

#[test]
fn changed_files_do_not_panic() {
    let mut random = fastrand::Rng::with_seed(1);
    let sound = blocks(ID);
    for _ in 0..20_000 {
        let mut blocks = sound.clone();
        let changed = random.usize(..blocks.len());
        mutate(&mut blocks[changed], &mut random);
        if random.bool() && blocks[changed].len() > 4 {
            write_checksum(&mut blocks[changed]);
        }
        let file = blocks.concat();
        if let Ok(reading) = read(&mut file.as_slice()) {
            assert!(reading.sound_bytes <= file.len() as u64);
        }
    }
}

#[test]
fn a_disk_that_fails_is_no_damage() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("EIO"))
        }
    }
    let file = file();
    let mut input = file[..file.len() - 10].chain(Failing);
    assert!(matches!(read(&mut input), Err(ReadError::Io(_))));
}

#[test]
fn files_of_version_1_stay_readable() {
    // Written by the first release of the format.
    let golden = include_bytes!("golden_1.mp4");
    assert_eq!(reading(golden), reading(&file()));
    assert_eq!(golden.as_slice(), file());
}
