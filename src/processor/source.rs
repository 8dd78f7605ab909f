//! One source of a processor: what its session delivers, what is analysed of it, and what is published about it.
//!
//! Frames come on the source's own decoder thread and go into the mailbox, one deep; results come back on the detection
//! worker's thread. Neither waits for the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tracing::warn;

use super::rate::{RateLimit, RateMeter, interval};
use crate::base::{Clock, Frame, Mailbox, Size, SourceId};
use crate::config::{AnalysisSettings, SourceSettings};
use crate::detect::{Detection, Inferred};
use crate::media::{Need, Output, OutputControl, SourceCounters, SourceListener, SourceSnapshot};
use crate::track::{Tracker, TrackerSettings};

/// Told whenever a source's state has changed, so that its status is published again.
pub(super) type Changed = dyn Fn(&Source) + Send + Sync;

/// One source: shared by its session, the detection worker and the status publisher.
pub(super) struct Source {
    pub(super) id: SourceId,
    clock: Clock,
    settings: ArcSwap<SourceSettings>,
    mailbox: Arc<Mailbox<SourceId, Frame>>,
    /// What its session is asked for.
    output: OutputControl,
    arriving: Mutex<Arriving>,
    analysed: Mutex<Analysed>,
    counters: Arc<SourceCounters>,
    inferred: AtomicU64,
    dropped: AtomicU64,
    snapshot: Mutex<Option<SourceSnapshot>>,
    changed: Box<Changed>,
}

struct Arriving {
    limit: RateLimit,
    rate: RateMeter,
    clock: Option<crate::base::CaptureClock>,
}

struct Analysed {
    tracker: Option<Tracker>,
    /// Whether the log has it that frames are too far apart to be tracked.
    told_too_slow: bool,
    rate: RateMeter,
}

/// What one inference means for one source: what is published.
pub(super) struct Finding {
    /// Detections that pass the source's thresholds and classes, with their tracks.
    pub(super) detections: Vec<(Detection, Option<u64>)>,
    /// Frames of this source inferred within the last second.
    pub(super) fps: f64,
}

/// Figures of a source since its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
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
        changed: Box<Changed>,
    ) -> Self {
        let mut analysed = Analysed {
            tracker: tracking.then(|| Tracker::new(tracker_settings(&settings.analysis))),
            told_too_slow: false,
            rate: RateMeter::default(),
        };
        analysed.tell_too_slow(settings.id);
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
            output: OutputControl::default(),
            counters,
            inferred: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            snapshot: Mutex::new(None),
            changed,
        }
    }

    /// Takes new settings over between two frames; running tracks go on.
    pub(super) fn update(&self, settings: SourceSettings, tracking: bool) {
        let other_rate = settings.analysis.max_fps != self.settings.load().analysis.max_fps;
        if other_rate {
            lock(&self.arriving).limit = RateLimit::new(settings.analysis.max_fps);
        }
        let wanted = tracker_settings(&settings.analysis);
        let mut analysed = lock(&self.analysed);
        match &mut analysed.tracker {
            Some(tracker) if tracking => tracker.set_settings(wanted),
            tracker => *tracker = tracking.then(|| Tracker::new(wanted)),
        }
        if other_rate {
            analysed.told_too_slow = false;
        }
        analysed.tell_too_slow(self.id);
        drop(analysed);
        self.settings.store(Arc::new(settings));
    }

    /// What its session is to be opened with.
    pub(super) fn output(&self) -> OutputControl {
        self.output.clone()
    }

    /// Asks for pictures of a detector's input size, and no more of them than are analysed.
    pub(super) fn want(&self, input: Size) {
        self.output.set(Output {
            needs: vec![Need::Within(input)],
            max_fps: self.settings.load().analysis.max_fps,
        });
    }

    pub(super) fn settings(&self) -> Arc<SourceSettings> {
        self.settings.load_full()
    }

    /// Joins what was found to tracks and keeps what is to be published.
    pub(super) fn analyse(&self, result: &Inferred) -> Finding {
        self.inferred.fetch_add(1, Ordering::Relaxed);
        let settings = self.settings.load();
        let mut analysed = lock(&self.analysed);
        let tracks = match &mut analysed.tracker {
            Some(tracker) => tracker.update(result.meta.arrival, &result.detections),
            None => vec![None; result.detections.len()],
        };
        analysed.tell_too_slow(self.id);
        let fps = analysed.rate.count(self.clock.now());
        drop(analysed);
        let detections = result
            .detections
            .iter()
            .zip(tracks)
            .filter(|(detection, _)| is_wanted(detection, &settings.analysis))
            .map(|(detection, track)| (detection.clone(), track))
            .collect();
        Finding { detections, fps }
    }

    pub(super) fn snapshot(&self) -> Option<SourceSnapshot> {
        lock(&self.snapshot).clone()
    }

    pub(super) fn figures(&self) -> Figures {
        let now = self.clock.now();
        let mut arriving = lock(&self.arriving);
        let (fps_in, clock) = (arriving.rate.per_second(now), arriving.clock);
        drop(arriving);
        Figures {
            decoded: self.counters.frames(),
            inferred: self.inferred.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            fps_in,
            fps_inferred: lock(&self.analysed).rate.per_second(now),
            clock,
        }
    }

    /// Takes what lies in the mailbox back: a removed source must not be analysed any more.
    pub(super) fn forget(&self) {
        self.mailbox.remove(self.id);
    }
}

