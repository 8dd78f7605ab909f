//! Any input in any order: no panic, no NaN, no box outside the picture, bounded memory.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::testing::{DAY, SIZE, event, frame, millis, object, settings};
use super::{AlignSettings, Aligner, Basis, Drawing, FrameTimes};
use crate::base::{BBox, Size};
use crate::config::Sync;
use crate::event::DetectedObject;

const FRAME_MS: u64 = 40;
const LATENCY: Duration = Duration::from_millis(100);

/// Adds frames `numbers` at 25 per second, and an event of every fifth 100 ms later. The object moves by 5 pixels per frame.
/// `session_ntp` gives a frame's NTP time here, `other_ntp` its time in the processor's session.
fn feed(
    aligner: &mut Aligner,
    numbers: std::ops::Range<u64>,
    session_ntp: impl Fn(u64) -> Option<Duration>,
    other_ntp: impl Fn(u64) -> Option<Duration>,
) {
    for number in numbers {
        let arrival = millis(number * FRAME_MS);
        aligner.frame(&frame(arrival, session_ntp(number)));
        // The frame after the next arrives 80 ms after this one.
        let Some(seen) = number.checked_sub(3).filter(|seen| seen % 5 == 0) else {
            continue;
        };
        let detections = vec![object(Some(1), seen as f32 * 5.0 % 1000.0)];
        let event = event(
            DAY + millis(seen * FRAME_MS),
            other_ntp(seen),
            LATENCY,
            detections,
        );
        aligner.event(Arc::new(event), millis(seen * FRAME_MS) + LATENCY);
    }
}

fn by_number(start: Duration) -> impl Fn(u64) -> Option<Duration> {
    move |number| Some(start + millis(number * FRAME_MS))
}

fn show(aligner: &Aligner, number: u64, ntp: Option<Duration>) -> Drawing {
    let arrival = millis(number * FRAME_MS);
    aligner.boxes(&frame(arrival, ntp), arrival + aligner.delay())
}

#[test]
fn events_beyond_what_video_waits_and_boxes_last_are_late() {
    let late_after = |sync: Sync, latency_ms: u64| {
        let mut aligner = Aligner::new(AlignSettings {
            ttl: millis(300),
            budget: Some(millis(200)),
            ..settings(sync)
        });
        let latency = millis(latency_ms);
        for number in 0..400 {
            let now = millis(number * FRAME_MS);
            aligner.frame(&frame(now, None));
            let Some(taken) = now.checked_sub(latency).filter(|_| number % 5 == 0) else {
                continue;
            };
            let seen = event(DAY + taken, None, latency, vec![object(Some(1), 100.0)]);
            aligner.event(Arc::new(seen), now);
        }
        let now = millis(400 * FRAME_MS);
        // A frame that is shown about now.
        let drawn = show(&aligner, 394, None).boxes.len();
        (
            aligner.is_late(now),
            drawn,
            aligner.is_late(now + millis(6_000)),
        )
    };
    // Without recent events the state is not late.
    assert_eq!(late_after(Sync::Aligned, 100), (false, 1, false));
    assert_eq!(late_after(Sync::Aligned, 300), (false, 1, false));
    assert_eq!(late_after(Sync::Aligned, 900), (true, 0, false));
    assert_eq!(late_after(Sync::Auto, 100), (false, 1, false));
    assert_eq!(late_after(Sync::Auto, 900), (true, 1, false));
    assert_eq!(late_after(Sync::Latest, 900), (false, 1, false));
}

fn left_px(drawing: &Drawing) -> f32 {
    drawing.boxes[0].corners[0] * SIZE.width as f32
}

