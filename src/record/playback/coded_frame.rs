//! The coded units of one frame, from its key frame on.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::time::Duration;

use bytes::Bytes;

use super::super::fragment_reader::FragmentReader;
use super::super::mp4::{self, FragmentPlace, FrameAt, ReadError};
use super::contents::{Contents, end};
use super::frames::MARGIN;
use super::name::RecordingName;
use super::scenes::{FrameTime, nearest as nearest_frame};
use crate::media::{CodedFrame, TimedUnit};
use crate::record::mp4::time_of_ticks;

/// The most that is read for a frame, and the most frames that are decoded for it: those of 20 s at 30 frames a second.
const MOST_BYTES: u64 = 32 << 20;
const MOST_FRAMES: u64 = 600;

/// Where a frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FramePlace {
    pub(super) name: RecordingName,
    /// Index of its fragment in the file, and its own in the fragment.
    fragment: usize,
    frame: usize,
    time: FrameTime,
}

/// The frames of a file around a time. A fragment that is damaged is passed over.
///
/// # Errors
/// If the system can't read it.
pub(super) fn near(
    name: &RecordingName,
    file: &File,
    contents: &Contents,
    captured_unix: Duration,
) -> Result<Option<Vec<FramePlace>>, ReadError> {
    let is_near = |place: &FragmentPlace| {
        place.captured_unix <= captured_unix + MARGIN && end(place) + MARGIN > captured_unix
    };
    let mut reader = FragmentReader::new(file.try_clone()?, contents.id);
    let mut near = Vec::new();
    for (fragment, place) in contents.fragments.iter().enumerate() {
        if !is_near(place) {
            continue;
        }
        let frames = match reader.read(place) {
            Ok((content, _)) => content.frames,
            Err(ReadError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        near.extend(frames.iter().enumerate().map(|(frame, at)| FramePlace {
            name: name.clone(),
            fragment,
            frame,
            time: FrameTime {
                captured_unix: at.captured_unix,
                ntp_ns: at.ntp_ns,
            },
        }));
    }
    Ok((!near.is_empty()).then_some(near))
}

/// The frame that was captured nearest to a time.
pub(super) fn nearest(near: Vec<Vec<FramePlace>>, captured_unix: Duration) -> Option<FramePlace> {
    let mut places: Vec<FramePlace> = near.into_iter().flatten().collect();
    let times: Vec<FrameTime> = places.iter().map(|place| place.time).collect();
    Some(places.swap_remove(nearest_frame(&times, captured_unix)?))
}

/// Reads a frame with the units from its key frame on; only the key frame, if it is too far away. Nothing without a key frame.
///
/// # Errors
/// If one of the fragments is damaged, or the system can't read the file.
pub(super) fn read(
    file: &mut File,
    contents: &Contents,
    wanted: &FramePlace,
) -> Result<Option<CodedFrame>, ReadError> {
    let before = contents.fragments.get(..=wanted.fragment);
    let before = before.unwrap_or_default();
    let Some(key) = before.iter().rposition(|place| place.begins_with_key) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(0))?;
    let format = mp4::read_head(file)?.format;
    let mut reader = FragmentReader::new(file.try_clone()?, contents.id);
    let (needed, last) = within_bounds(&before[key..], wanted.frame);
    // Presentation times in ticks, which with B-frames may be negative.
    let mut units: Vec<(i64, Bytes)> = Vec::new();
    for (index, place) in needed.iter().enumerate() {
        let (content, bytes) = reader.read(place)?;
        let frames = match index + 1 == needed.len() {
            true => content.frames.get(..=last).unwrap_or_default(),
            false => &content.frames,
        };
        let bytes = Bytes::copy_from_slice(bytes);
        for frame in frames {
            if frame.is_key {
                units.clear();
            }
            units.push((frame.presentation_tick, data(frame, &bytes)));
        }
    }
    let Some(first) = units.iter().map(|(tick, _)| *tick).min() else {
        return Ok(None);
    };
    let units = units.into_iter().map(|(tick, data)| TimedUnit {
        data,
        presentation: time_of_ticks(tick.abs_diff(first)),
    });
    Ok(Some(CodedFrame {
        format,
        units: units.collect(),
    }))
}

/// The fragments from a key frame on that are read for a frame of the last one, and the index of the last frame: of the key frame
/// only, if they are too many.
fn within_bounds(needed: &[FragmentPlace], frame: usize) -> (&[FragmentPlace], usize) {
    let bytes: u64 = needed.iter().map(|place| place.bytes).sum();
    let frames: u64 = needed.iter().map(|place| u64::from(place.frames)).sum();
    match bytes <= MOST_BYTES && frames <= MOST_FRAMES {
        true => (needed, frame),
        false => (&needed[..1], 0),
    }
}

/// The bytes of a frame. Empty for one beyond its fragment, which no sound fragment has.
fn data(frame: &FrameAt, fragment: &Bytes) -> Bytes {
    let start = usize::try_from(frame.offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(frame.bytes as usize);
    match end <= fragment.len() {
        true => fragment.slice(start..end),
        false => Bytes::new(),
    }
}

#[cfg(test)]
#[path = "coded_frame_tests.rs"]
mod tests;
