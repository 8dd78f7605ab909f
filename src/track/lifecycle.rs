//! The life cycle of a track: *tentative* until it has an id, *confirmed* while it is detected, *lost* while it is not,
//! and *ended* (removed) after [`TrackerSettings::lost_limit`].

use std::sync::Arc;
use std::time::Duration;

use super::TrackerSettings;
use super::frame_interval::Limits;
use super::motion::Motion;
use crate::base::BBox;
use crate::detect::Detection;

/// The track of one object.
#[derive(Debug)]
pub(super) struct Track {
    /// None while the track is tentative.
    pub(super) id: Option<u64>,
    pub(super) class_name: Arc<str>,
    pub(super) motion: Motion,
    /// The box of the last detection.
    pub(super) last_box: BBox,
    /// Time since the first detection.
    pub(super) age: Duration,
    /// Time since the last detection.
    pub(super) since_detected: Duration,
    /// Whether the previous frame had a detection of it.
    pub(super) detected_last: bool,
    /// Whether a detection of the current frame is assigned to it.
    pub(super) is_assigned: bool,
}

impl Track {
    pub(super) fn new(detection: &Detection, speed: f32) -> Self {
        Self {
            id: None,
            class_name: Arc::clone(&detection.class_name),
            motion: Motion::new(&detection.bbox, speed),
            last_box: detection.bbox,
            age: Duration::ZERO,
            since_detected: Duration::ZERO,
            detected_last: false,
            is_assigned: true,
        }
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.id.is_some()
    }

    /// The weight of its similarities: 1 while it is detected, falling to 0.5 at the end of the lost limit. A detection
    /// must be more similar to a track that was lost for longer.
    pub(super) fn similarity_weight(&self, lost_limit: Duration) -> f32 {
        if self.detected_last || lost_limit.is_zero() {
            return 1.0;
        }
        1.0 - 0.5 * (self.since_detected.as_secs_f32() / lost_limit.as_secs_f32()).min(1.0)
    }

    /// Whether it was not detected for longer than its limit.
    pub(super) fn has_ended(&self, limits: &Limits) -> bool {
        let limit = if self.is_confirmed() {
            limits.lost
        } else {
            limits.tentative
        };
        self.since_detected > limit
    }

    pub(super) fn add_detection(&mut self, detection: &Detection) {
        self.motion.correct(&detection.bbox);
        self.last_box = detection.bbox;
        self.since_detected = Duration::ZERO;
    }

    pub(super) fn qualifies_for_id(
        &self,
        detection: &Detection,
        settings: &TrackerSettings,
    ) -> bool {
        let seen_again = !self.age.is_zero() && self.age >= settings.confirm_after;
        seen_again || detection.confidence >= settings.start_confidence
    }
}

/// Whether a box has a position and a size that can be tracked (and squared within `f32`).
pub(super) fn is_box(bbox: &BBox) -> bool {
    const FARTHEST_PX: f32 = 1e6;
    let near = |value: f32| value.abs() <= FARTHEST_PX;
    near(bbox.x) && near(bbox.y) && near(bbox.width) && near(bbox.height) && bbox.area() > 0.0
}
