//! What a tracker can be told. All of it in seconds, shares and object sizes, nothing in frames or pixels, so that one
//! set of values holds at 2.4 frames a second as at 25, and for a face as for a lorry.

use std::time::Duration;

/// How detections are joined to tracks.
///
/// A *size* is half of a box's width plus height. The defaults were chosen on synthetic crossings at 10 and 2.5 frames a
/// second (`tests/suite/tracking/`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackerSettings {
    /// Detections from this confidence up look for a track first, and start one where they find none. Default: 0.5.
    pub high_confidence: f32,
    /// Detections from this confidence up, below [`Self::high_confidence`], may continue a track that found no better
    /// one (what is half hidden scores low). Those below are left alone. Default: 0.1.
    pub low_confidence: f32,
    /// A detection from this confidence up that no track claims has its id at once; a weaker one only when it was seen
    /// again. Default: 0.6.
    pub start_confidence: f32,
    /// Least similarity (0–1, that of grown boxes, see `matching.rs`) of a track and a detection of high confidence.
    /// Default: 0.2.
    pub match_similarity: f32,
    /// Least similarity of a track and a detection of low confidence. Default: 0.4.
    pub low_match_similarity: f32,
    /// A weak start gets its id when it has been seen for this long, twice at least. Default: 100 ms.
    pub confirm_after: Duration,
    /// A weak start that is not seen again for longer than this was none; at low rates, for longer than one and a half
    /// frame intervals. Default: 500 ms.
    pub tentative_limit: Duration,
    /// A track that is not seen for longer than this has ended, and what comes after is a new object; at low rates, for
    /// longer than two and a half frame intervals. Where frames are further apart than this, hardly any
    /// motion is followed, and at three times as much none. Default: 2 s.
    pub lost_limit: Duration,
    /// The shortest time between two frames, where a setting limits it; otherwise zero, and it is measured. Default: 0 s.
    pub frame_interval: Duration,
    /// How fast things usually are, in sizes a second: the spread of the velocity that a new track is expected to have.
    /// Default: 1.5 (a person walks about 1.2).
    pub speed: f32,
    /// How far a velocity wanders in the long run, in sizes a second: what stops, turns and runs. Default: 0.7.
    pub wander: f32,
    /// How long a velocity lasts: the time after which it has faded to 37 % where nothing is seen. Default: 3 s.
    pub persistence: Duration,
}

impl Default for TrackerSettings {
    fn default() -> Self {
        Self {
            high_confidence: 0.5,
            low_confidence: 0.1,
            start_confidence: 0.6,
            match_similarity: 0.2,
            low_match_similarity: 0.4,
            confirm_after: Duration::from_millis(100),
            tentative_limit: Duration::from_millis(500),
            lost_limit: Duration::from_secs(2),
            frame_interval: Duration::ZERO,
            speed: 1.5,
            wander: 0.7,
            persistence: Duration::from_secs(3),
        }
    }
}

impl TrackerSettings {
    /// The defaults for a source that publishes detections from `confidence` (0–1) up: these are the high ones, a fifth
    /// of it bounds the low ones, and what exceeds it by a fifth of what is left to 1 has its id at once.
    ///
    /// Ask the detector for [`Self::low_confidence`], track, and publish from `confidence` up.
    pub fn for_confidence(confidence: f32) -> Self {
        let high_confidence = confidence.clamp(0.0, 1.0);
        Self {
            high_confidence,
            low_confidence: high_confidence / 5.0,
            start_confidence: high_confidence + (1.0 - high_confidence) / 5.0,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_confidence_of_a_processor_gives_the_default_settings() {
        assert_eq!(
            TrackerSettings::for_confidence(0.5),
            TrackerSettings::default()
        );
    }

    #[test]
    fn a_confidence_beyond_its_range_is_brought_back_into_it() {
        let settings = TrackerSettings::for_confidence(7.0);
        assert_eq!(
            (settings.high_confidence, settings.start_confidence),
            (1.0, 1.0)
        );
    }
}
