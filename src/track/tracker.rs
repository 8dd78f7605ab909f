//! ByteTrack (Zhang et al., ECCV 2022) over real time: the order in which detections are matched with tracks.
//!
//! 1. Detections of high confidence with confirmed and lost tracks.
//! 2. Detections of low confidence (half-hidden people score low) with the remaining confirmed tracks.
//! 3. The remaining detections of high confidence with tentative tracks; each unmatched one starts a track.
//!
//! Only tracks and detections of the same class are matched.

use std::time::Duration;

use super::TrackerSettings;
use super::frame_interval::{FrameInterval, Limits, RateTooLow};
use super::lifecycle::{Track, is_box};
use super::matching::{Matcher, SearchBox, in_place};
use super::motion::Step;
use crate::detect::Detection;

/// Joins the detections of one source to tracks.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackerSettings,
    tracks: Vec<Track>,
    last_update: Option<Duration>,
    frame_interval: FrameInterval,
    /// The limits of the settings at the current frame interval.
    limits: Limits,
    next_id: u64,
    matcher: Matcher,
    /// For each detection of the current frame: the track to which it is assigned.
    assigned_to: Vec<Option<usize>>,
}

impl Tracker {
    /// A tracker without tracks. Its first id is 1.
    pub fn new(settings: TrackerSettings) -> Self {
        let frame_interval = FrameInterval::default();
        Self {
            limits: frame_interval.limits(&settings),
            frame_interval,
            settings,
            tracks: Vec::new(),
            last_update: None,
            next_id: 1,
            matcher: Matcher::default(),
            assigned_to: Vec::new(),
        }
    }

    /// Changes the thresholds; tracks continue. After a change of [`TrackerSettings::frame_interval`] the rate is
    /// measured again.
    pub fn set_settings(&mut self, settings: TrackerSettings) {
        if settings.frame_interval != self.settings.frame_interval {
            self.frame_interval.clear();
        }
        self.settings = settings;
    }

    /// Why objects can't be tracked at the current frame rate; none if they can.
    pub fn rate_too_low(&self) -> Option<RateTooLow> {
        self.frame_interval.rate_too_low(&self.settings)
    }

    /// Processes the detections of a frame. Returns the id of the object for each detection, in their order.
    ///
    /// `at` is the time of the frame on any one clock of the source (media time, or arrival since start). After a gap
    /// longer than [`TrackerSettings::lost_limit`] all tracks have ended, unless the frame interval is that long. An
    /// unchanged time counts as no time. If time runs backwards by more than that limit, it is another recording, and
    /// all tracks end.
    ///
    /// None means that the detection has no id yet (a tentative track, see [`TrackerSettings::start_confidence`]), that
    /// it has low confidence and continues no track, or that its box is not valid. Such a detection is as valid as the
    /// others: publish it by its own confidence, with or without an id. At most one detection of a frame gets an id.
    pub fn update(&mut self, at: Duration, detections: &[Detection]) -> Vec<Option<u64>> {
        self.advance_to(at);
        self.assigned_to.clear();
        self.assigned_to.resize(detections.len(), None);

        let settings = self.settings;
        let continuable = self.tracks.iter().any(Track::is_confirmed);
        let is_high = |detection: &Detection| detection.confidence >= settings.high_confidence;
        let is_low = |detection: &Detection| {
            detection.confidence >= settings.low_confidence && !is_high(detection)
        };
        self.associate(
            detections,
            settings.match_similarity,
            is_high,
            Track::is_confirmed,
        );
        self.associate(detections, settings.low_match_similarity, is_low, |track| {
            track.is_confirmed() && track.detected_last
        });
        self.associate(detections, settings.match_similarity, is_high, |track| {
            !track.is_confirmed()
        });

        if continuable && detections.iter().any(is_high) {
            let any = self.assigned_to.iter().any(Option::is_some);
            self.frame_interval.record_match(any);
        }
        for (detection, assigned_to) in detections.iter().zip(&mut self.assigned_to) {
            match *assigned_to {
                Some(index) => self.tracks[index].add_detection(detection),
                None if is_high(detection) && is_box(&detection.bbox) => {
                    *assigned_to = Some(self.tracks.len());
                    self.tracks.push(Track::new(detection, settings.speed));
                }
                None => {}
            }
        }
        let ids = detections
            .iter()
            .zip(&self.assigned_to)
            .map(|(detection, assigned_to)| {
                let track = &mut self.tracks[(*assigned_to)?];
                if track.id.is_none() && track.qualifies_for_id(detection, &settings) {
                    track.id = Some(self.next_id);
                    self.next_id += 1;
                }
                track.id
            })
            .collect();
        for track in &mut self.tracks {
            track.detected_last = std::mem::take(&mut track.is_assigned);
        }
        ids
    }

    /// Moves all tracks to the time `at`, and removes those that have ended.
    fn advance_to(&mut self, at: Duration) {
        let last = self.last_update.replace(at).unwrap_or(at);
        let elapsed = at.saturating_sub(last);
        if last.saturating_sub(at) > self.settings.lost_limit {
            self.tracks.clear();
            self.frame_interval.clear();
        }
        self.frame_interval.record(elapsed);
        self.limits = self.frame_interval.limits(&self.settings);
        let limits = self.limits;
        let settings = &self.settings;
        let step = Step::new(elapsed.as_secs_f64(), settings.persistence.as_secs_f64());
        self.tracks.retain_mut(|track| {
            track.since_detected = track.since_detected.saturating_add(elapsed);
            track.age = track.age.saturating_add(elapsed);
            let lives = !track.has_ended(&limits);
            if lives {
                track.motion.predict(&step, settings.wander);
            }
            lives
        });
    }

    /// Assigns the remaining detections to the remaining tracks, by similarity.
    fn associate(
        &mut self,
        detections: &[Detection],
        min_similarity: f32,
        with_detections: impl Fn(&Detection) -> bool,
        with_tracks: impl Fn(&Track) -> bool,
    ) {
        self.matcher.clear();
        for (track_index, track) in self.tracks.iter().enumerate() {
            if track.is_assigned || !with_tracks(track) {
                continue;
            }
            let search = SearchBox::of(&track.motion);
            let weight = track.similarity_weight(self.limits.lost);
            for (index, detection) in detections.iter().enumerate() {
                if self.assigned_to[index].is_some() || !with_detections(detection) {
                    continue;
                }
                let similarity = weight
                    * if self.limits.in_place_only {
                        in_place(&track.last_box, &detection.bbox)
                    } else {
                        search.similarity(&detection.bbox)
                    };
                if similarity >= min_similarity
                    && track.class_name == detection.class_name
                    && is_box(&detection.bbox)
                {
                    self.matcher.offer(track_index, index, similarity);
                }
            }
        }
        let Self {
            tracks,
            assigned_to,
            ..
        } = self;
        let count = tracks.len();
        self.matcher
            .solve(count, detections.len(), |track, detection| {
                tracks[track].is_assigned = true;
                assigned_to[detection] = Some(track);
            });
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
