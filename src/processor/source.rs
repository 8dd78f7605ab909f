//! One source of a processor: it limits the frames, tracks the detections and keeps the statistics.
//!
//! Frames arrive on the source's decoder thread and go into the mailbox, which holds one frame per source. Results come back on
//! the thread of the detection worker. Neither thread waits for the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::warn;

use super::demand::Demand;
use super::rate::{RateLimit, RateMeter, interval};
use super::recorded::RecordedCamera;
use crate::base::sync::lock;
use crate::base::{Clock, Frame, Mailbox, Size, SourceId, unix_now};
use crate::config::{AnalysisSettings, SourceSettings};
use crate::detect::{Detection, Inferred};
use crate::event::RecordingStatus;
use crate::media::{
    Need, NextFrame, Output, OutputControl, SourceCounters, SourceListener, SourceSnapshot,
};
use crate::track::{Tracker, TrackerSettings};

/// Called when the state of a source has changed; it publishes the status again.
pub(super) type Changed = dyn Fn(&Source) + Send + Sync;

/// One source: shared by its session, the detection worker and the status publisher.
pub(super) struct Source {
    pub(super) id: SourceId,
    clock: Clock,
    settings: ArcSwap<SourceSettings>,
    mailbox: Arc<Mailbox<SourceId, Frame>>,
    /// The size, format and rate that the session should deliver.
    demand: Demand,
    /// Frames for those who ask for a picture.
    next: NextFrame,
    arriving: Mutex<Arriving>,
    analysed: Mutex<Analysed>,
    counters: Arc<SourceCounters>,
    inferred: AtomicU64,
    dropped: AtomicU64,
    snapshot: Mutex<Option<SourceSnapshot>>,
    /// Since when it is paused, as Unix time.
    paused: Mutex<Option<Duration>>,
    recording: Mutex<Option<RecordingStatus>>,
    /// What records it, if it is to be recorded. Another choice restarts the source.
    recorded: Option<Arc<RecordedCamera>>,
    changed: Box<Changed>,
}

struct Arriving {
    limit: RateLimit,
    rate: RateMeter,
    clock: Option<crate::base::CaptureClock>,
}

struct Analysed {
    tracker: Option<Tracker>,
    /// Whether the log already has the warning that frames are too far apart for tracking.
    warned_too_slow: bool,
    rate: RateMeter,
}

/// The result of one inference after tracking and filtering: the content of an event.
pub(super) struct AnalysisResult {
    /// Detections that pass the source's thresholds and classes, with their tracks.
    pub(super) detections: Vec<(Detection, Option<u64>)>,
    /// Frames of this source inferred within the last second.
    pub(super) fps: f64,
}

/// Statistics of a source since its start; rates are in frames per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct SourceStats {
    pub(super) decoded: u64,
    pub(super) inferred: u64,
    pub(super) dropped: u64,
    pub(super) fps_in: f64,
    pub(super) fps_inferred: f64,
    pub(super) clock: Option<crate::base::CaptureClock>,
}

impl Source {
    pub(super) fn new(
        settings: SourceSettings,
        tracking: bool,
        counters: Arc<SourceCounters>,
        clock: Clock,
        mailbox: Arc<Mailbox<SourceId, Frame>>,
        recorded: Option<Arc<RecordedCamera>>,
        changed: Box<Changed>,
    ) -> Self {
        let mut analysed = Analysed {
            tracker: is_tracked(&settings, tracking)
                .then(|| Tracker::new(tracker_settings(&settings.analysis))),
            warned_too_slow: false,
            rate: RateMeter::default(),
        };
        analysed.warn_too_slow(settings.id);
        Self {
            id: settings.id,
            clock,
            arriving: Mutex::new(Arriving {
                limit: RateLimit::new(settings.analysis.max_fps),
                rate: RateMeter::default(),
                clock: None,
            }),
            analysed: Mutex::new(analysed),
            settings: ArcSwap::from_pointee(settings),
            mailbox,
            demand: Demand::default(),
            next: NextFrame::default(),
            counters,
            inferred: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            snapshot: Mutex::new(None),
            paused: Mutex::new(None),
            recording: Mutex::new(None),
            recorded,
            changed,
        }
    }

