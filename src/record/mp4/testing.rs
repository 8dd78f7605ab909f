//! Small files for the tests of the format.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mp4_atom::{Co64, Ctts, Decode, Elst, Stco, Stsc, Stss, Stts};

use super::boxes::{find, split_box};
use super::fragment::{SealedFragment, fragment_block};
use super::parts::{FragmentError, FrameAt, ReadError};
use super::source::Source;
use super::{FileHead, FragmentPlace, fragment_with_scenes, head, read, tail};
use crate::base::{CaptureClock, Size, SourceId};
use crate::media::{Codec, CodedFormat, CodedUnit};

/// The id of [`file`].
pub(super) const ID: u64 = 0x0123_4567_89ab_cdef;
/// The pts of the first frame of [`file`].
pub(super) const BASE_NS: u64 = 7_000_000_123;
/// The capture time of the first frame of [`file`].
const STARTED_UNIX: Duration = Duration::from_nanos(1_790_000_000_123_456_789);

/// The head of [`file`]. The record is no real one.
pub(super) fn file_head(id: u64) -> FileHead {
    FileHead {
        id,
        source: SourceId(5),
        started_unix: STARTED_UNIX,
        format: CodedFormat {
            codec: Codec::H264,
            record: Bytes::from_static(b"\x01\x4d\x00\x28record"),
            size: Size::new(1920, 1080),
        },
    }
}

/// A unit with this pts in ms after [`BASE_NS`].
pub(super) fn unit(pts_ms: u64, is_key: bool) -> CodedUnit {
    let since_base = Duration::from_millis(pts_ms);
    CodedUnit {
        format: Arc::new(file_head(ID).format),
        data: Bytes::from(format!("\0\0\0\x07unit{pts_ms:03}")),
        is_key,
        session: 1,
        pts_ns: BASE_NS + since_base.as_nanos() as u64,
        arrival: since_base,
        captured_unix: STARTED_UNIX + since_base,
        clock: if is_key {
            CaptureClock::Ntp
        } else {
            CaptureClock::Arrival
        },
        ntp_ns: is_key.then_some(1_700_000_000_000_000_000 + pts_ms),
    }
}

/// The units of three fragments, the second with B-frames and the third without a key frame, and the pts after each.
pub(super) fn units() -> [(Vec<CodedUnit>, u64); 3] {
    let after = |pts_ms: u64| unit(pts_ms, true).pts_ns;
    [
        (vec![unit(0, true), unit(40, false)], after(80)),
        (
            vec![
                unit(80, true),
                unit(200, false),
                unit(120, false),
                unit(160, false),
            ],
            after(240),
        ),
        (vec![unit(240, false)], after(280)),
    ]
}

/// A fragment without scenes.
pub(in crate::record) fn fragment(
    id: u64,
    sequence: u32,
    base_pts_ns: u64,
    units: &[CodedUnit],
    next_pts_ns: Option<u64>,
) -> Result<SealedFragment, FragmentError> {
    fragment_with_scenes(id, sequence, base_pts_ns, units, next_pts_ns, &[])
}

/// The blocks of a closed file: head, fragments, tail.
pub(super) fn blocks(id: u64) -> Vec<Vec<u8>> {
    let mut blocks = vec![head(&file_head(id))];
    for (index, (units, next)) in units().iter().enumerate() {
        let sequence = index as u32 + 1;
        let block = fragment(id, sequence, BASE_NS, units, Some(*next))
            .expect("a fragment")
            .bytes;
        blocks.push(block);
    }
    let places = places(&blocks.concat());
    blocks.push(tail(id, places.len() as u32 + 1, &places));
    blocks
}

/// The fragments of a file.
pub(super) fn places(file: &[u8]) -> Vec<FragmentPlace> {
    read(&mut &*file).expect("a head").fragments
}

/// A closed file.
pub(super) fn file() -> Vec<u8> {
    blocks(ID).concat()
}

/// Changes some bytes at random: flips, deletions, insertions, runs of zeros and copies from elsewhere.
pub(in crate::record) fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        let end = (at + random.usize(1..40)).min(bytes.len());
        match random.u8(..6) {
            0 => bytes[at] ^= 1 << random.u8(..8),
            1 => {
                bytes[at] = *random
                    .choice(&[0, 1, 7, 8, 0x7f, 0x80, 0xff])
                    .expect("not empty")
            }
            2 => drop(bytes.drain(at..end)),
            3 => bytes[at..end].fill(0),
            4 => bytes.truncate(at),
            _ => {
                let copy = bytes[at..end].to_vec();
                let to = random.usize(..bytes.len());
                bytes.splice(to..to, copy);
            }
        }
    }
}

