use proptest::prelude::*;

use super::*;
use crate::record::testing::{Camera, scene_of};

const SECOND: Duration = Duration::from_secs(1);

/// The media times in milliseconds; scenes as `s`.
fn shown(items: &[Held]) -> String {
    let shown = items.iter().map(|item| match item {
        Held::Unit { unit, after_gap } => {
            let mark = if *after_gap { "!" } else { "" };
            format!("{mark}{}", unit.pts_ns / 1_000_000)
        }
        Held::Scene(_) => "s".to_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn first_ms(items: &[Held]) -> u64 {
    match &items[0] {
        Held::Unit { unit, .. } if unit.is_key => unit.pts_ns / 1_000_000,
        other => panic!("{other:?} is no key frame"),
    }
}

/// Holds so many groups of a second.
fn seconds(held: &mut PreRoll, camera: &mut Camera, seconds: usize) -> Moment {
    let mut newest = Moment::default();
    for unit in (0..seconds).flat_map(|_| camera.group(5)) {
        newest = Moment::of(&unit);
        held.unit(unit, false);
    }
    newest
}

#[test]
fn what_is_given_out_begins_with_the_key_frame_before_the_time_and_is_all_that_came() {
    let (mut held, mut camera) = (PreRoll::new(SECOND, UNITS_BYTES), Camera::new());
    assert!(held.is_empty());
    // No key frame yet.
    held.unit(camera.other(), false);
    held.scene(scene_of(&camera.other()));
    assert!(held.is_empty());
    let keys = [camera.group(3), camera.group(3)].concat();
    for (unit, after_gap) in keys
        .into_iter()
        .zip([false, false, false, true, false, false])
    {
        let scene = scene_of(&unit);
        held.unit(unit, after_gap);
        held.scene(scene);
    }
    let newest = seconds(&mut held, &mut camera, 1);
    // The newest is of 2.6 s, so it begins with the last key frame until 1.6 s.
    assert_eq!(
        shown(&held.take(newest)),
        "!1200 s 1400 s 1600 s 1800 2000 2200 2400 2600"
    );
    assert!(held.is_empty());
    assert_eq!((held.unit_bytes, held.scene_bytes), (0, 0));
    // Nothing of before comes again.
    let newest = seconds(&mut held, &mut camera, 1);
    assert_eq!(shown(&held.take(newest)), "2800 3000 3200 3400 3600");
}

#[test]
fn a_frame_that_is_older_than_the_newest_has_its_own_time_before_it() {
    let (mut held, mut camera) = (PreRoll::new(10 * SECOND, UNITS_BYTES), Camera::new());
    seconds(&mut held, &mut camera, 28);
    let frame = Moment::of(&camera.clone().key());
    let newest = seconds(&mut held, &mut camera, 2);
    assert_eq!(newest.arrival, 30 * SECOND);
    // The frame of 28.2 s, so the key frame of 18.2 s.
    assert_eq!(first_ms(&held.take(frame)), 18_200);
    // Without a time before it, its own group.
    let (mut held, mut camera) = (PreRoll::new(Duration::ZERO, UNITS_BYTES), Camera::new());
    seconds(&mut held, &mut camera, 4);
    let frame = Moment::of(&camera.clone().key());
    seconds(&mut held, &mut camera, 1);
    assert_eq!(first_ms(&held.take(frame)), 4200);
}

#[test]
fn after_a_step_of_the_clock_not_less_is_given_out() {
    for (step, first) in [(3600, 18_200), (-3600, 17_200)] {
        let (mut held, mut camera) = (PreRoll::new(10 * SECOND, UNITS_BYTES), Camera::new());
        seconds(&mut held, &mut camera, 25);
        let by = Duration::from_secs(3600);
        camera.epoch = match step > 0 {
            true => camera.epoch + by,
            false => camera.epoch - by,
        };
        let newest = seconds(&mut held, &mut camera, 4);
        assert_eq!(newest.arrival, 29 * SECOND);
        // Back: the times before the step are later than any after it, so all goes out that is held.
        let (key, most) = (first_ms(&held.take(newest)), first);
        assert!(key <= most && key >= 16_200, "{step}: {key}");
    }
}

#[test]
fn a_camera_of_4_mbit_and_rare_key_frames_stays_within_the_bound() {
    let (mut held, mut camera) = (PreRoll::new(60 * SECOND, UNITS_BYTES), Camera::new());
    camera.bytes = 100_000;
    let mut newest = Moment::default();
    for unit in (0..20).flat_map(|_| camera.group(50)) {
        newest = Moment::of(&unit);
        held.unit(unit, false);
        assert!(held.unit_bytes <= UNITS_BYTES);
    }
    // 6 groups of 10 s and 5 MB, where 7 would be needed.
    assert_eq!(held.groups.len(), 6);
    assert_eq!(newest.arrival, 200 * SECOND);
    assert_eq!(first_ms(&held.take(newest)), 140_200);
}

#[test]
fn a_group_that_is_larger_than_the_bound_is_dropped_and_the_next_one_held() {
    let limit = 10 * (100 + UNIT_BYTES);
    let (mut held, mut camera) = (PreRoll::new(SECOND, limit), Camera::new());
    for unit in camera.group(10) {
        held.unit(unit, false);
    }
    assert!(!held.is_empty() && !held.is_too_large());
    held.unit(camera.other(), false);
    held.unit(camera.other(), false);
    assert!(held.is_empty() && held.is_too_large());
    assert_eq!(held.unit_bytes, 0);
    held.unit(camera.key(), false);
    assert!(!held.is_empty() && !held.is_too_large());
}

#[test]
fn scenes_have_a_bound_of_their_own_and_displace_no_picture() {
    let (mut held, mut camera) = (PreRoll::new(SECOND, 256 + 100), Camera::new());
    let key = camera.key();
    let scene = scene_of(&key);
    held.unit(key, false);
    for _ in 0..100_000 {
        held.scene(scene.clone());
    }
    assert!(held.scene_bytes <= SCENES_BYTES);
    assert!(held.scene_bytes > SCENES_BYTES - scene.memory_bytes());
    assert_eq!(held.unit_bytes, 256 + 100);
    held.unit(camera.key(), false);
    assert_eq!(held.scene_bytes, 0);
}

proptest! {
    /// For any sizes, times and steps of the clock: what is held is the newest that came, from a key frame on and within the bound, and
    /// together with what was given out before nothing is there twice.
    #[test]
    fn what_is_held_is_within_the_bound_and_without_a_hole(
        length_ms in 0u64..5000,
        limit in 1000usize..20_000,
        inputs in prop::collection::vec((0u8..8, 0usize..3000, 0u64..1500, -5000i64..5000), 1..120),
    ) {
        let length = Duration::from_millis(length_ms);
        let (mut held, mut camera) = (PreRoll::new(length, limit), Camera::new());
        let (mut number, mut given_out) = (0, 0);
        for (kind, bytes, step_ms, clock_ms) in inputs {
            camera.bytes = bytes;
            camera.interval = Duration::from_millis(step_ms);
            if clock_ms.abs() > 4000 {
                camera.epoch = camera.epoch.saturating_add_signed_ms(clock_ms);
            }
            let mut unit = camera.unit(kind < 2);
            number += 1;
            unit.pts_ns = number;
            let newest = Moment::of(&unit);
            held.unit(unit.clone(), false);
            held.scene(scene_of(&unit));
            let cost: usize = held.groups.iter().flat_map(|group| &group.items).map(|item| match item {
                Held::Unit { unit, .. } => unit.data.len() + UNIT_BYTES,
                Held::Scene(_) => 0,
            }).sum();
            prop_assert!(cost <= limit);
            prop_assert_eq!(cost, held.unit_bytes);
            // Never more than the time that is asked for needs.
            if let Some(oldest) = held.groups.front() {
                prop_assert!(oldest.ended + length + DELAY >= newest.arrival);
            }
            if kind < 7 {
                continue;
            }
            let items = held.take(newest);
            prop_assert!(held.is_empty());
            let numbers: Vec<u64> = items.iter().filter_map(|item| match item {
                Held::Unit { unit, .. } => Some(unit.pts_ns),
                Held::Scene(_) => None,
            }).collect();
            if let Some(Held::Unit { unit, .. }) = items.first() {
                prop_assert!(unit.is_key && unit.pts_ns > given_out);
                prop_assert_eq!(numbers, (unit.pts_ns..=number).collect::<Vec<_>>());
            } else {
                prop_assert!(items.is_empty());
            }
            given_out = number;
        }
    }
}

/// Steps of a clock.
trait Steps {
    fn saturating_add_signed_ms(self, ms: i64) -> Self;
}

impl Steps for Duration {
    fn saturating_add_signed_ms(self, ms: i64) -> Self {
        let by = Duration::from_millis(ms.unsigned_abs());
        match ms < 0 {
            true => self.saturating_sub(by),
            false => self + by,
        }
    }
}
