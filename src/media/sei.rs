//! Finds the display orientation message in coded pictures of H.264 and H.265: supplemental enhancement information (SEI)
//! with payload type 47.
//!
//! It reads up to the first slice of an access unit, because the message precedes it. Sources: ITU-T H.264, 7.3 and D.1.27;
//! ITU-T H.265, 7.3 and D.2.17. Everything comes from cameras: damaged data is skipped.

use super::codec::Codec;

/// The payload type of a display orientation message, in both codecs.
const DISPLAY_ORIENTATION: usize = 47;
/// Longest Exp-Golomb code: 31 zeros, a one and 31 bits.
const MOST_ZEROS: u32 = 31;

/// How the NAL units of an access unit are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// By start codes.
    StartCodes,
    /// Each unit follows its length, which has this number of bytes, 1–4.
    Lengths(usize),
}

/// A display orientation message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// Earlier messages no longer apply.
    Cancel,
    /// The picture is to be flipped, and then rotated.
    Turn {
        /// Left and right are exchanged.
        horizontal_flip: bool,
        /// Top and bottom are exchanged.
        vertical_flip: bool,
        /// The rotation in 1/65536 of a full turn.
        anticlockwise: u16,
        /// Whether the message also applies to the pictures that follow.
        persists: bool,
    },
}

/// The facts about the start of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct UnitStart {
    /// The last message before the first slice.
    pub(super) message: Option<Message>,
    /// The picture that begins here, if the first slice of one was found.
    pub(super) picture: Option<PictureStart>,
}

/// A picture that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureStart {
    /// Whether it starts a coded video sequence, in which earlier messages do not apply.
    pub(super) starts_sequence: bool,
}

/// Reads the start of the access unit `bytes`, which are of `codec`; MJPEG has no such messages.
pub(super) fn unit_start(codec: Codec, framing: Framing, bytes: &[u8]) -> UnitStart {
    let mut start = UnitStart::default();
    let mut units = NalUnits {
        codec,
        framing,
        rest: bytes,
    };
    while let Some(unit) = units.next() {
        match NalKind::of(codec, unit) {
            NalKind::Slice(picture) => {
                start.picture = picture;
                break;
            }
            NalKind::Sei => {
                let payload =
                    without_emulation(unit.get(header_bytes(codec)..).unwrap_or_default());
                start.message = message_in(codec, &payload).or(start.message);
            }
            NalKind::Other => {}
        }
    }
    start
}

/// What the header of a picture's first slice says of its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureUse {
    /// The temporal sub-layer of H.265; 0 in H.264.
    pub(super) temporal_id: u8,
    /// Whether other pictures may refer to it; in H.265 other pictures of its sub-layer.
    pub(super) is_referred: bool,
}

/// Reads the header of the first slice of the access unit `bytes`; none if there is none. Sources: ITU-T H.264, 7.4.1
/// (`nal_ref_idc`); ITU-T H.265, 7.4.2.2 (sub-layer non-reference pictures).
pub(super) fn picture_use(codec: Codec, framing: Framing, bytes: &[u8]) -> Option<PictureUse> {
    let mut units = NalUnits {
        codec,
        framing,
        rest: bytes,
    };
    let slice = std::iter::from_fn(|| units.next())
        .find(|unit| matches!(NalKind::of(codec, unit), NalKind::Slice(_)))?;
    let first = *slice.first()?;
    Some(match codec {
        Codec::H265 => {
            let kind = first >> 1 & 0x3f;
            PictureUse {
                temporal_id: (slice.get(1)? & 7).saturating_sub(1),
                is_referred: kind > 14 || kind % 2 == 1,
            }
        }
        _ => PictureUse {
            temporal_id: 0,
            is_referred: first & 0x60 != 0,
        },
    })
}

/// The kinds of NAL units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NalKind {
    /// A slice; with the picture that it begins, if it is a picture's first one.
    Slice(Option<PictureStart>),
    /// Supplemental enhancement information that precedes the slices.
    Sei,
    Other,
}