#[test]
fn a_frame_between_two_events_has_a_box_between_theirs() {
    let mut aligner = Aligner::new(settings(Sync::Auto));
    let ntp = by_number(DAY);
    feed(&mut aligner, 0..104, &ntp, &ntp);
    let drawing = show(&aligner, 97, ntp(97));
    assert_eq!(drawing.basis, Basis::Matched);
    assert!((left_px(&drawing) - 485.0).abs() < 0.1 && !drawing.boxes[0].dashed);
    let extrapolated = show(&aligner, 103, ntp(103));
    assert!((left_px(&extrapolated) - 515.0).abs() < 0.1 && extrapolated.boxes[0].dashed);
    let stats = aligner.stats();
    assert_eq!((stats.frames, stats.events), (104, 21));
    assert_eq!((stats.refused, stats.mode), (0, Basis::Matched));
    assert!(stats.matched >= 15 && stats.skew_p95_ms == Some(0.0));
    assert_eq!((stats.lag_p50_ms, stats.lag_p95_ms), (100.0, 100.0));
}

#[test]
fn the_delay_is_lag_and_distance_and_ends_with_the_events() {
    let mut aligner = Aligner::new(settings(Sync::Auto));
    assert_eq!(aligner.delay(), Duration::ZERO);
    let ntp = by_number(DAY);
    feed(&mut aligner, 0..200, &ntp, &ntp);
    assert_eq!(aligner.delay(), millis(300));
    for number in 200..1_000 {
        aligner.frame(&frame(millis(number * FRAME_MS), ntp(number)));
    }
    assert_eq!(aligner.delay(), Duration::ZERO);
    let long_after = show(&aligner, 999, ntp(999));
    assert_eq!(
        (long_after.boxes.len(), long_after.basis),
        (0, Basis::Nothing)
    );
}

#[test]
fn latest_tells_how_far_its_boxes_are_from_their_frames() {
    let mut aligner = Aligner::new(settings(Sync::Latest));
    let ntp = by_number(DAY);
    feed(&mut aligner, 0..504, &ntp, &ntp);
    let stats = aligner.stats();
    assert_eq!(stats.mode, Basis::Latest);
    // Boxes are first drawn on the fourth frame after theirs, and stay for five.
    assert_eq!(
        (stats.skew_p50_ms, stats.skew_p95_ms),
        (Some(240.0), Some(320.0))
    );
    assert_eq!(stats.matched_share, Some(0.0));
    aligner.set(settings(Sync::Aligned));
    feed(&mut aligner, 504..1_004, &ntp, &ntp);
    let stats = aligner.stats();
    assert_eq!(
        (stats.matched_share, stats.skew_p95_ms),
        (Some(1.0), Some(0.0))
    );
}

#[test]
fn latest_draws_the_newest_boxes_until_their_time_to_live() {
    let mut aligner = Aligner::new(settings(Sync::Latest));
    let ntp = by_number(DAY);
    feed(&mut aligner, 0..104, &ntp, &ntp);
    assert_eq!(aligner.delay(), Duration::ZERO);
    let newest = millis(100 * FRAME_MS) + LATENCY;
    let at = |now| aligner.boxes(&frame(millis(103 * FRAME_MS), None), now);
    assert!((left_px(&at(newest)) - 500.0).abs() < 0.1);
    assert_eq!(at(newest + millis(1_000)).basis, Basis::Latest);
    assert_eq!(at(newest + millis(1_001)), Drawing::default());
}

#[test]
fn a_session_with_other_ntp_times_is_aligned_by_arrival_until_they_fit_again() {
    let mut aligner = Aligner::new(settings(Sync::Auto));
    let ntp = by_number(DAY);
    feed(&mut aligner, 0..100, &ntp, &ntp);
    aligner.session_ended();
    let anew = by_number(DAY + millis(40_000));
    feed(&mut aligner, 100..200, &anew, &ntp);
    let drawing = show(&aligner, 192, anew(192));
    assert_eq!(drawing.basis, Basis::Estimated);
    assert!((left_px(&drawing) - 960.0).abs() < 0.1);
    aligner.session_ended();
    feed(&mut aligner, 200..300, &ntp, &ntp);
    assert_eq!(show(&aligner, 292, ntp(292)).basis, Basis::Matched);
}

