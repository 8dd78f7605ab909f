//! Plays a film through an aligner: frames when they are decoded, events when they arrive, boxes when frames are shown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use nvr::align::{AlignSettings, Aligner, FrameTimes};
use nvr::base::{BBox, CaptureClock, SourceId};
use nvr::config::Sync;
use nvr::event::{DetectedObject, DetectionEvent, unix_time};

use crate::film::{Film, Object};
use crate::overlap::Overlap;

/// Some day in 2026.
const DAY: Duration = Duration::from_secs(1_780_000_000);
const START: Duration = Duration::from_secs(50);
/// Time before frames are judged, in which the first event arrives and the delay rises.
const SETTLING: Duration = Duration::from_secs(4);
/// An event that is late is so by this much more at most.
const LATE_MS: u64 = 400;

/// The conditions of detection and transport.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    /// Frames from event to event.
    pub(crate) every: u32,
    /// First frame that is inferred.
    pub(crate) phase: u32,
    /// Whether the distance of events varies by a frame.
    pub(crate) is_uneven: bool,
    /// By how much each edge of a box is off at most.
    pub(crate) noise_px: f32,
    /// Share of events that arrive up to [`LATE_MS`] later.
    pub(crate) late_share: f32,
    /// Share of events that are lost.
    pub(crate) lost_share: f32,
    /// Share of objects that the detector misses in an event.
    pub(crate) missed_share: f32,
    /// Whether video is delayed for events. Otherwise boxes are extrapolated.
    pub(crate) is_held_back: bool,
}

impl Conditions {
    /// Every fifth frame, exactly, and in time.
    pub(crate) fn five_a_second() -> Self {
        Self {
            every: 5,
            phase: 0,
            is_uneven: false,
            noise_px: 0.0,
            late_share: 0.0,
            lost_share: 0.0,
            missed_share: 0.0,
            is_held_back: true,
        }
    }

    /// The frames that events are found in, in order.
    fn inferred(&self, frames: usize, random: &mut fastrand::Rng) -> Vec<usize> {
        let mut next = self.phase;
        let mut inferred = Vec::new();
        while (next as usize) < frames {
            inferred.push(next as usize);
            next += if self.is_uneven {
                random.u32(self.every - 1..=self.every + 1)
            } else {
                self.every
            };
        }
        inferred
    }
}

/// Overlap in every displayed frame, of every object.
pub(crate) fn every_frame(film: &Film, conditions: &Conditions) -> Overlap {
    run(film, conditions, |_, number| {
        film.frames[number].iter().collect()
    })
}

/// Overlap in displayed frames that were not inferred, of objects that both events around them have.
pub(crate) fn between_events(film: &Film, conditions: &Conditions) -> Overlap {
    run(film, conditions, |inferred, number| {
        let next = inferred.partition_point(|at| *at < number);
        let (Some(after), Some(before)) = (inferred.get(next), inferred[..next].last()) else {
            return Vec::new();
        };
        if *after == number {
            return Vec::new();
        }
        let objects = film.frames[number].iter();
        objects
            .filter(|object| {
                let is_in = |number: &usize| film.object(*number, object.track).is_some();
                is_in(before) && is_in(after)
            })
            .collect()
    })
}

