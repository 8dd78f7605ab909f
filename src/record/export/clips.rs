//! Units of real encoders, for the tests of exports.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::{CaptureClock, Size};
use crate::media::{Codec, CodedFormat, CodedUnit};
use crate::record::testing::STARTED_UNIX;

/// The NAL units of an Annex B stream.
fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let starts = stream.windows(3).enumerate();
    let starts = starts.filter(|(_, bytes)| *bytes == [0, 0, 1]);
    let starts: Vec<usize> = starts.map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| {
        let mut unit = &stream[start + 3..end];
        // A start code may have another zero before it.
        while let Some(shorter) = unit.strip_suffix(&[0]) {
            unit = shorter;
        }
        unit
    });
    units.collect()
}

fn kind(codec: Codec, unit: &[u8]) -> u8 {
    match codec {
        Codec::H264 => unit[0] & 31,
        _ => unit[0] >> 1 & 63,
    }
}

/// The configuration record of a stream. That of H.265 is for 8 bits and 4:2:0.
fn record(codec: Codec, units: &[&[u8]]) -> Bytes {
    let of = |wanted: u8| {
        let found = units.iter().find(|unit| kind(codec, unit) == wanted);
        *found.expect("a parameter set")
    };
    let mut out = Vec::new();
    let mut add = |start: &[u8], unit: &[u8]| {
        out.extend(start);
        out.extend((unit.len() as u16).to_be_bytes());
        out.extend(unit);
    };
    if codec == Codec::H264 {
        let (sequence, picture) = (of(7), of(8));
        let start = [1, sequence[1], sequence[2], sequence[3], 0xff, 0xe1];
        add(&start, sequence);
        add(&[1], picture);
        return out.into();
    }
    // Profile, tier and level, without the bytes that keep start codes out.
    let sequence = of(33);
    let mut profile = Vec::new();
    for (at, byte) in sequence.iter().enumerate().skip(3) {
        if !sequence[..at].ends_with(&[0, 0]) || *byte != 3 {
            profile.push(*byte);
        }
    }
    let mut start = vec![1];
    start.extend(&profile[..12]);
    start.extend([0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3]);
    for (number, wanted) in [32, 33, 34].into_iter().enumerate() {
        let array = [0x80 | wanted, 0, 1];
        let start = if number == 0 { start.as_slice() } else { &[] };
        add(&[start, &array].concat(), of(wanted));
    }
    out.into()
}

/// The units of a stream, of which picture `n` in decoding order is shown at `shown_at(n)`.
pub(super) fn units(
    codec: Codec,
    size: Size,
    stream: &[u8],
    shown_at: impl Fn(usize) -> Duration,
) -> Vec<CodedUnit> {
    let nal_units = nal_units(stream);
    let format = Arc::new(CodedFormat {
        codec,
        record: record(codec, &nal_units),
        size,
    });
    let mut units: Vec<CodedUnit> = Vec::new();
    let (mut data, mut has_picture, mut is_key) = (Vec::new(), false, false);
    let mut finish = |data: &mut Vec<u8>, is_key: bool| {
        let at = shown_at(units.len());
        units.push(CodedUnit {
            format: format.clone(),
            data: std::mem::take(data).into(),
            is_key,
            session: 1,
            pts_ns: at.as_nanos() as u64,
            arrival: at,
            captured_unix: STARTED_UNIX + at,
            clock: CaptureClock::Ntp,
            ntp_ns: None,
        });
    };
    for unit in nal_units {
        let kind = kind(codec, unit);
        // The first slice of a picture has a set bit at the start of its header.
        let (is_picture, is_first, begins_group) = match codec {
            Codec::H264 => (matches!(kind, 1..=5), unit[1] & 0x80 != 0, kind == 5),
            _ => (kind < 32, unit[2] & 0x80 != 0, matches!(kind, 16..=23)),
        };
        if has_picture && (!is_picture || is_first) {
            finish(&mut data, is_key);
            (has_picture, is_key) = (false, false);
        }
        has_picture |= is_picture;
        is_key |= is_picture && begins_group;
        data.extend((unit.len() as u32).to_be_bytes());
        data.extend(unit);
    }
    finish(&mut data, is_key);
    units
}

/// The units in groups that begin with a key frame.
pub(super) fn groups(units: &[CodedUnit]) -> Vec<Vec<CodedUnit>> {
    let mut groups: Vec<Vec<CodedUnit>> = Vec::new();
    for unit in units {
        if unit.is_key {
            groups.push(Vec::new());
        }
        let group = groups.last_mut().expect("a key frame comes first");
        group.push(unit.clone());
    }
    groups
}
