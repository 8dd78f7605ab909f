//! The settings of a tracker. They are times, shares and object sizes, not frames or pixels. So one set of values is
//! valid for 2.4 and 25 frames per second, and for a face and a lorry.

use std::time::Duration;

/// How detections are joined to tracks.
///
/// A *size* is half of a box's width plus height. The defaults were chosen on synthetic crossings at 10 and 2.5 frames
/// per second (`tests/suite/tracking/`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackerSettings {
    /// Detections with at least this confidence are matched first, and start a track if none matches. Default: 0.5.
    pub high_confidence: f32,
    /// Detections with at least this confidence, below [`Self::high_confidence`], may continue a track without a better
    /// match (half-hidden objects have low scores). Weaker detections are ignored. Default: 0.1.
    pub low_confidence: f32,
    /// An unmatched detection with at least this confidence gets an id immediately; a weaker one only after it was
    /// detected again. Default: 0.6.
    pub start_confidence: f32,
    /// Minimum similarity (0–1, of boxes with margins, see `matching.rs`) of a track and a detection of high
    /// confidence. Default: 0.2.
    pub match_similarity: f32,
    /// Minimum similarity of a track and a detection of low confidence. Default: 0.4.
    pub low_match_similarity: f32,
    /// A tentative track gets its id after it was detected for this long, and at least twice. Default: 100 ms.
    pub confirm_after: Duration,
    /// A tentative track without a detection for longer than this ends; at low rates, for longer than one and a half
    /// frame intervals. Default: 500 ms.
    pub tentative_limit: Duration,
    /// A track without a detection for longer than this ends, and a later detection is a new object; at low rates, for
    /// longer than two and a half frame intervals. At frame intervals above this limit motion is hardly tracked, above
    /// three times the limit not at all. Default: 2 s.
    pub lost_limit: Duration,
    /// The shortest time between two frames, if a setting limits it; otherwise zero, and the interval is measured.
    /// Default: 0 s.
    pub frame_interval: Duration,
    /// Typical speed in sizes per second: the standard deviation of the velocity of a new track. Default: 1.5 (a person
    /// walks about 1.2).
    pub speed: f32,
    /// Long-term change of a velocity, in sizes per second: objects stop, turn and run. Default: 0.7.
    pub wander: f32,
    /// Persistence of a velocity: the time after which it has decayed to 37 % without a detection. Default: 3 s.
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
    /// The defaults for a source that publishes detections from `confidence` c (0–1) up: high confidence starts at c,
    /// low confidence at c/5, and a track starts at once above c + 0.2·(1 − c).
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
