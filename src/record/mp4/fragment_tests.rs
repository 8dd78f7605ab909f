use super::super::seal::write_checksum;
use super::super::testing::{BASE_NS, ID, fragment, frames, mutate, unit, units};
use super::*;

#[test]
fn frames_are_read_as_they_were_written() {
    let (units, next) = units()[1].clone();
    let bytes = fragment(ID, 2, BASE_NS, &units, Some(next))
        .expect("a fragment")
        .bytes;
    let frames = frames(&bytes).expect("sound");
    let times: Vec<_> = frames
        .iter()
        .map(|frame| (frame.decode_tick, frame.presentation_tick))
        .collect();
    assert_eq!(
        times,
        [(7200, 7200), (10800, 18000), (14400, 10800), (18000, 14400)]
    );
    for (frame, unit) in frames.iter().zip(&units) {
        let data = &bytes[frame.offset as usize..][..frame.bytes as usize];
        assert_eq!(data, unit.data);
        assert_eq!(frame.is_key, unit.is_key);
        assert_eq!(frame.captured_unix, unit.captured_unix);
        assert_eq!(frame.clock, unit.clock);
        assert_eq!(frame.ntp_ns, unit.ntp_ns);
    }
}

#[test]
fn the_reference_time_is_that_of_the_first_frame() {
    let units = [unit(80, true), unit(200, false)];
    let bytes = fragment(ID, 1, BASE_NS, &units, None)
        .expect("a fragment")
        .bytes;
    assert_eq!(bytes[4..8], *b"prft");
    let prft = &bytes[8..PRFT_BYTES as usize];
    assert_eq!(prft[8..16], ntp(units[0].captured_unix).to_be_bytes());
    assert_eq!(prft[16..], 7200_u32.to_be_bytes());
    assert_eq!(bytes[PRFT_BYTES as usize + 4..][..4], *b"moof");
}

#[test]
fn bad_times_of_a_camera_are_still_a_fragment() {
    let units = [
        unit(100, true),
        unit(100, false),
        unit(20, false),
        unit(20, false),
    ];
    for next in [None, Some(0), Some(BASE_NS), Some(u64::MAX)] {
        for base in [0, BASE_NS, u64::MAX] {
            let bytes = fragment(ID, 1, base, &units, next)
                .expect("a fragment")
                .bytes;
            let frames = frames(&bytes).expect("sound");
            let decode: Vec<u64> = frames.iter().map(|frame| frame.decode_tick).collect();
            assert!(
                decode.windows(2).all(|pair| pair[0] < pair[1]),
                "{decode:?}"
            );
        }
    }
}

#[test]
fn fragments_that_do_not_fit_are_refused() {
    assert_eq!(fragment(ID, 1, 0, &[], None), Err(FragmentError::Empty));
    let mut late = unit(0, true);
    late.pts_ns = u64::MAX;
    let error = fragment(ID, 1, 0, &[late], None).expect_err("too late");
    assert_eq!(
        error.to_string(),
        "a frame is 18446744073 s after the start of its file (limit 23860 s); begin a new file"
    );
    let mut large = unit(0, true);
    large.data = vec![0; LARGEST_BYTES as usize - 100].into();
    let error = fragment(ID, 1, BASE_NS, &[large], None).expect_err("too large");
    assert!(matches!(error, FragmentError::TooLarge { bytes } if bytes > LARGEST_BYTES));
}

#[test]
fn bytes_after_a_fragment_are_damage() {
    let (units, next) = units()[0].clone();
    let mut bytes = fragment(ID, 1, BASE_NS, &units, Some(next))
        .expect("a fragment")
        .bytes;
    let length = bytes.len();
    bytes.push(0);
    let error = frames(&bytes).expect_err("one byte too many");
    assert_eq!(
        error.to_string(),
        format!("the recording is damaged at byte {length}: bytes follow the fragment")
    );
}

#[test]
fn boxes_nested_without_end_do_not_overflow_the_stack() {
    let mut bytes = vec![0; PRFT_BYTES as usize];
    bytes[..8].copy_from_slice(b"\0\0\0\x1cprft");
    let levels: u32 = 200_000;
    for level in (1..=levels).rev() {
        bytes.extend((level * 8).to_be_bytes());
        bytes.extend(b"moof");
    }
    bytes.extend(b"\0\0\0\x08mdat");
    seal(&mut bytes, BlockKind::Fragment, ID, 1, |_| ());
    let error = frames(&bytes).expect_err("no frames");
    assert_eq!(
        error.to_string(),
        "the recording is damaged at byte 28: `moof` has no track"
    );
}

#[test]
fn a_changed_fragment_with_a_right_checksum_does_not_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let (units, next) = units()[1].clone();
    let sound = fragment(ID, 1, BASE_NS, &units, Some(next))
        .expect("a fragment")
        .bytes;
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut bytes = sound.clone();
        mutate(&mut bytes, &mut random);
        if bytes.len() < 4 {
            continue;
        }
        write_checksum(&mut bytes);
        if let Ok(frames) = frames(&bytes) {
            accepted += 1;
            let end = |frame: &FrameAt| frame.offset + u64::from(frame.bytes);
            assert!(frames.iter().all(|frame| end(frame) <= bytes.len() as u64));
        }
    }
    assert!(
        accepted > 100,
        "the checks behind the checksum were reached"
    );
}
