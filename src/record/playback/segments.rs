//! The byte ranges of a window.

use std::time::Duration;

use super::super::mp4::FragmentPlace;
use super::contents::{Contents, end};
use super::name::RecordingName;

/// The part of a file that shows a window.
///
/// It begins with the key frame that the first frame of the window needs, and ends after the fragment with the last one. Fragments
/// are not cut. Times may step within a file, after a step of the clock; the part has no holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSegments {
    /// The file.
    pub name: RecordingName,
    /// Length of its head in bytes, which a player needs before any fragment.
    pub head_bytes: u64,
    /// The fragments, in order, at least one.
    pub segments: Vec<Segment>,
}

/// A fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its first byte in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Decode time of its first frame, in ticks of 1/90000 s since the file's start.
    pub first_tick: u64,
    /// Sum of the durations of its frames in ticks.
    pub ticks: u64,
    /// Capture time of its first frame since the Unix epoch.
    pub captured_unix: Duration,
    /// Whether decoding can start with its first frame.
    pub begins_with_key: bool,
}

impl FileSegments {
    pub(super) fn of(
        name: &RecordingName,
        contents: &Contents,
        from: Duration,
        to: Duration,
    ) -> Option<Self> {
        let is_shown = |place: &FragmentPlace| place.captured_unix < to && end(place) > from;
        let fragments = &contents.fragments;
        let first = fragments.iter().position(is_shown)?;
        let last = fragments.iter().rposition(is_shown)?;
        let is_key = |place: &FragmentPlace| place.begins_with_key;
        let key = fragments[..=first].iter().rposition(is_key)?;
        Some(Self {
            name: name.clone(),
            head_bytes: contents.head_bytes(),
            segments: fragments[key..=last].iter().map(Segment::of).collect(),
        })
    }
}

impl Segment {
    fn of(place: &FragmentPlace) -> Self {
        Self {
            offset: place.offset,
            bytes: place.bytes,
            first_tick: place.first_tick,
            ticks: place.ticks,
            captured_unix: place.captured_unix,
            begins_with_key: place.begins_with_key,
        }
    }
}
