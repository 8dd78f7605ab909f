//! ByteTrack (Zhang et al., ECCV 2022) over real time: the order in which detections find tracks.
//!
//! 1. Detections of high confidence find confirmed and lost tracks.
//! 2. Detections of low confidence (half hidden people score low) find the confirmed tracks that are left.
//! 3. What is left of the high ones finds tentative tracks, else starts a track.
//!
//! Only tracks and detections of one class meet.

use std::time::Duration;

use super::TrackerSettings;
use super::frame_interval::{Limits, Pace, TooSlow};
use super::lifecycle::{Track, is_box};
use super::matching::{Matcher, Reach, in_place};
use super::motion::Step;
use crate::detect::Detection;

/// Joins the detections of one source to tracks.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackerSettings,
    tracks: Vec<Track>,
    last_update: Option<Duration>,
    pace: Pace,
    /// The settings' limits at the present pace.
    limits: Limits,
    next_id: u64,
    matcher: Matcher,
    /// Of each detection of the present frame: the track that has it.
    taken_by: Vec<Option<usize>>,
}

impl Tracker {
    /// A tracker that knows nothing yet. Its first id is 1.
    pub fn new(settings: TrackerSettings) -> Self {
        let pace = Pace::default();
        Self {
            limits: pace.limits(&settings),
            pace,
            settings,
            tracks: Vec::new(),
            last_update: None,
            next_id: 1,
            matcher: Matcher::default(),
            taken_by: Vec::new(),
        }
    }

    /// Changes thresholds in place; tracks go on. Another [`TrackerSettings::frame_interval`] means that the rate is
    /// measured anew.
    pub fn set_settings(&mut self, settings: TrackerSettings) {
        if settings.frame_interval != self.settings.frame_interval {
            self.pace.clear();
        }
        self.settings = settings;
    }

    /// Ends all tracks, as when a source comes back with another picture. Ids go on: none is ever given twice.
    pub fn reset(&mut self) {
        self.tracks.clear();
        self.last_update = None;
        self.pace.clear();
    }

    /// Why objects can't be followed at the rate at which frames come; nothing where they can.
    pub fn too_slow(&self) -> Option<TooSlow> {
        self.pace.too_slow(&self.settings)
    }

    /// Takes in a frame's detections and says which object each is: one entry for each detection, in their order.
    ///
    /// `at` is the frame's time on any one clock of the source (media time, or arrival since start). After a gap longer
    /// than [`TrackerSettings::lost_limit`] all tracks have ended, unless frames come that seldom. Time that stands still counts as no time; time
    /// that runs backwards by more than that limit is another recording, and ends all tracks too.
    ///
    /// None means that the detection has no track yet (a weak start, see [`TrackerSettings::start_confidence`]), that it
    /// is of low confidence and continues none, or that its box is not a box. It is as good a detection as any: publish
    /// it by its own confidence, with or without an id. An id is given to one detection of a frame at most.
    pub fn update(&mut self, at: Duration, detections: &[Detection]) -> Vec<Option<u64>> {
        self.pass_time(at);
        self.taken_by.clear();
        self.taken_by.resize(detections.len(), None);

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
            track.is_confirmed() && track.seen_last
        });
        self.associate(detections, settings.match_similarity, is_high, |track| {
            !track.is_confirmed()
        });

        if continuable && detections.iter().any(is_high) {
            let any = self.taken_by.iter().any(Option::is_some);
            self.pace.joined(any);
        }
        for (detection, taken_by) in detections.iter().zip(&mut self.taken_by) {
            match *taken_by {
                Some(index) => self.tracks[index].see(detection),
                None if is_high(detection) && is_box(&detection.bbox) => {
                    *taken_by = Some(self.tracks.len());
                    self.tracks.push(Track::new(detection, settings.speed));
                }
                None => {}
            }
        }
        let ids = detections
            .iter()
            .zip(&self.taken_by)
            .map(|(detection, taken_by)| {
                let track = &mut self.tracks[(*taken_by)?];
                if track.id.is_none() && track.deserves_id(detection, &settings) {
                    track.id = Some(self.next_id);
                    self.next_id += 1;
                }
                track.id
            })
            .collect();
        for track in &mut self.tracks {
            track.seen_last = std::mem::take(&mut track.taken);
        }
        ids
    }

    /// Moves all tracks to the time `at`, and ends those that have not been seen for too long.
    fn pass_time(&mut self, at: Duration) {
        let last = self.last_update.replace(at).unwrap_or(at);
        let elapsed = at.saturating_sub(last);
        if last.saturating_sub(at) > self.settings.lost_limit {
            self.tracks.clear();
            self.pace.clear();
        }
        self.pace.count(elapsed);
        self.limits = self.pace.limits(&self.settings);
        let limits = self.limits;
        let settings = &self.settings;
        let step = Step::new(elapsed.as_secs_f64(), settings.persistence.as_secs_f64());
        self.tracks.retain_mut(|track| {
            track.unseen = track.unseen.saturating_add(elapsed);
            track.age = track.age.saturating_add(elapsed);
            let lives = !track.has_ended(&limits);
            if lives {
                track.motion.predict(&step, settings.wander);
            }
            lives
        });
    }

    /// Gives tracks that nobody has and detections that nobody has to each other, as far as they are alike.
    fn associate(
        &mut self,
        detections: &[Detection],
        least: f32,
        wanted: impl Fn(&Detection) -> bool,
        open: impl Fn(&Track) -> bool,
    ) {
        self.matcher.clear();
        for (track_index, track) in self.tracks.iter().enumerate() {
            if track.taken || !open(track) {
                continue;
            }
            let reach = Reach::of(&track.motion);
            let trust = track.trust(self.limits.lost);
            for (index, detection) in detections.iter().enumerate() {
                if self.taken_by[index].is_some() || !wanted(detection) {
                    continue;
                }
                let alike = trust
                    * if self.limits.in_place_only {
                        in_place(&track.last_box, &detection.bbox)
                    } else {
                        reach.similarity(&detection.bbox)
                    };
                if alike >= least
                    && track.class_name == detection.class_name
                    && is_box(&detection.bbox)
                {
                    self.matcher.offer(track_index, index, alike);
                }
            }
        }
        let Self {
            tracks, taken_by, ..
        } = self;
        let count = tracks.len();
        self.matcher
            .solve(count, detections.len(), |track, detection| {
                tracks[track].taken = true;
                taken_by[detection] = Some(track);
            });
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
