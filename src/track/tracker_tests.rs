//! Which detections keep an id, get a new one, or get none.

use super::*;
use crate::base::BBox;
use proptest::prelude::*;

const FRAME: Duration = Duration::from_millis(100);

fn person(x: f32, confidence: f32) -> Detection {
    named("person", x, confidence)
}

fn named(class_name: &str, x: f32, confidence: f32) -> Detection {
    Detection {
        class_name: class_name.into(),
        confidence,
        bbox: BBox {
            x,
            y: 200.0,
            width: 40.0,
            height: 100.0,
        },
    }
}

fn tracker() -> Tracker {
    Tracker::new(TrackerSettings::default())
}

#[test]
fn two_who_cross_keep_their_ids_at_10_and_at_2_5_frames_a_second() {
    for (frame, frames) in [(FRAME, 40), (4 * FRAME, 10)] {
        let mut tracker = tracker();
        for number in 0..=frames {
            let seconds = frame.as_secs_f32() * number as f32;
            let (one, other) = (100.0 + 80.0 * seconds, 420.0 - 80.0 * seconds);
            // They pass each other at 2 s: a detector finds one box then.
            let detections = if (one - other).abs() < 15.0 {
                vec![person(one, 0.9)]
            } else {
                vec![person(one, 0.9), person(other, 0.9)]
            };
            let ids = tracker.update(frame * number, &detections);
            if detections.len() == 2 {
                assert_eq!(ids, [Some(1), Some(2)], "after {seconds} s");
            }
        }
    }
}

#[test]
fn an_id_survives_an_occlusion_of_a_second_and_ends_with_its_limit() {
    let mut tracker = tracker();
    let mut at = Duration::ZERO;
    for _ in 0..20 {
        assert_eq!(
            tracker.update(at, &[person(100.0 + 60.0 * at.as_secs_f32(), 0.9)]),
            [Some(1)]
        );
        at += FRAME;
    }
    at += Duration::from_secs(1);
    let behind_the_post = person(100.0 + 60.0 * at.as_secs_f32(), 0.9);
    assert_eq!(tracker.update(at, &[behind_the_post]), [Some(1)]);
    at += Duration::from_millis(2100);
    let much_later = person(100.0 + 60.0 * at.as_secs_f32(), 0.9);
    assert_eq!(tracker.update(at, &[much_later]), [Some(2)]);
}

#[test]
fn a_stranger_who_walks_a_bodys_width_between_two_frames_is_one_track() {
    let mut tracker = tracker();
    for number in 0..5u32 {
        let ids = tracker.update(
            4 * FRAME * number,
            &[person(100.0 + 40.0 * number as f32, 0.8)],
        );
        assert_eq!(ids, [Some(1)], "in frame {number}");
    }
}

#[test]
fn a_weak_start_has_its_id_when_seen_again_and_a_strong_one_at_once() {
    let mut tracker = tracker();
    let (weak, strong) = (person(100.0, 0.55), person(400.0, 0.8));
    let frame = [weak, strong];
    assert_eq!(tracker.update(FRAME, &frame), [None, Some(1)]);
    assert_eq!(tracker.update(2 * FRAME, &frame), [Some(2), Some(1)]);
}

#[test]
fn a_weak_start_that_does_not_come_back_spends_no_id() {
    let mut tracker = tracker();
    assert_eq!(tracker.update(FRAME, &[person(100.0, 0.55)]), [None]);
    assert_eq!(tracker.update(20 * FRAME, &[person(100.0, 0.55)]), [None]);
    assert_eq!(tracker.update(21 * FRAME, &[person(500.0, 0.9)]), [Some(1)]);
}

#[test]
fn a_low_detection_continues_a_track_but_starts_none() {
    let mut tracker = tracker();
    assert_eq!(tracker.update(FRAME, &[person(100.0, 0.2)]), [None]);
    assert_eq!(tracker.update(2 * FRAME, &[person(100.0, 0.9)]), [Some(1)]);
    let half_hidden = [person(400.0, 0.2), person(103.0, 0.2)];
    assert_eq!(tracker.update(3 * FRAME, &half_hidden), [None, Some(1)]);
    assert_eq!(tracker.update(4 * FRAME, &[person(100.0, 0.05)]), [None]);
}

#[test]
fn a_high_detection_is_preferred_to_a_low_one_that_lies_better() {
    let mut tracker = tracker();
    tracker.update(FRAME, &[person(100.0, 0.9)]);
    let ids = tracker.update(2 * FRAME, &[person(100.0, 0.4), person(106.0, 0.7)]);
    assert_eq!(ids, [None, Some(1)]);
}