    /// Applies new settings between two frames. Tracks are kept.
    pub(super) fn update(&self, settings: SourceSettings, tracking: bool) {
        let other_rate = settings.analysis.max_fps != self.settings.load().analysis.max_fps;
        if other_rate {
            lock(&self.arriving).limit = RateLimit::new(settings.analysis.max_fps);
        }
        let wanted = tracker_settings(&settings.analysis);
        let tracking = is_tracked(&settings, tracking);
        let mut analysed = lock(&self.analysed);
        match &mut analysed.tracker {
            Some(tracker) if tracking => tracker.set_settings(wanted),
            tracker => *tracker = tracking.then(|| Tracker::new(wanted)),
        }
        if other_rate {
            analysed.warned_too_slow = false;
        }
        analysed.warn_too_slow(self.id);
        drop(analysed);
        self.settings.store(Arc::new(settings));
    }

    /// The output control for its session.
    pub(super) fn output(&self) -> OutputControl {
        self.demand.output()
    }

    /// Requests pictures of the detector's input size, at the analysis rate. If it is not analysed, only people ask for pictures.
    pub(super) fn request_output(&self, input: Size, is_analysed: bool) {
        let settings = self.settings.load();
        let wanted = Output {
            needs: vec![Need::Within(input)],
            max_fps: settings.analysis.max_fps,
            decode: settings.analysis.decode,
        };
        self.demand.set(wanted, !is_analysed);
    }

    /// Whether its pictures go to a detector, unless they are paused.
    pub(super) fn is_analysed(&self) -> bool {
        !self.demand.is_idle()
    }

    pub(super) fn settings(&self) -> Arc<SourceSettings> {
        self.settings.load_full()
    }

    /// Joins the detections to tracks, and selects those that are published.
    pub(super) fn analyse(&self, result: &Inferred) -> AnalysisResult {
        self.inferred.fetch_add(1, Ordering::Relaxed);
        let settings = self.settings.load();
        let mut analysed = lock(&self.analysed);
        let tracks = match &mut analysed.tracker {
            Some(tracker) => tracker.update(result.meta.arrival, &result.detections),
            None => vec![None; result.detections.len()],
        };
        analysed.warn_too_slow(self.id);
        let fps = analysed.rate.count(self.clock.now());
        drop(analysed);
        let detections = result
            .detections
            .iter()
            .zip(tracks)
            .filter(|(detection, _)| is_published(detection, &settings.analysis))
            .map(|(detection, track)| (detection.clone(), track))
            .collect();
        AnalysisResult { detections, fps }
    }

    /// Pauses the analysis, or ends the pause. Frames still arrive, so it goes on at once.
    pub(super) fn pause(&self, paused: bool) {
        let mut since = lock(&self.paused);
        match (paused, *since) {
            (true, None) => *since = Some(unix_now()),
            (false, Some(_)) => *since = None,
            _ => return,
        }
        drop(since);
        if paused {
            self.mailbox.remove(self.id);
        }
        (self.changed)(self);
    }

    /// Since when it is paused, as Unix time; `None` if it is not.
    pub(super) fn paused_since(&self) -> Option<Duration> {
        *lock(&self.paused)
    }

    /// What takes its scenes, if it is recorded.
    pub(super) fn recorded(&self) -> Option<&RecordedCamera> {
        self.recorded.as_deref()
    }

    /// Whether it is recorded to the directory that takes over.
    pub(super) fn is_in_next(&self) -> bool {
        let recorded = self.recorded.as_ref();
        recorded.is_some_and(|recorded| recorded.is_in_next())
    }

    /// How it is recorded; `None` if it is not to be recorded.
    pub(super) fn recording(&self) -> Option<RecordingStatus> {
        lock(&self.recording).clone()
    }

    /// Notes how it is recorded.
    pub(super) fn set_recording(&self, status: Option<RecordingStatus>) {
        let mut recording = lock(&self.recording);
        if *recording == status {
            return;
        }
        *recording = status;
        drop(recording);
        (self.changed)(self);
    }

    /// Its next frame. Blocks for at most `limit`.
    pub(super) fn next_frame(&self, limit: Duration) -> Option<Frame> {
        let _asking = self.demand.ask();
        self.next.wait(limit)
    }

