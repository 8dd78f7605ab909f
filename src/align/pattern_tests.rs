//! Alignment quality: an object of known position that moves, turns and rests, detected at 5 frames per second and shown at 25.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::testing::{DAY, event, millis, settings};
use super::{Aligner, Basis, Drawing, DrawnBox, FrameTimes};
use crate::base::{BBox, Pattern, PatternObject, Size};
use crate::config::Sync;
use crate::event::DetectedObject;

const FRAME: Duration = Duration::from_millis(40);
/// Where edges are rounded outward to whole pixels.
const TILE: Size = Size::new(480, 270);
/// Number of frames before judging starts, in which the first event arrives and the delay rises.
const SETTLING: u32 = 100;
/// Minimum mean IoU of drawn boxes and objects.
const MEAN_IOU: f64 = 0.85;
/// Minimum IoU of every object in a good frame.
const GOOD_IOU: f32 = 0.6;
/// Minimum share of good frames.
const GOOD_SHARE: f64 = 0.99;

/// The conditions of one run.
#[derive(Clone, Copy)]
struct Run {
    size: Size,
    sync: Sync,
    frames: u32,
    /// First frame that is detected.
    phase: u32,
    /// Whether detections are 4 to 6 frames apart instead of 5.
    is_jittering: bool,
    /// Error of the camera's clock. `None` without sender reports.
    clock: Option<i64>,
    /// Difference of the NTP times of the same frames in the processor's session.
    other_session: Duration,
    jitter: Duration,
    /// Factor for the area of every drawn box before it is judged.
    inflation: f32,
}

const USUAL: Run = Run {
    size: Size::new(1280, 720),
    sync: Sync::Auto,
    frames: 4000,
    phase: 0,
    is_jittering: false,
    clock: Some(0),
    other_session: Duration::ZERO,
    jitter: Duration::from_millis(8),
    inflation: 1.0,
};

#[derive(Debug, Default, Clone, Copy)]
struct Outcome {
    shown: u32,
    good: u32,
    dashed: u32,
    matched: u32,
    by_object: [u32; 3],
    iou: f64,
}

impl Outcome {
    fn share(&self) -> f64 {
        f64::from(self.good) / f64::from(self.shown)
    }

    /// Mean IoU of every object in every frame.
    fn mean(&self) -> f64 {
        self.iou / f64::from(self.shown) / self.by_object.len() as f64
    }

    fn is_aligned(&self) -> bool {
        self.mean() >= MEAN_IOU && self.share() >= GOOD_SHARE
    }
}

