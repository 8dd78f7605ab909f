use std::sync::Arc;

use super::*;
use crate::base::{BBox, Size};
use crate::record::scene::SceneObject;

fn scene(at_ms: u64, objects: usize) -> Scene {
    let object = SceneObject {
        class_name: Arc::from("car"),
        confidence: 0.5,
        bbox: BBox {
            x: 1.0,
            y: 1.0,
            width: 1.0,
            height: 1.0,
        },
        track: None,
    };
    Scene {
        captured_unix: Duration::from_millis(1_795_854_600_000 + at_ms),
        ntp_ns: None,
        frame_size: Size::new(640, 480),
        objects: vec![object; objects],
    }
}

/// Adds scenes of these times, and returns the times of those that wait then.
fn wait(
    pending: &mut PendingScenes,
    times: impl IntoIterator<Item = u64>,
    collects: bool,
) -> Vec<u64> {
    for at_ms in times {
        assert_eq!(pending.push(scene(at_ms, 1), collects), 0);
    }
    let waiting = pending.as_slice().iter();
    let since = |scene: &Scene| scene.captured_unix.as_millis() as u64 - 1_795_854_600_000;
    waiting.map(since).collect()
}

#[test]
fn without_a_fragment_scenes_wait_for_ten_seconds() {
    let mut pending = PendingScenes::default();
    let seconds = (0..=10).map(|second| second * 1000);
    assert_eq!(wait(&mut pending, seconds, false).len(), 11);
    let later = wait(&mut pending, [10_001, 12_000], false);
    assert_eq!(later[..2], [2000, 3000]);
    // The clock is set back by an hour: those of before are as far away.
    let mut pending = PendingScenes::default();
    let set_back = wait(&mut pending, [3_600_000, 3_600_100, 100, 200], false);
    assert_eq!(set_back, [100, 200]);
}

#[test]
fn while_a_fragment_is_collected_scenes_wait_for_its_end() {
    let mut pending = PendingScenes::default();
    let times = [0, 5000, 30_000];
    assert_eq!(wait(&mut pending, times, true), times);
    assert_eq!(pending.clear(), 3);
    assert_eq!(wait(&mut pending, [], true), [0; 0]);
}

#[test]
fn the_oldest_of_too_many_are_dropped_and_counted() {
    let mut pending = PendingScenes::default();
    let most = MOST_SCENES as u64;
    wait(&mut pending, 0..most, true);
    assert_eq!(pending.push(scene(most, 1), true), 1);
    assert_eq!(wait(&mut pending, [], true), (1..=most).collect::<Vec<_>>());
}

#[test]
fn memory_is_bounded_and_counted_back() {
    let mut pending = PendingScenes::default();
    let large = scene(0, 1000);
    let fit = LIMIT_BYTES / large.memory_bytes();
    for _ in 0..3 {
        for _ in 0..fit {
            assert_eq!(pending.push(large.clone(), true), 0);
        }
        assert_eq!(pending.push(large.clone(), true), 1);
        assert_eq!(pending.clear(), fit as u64);
    }
    // One that is larger than all room.
    assert_eq!(pending.push(scene(0, 1), true), 0);
    assert_eq!(pending.push(scene(1, LIMIT_BYTES / 32), true), 2);
    assert_eq!(wait(&mut pending, [7], true), [7]);
}
