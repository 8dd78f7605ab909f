use std::io::Cursor;

use super::super::testing::{file_head, mutate, plain_samples};
use super::*;

fn frame(decode_tick: u64, bytes: u32) -> PlainFrame {
    PlainFrame {
        bytes,
        decode_tick,
        offset: 0,
        is_key: decode_tick == 0,
    }
}

fn movie() -> PlainMovie {
    PlainMovie::new(file_head(1).format, Duration::from_secs(1_795_854_600))
}

/// The file with media in which each byte tells its place.
fn file(movie: &PlainMovie) -> Vec<u8> {
    let media = (0..movie.media_bytes()).map(|at| at as u8);
    movie.header().into_iter().chain(media).collect()
}

fn position(file: &[u8], kind: &[u8; 4]) -> usize {
    let found = file.windows(4).position(|bytes| bytes == kind);
    found.expect("the box is there")
}

#[test]
fn frames_are_found_by_the_tables() {
    let mut movie = movie();
    movie.add(&[frame(0, 3), frame(3600, 2)], 7200);
    movie.add(&[frame(9000, 4)], 12_600);
    movie.add(&[frame(12_600, 1)], 16_200);
    let file = file(&movie);
    let samples = plain_samples(&file);
    let times = samples.iter().map(|one| (one.decode_tick, one.ticks));
    // The second one lasts until the next chunk.
    assert!(times.eq([(0, 3600), (3600, 5400), (9000, 3600), (12_600, 3600)]));
    let media: Vec<&[u8]> = samples.iter().map(|one| &*one.media).collect();
    let expected: [&[u8]; 4] = [&[0, 1, 2], &[3, 4], &[5, 6, 7, 8], &[9]];
    assert_eq!(media, expected);
    let keys: Vec<bool> = samples.iter().map(|one| one.is_key).collect();
    assert_eq!(keys, [true, false, false, false]);
    assert_eq!(movie.shown_ticks(), 16_200);
    assert!(position(&file, b"moov") < position(&file, b"mdat"));
    let count = count_plain_frames(&mut Cursor::new(file)).expect("sound");
    assert_eq!(count, 4);
}

#[test]
fn what_is_shown_begins_with_the_first_frame_of_an_open_group() {
    let mut movie = movie();
    let frames = [
        PlainFrame {
            offset: 7200,
            ..frame(0, 1)
        },
        PlainFrame {
            offset: -3600,
            ..frame(3600, 1)
        },
        PlainFrame {
            offset: -3600,
            ..frame(7200, 1)
        },
    ];
    movie.add(&frames, 10_800);
    let samples = plain_samples(&file(&movie));
    let shown: Vec<i64> = samples.iter().map(|one| one.shown_tick).collect();
    assert_eq!(shown, [0, -7200, -3600]);
    assert_eq!(movie.shown_ticks(), 3600);
}

#[test]
fn beyond_4_gib_sizes_and_offsets_have_64_bits() {
    const BYTES: u32 = 1 << 30;
    let mut large = movie();
    for second in 0..5 {
        large.add(&[frame(90_000 * second, BYTES)], 90_000 * (second + 1));
    }
    let header = large.header();
    let at = position(&header, b"co64") + 4 + 4;
    let entries = &header[at..][..4 + 5 * 8];
    let expected = (0..5).map(|number| header.len() as u64 + number * u64::from(BYTES));
    let expected: Vec<u8> = 5_u32
        .to_be_bytes()
        .into_iter()
        .chain(expected.flat_map(u64::to_be_bytes))
        .collect();
    assert_eq!(entries, expected);
    let media = (1_u32.to_be_bytes(), 5 * u64::from(BYTES) + 16);
    let media = [&media.0[..], b"mdat", &media.1.to_be_bytes()].concat();
    assert!(header.ends_with(&media));
    // Just below, offsets have 32 bits.
    let mut small = movie();
    small.add(&[frame(0, u32::MAX - 2000)], 3600);
    let header = small.header();
    assert!(header.windows(4).any(|kind| kind == b"stco"));
    let size = (u32::MAX - 2000 + 8).to_be_bytes();
    assert!(header.ends_with(&[&size[..], b"mdat"].concat()));
}

#[test]
fn a_file_with_other_media_than_its_tables_is_refused() {
    let mut movie = movie();
    movie.add(&[frame(0, 100)], 3600);
    let file = file(&movie);
    let refused = |file: Vec<u8>| {
        let error = count_plain_frames(&mut Cursor::new(file)).expect_err("refused");
        error.to_string()
    };
    let mut shorter = file.clone();
    let size_at = position(&file, b"mdat") - 4;
    shorter[size_at + 3] -= 1;
    shorter.pop();
    let error = refused(shorter);
    assert!(
        error.contains("`moov` is for 100 bytes, `mdat` has 99"),
        "{error}"
    );
    let error = refused(file[..file.len() - 1].to_vec());
    assert!(error.contains("`mdat` has 108 bytes"), "{error}");
    let error = refused(b"\0\0\0\x08free".to_vec());
    assert!(error.contains("`moov` with sizes is missing"), "{error}");
    for end in 0..file.len() {
        count_plain_frames(&mut Cursor::new(&file[..end])).expect_err("cut");
    }
}

#[test]
fn changed_files_do_not_panic() {
    let mut movie = movie();
    movie.add(&[frame(0, 30), frame(3600, 20)], 7200);
    let sound = file(&movie);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bytes = sound.clone();
        mutate(&mut bytes, &mut random);
        let _ = count_plain_frames(&mut Cursor::new(bytes));
    }
}