/// The frames of one fragment, in decoding order. The seal is checked.
///
/// # Errors
/// If it is not sound.
pub(in crate::record) fn frames(fragment: &[u8]) -> Result<Vec<FrameAt>, ReadError> {
    let mut source = Source::new(fragment, 0);
    let first = source.required(b"prft")?;
    let frames = fragment_block(&mut source, &first, None)?.frames;
    if source.at < fragment.len() as u64 {
        return Err(ReadError::damaged(source.at, "bytes follow the fragment"));
    }
    Ok(frames)
}

/// A frame of a plain file, as a player finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct PlainSample {
    pub media: Vec<u8>,
    pub decode_tick: u64,
    pub ticks: u32,
    /// Presentation time in ticks since the start of what is shown.
    pub shown_tick: i64,
    pub is_key: bool,
}

/// Decodes the box of this kind, if it is there.
fn table<T: Decode>(boxes: &[u8], kind: &[u8; 4]) -> Option<T> {
    let mut rest = boxes;
    while let Some((found, body, after)) = split_box(rest) {
        let whole = &rest[..body.len() + 8];
        if found == kind {
            return Some(T::decode(&mut &*whole).expect("a sound table"));
        }
        rest = after;
    }
    None
}

/// The frames of a plain file, by its tables.
pub(in crate::record) fn plain_samples(file: &[u8]) -> Vec<PlainSample> {
    let movie = find(file, b"moov").expect("`moov` before the media");
    let track = find(movie, b"trak").expect("a track");
    let path: [&[u8; 4]; 3] = [b"mdia", b"minf", b"stbl"];
    let tables = path.iter().fold(track, |boxes, kind| {
        find(boxes, kind).expect("a box of the path")
    });
    let edit: Option<Elst> = find(track, b"edts").and_then(|edits| table(edits, b"elst"));
    let first_shown = edit.map_or(0, |edit| {
        edit.entries[0].media_time.expect("no empty edit") as i64
    });
    let durations: Stts = table(tables, b"stts").expect("durations");
    let offsets: Option<Ctts> = table(tables, b"ctts");
    let keys: Stss = table(tables, b"stss").expect("key frames");
    let chunks: Stsc = table(tables, b"stsc").expect("chunks");
    let small: Option<Stco> = table(tables, b"stco");
    let large: Option<Co64> = table(tables, b"co64");
    let places: Vec<u64> = match (small, large) {
        (Some(small), None) => small.entries.into_iter().map(u64::from).collect(),
        (None, Some(large)) => large.entries,
        _ => panic!("one table of offsets"),
    };
    let sizes = super::plain::sizes_of(movie).expect("sizes");
    let times = durations.entries.iter();
    let mut times =
        times.flat_map(|run| std::iter::repeat_n(run.sample_delta, run.sample_count as usize));
    let offsets: Vec<i64> = offsets.map_or(vec![0; sizes.len()], |table| {
        let runs = table.entries.iter();
        runs.flat_map(|run| std::iter::repeat_n(run.sample_offset, run.sample_count as usize))
            .collect()
    });
    let (mut samples, mut decode_tick, mut sizes) = (Vec::new(), 0, sizes.into_iter());
    for (number, mut at) in (1..).zip(places) {
        let run = chunks.entries.iter().rfind(|run| run.first_chunk <= number);
        for _ in 0..run.expect("a run of the chunk").samples_per_chunk {
            let bytes = sizes.next().expect("a size");
            let ticks = times.next().expect("a duration");
            samples.push(PlainSample {
                media: file[at as usize..][..bytes as usize].to_vec(),
                decode_tick,
                ticks,
                shown_tick: decode_tick as i64 + offsets[samples.len()] - first_shown,
                is_key: keys.entries.contains(&(samples.len() as u32 + 1)),
            });
            at += u64::from(bytes);
            decode_tick += u64::from(ticks);
        }
    }
    assert_eq!((sizes.next(), times.next()), (None, None));
    samples
}