fn run<'a>(
    film: &'a Film,
    conditions: &Conditions,
    judged: impl Fn(&[usize], usize) -> Vec<&'a Object>,
) -> Overlap {
    let mut random = fastrand::Rng::with_seed(u64::from(conditions.phase) + 7);
    let inferred = conditions.inferred(film.frames.len(), &mut random);
    let events = events(film, conditions, &inferred, &mut random);
    let mut events = VecDeque::from(events);
    let mut aligner = Aligner::new(AlignSettings {
        sync: Sync::Auto,
        ttl: Duration::from_secs(1),
        budget: (!conditions.is_held_back).then_some(Duration::ZERO),
    });
    let mut decoded = VecDeque::new();
    let mut overlap = Overlap::default();
    // A wall looks four times a frame whether one is due.
    for tick in 0..film.frames.len() as u32 * 4 {
        let now = START + film.interval * tick / 4;
        if tick % 4 == 0 {
            let jitter = Duration::from_micros(random.u64(..8_000));
            let frame = FrameTimes {
                arrival: now + jitter,
                ntp_ns: ntp(film, tick / 4),
                size: film.size,
            };
            aligner.frame(&frame);
            decoded.push_back(((tick / 4) as usize, frame));
        }
        while let Some((at, event)) = events.pop_front_if(|(at, _)| *at <= now) {
            aligner.event(event, at);
        }
        let delay = aligner.delay();
        let mut newest = None;
        while let Some(due) = decoded.pop_front_if(|(_, frame)| frame.arrival + delay <= now) {
            newest = Some(due);
        }
        let Some((number, frame)) = newest.filter(|_| now >= START + SETTLING) else {
            continue;
        };
        let drawing = aligner.boxes(&frame, now);
        let found: Vec<_> = judged(&inferred, number)
            .into_iter()
            .map(|object| {
                let mut drawn = drawing.boxes.iter();
                let drawn = drawn.find(|drawn| drawn.tracker_id == Some(object.track));
                drawn.map_or((0.0, false), |drawn| {
                    let [left, top, right, bottom] = drawn.corners;
                    let (width, height) = (film.size.width as f32, film.size.height as f32);
                    let bbox = BBox::from_corners(
                        left * width,
                        top * height,
                        right * width,
                        bottom * height,
                    );
                    (bbox.iou(&object.bbox), drawn.dashed)
                })
            })
            .collect();
        overlap.frame(&found);
    }
    overlap
}

fn ntp(film: &Film, number: u32) -> Option<u64> {
    let time = DAY + film.interval * number;
    u64::try_from(time.as_nanos()).ok()
}

/// The events, ordered by arrival.
fn events(
    film: &Film,
    conditions: &Conditions,
    inferred: &[usize],
    random: &mut fastrand::Rng,
) -> Vec<(Duration, Arc<DetectionEvent>)> {
    let mut events = Vec::new();
    for &number in inferred {
        if random.f32() < conditions.lost_share {
            continue;
        }
        let frame = number as u32;
        let latency = Duration::from_millis(random.u64(60..100));
        let mut way = Duration::from_millis(random.u64(1..9));
        if random.f32() < conditions.late_share {
            way += Duration::from_millis(random.u64(..LATE_MS));
        }
        let jitter = Duration::from_micros(random.u64(..8_000));
        let arrival = film.interval * frame + jitter;
        let event = DetectionEvent {
            source_id: SourceId(0),
            frame_id: u64::from(frame),
            timestamp: unix_time(DAY + arrival),
            model_id: "bench".into(),
            inference_time_ms: 50.0,
            detections: detections(&film.frames[number], conditions, random),
            fps: None,
            latency_ms: Some(latency.as_secs_f32() * 1e3),
            instance_id: Some("bench".into()),
            frame_width: Some(film.size.width),
            frame_height: Some(film.size.height),
            ntp_ns: ntp(film, frame),
            clock: Some(CaptureClock::Arrival),
        };
        events.push((START + arrival + latency + way, Arc::new(event)));
    }
    events.sort_by_key(|(at, _)| *at);
    events
}

fn detections(
    objects: &[Object],
    conditions: &Conditions,
    random: &mut fastrand::Rng,
) -> Vec<DetectedObject> {
    let noise = conditions.noise_px;
    let mut found = Vec::with_capacity(objects.len());
    for object in objects {
        if random.f32() < conditions.missed_share {
            continue;
        }
        let edges = object.bbox.corners();
        let [left, top, right, bottom] =
            edges.map(|edge| edge + (random.f32() * 2.0 - 1.0) * noise);
        found.push(DetectedObject {
            class_name: Arc::clone(&object.class_name),
            confidence: 0.9,
            bbox: BBox::from_corners(left, top, right, bottom),
            tracker_id: Some(object.track),
        });
    }
    found
}
