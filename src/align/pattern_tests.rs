//! The proof: an object of known position that moves, turns and rests, seen at 5 frames a second and shown at 25.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::testing::{DAY, event, millis, settings};
use super::{Aligner, Basis, FrameTimes};
use crate::base::{Pattern, Size};
use crate::config::Sync;
use crate::event::DetectedObject;

const FRAME: Duration = Duration::from_millis(40);
/// Where edges are rounded outward to whole pixels.
const TILE: Size = Size::new(480, 270);
/// Frames before the share is taken: the first event, and the delay's rise.
const SETTLING: u32 = 100;

/// How one run is arranged.
#[derive(Clone, Copy)]
struct Run {
    size: Size,
    sync: Sync,
    frames: u32,
    /// First frame that is detected.
    phase: u32,
    /// Whether detections are 4 to 6 frames apart instead of 5.
    is_jittering: bool,
    /// What the camera's clock is off by; no sender reports where absent.
    clock: Option<i64>,
    /// By how much later the processor's session sees NTP times of the same frames.
    other_session: Duration,
    jitter: Duration,
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
};

#[derive(Debug, Default, Clone, Copy)]
struct Outcome {
    shown: u32,
    good: u32,
    dashed: u32,
    matched: u32,
    by_object: [u32; 3],
    growth: f64,
}

impl Outcome {
    fn share(&self) -> f64 {
        f64::from(self.good) / f64::from(self.shown)
    }
}

/// A little generator, so that a run is the same every time.
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
                    // The processor's clock is its own.
                    let told = DAY + FRAME * number + arrival;
                    let mut event = event(told, ntp, latency, detections.collect());
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
                judge(&pattern, &aligner, number, &frame, now, &mut outcome);
            }
        }
        outcome
    }
}

fn judge(
    pattern: &Pattern,
    aligner: &Aligner,
    number: u32,
    frame: &FrameTimes,
    now: Duration,
    outcome: &mut Outcome,
) {
    let drawing = aligner.boxes(frame, now);
    outcome.shown += 1;
    outcome.matched += u32::from(drawing.basis == Basis::Matched);
    outcome.dashed += u32::from(drawing.boxes.iter().any(|drawn| drawn.dashed));
    let (width, height) = (f64::from(TILE.width), f64::from(TILE.height));
    let mut all_good = true;
    for (index, object) in pattern.objects(number).iter().enumerate() {
        let [left, top, right, bottom] = object.bbox.corners().map(f64::from);
        let across = width / f64::from(pattern.size().width);
        let down = height / f64::from(pattern.size().height);
        let truth = [left * across, top * down, right * across, bottom * down];
        let found = drawing
            .boxes
            .iter()
            .find(|drawn| drawn.tracker_id == Some(index as u64 + 1));
        let is_good = found.is_some_and(|drawn| {
            let [left, top, right, bottom] = drawn.corners.map(f64::from);
            let edges = [
                (left * width + 1e-3).floor(),
                (top * height + 1e-3).floor(),
                (right * width - 1e-3).ceil(),
                (bottom * height - 1e-3).ceil(),
            ];
            let area = |[left, top, right, bottom]: [f64; 4]| (right - left) * (bottom - top);
            let growth = area(edges) / area(truth);
            outcome.growth = outcome.growth.max(growth);
            edges[0] <= truth[0] + 1e-3
                && edges[1] <= truth[1] + 1e-3
                && edges[2] >= truth[2] - 1e-3
                && edges[3] >= truth[3] - 1e-3
                && growth <= 1.5
        });
        outcome.by_object[index] += u32::from(is_good);
        all_good &= is_good;
    }
    outcome.good += u32::from(all_good);
}

fn report(what: &str, outcome: &Outcome) {
    use std::io::Write;
    let mut out = std::io::stderr().lock();
    let share = outcome.share() * 100.0;
    writeln!(out, "{what}: {share:.2} % {outcome:?}").expect("a terminal or none");
}

#[test]
fn boxes_enclose_their_objects_in_99_of_100_frames() {
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
                assert!(outcome.share() >= 0.99, "{outcome:?}");
                assert_eq!(outcome.matched, outcome.shown);
                assert!(latest.share() < 0.6, "{latest:?}");
            }
        }
    }
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
        assert!(outcome.share() >= 0.99, "{outcome:?}");
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
    assert!(outcome.share() >= 0.99, "{outcome:?}");
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
    assert!(outcome.share() > latest.share() + 0.1, "{outcome:?}");
}