#[test]
fn another_class_on_the_same_spot_is_another_object() {
    let mut tracker = tracker();
    assert_eq!(
        tracker.update(FRAME, &[named("dog", 100.0, 0.9)]),
        [Some(1)]
    );
    let both = [person(100.0, 0.9), named("dog", 101.0, 0.9)];
    assert_eq!(tracker.update(2 * FRAME, &both), [Some(2), Some(1)]);
}

#[test]
fn ids_go_on_after_a_long_gap() {
    let mut tracker = tracker();
    assert_eq!(tracker.update(FRAME, &[person(100.0, 0.9)]), [Some(1)]);
    assert_eq!(
        tracker.update(900 * FRAME, &[person(100.0, 0.9)]),
        [Some(2)]
    );
}

#[test]
fn time_that_stands_still_keeps_tracks_and_time_that_jumps_back_ends_them() {
    let mut tracker = tracker();
    for at in [50, 50, 45, 46].map(|frame| frame * FRAME) {
        assert_eq!(tracker.update(at, &[person(100.0, 0.9)]), [Some(1)]);
    }
    assert_eq!(tracker.update(FRAME, &[person(100.0, 0.9)]), [Some(2)]);
    assert_eq!(tracker.update(2 * FRAME, &[person(100.0, 0.9)]), [Some(2)]);
}

#[test]
fn objects_in_place_keep_their_id_at_every_rate_and_through_a_missed_frame() {
    for interval_ms in [2100, 2500, 5000, 10_000, 60_000] {
        let hinted = TrackerSettings {
            frame_interval: Duration::from_millis(interval_ms),
            ..TrackerSettings::default()
        };
        for mut tracker in [Tracker::new(hinted), tracker()] {
            // Without a configured interval, the first interval does not count as a rate if it may be a pause.
            let known = tracker.settings.frame_interval > Duration::ZERO || interval_ms <= 10_000;
            for frame in 0..20u32 {
                // Frames of a camera arrive a little early or late.
                let jitter = Duration::from_millis(u64::from(frame * 37 % 80));
                let at = Duration::from_millis(interval_ms) * frame + jitter;
                if frame == 10 {
                    assert_eq!(tracker.update(at, &[]), []);
                    continue;
                }
                let parked = person(100.0 + (frame * 7 % 5) as f32, 0.9);
                let id = if known || frame == 0 { 1 } else { 2 };
                assert_eq!(
                    tracker.update(at, &[parked]),
                    [Some(id)],
                    "frame {frame}, every {interval_ms} ms"
                );
            }
        }
    }
}

#[test]
fn at_a_rate_too_low_for_motion_a_neighbour_is_another_object() {
    let mut tracker = tracker();
    let interval = Duration::from_secs(7);
    for frame in 0..4 {
        tracker.update(interval * frame, &[person(100.0, 0.9)]);
    }
    assert_eq!(
        tracker.update(interval * 4, &[person(140.0, 0.9)]),
        [Some(2)]
    );
    let slow = tracker.rate_too_low().expect("it is known by now");
    assert_eq!((slow.interval, slow.beyond_limit), (interval, true));
}

#[test]
fn a_weak_start_has_its_id_when_seen_again_at_every_rate() {
    for interval_ms in [40, 500, 550, 700, 1000, 3000] {
        let mut tracker = tracker();
        let mut ids = Vec::new();
        for frame in 0..6u32 {
            let at = Duration::from_millis(interval_ms) * frame;
            ids = tracker.update(at, &[person(100.0, 0.55)]);
        }
        assert_eq!(ids, [Some(1)], "every {interval_ms} ms");
    }
}

#[test]
fn a_rate_that_falls_costs_an_id_and_a_pause_does_not_count_as_a_rate() {
    let mut tracker = tracker();
    let mut at = Duration::ZERO;
    let mut ids = Vec::new();
    for interval in [[FRAME; 20], [30 * FRAME; 20]].concat() {
        at += interval;
        ids.push(tracker.update(at, &[person(100.0, 0.9)])[0]);
    }
    assert_eq!(ids[..20], [Some(1); 20]);
    // The rate is known after the third long interval.
    assert_eq!(ids[20..23], [Some(2), Some(3), Some(3)]);
    assert_eq!(ids[23..], [Some(3); 17]);
    assert!(tracker.rate_too_low().is_some());
}

