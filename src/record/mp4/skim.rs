//! Reads the scenes of a fragment without its media: some kB of each MB.
//!
//! The checksum of the seal covers the media too, so it can't be checked here. The tail, whose checksum was checked, lists the fragment
//! instead, and everything that is read must agree with it: the boxes fill the fragment exactly, the seal is of this file, number and
//! length, the frames have the listed number and times, and the scenes decode and are of its time. Where anything differs, the caller
//! reads the whole fragment, and the checksum decides.
//!
//! So a damaged picture is not noticed here. Of damaged scenes only a changed number within its range passes: a class, a confidence,
//! a box, a track, or a time within [`SCENE_DISTANCE`].

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use super::fragment::{
    MOOF_BYTES, MOOF_FRAME_BYTES, PRFT_BYTES, SEAL_HEADER_BYTES, SEALED_FRAME_BYTES, fragment_end,
    fragment_start,
};
use super::parts::{FragmentPlace, FrameAt, LARGEST_BYTES, ReadError};
use super::scenes::LARGEST_BOX_BYTES;
use super::seal::SMALLEST_BODY;
use super::source::{HEADER_BYTES, Source};
use crate::record::scene::Scene;

/// The longest time between a scene and the frames of the fragment that it is in. It comes at once, or after a failed write some
/// seconds later, but a step of the clock may lie between: then the fragment is read whole.
const SCENE_DISTANCE: Duration = Duration::from_secs(60);

/// The scenes of a fragment that was read without its media.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::record) struct Skimmed {
    /// In the order in which they came.
    pub scenes: Vec<Scene>,
    /// Bytes that were read.
    pub read_bytes: u64,
}

/// Reads the scenes of the fragment that the tail of the file `id` lists at `place`, without its media.
///
/// # Errors
/// If what is read does not agree with the list, or the system can't read it.
pub(in crate::record) fn skim_fragment(
    input: &mut (impl Read + Seek),
    id: u64,
    place: &FragmentPlace,
) -> Result<Skimmed, ReadError> {
    let damaged = |reason: &str| Err(ReadError::damaged(place.offset, reason));
    let end = place.offset.checked_add(place.bytes);
    let Some(end) = end.filter(|_| place.bytes <= LARGEST_BYTES) else {
        return damaged("the tail lists a fragment that is too large");
    };
    let frames = u64::from(place.frames);
    let most = PRFT_BYTES + MOOF_BYTES + MOOF_FRAME_BYTES * frames + HEADER_BYTES;
    let bytes = read_at(input, place.offset, most.min(place.bytes))?;
    let mut read_bytes = bytes.len() as u64;
    let mut source = Source::of_part(bytes.as_slice(), place.offset, place.offset);
    let first = source.required(b"prft")?;
    let start = fragment_start(&mut source, &first)?;

    let after_media = start.media.end();
    let most = LARGEST_BOX_BYTES + SEAL_HEADER_BYTES + SMALLEST_BODY;
    let most = most as u64 + SEALED_FRAME_BYTES as u64 * frames;
    let left = match end.checked_sub(after_media) {
        Some(left) if left <= most => left,
        _ => return damaged("`mdat` has another length than the tail leaves for it"),
    };
    let bytes = read_at(input, after_media, left)?;
    read_bytes += left;
    let mut source = Source::of_part(bytes.as_slice(), after_media, place.offset);
    let fragment = fragment_end(&mut source, &start, Some((id, place.sequence)))?;
    let is_listed = fragment.frames.first().is_some_and(|frame| {
        source.at == end
            && fragment.frames.len() as u64 == frames
            && fragment.ticks == place.ticks
            && frame.decode_tick == place.first_tick
            && frame.captured_unix == place.captured_unix
            && frame.is_key == place.begins_with_key
    });
    if !is_listed {
        return damaged("the tail lists another fragment");
    }
    let captured = |frame: &FrameAt| frame.captured_unix;
    let times = fragment.frames.iter().map(captured);
    let (earliest, latest) = (times.clone().min(), times.max());
    let is_near = |scene: &Scene| {
        let at = scene.captured_unix;
        earliest.is_some_and(|earliest| at + SCENE_DISTANCE >= earliest)
            && latest.is_some_and(|latest| at <= latest + SCENE_DISTANCE)
    };
    if !fragment.scenes.iter().all(is_near) {
        return damaged("scenes of another time");
    }
    Ok(Skimmed {
        scenes: fragment.scenes,
        read_bytes,
    })
}

/// Exactly `bytes` bytes from `at` on, of a fragment that is not too large.
fn read_at(input: &mut (impl Read + Seek), at: u64, bytes: u64) -> Result<Vec<u8>, ReadError> {
    input.seek(SeekFrom::Start(at))?;
    let mut read = Vec::new();
    input.take(bytes).read_to_end(&mut read)?;
    if read.len() as u64 == bytes {
        return Ok(read);
    }
    let reason = "the file ends within a fragment that the tail lists";
    Err(ReadError::damaged(at, reason))
}

#[cfg(test)]
#[path = "skim_tests.rs"]
mod tests;
