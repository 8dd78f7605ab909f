//! ByteTrack (Zhang et al., ECCV 2022) over real time: the life of tracks, and the order in which detections find them.
//!
//! 1. Detections of high confidence find confirmed and lost tracks.
//! 2. Detections of low confidence (half hidden people score low) find the confirmed tracks that are left.
//! 3. What is left of the high ones finds tentative tracks, else starts a track.
//!
//! A track is *tentative* until it has been seen long enough, *confirmed* while it is seen, *lost* while it is not, and
//! *ended* (forgotten) after [`TrackerSettings::lost_limit`]. Only tracks and detections of one class meet.

use std::sync::Arc;
use std::time::Duration;

use super::TrackerSettings;
use super::matching::{Matcher, Reach};
use super::motion::{Motion, Step};
use crate::base::BBox;
use crate::detect::Detection;

/// Joins the detections of one source to tracks.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackerSettings,
    tracks: Vec<Track>,
    last_update: Option<Duration>,
    next_id: u64,
    matcher: Matcher,
    /// Of each detection of the present frame: the track that has it.
    taken_by: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Track {
    /// None while tentative: an id is spent only on what is shown.
    id: Option<u64>,
    class_name: Arc<str>,
    motion: Motion,
    /// Since the first detection.
    age: Duration,
    /// Since the last detection.
    unseen: Duration,
    /// Whether the frame before the present one had it.
    seen_last: bool,
    taken: bool,
}

impl Tracker {
    /// A tracker that knows nothing yet. Its first id is 1.
    pub fn new(settings: TrackerSettings) -> Self {
        Self {
            settings,
            tracks: Vec::new(),
            last_update: None,
            next_id: 1,
            matcher: Matcher::default(),
            taken_by: Vec::new(),
        }
    }

    /// Changes thresholds in place; tracks go on.
    pub fn set_settings(&mut self, settings: TrackerSettings) {
        self.settings = settings;
    }

    /// Ends all tracks, as when a source comes back with another picture. Ids go on: none is ever given twice.
    pub fn reset(&mut self) {
        self.tracks.clear();
        self.last_update = None;
    }

    /// Takes in a frame's detections and says which object each is: one entry for each detection, in their order.
    ///
    /// `at` is the frame's time on any one clock of the source (media time, or arrival since start). After a gap longer
    /// than [`TrackerSettings::lost_limit`] all tracks have ended. Time that stands still counts as no time; time
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
        }
        let settings = &self.settings;
        let step = Step::new(elapsed.as_secs_f64(), settings.persistence.as_secs_f64());
        self.tracks.retain_mut(|track| {
            track.unseen = track.unseen.saturating_add(elapsed);
            track.age = track.age.saturating_add(elapsed);
            let limit = if track.is_confirmed() {
                settings.lost_limit
            } else {
                settings.tentative_limit
            };
            let lives = track.unseen <= limit;
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
            let trust = track.trust(self.settings.lost_limit);
            for (index, detection) in detections.iter().enumerate() {
                if self.taken_by[index].is_some() || !wanted(detection) {
                    continue;
                }
                let alike = trust * reach.similarity(&detection.bbox);
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

impl Track {
    fn new(detection: &Detection, speed: f32) -> Self {
        Self {
            id: None,
            class_name: Arc::clone(&detection.class_name),
            motion: Motion::new(&detection.bbox, speed),
            age: Duration::ZERO,
            unseen: Duration::ZERO,
            seen_last: false,
            taken: true,
        }
    }

    fn is_confirmed(&self) -> bool {
        self.id.is_some()
    }

    /// The longer a track is lost, the more alike a detection must be to be it: half as much again counts when it ends.
    fn trust(&self, lost_limit: Duration) -> f32 {
        if self.seen_last || lost_limit.is_zero() {
            return 1.0;
        }
        1.0 - 0.5 * (self.unseen.as_secs_f32() / lost_limit.as_secs_f32()).min(1.0)
    }

    fn see(&mut self, detection: &Detection) {
        self.motion.correct(&detection.bbox);
        self.unseen = Duration::ZERO;
    }

    fn deserves_id(&self, detection: &Detection, settings: &TrackerSettings) -> bool {
        let seen_again = !self.age.is_zero() && self.age >= settings.confirm_after;
        seen_again || detection.confidence >= settings.start_confidence
    }
}

/// Whether a box has a place and an extent that can be followed (and squared without leaving `f32`).
fn is_box(bbox: &BBox) -> bool {
    const FARTHEST_PX: f32 = 1e6;
    let near = |value: f32| value.abs() <= FARTHEST_PX;
    near(bbox.x) && near(bbox.y) && near(bbox.width) && near(bbox.height) && bbox.area() > 0.0
}