    pub(super) fn snapshot(&self) -> Option<SourceSnapshot> {
        lock(&self.snapshot).clone()
    }

    pub(super) fn stats(&self) -> SourceStats {
        let now = self.clock.now();
        let mut arriving = lock(&self.arriving);
        let (fps_in, clock) = (arriving.rate.per_second(now), arriving.clock);
        drop(arriving);
        SourceStats {
            decoded: self.counters.frames(),
            inferred: self.inferred.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            fps_in,
            fps_inferred: lock(&self.analysed).rate.per_second(now),
            clock,
        }
    }

    /// Removes its frame from the mailbox: a removed source must not be analysed any more.
    pub(super) fn forget(&self) {
        self.mailbox.remove(self.id);
    }
}

impl SourceListener for Source {
    fn frame(&self, frame: Frame) {
        self.next.offer(&frame);
        let mut arriving = lock(&self.arriving);
        arriving.rate.count(self.clock.now());
        arriving.clock = Some(frame.meta.clock);
        let wanted = arriving.limit.admits(frame.meta.arrival);
        drop(arriving);
        let is_analysed = !self.settings.load().is_only_recorded() && self.paused_since().is_none();
        if wanted && is_analysed && self.mailbox.post(self.id, frame) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn status(&self, snapshot: &SourceSnapshot) {
        *lock(&self.snapshot) = Some(snapshot.clone());
        (self.changed)(self);
    }
}

impl Analysed {
    /// Warns that frames are too far apart for tracking: once, until the rate limit changes.
    fn warn_too_slow(&mut self, source_id: SourceId) {
        let tracker = self.tracker.as_ref().filter(|_| !self.warned_too_slow);
        let Some(slow) = tracker.and_then(Tracker::rate_too_low) else {
            return;
        };
        self.warned_too_slow = true;
        let interval_s = (slow.interval.as_secs_f64() * 100.0).round() / 100.0;
        if slow.beyond_limit {
            warn!(
                %source_id,
                interval_s,
                "analysed frames are too far apart for tracking: objects that move get a new tracker_id in each frame; raise \
                 max_fps to 1 or more, use a faster model or backend, or turn tracking off"
            );
        } else {
            warn!(
                %source_id,
                interval_s,
                "no object could be tracked from one analysed frame to the next, because objects move too far; raise max_fps, \
                 use a faster model or backend, or turn tracking off"
            );
        }
    }
}

/// Whether the objects of a source are tracked, where `tracking` is wanted.
fn is_tracked(settings: &SourceSettings, tracking: bool) -> bool {
    tracking && !settings.is_only_recorded()
}

/// The tracker's settings for the confidence and the rate of a source.
fn tracker_settings(analysis: &AnalysisSettings) -> TrackerSettings {
    TrackerSettings {
        frame_interval: analysis.max_fps.map(interval).unwrap_or_default(),
        ..TrackerSettings::for_confidence(analysis.confidence)
    }
}

fn is_published(detection: &Detection, analysis: &AnalysisSettings) -> bool {
    detection.confidence >= analysis.confidence
        && analysis
            .classes
            .as_ref()
            .is_none_or(|classes| classes.iter().any(|class| **class == *detection.class_name))
}

/// The minimum confidence that the detector must deliver; `published` are the thresholds of the sources. The tracker also needs
/// weaker detections than those that are published: it joins them to running tracks (ByteTrack's second association).
pub(super) fn confidence_floor(published: impl Iterator<Item = f32>, tracking: bool) -> f32 {
    let needed = |confidence| {
        if tracking {
            TrackerSettings::for_confidence(confidence).low_confidence
        } else {
            confidence
        }
    };
    published.map(needed).fold(1.0, f32::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detector_delivers_what_the_lowest_source_publishes_or_its_tracker_uses() {
        let floor =
            |published: &[f32], tracking| confidence_floor(published.iter().copied(), tracking);
        assert_eq!(floor(&[0.5, 0.3], false), 0.3);
        assert_eq!(floor(&[0.5, 0.5], true), 0.1);
        assert_eq!(floor(&[0.5, 0.05], true), 0.01);
        assert_eq!(floor(&[], true), 1.0);
    }
}