impl SourceListener for Source {
    fn frame(&self, frame: Frame) {
        let mut arriving = lock(&self.arriving);
        arriving.rate.count(self.clock.now());
        arriving.clock = Some(frame.meta.clock);
        let wanted = arriving.limit.admits(frame.meta.arrival);
        drop(arriving);
        if wanted && self.mailbox.post(self.id, frame) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn status(&self, snapshot: &SourceSnapshot) {
        *lock(&self.snapshot) = Some(snapshot.clone());
        (self.changed)(self);
    }
}

impl Analysed {
    /// Says once, until the rate limit is another one, that frames are too far apart to follow what moves.
    fn tell_too_slow(&mut self, source_id: SourceId) {
        let tracker = self.tracker.as_ref().filter(|_| !self.told_too_slow);
        let Some(slow) = tracker.and_then(Tracker::rate_too_low) else {
            return;
        };
        self.told_too_slow = true;
        let interval_s = (slow.interval.as_secs_f64() * 100.0).round() / 100.0;
        if slow.beyond_limit {
            warn!(
                %source_id,
                interval_s,
                "frames are analysed too far apart to follow objects: what stays nearly in place keeps its tracker_id, what \
                 moves gets new ones; raise max_fps to 1 or more, take a quicker model or backend, or turn \
                 tracking off"
            );
        } else {
            warn!(
                %source_id,
                interval_s,
                "no object could be followed from one analysed frame to the next: they move too far meanwhile; raise \
                 max_fps, take a quicker model or backend, or turn tracking off"
            );
        }
    }
}

/// How a source is tracked: by its own confidence and rate.
fn tracker_settings(analysis: &AnalysisSettings) -> TrackerSettings {
    TrackerSettings {
        frame_interval: analysis.max_fps.map(interval).unwrap_or_default(),
        ..TrackerSettings::for_confidence(analysis.confidence)
    }
}

fn is_wanted(detection: &Detection, analysis: &AnalysisSettings) -> bool {
    detection.confidence >= analysis.confidence
        && analysis
            .classes
            .as_ref()
            .is_none_or(|classes| classes.iter().any(|class| **class == *detection.class_name))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Least confidence that the detector has to deliver for sources that publish from `published` up: the tracker joins weak
/// detections to running tracks (ByteTrack's second association), so that it needs them though they are not published.
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