#[test]
fn a_processor_s_session_that_begins_anew_is_followed() {
    let mut aligner = Aligner::new(settings(Sync::Auto));
    let (ntp, anew) = (by_number(DAY), by_number(DAY + millis(7_000_000)));
    feed(&mut aligner, 0..100, &ntp, &ntp);
    feed(&mut aligner, 100..300, &ntp, &anew);
    assert_eq!(show(&aligner, 292, ntp(292)).basis, Basis::Estimated);
    feed(&mut aligner, 300..500, &anew, &anew);
    // The step of our frames is followed as well.
    let drawing = show(&aligner, 492, anew(492));
    assert_eq!(drawing.basis, Basis::Matched);
    assert!((left_px(&drawing) - 460.0).abs() < 0.1);
}

#[test]
fn one_event_from_the_future_moves_nothing() {
    let mut aligner = Aligner::new(settings(Sync::Auto));
    let ntp = by_number(DAY);
    feed(&mut aligner, 0..104, &ntp, &ntp);
    let before = show(&aligner, 97, ntp(97));
    let future = DAY + Duration::from_secs(86_400);
    let stray = event(future, Some(future), LATENCY, vec![object(Some(1), 0.0)]);
    aligner.event(Arc::new(stray), millis(104 * FRAME_MS));
    assert_eq!(aligner.stats().refused, 1);
    assert_eq!(show(&aligner, 97, ntp(97)), before);
}

#[test]
fn events_may_come_before_their_frames() {
    let mut aligner = Aligner::new(settings(Sync::Auto));
    let ntp = by_number(DAY);
    for number in 0..100u64 {
        // The video delay of the wall is 300 ms longer than that of the processor and the broker.
        let early = event(DAY, ntp(number), millis(10), vec![object(None, 10.0)]);
        aligner.event(Arc::new(early), millis(1_000 + number * FRAME_MS + 10));
        if let Some(number) = number.checked_sub(7) {
            aligner.frame(&frame(millis(1_300 + number * FRAME_MS), ntp(number)));
        }
    }
    let stats = aligner.stats();
    assert_eq!((stats.mode, stats.lag_p95_ms), (Basis::Matched, -290.0));
    // The first two arrive before the clock is known. The frames of the last ones have not arrived.
    assert!(stats.matched >= 90 && stats.unmatched == 2, "{stats:?}");
    // The delay has risen at the start and is still falling.
    assert!(aligner.delay() < millis(10));
    let drawing = aligner.boxes(
        &frame(millis(1_300 + 92 * FRAME_MS), ntp(92)),
        millis(9_000),
    );
    assert_eq!((drawing.basis, drawing.boxes.len()), (Basis::Matched, 1));
}

#[test]
fn events_that_say_nothing_of_their_way_are_drawn_as_the_newest() {
    let mut aligner = Aligner::new(settings(Sync::Auto));
    for number in 0..50 {
        aligner.frame(&frame(millis(number * FRAME_MS), None));
        let mut published = event(DAY + millis(number * FRAME_MS), None, LATENCY, Vec::new());
        published.latency_ms = None;
        aligner.event(Arc::new(published), millis(number * FRAME_MS + 30));
    }
    assert_eq!(show(&aligner, 49, None).basis, Basis::Latest);
    aligner.set(settings(Sync::Aligned));
    assert_eq!(show(&aligner, 40, None).basis, Basis::Estimated);
}

#[derive(Debug, Clone)]
enum Step {
    Frame {
        after_ms: u64,
        ntp_ns: Option<u64>,
        size: Size,
    },
    Event {
        after_ms: u64,
        told_ms: i64,
        ntp_ns: Option<u64>,
        latency_ms: Option<f32>,
        detections: Vec<DetectedObject>,
        width: Option<u32>,
        box_name: u8,
    },
    SessionEnded,
}

fn any_ntp() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        Just(None),
        any::<u64>().prop_map(Some),
        (0u64..10_000_000_000).prop_map(|ns| Some(1_780_000_000_000_000_000 + ns)),
    ]
}

fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![8 => -50f32..2000.0, 1 => any::<f32>()]
}

