//! From scenes to events. An event is one track of one object in one run of the processor.
//!
//! Track numbers begin again when the processor starts. So a number that is not seen for more than [`TRACK_GAP_MS`] is another object
//! when it is seen again. Objects of different classes are different objects: the tracker never changes the class of a track.
//! Objects without a track number are not in events, because nothing tells which of them are the same object.
//!
//! The result does not depend on the order in which scenes and sightings come: files are read newest first, and a scene may lie in
//! the file after that of its frame.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::record::scene::Scene;

/// The longest time for which a track may be unseen. The tracker ends tracks much earlier.
pub const TRACK_GAP_MS: u64 = 10_000;

/// A track of a source: its number and its class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TrackName {
    pub(super) track: u64,
    pub(super) class: Arc<str>,
}

/// A time in which a track is seen. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sighting {
    /// Capture time of its first frame.
    pub(super) from_ms: u64,
    /// Capture time of its last frame.
    pub(super) to_ms: u64,
    /// The highest confidence, 0–1.
    pub(super) confidence: f32,
    /// Capture time of the first frame with that confidence.
    pub(super) best_ms: u64,
}

/// The sightings in some scenes.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    tracks: BTreeMap<TrackName, Vec<Sighting>>,
}

impl Sightings {
    /// Adds the objects of a scene.
    pub(super) fn add(&mut self, scene: &Scene) {
        let at_ms = u64::try_from(scene.captured_unix.as_millis()).unwrap_or(u64::MAX);
        for object in &scene.objects {
            let Some(track) = object.track else { continue };
            let name = TrackName {
                track,
                class: object.class_name.clone(),
            };
            let sightings = self.tracks.entry(name).or_default();
            let sighting = Sighting {
                from_ms: at_ms,
                to_ms: at_ms,
                // SQLite has no NaN.
                confidence: if object.confidence.is_nan() {
                    0.0
                } else {
                    object.confidence
                },
                best_ms: at_ms,
            };
            match sightings.last_mut() {
                Some(last) if last.is_same_event(&sighting) => last.join(&sighting),
                _ => sightings.push(sighting),
            }
        }
    }

    /// Each track with its sightings, which may overlap: see [`merged`].
    pub(super) fn tracks(&self) -> impl Iterator<Item = (&TrackName, &[Sighting])> {
        self.tracks
            .iter()
            .map(|(name, sightings)| (name, sightings.as_slice()))
    }
}

impl Sighting {
    fn is_same_event(&self, other: &Self) -> bool {
        let after = |earlier: &Self, later: &Self| later.from_ms.saturating_sub(earlier.to_ms);
        after(self, other).max(after(other, self)) <= TRACK_GAP_MS
    }

    fn join(&mut self, other: &Self) {
        self.from_ms = self.from_ms.min(other.from_ms);
        self.to_ms = self.to_ms.max(other.to_ms);
        let is_better = match other.confidence.total_cmp(&self.confidence) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => other.best_ms < self.best_ms,
            std::cmp::Ordering::Less => false,
        };
        if is_better {
            (self.confidence, self.best_ms) = (other.confidence, other.best_ms);
        }
    }
}

/// Joins the sightings of one track that belong to the same event. They come out by time, each more than [`TRACK_GAP_MS`] after the
/// one before.
pub(super) fn merged(mut sightings: Vec<Sighting>) -> Vec<Sighting> {
    sightings.sort_unstable_by_key(|sighting| (sighting.from_ms, sighting.to_ms));
    let mut merged: Vec<Sighting> = Vec::new();
    for sighting in sightings {
        match merged.last_mut() {
            Some(last) if last.is_same_event(&sighting) => last.join(&sighting),
            _ => merged.push(sighting),
        }
    }
    merged
}

#[cfg(test)]
#[path = "tracks_tests.rs"]
mod tests;