impl NalKind {
    fn of(codec: Codec, unit: &[u8]) -> Self {
        let Some(&first) = unit.first() else {
            return Self::Other;
        };
        // The first bit after the header: `first_mb_in_slice` is 0, or `first_slice_segment_in_pic_flag` is 1.
        let is_first = unit
            .get(header_bytes(codec))
            .is_some_and(|byte| byte & 0x80 != 0);
        let slice =
            |starts_sequence| Self::Slice(is_first.then_some(PictureStart { starts_sequence }));
        match codec {
            Codec::H264 => match first & 0x1f {
                kind @ 1..=5 => slice(kind == 5),
                6 => Self::Sei,
                _ => Self::Other,
            },
            Codec::H265 => {
                let layer = (first & 1) << 5 | unit.get(1).map_or(0, |second| second >> 3);
                match (first >> 1 & 0x3f, layer) {
                    // BLA and IDR pictures. A CRA picture starts a sequence only where the stream starts.
                    (kind @ 0..=31, 0) => slice((16..=20).contains(&kind)),
                    (39, 0) => Self::Sei,
                    _ => Self::Other,
                }
            }
            Codec::Mjpeg => Self::Other,
        }
    }
}

/// The length of a NAL unit's header.
fn header_bytes(codec: Codec) -> usize {
    match codec {
        Codec::H265 => 2,
        _ => 1,
    }
}

/// The NAL units of an access unit up to the first slice. That slice ends with the access unit: its own end is not searched
/// for, because most of the bytes are in slices.
struct NalUnits<'a> {
    codec: Codec,
    framing: Framing,
    rest: &'a [u8],
}

impl<'a> NalUnits<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        match self.framing {
            Framing::StartCodes => {
                let body = self.rest.get(start_code(self.rest)? + 3..)?;
                if matches!(NalKind::of(self.codec, body), NalKind::Slice(_)) {
                    self.rest = &[];
                    return Some(body);
                }
                let (unit, rest) = body.split_at(start_code(body).unwrap_or(body.len()));
                self.rest = rest;
                Some(unit)
            }
            Framing::Lengths(bytes) => {
                let (length, body) = self.rest.split_at_checked(bytes)?;
                let length = length
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                let (unit, rest) = body.split_at_checked(length)?;
                self.rest = rest;
                Some(unit)
            }
        }
    }
}

/// The position of the next start code.
fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|code| code == [0, 0, 1])
}

/// A NAL unit's payload without the bytes that prevent start codes in it.
fn without_emulation(escaped: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(escaped.len());
    let mut zeros = 0;
    for &byte in escaped {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}

/// The last display orientation message of an SEI unit.
fn message_in(codec: Codec, payload: &[u8]) -> Option<Message> {
    let (mut rest, mut found) = (payload, None);
    // Stop bits follow the last message.
    while rest.len() > 2 {
        let (Some(kind), Some(bytes)) = (number(&mut rest), number(&mut rest)) else {
            break;
        };
        let Some((content, after)) = rest.split_at_checked(bytes) else {
            break;
        };
        if kind == DISPLAY_ORIENTATION {
            found = orientation_of(codec, content).or(found);
        }
        rest = after;
    }
    found
}

/// Reads a payload type or size: bytes of 255 are added up until another one follows.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number += usize::from(byte);
        if byte != 255 {
            return Some(number);
        }
    }
}

fn orientation_of(codec: Codec, content: &[u8]) -> Option<Message> {
    let mut bits = Bits {
        bytes: content,
        at: 0,
    };
    if bits.flag()? {
        return Some(Message::Cancel);
    }
    Some(Message::Turn {
        horizontal_flip: bits.flag()?,
        vertical_flip: bits.flag()?,
        anticlockwise: u16::try_from(bits.number(16)?).ok()?,
        persists: match codec {
            // A repetition period: 0 for this picture alone.
            Codec::H264 => bits.exp_golomb()? > 0,
            _ => bits.flag()?,
        },
    })
}

/// Reads bits, highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let flag = byte >> (7 - self.at % 8) & 1 == 1;
        self.at += 1;
        Some(flag)
    }

    fn number(&mut self, bits: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..bits {
            number = number << 1 | u32::from(self.flag()?);
        }
        Some(number)
    }

    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > MOST_ZEROS {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.number(zeros)?)
    }
}

#[cfg(test)]
#[path = "sei_tests.rs"]
mod tests;