prop_compose! {
    fn any_object()(x in any_number(), y in any_number(), width in any_number(), height in any_number(),
        track in prop::option::of(0u64..5)) -> DetectedObject {
        DetectedObject { class_name: "cat".into(), confidence: 0.5, bbox: BBox { x, y, width, height }, tracker_id: track }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![
        Just(SIZE),
        (any::<u32>(), any::<u32>()).prop_map(|(w, h)| Size::new(w, h))
    ];
    prop_oneof![
        10 => (0u64..200, any_ntp(), size).prop_map(|(after_ms, ntp_ns, size)| Step::Frame { after_ms, ntp_ns, size }),
        10 => (0u64..100, prop_oneof![0i64..10_000, -3_000_000_000_000i64..3_000_000_000_000], any_ntp(),
            prop::option::of(prop_oneof![4 => 0f32..500.0, 1 => any::<f32>()]),
            prop::collection::vec(any_object(), 0..6), prop::option::of(any::<u32>()), 0u8..8)
            .prop_map(|(after_ms, told_ms, ntp_ns, latency_ms, detections, width, box_name)| Step::Event {
                after_ms, told_ms, ntp_ns, latency_ms, detections, width, box_name }),
        1 => Just(Step::SessionEnded),
    ]
}

fn check(drawing: &Drawing) -> Result<(), TestCaseError> {
    for drawn in &drawing.boxes {
        let [left, top, right, bottom] = drawn.corners;
        prop_assert!(0.0 <= left && left < right && right <= 1.0, "{:?}", drawn);
        prop_assert!(0.0 <= top && top < bottom && bottom <= 1.0, "{:?}", drawn);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_comes_boxes_lie_in_the_picture_and_the_delay_below_a_second(
        steps in prop::collection::vec(any_step(), 1..150),
        sync in prop_oneof![Just(Sync::Auto), Just(Sync::Aligned), Just(Sync::Latest)],
        ttl_ms in prop_oneof![0u64..3_000, Just(u64::MAX)],
    ) {
        let mut settings = settings(sync);
        settings.ttl = millis(ttl_ms);
        let mut aligner = Aligner::new(settings);
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Frame { after_ms, ntp_ns, size } => {
                    now += millis(after_ms);
                    let times = FrameTimes { arrival: now, ntp_ns, size };
                    aligner.frame(&times);
                    check(&aligner.boxes(&times, now))?;
                    check(&aligner.boxes(&FrameTimes { arrival: now.saturating_sub(millis(300)), ..times }, now))?;
                }
                Step::Event { after_ms, told_ms, ntp_ns, latency_ms, detections, width, box_name } => {
                    now += millis(after_ms);
                    let mut sent = event(DAY, None, LATENCY, detections);
                    sent.timestamp = jiff::Timestamp::from_millisecond(1_780_000_000_000 + told_ms).expect("in the calendar");
                    sent.ntp_ns = ntp_ns;
                    sent.latency_ms = latency_ms;
                    sent.frame_width = width;
                    sent.instance_id = (box_name == 0).then(|| "other".into());
                    aligner.event(Arc::new(sent.clone()), now);
                    aligner.event(Arc::new(sent), now);
                }
                Step::SessionEnded => aligner.session_ended(),
            }
            prop_assert!(aligner.delay() <= Duration::from_secs(1));
            let stats = aligner.stats();
            prop_assert!(stats.skew_p95_ms.is_none_or(f64::is_finite) && stats.lag_p95_ms.is_finite());
        }
    }
}

#[test]
fn a_thousand_events_a_second_of_256_boxes_stay_bounded() {
    let mut aligner = Aligner::new(settings(Sync::Auto));
    let ntp = by_number(DAY);
    for at_ms in 0..3_000u64 {
        if at_ms % FRAME_MS == 0 {
            aligner.frame(&frame(millis(at_ms), ntp(at_ms / FRAME_MS)));
        }
        let detections = (0..256)
            .map(|track| object(Some(at_ms % 7 + track), track as f32))
            .collect();
        let sent = event(DAY, Some(DAY + millis(at_ms)), millis(10), detections);
        aligner.event(Arc::new(sent), millis(at_ms + 10));
    }
    let drawing = show(&aligner, 73, ntp(73));
    assert_eq!(drawing.basis, Basis::Matched);
    assert!(drawing.boxes.len() <= 512 && drawing.boxes.len() >= 250);
    assert!(aligner.kept_boxes() <= 8192);
}