/// A pseudo-random generator, so that every run is the same.
fn drawn(state: &mut u64, below: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

impl Run {
    fn ntp(&self, number: u32) -> Option<Duration> {
        let offset = self.clock?;
        let nanoseconds = i64::try_from((DAY + FRAME * number).as_nanos()).expect("this century");
        Some(Duration::from_nanos(
            u64::try_from(nanoseconds + offset).expect("after 1970"),
        ))
    }

    fn go(&self) -> Outcome {
        let pattern = Pattern::new(self.size, 3).expect("an ordinary size");
        let mut aligner = Aligner::new(settings(self.sync));
        let mut random = u64::from(self.phase) + 7;
        let jitter = u64::try_from(self.jitter.as_micros()).expect("short") + 1;
        let mut events = VecDeque::new();
        let mut next = self.phase;
        let start = Duration::from_secs(50);
        let mut decoded: VecDeque<(u32, FrameTimes)> = VecDeque::new();
        let mut outcome = Outcome::default();
        for tick in 0..self.frames * 4 {
            let now = start + FRAME * tick / 4;
            if tick % 4 == 0 {
                let number = tick / 4;
                let late = Duration::from_micros(drawn(&mut random, jitter)).min(FRAME / 4);
                let frame = FrameTimes {
                    arrival: now + late,
                    ntp_ns: self
                        .ntp(number)
                        .map(|ntp| u64::try_from(ntp.as_nanos()).expect("")),
                    size: self.size,
                };
                aligner.frame(&frame);
                decoded.push_back((number, frame));
                if number == next {
                    next += if self.is_jittering {
                        4 + drawn(&mut random, 3) as u32
                    } else {
                        5
                    };
                    let latency = millis(60 + drawn(&mut random, 40));
                    let transport = millis(1 + drawn(&mut random, 8));
                    let arrival = Duration::from_micros(drawn(&mut random, jitter));
                    let ntp = self.ntp(number).map(|ntp| ntp + self.other_session);
                    let seen = pattern.objects(number).into_iter().enumerate();
                    let detections = seen.map(|(index, object)| DetectedObject {
                        class_name: object.class_name.into(),
                        confidence: 1.0,
                        bbox: object.bbox,
                        tracker_id: Some(index as u64 + 1),
                    });
                    // The processor has another clock.
                    let captured = DAY + FRAME * number + arrival;
                    let mut event = event(captured, ntp, latency, detections.collect());
                    event.frame_width = Some(self.size.width);
                    event.frame_height = Some(self.size.height);
                    events.push_back((now + arrival + latency + transport, Arc::new(event)));
                }
            }
            while events.front().is_some_and(|(at, _)| *at <= now) {
                let (at, event) = events.pop_front().expect("there is one");
                aligner.event(event, at);
            }
            let due = |frame: &FrameTimes| frame.arrival + aligner.delay() <= now;
            let mut newest = None;
            while decoded.front().is_some_and(|(_, frame)| due(frame)) {
                newest = decoded.pop_front();
            }
            if let Some((number, frame)) = newest
                && number >= SETTLING
            {
                let drawing = aligner.boxes(&frame, now);
                self.judge(&drawing, &pattern.objects(number), &mut outcome);
            }
        }
        outcome
    }

    fn judge(&self, drawing: &Drawing, objects: &[PatternObject], outcome: &mut Outcome) {
        outcome.shown += 1;
        outcome.matched += u32::from(drawing.basis == Basis::Matched);
        outcome.dashed += u32::from(drawing.boxes.iter().any(|drawn| drawn.dashed));
        let mut all_good = true;
        for (index, object) in objects.iter().enumerate() {
            let mut drawn = drawing.boxes.iter();
            let found = drawn.find(|drawn| drawn.tracker_id == Some(index as u64 + 1));
            let iou = found.map_or(0.0, |drawn| {
                self.painted(drawn).iou(&on_tile(&object.bbox, self.size))
            });
            outcome.iou += f64::from(iou);
            outcome.by_object[index] += u32::from(iou >= GOOD_IOU);
            all_good &= iou >= GOOD_IOU;
        }
        outcome.good += u32::from(all_good);
    }

    /// The box in whole pixels of the tile.
    fn painted(&self, drawn: &DrawnBox) -> BBox {
        let (width, height) = (TILE.width as f32, TILE.height as f32);
        let [left, top, right, bottom] = drawn.corners;
        let exact = BBox::from_corners(left * width, top * height, right * width, bottom * height);
        let side = self.inflation.sqrt();
        let inflated = BBox {
            width: exact.width * side,
            height: exact.height * side,
            ..exact
        };
        // Removes rounding errors, which would add a pixel.
        let [left, top, right, bottom] = inflated.corners();
        BBox::from_corners(
            (left + 1e-3).floor(),
            (top + 1e-3).floor(),
            (right - 1e-3).ceil(),
            (bottom - 1e-3).ceil(),
        )
    }
}

/// A box of a picture of `size` in pixels of the tile.
fn on_tile(bbox: &BBox, size: Size) -> BBox {
    let across = TILE.width as f32 / size.width as f32;
    let down = TILE.height as f32 / size.height as f32;
    BBox {
        x: bbox.x * across,
        y: bbox.y * down,
        width: bbox.width * across,
        height: bbox.height * down,
    }
}

fn report(what: &str, outcome: &Outcome) {
    use std::io::Write;
    let mut out = std::io::stderr().lock();
    let (mean, share) = (outcome.mean(), outcome.share() * 100.0);
    writeln!(
        out,
        "{what}: mean IoU {mean:.3}, {share:.2} % good {outcome:?}"
    )
    .expect("a terminal or none");
}

#[test]
fn boxes_overlap_their_objects_in_99_of_100_frames() {
    for size in [
        Size::new(640, 360),
        Size::new(1280, 720),
        Size::new(1920, 1080),
    ] {
        for is_jittering in [false, true] {
            for phase in 0..5 {
                let run = Run {
                    size,
                    is_jittering,
                    phase,
                    ..USUAL
                };
                let outcome = run.go();
                let latest = Run {
                    sync: Sync::Latest,
                    ..run
                }
                .go();
                report(
                    &format!("{size} jittering {is_jittering} phase {phase} aligned"),
                    &outcome,
                );
                report(
                    &format!("{size} jittering {is_jittering} phase {phase} latest"),
                    &latest,
                );
                assert!(outcome.is_aligned(), "{outcome:?}");
                assert_eq!(outcome.matched, outcome.shown);
                assert!(latest.share() < 0.2, "{latest:?}");
            }
        }
    }
}

#[test]
fn boxes_half_as_large_again_are_not_good_enough() {
    let run = Run {
        inflation: 1.5,
        ..USUAL
    };
    let outcome = run.go();
    report("area × 1.5", &outcome);
    assert!(!outcome.is_aligned(), "{outcome:?}");
}

#[test]
fn a_clock_that_is_hours_off_and_a_session_that_differs_a_little_change_nothing() {
    let hours = -7 * 3_600_000_000_000;
    for (clock, other_ms) in [(hours, 0), (0, 7), (hours, 13)] {
        let run = Run {
            clock: Some(clock),
            other_session: millis(other_ms),
            ..USUAL
        };
        let outcome = run.go();
        report(
            &format!("clock {clock}, other session {other_ms} ms"),
            &outcome,
        );
        assert!(outcome.is_aligned(), "{outcome:?}");
        assert_eq!(outcome.matched, outcome.shown);
    }
}

#[test]
fn sessions_whose_ntp_times_begin_anew_are_aligned_by_arrival() {
    let run = Run {
        other_session: millis(3_210),
        ..USUAL
    };
    let outcome = run.go();
    report("NTP times 3.21 s apart", &outcome);
    assert!(outcome.is_aligned(), "{outcome:?}");
    assert_eq!(outcome.matched, 0);
}

#[test]
fn without_sender_reports_clocks_of_arrival_do_better_than_none() {
    let run = Run {
        clock: None,
        ..USUAL
    };
    let outcome = run.go();
    let latest = Run {
        sync: Sync::Latest,
        ..run
    }
    .go();
    report("no sender reports, aligned", &outcome);
    report("no sender reports, latest", &latest);
    assert_eq!(outcome.matched, 0);
    assert!(outcome.is_aligned(), "{outcome:?}");
    assert!(!latest.is_aligned(), "{latest:?}");
}