#[test]
fn a_rate_that_is_raised_by_the_settings_is_measured_anew() {
    let slow = TrackerSettings {
        frame_interval: 25 * FRAME,
        ..TrackerSettings::default()
    };
    let mut tracker = Tracker::new(slow);
    for frame in 0..5 {
        tracker.update(25 * FRAME * frame, &[person(100.0, 0.9)]);
    }
    assert!(tracker.rate_too_low().is_some());
    tracker.set_settings(TrackerSettings::default());
    assert_eq!(tracker.rate_too_low(), None);
    assert_eq!(
        tracker.update(101 * FRAME, &[person(100.0, 0.9)]),
        [Some(1)]
    );
}

#[test]
fn objects_that_move_too_far_between_frames_are_reported() {
    let mut tracker = tracker();
    for second in 0..8u64 {
        let car = named("car", 50.0 + 400.0 * second as f32, 0.9);
        tracker.update(Duration::from_secs(second), &[car]);
    }
    let slow = tracker.rate_too_low().expect("no car was followed");
    assert!(!slow.beyond_limit);
}

#[test]
fn thresholds_change_between_two_frames_and_tracks_go_on() {
    let mut tracker = tracker();
    assert_eq!(tracker.update(FRAME, &[person(100.0, 0.9)]), [Some(1)]);
    for (number, confidence) in [(2, 0.95), (3, 0.25), (4, 0.05)] {
        tracker.set_settings(TrackerSettings::for_confidence(confidence));
        let both = [person(100.0, 0.9), person(400.0, confidence)];
        let ids = tracker.update(FRAME * number, &both);
        assert_eq!(ids[0], Some(1), "at {confidence}");
    }
}

#[test]
fn at_every_confidence_what_is_published_gets_an_id() {
    for confidence in [0.0f32, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0] {
        let settings = TrackerSettings::for_confidence(confidence);
        let mut tracker = Tracker::new(settings);
        let seen = person(100.0, confidence);
        tracker.update(FRAME, std::slice::from_ref(&seen));
        let again = tracker.update(2 * FRAME, std::slice::from_ref(&seen));
        assert_eq!(again, [Some(1)], "at {confidence}");
        let weak = person(100.0, settings.low_confidence);
        assert_eq!(tracker.update(3 * FRAME, &[weak]), [Some(1)]);
    }
}

#[test]
fn a_box_that_is_none_gets_no_id_and_harms_nobody() {
    let mut tracker = tracker();
    let mut broken = person(100.0, 0.9);
    broken.bbox.width = f32::NAN;
    let mut empty = person(100.0, 0.9);
    empty.bbox.height = 0.0;
    let frame = [broken, person(100.0, 0.9), empty];
    for at in 1..4 {
        assert_eq!(tracker.update(at * FRAME, &frame), [None, Some(1), None]);
    }
}

fn any_detection() -> impl Strategy<Value = Detection> {
    let coordinate = prop_oneof![8 => -50.0f32..700.0, 1 => prop::num::f32::ANY];
    let extent = prop_oneof![8 => 0.0f32..200.0, 1 => prop::num::f32::ANY];
    let confidence = prop_oneof![8 => 0.0f32..1.0, 1 => prop::num::f32::ANY];
    (
        (coordinate.clone(), coordinate, extent.clone(), extent),
        confidence,
        prop::sample::select(vec!["person", "car"]),
    )
        .prop_map(
            |((x, y, width, height), confidence, class_name)| Detection {
                class_name: class_name.into(),
                confidence,
                bbox: BBox {
                    x,
                    y,
                    width,
                    height,
                },
            },
        )
}

proptest! {
    #[test]
    fn whatever_comes_each_detection_is_answered_and_no_id_appears_twice_in_a_frame(
        frames in prop::collection::vec(
            (0u64..5_000, prop::collection::vec(any_detection(), 0..12)), 1..25,
        ),
    ) {
        let mut tracker = tracker();
        let mut newest = 0;
        let mut class_of = std::collections::HashMap::new();
        for (at_ms, detections) in &frames {
            let ids = tracker.update(Duration::from_millis(*at_ms), detections);
            prop_assert_eq!(ids.len(), detections.len());
            let mut in_frame: Vec<u64> = ids.iter().copied().flatten().collect();
            in_frame.sort_unstable();
            prop_assert!(in_frame.windows(2).all(|pair| pair[0] < pair[1]));
            for (detection, id) in detections.iter().zip(&ids) {
                let Some(id) = id else { continue };
                let class = class_of.entry(*id).or_insert_with(|| detection.class_name.clone());
                prop_assert_eq!(&*class, &detection.class_name);
            }
            let highest = in_frame.last().copied().unwrap_or(newest).max(newest);
            let fresh = in_frame.iter().filter(|id| **id > newest).count() as u64;
            prop_assert_eq!(highest - newest, fresh, "an id was skipped");
            newest = highest;
        }
    }
}
