//! Messages in access units of both codecs and both framings, and in damaged ones.

use proptest::prelude::*;

use super::*;

const CODECS: [Codec; 2] = [Codec::H264, Codec::H265];
const FRAMINGS: [Framing; 3] = [
    Framing::StartCodes,
    Framing::Lengths(4),
    Framing::Lengths(2),
];

const TURN: Message = Message::Turn {
    horizontal_flip: true,
    vertical_flip: false,
    anticlockwise: 0x4000,
    persists: true,
};

/// The NAL header of SEI, and the first two bytes of a slice that begins a picture; `key` for one that begins a sequence.
fn sei_header(codec: Codec) -> &'static [u8] {
    match codec {
        Codec::H265 => &[39 << 1, 1],
        _ => &[6],
    }
}

fn slice(codec: Codec, key: bool) -> Vec<u8> {
    match (codec, key) {
        (Codec::H265, true) => vec![19 << 1, 1, 0x80, 1, 2],
        (Codec::H265, false) => vec![1 << 1, 1, 0x80, 1, 2],
        (_, true) => vec![0x65, 0x80, 1, 2],
        (_, false) => vec![0x41, 0x80, 1, 2],
    }
}

/// [`TURN`] as a message of its codec.
fn turn(codec: Codec) -> Vec<u8> {
    // cancel 0, flips 10, rotation 0100…0, then in H.264 a period of 1 (010) and the extension flag 0, in H.265 a one.
    match codec {
        Codec::H265 => vec![47, 3, 0b0100_1000, 0, 0b0001_0000],
        _ => vec![47, 3, 0b0100_1000, 0, 0b0000_1000],
    }
}

fn unit(framing: Framing, nal_units: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for nal in nal_units {
        match framing {
            Framing::StartCodes => bytes.extend([0, 0, 0, 1]),
            Framing::Lengths(length) => {
                let all = (nal.len() as u64).to_be_bytes();
                bytes.extend(&all[8 - length..]);
            }
        }
        bytes.extend(nal);
    }
    bytes
}

fn sei(codec: Codec, messages: &[&[u8]]) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in messages.concat().into_iter().chain([0x80]) {
        if byte <= 3 && escaped.ends_with(&[0, 0]) {
            escaped.push(3);
        }
        escaped.push(byte);
    }
    [sei_header(codec), &escaped].concat()
}

#[test]
fn a_message_is_found_before_the_first_slice_among_others() {
    for codec in CODECS {
        for framing in FRAMINGS {
            let long = [&[5, 255, 45][..], &[0xab; 300]].concat();
            let other = [&[4, 4][..], &[0, 0, 0, 1]].concat();
            let delimiter = match codec {
                Codec::H265 => vec![35 << 1, 1, 0x50],
                _ => vec![9, 0xf0],
            };
            for key in [false, true] {
                let bytes = unit(
                    framing,
                    &[
                        delimiter.clone(),
                        sei(codec, &[&long, &other]),
                        sei(codec, &[&other, &turn(codec), &other]),
                        slice(codec, key),
                        // After the slices it would belong to no picture.
                        sei(codec, &[&[47, 1, 0x80]]),
                    ],
                );
                let wanted = UnitStart {
                    message: Some(TURN),
                    picture: Some(PictureStart {
                        starts_sequence: key,
                    }),
                };
                assert_eq!(
                    unit_start(codec, framing, &bytes),
                    wanted,
                    "{codec:?} {framing:?}"
                );
            }
        }
    }
}

#[test]
fn bytes_that_prevent_start_codes_are_not_read() {
    // A rotation of 0 and a long period: zeros that have to be broken up.
    let message = [47, 5, 0, 0, 0, 0b0010_0000, 0b0010_0000];
    let nal = sei(Codec::H264, &[&message]);
    assert!(nal.windows(4).any(|bytes| bytes == [0, 0, 3, 0]), "{nal:?}");
    let bytes = unit(Framing::StartCodes, &[nal, slice(Codec::H264, true)]);
    assert_eq!(
        unit_start(Codec::H264, Framing::StartCodes, &bytes).message,
        Some(Message::Turn {
            horizontal_flip: false,
            vertical_flip: false,
            anticlockwise: 0,
            persists: true,
        })
    );
}

#[test]
fn fields_are_read_as_the_standards_say() {
    let h264 = |content: &[u8]| orientation_of(Codec::H264, content);
    let turned = |vertical_flip, anticlockwise, persists| {
        Some(Message::Turn {
            horizontal_flip: false,
            vertical_flip,
            anticlockwise,
            persists,
        })
    };
    assert_eq!(h264(&[0x80]), Some(Message::Cancel));
    assert_eq!(
        h264(&[0b0011_1000, 0, 0b0001_0100]),
        turned(true, 0xc000, false)
    );
    assert_eq!(h264(&[0b0000_0000, 0, 0b0010_1000]), turned(false, 1, true));
    // Too short: the period is missing.
    assert_eq!(h264(&[0b0001_1000, 0]), None);
    assert_eq!(h264(&[]), None);
    let h265 = |content: &[u8]| orientation_of(Codec::H265, content);
    assert_eq!(
        h265(&[0b0011_0000, 0, 0b0001_0000]),
        turned(true, 0x8000, true)
    );
    assert_eq!(h265(&[0b0011_0000, 0, 0]), turned(true, 0x8000, false));
}

#[test]
fn further_slices_and_other_layers_begin_no_picture() {
    for (codec, nal) in [
        (Codec::H264, vec![0x41, 0x40, 1]),
        (Codec::H265, vec![1 << 1, 1, 0x40]),
        (Codec::H265, vec![1 << 1, 1 << 3 | 1, 0x80]),
    ] {
        let bytes = unit(Framing::StartCodes, &[nal]);
        let start = unit_start(codec, Framing::StartCodes, &bytes);
        assert_eq!(start, UnitStart::default(), "{codec:?}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        for codec in CODECS {
            for framing in FRAMINGS {
                let _ = unit_start(codec, framing, &bytes);
                // Inside a unit that is read.
                let bytes = unit(framing, &[[sei_header(codec), &bytes[..]].concat()]);
                let _ = unit_start(codec, framing, &bytes);
            }
        }
    }

    #[test]
    fn damage_never_panics_and_a_whole_message_is_found(
        at in 0usize..40, value in any::<u8>(), cut in 0usize..40, filler in 0usize..600,
    ) {
        for codec in CODECS {
            for framing in FRAMINGS {
                let mut before = vec![5];
                before.extend(std::iter::repeat_n(255, filler / 255));
                before.push((filler % 255) as u8);
                before.extend(std::iter::repeat_n(7, filler));
                let nal = sei(codec, &[&before, &turn(codec)]);
                let mut bytes = unit(framing, &[nal, slice(codec, true)]);
                prop_assert_eq!(unit_start(codec, framing, &bytes).message, Some(TURN));
                let length = bytes.len();
                bytes[at % length] = value;
                let _ = unit_start(codec, framing, &bytes);
                let _ = unit_start(codec, framing, &bytes[..cut.min(length)]);
            }
        }
    }
}
