use super::*;
use crate::record::testing::{Camera, scene_of};

const NOW: Duration = Duration::ZERO;
/// The cost of a unit of the test camera.
const UNIT: usize = 100 + UNIT_BYTES;

fn source(id: u32) -> Arc<SourceShared> {
    Arc::new(SourceShared::new(SourceId(id)))
}

/// The media times of all units in the queue in milliseconds, `!` after a gap.
fn drain(queue: &Queue) -> String {
    let mut shown = Vec::new();
    while let Next::Item(Item::Unit {
        unit, after_gap, ..
    }) = queue.next(NOW)
    {
        shown.push(format!(
            "{}{}",
            if after_gap { "!" } else { "" },
            unit.pts_ns / 1_000_000
        ));
    }
    shown.join(" ")
}

#[test]
fn a_full_queue_drops_up_to_the_key_frame_that_finds_room() {
    let queue = Queue::new(UNIT * 100, UNIT * 4);
    let (source, mut camera) = (source(1), Camera::new());
    for unit in [camera.group(3), camera.group(3), camera.group(3)].concat() {
        queue.push(&source, unit);
    }
    assert_eq!(source.report().dropped_groups, 2);
    assert_eq!(queue.bytes(), UNIT * 4);
    assert_eq!(drain(&queue), "200 400 600 800");
    queue.push(&source, camera.other());
    for unit in camera.group(2) {
        queue.push(&source, unit);
    }
    assert_eq!(drain(&queue), "!2200 2400");
    assert_eq!(source.report().dropped_groups, 2);
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn a_source_that_floods_leaves_room_for_the_others() {
    let queue = Queue::new(UNIT * 6, UNIT * 4);
    let (fast, slow, mut camera) = (source(1), source(2), Camera::new());
    for unit in camera.group(9) {
        queue.push(&fast, unit);
    }
    for unit in camera.group(2) {
        queue.push(&slow, unit);
    }
    assert_eq!(fast.report().dropped_groups, 1);
    assert_eq!(slow.report().dropped_groups, 0);
    queue.push(&slow, camera.other());
    assert_eq!(slow.report().dropped_groups, 1);
}

#[test]
fn a_removed_source_is_told_after_its_last_unit_and_ignored_later() {
    let queue = Queue::new(UNIT * 6, UNIT * 6);
    let (source, mut camera) = (source(1), Camera::new());
    queue.push(&source, camera.key());
    queue.remove(source.clone());
    queue.push(&source, camera.key());
    assert!(matches!(queue.next(NOW), Next::Item(Item::Unit { .. })));
    assert!(matches!(queue.next(NOW), Next::Item(Item::Ended(_))));
    assert!(matches!(queue.next(NOW), Next::Nothing));
}

#[test]
fn a_closed_queue_gives_out_what_it_has_and_takes_nothing() {
    let queue = Queue::new(UNIT * 6, UNIT * 6);
    let (source, mut camera) = (source(1), Camera::new());
    queue.push(&source, camera.key());
    queue.close();
    queue.push(&source, camera.key());
    assert!(matches!(queue.next(NOW), Next::Item(Item::Unit { .. })));
    assert!(matches!(queue.next(NOW), Next::Closed));
}

/// A scene of some 50 KB.
fn large_scene(camera: &mut Camera) -> Scene {
    let mut scene = scene_of(&camera.other());
    scene.objects = vec![scene.objects[0].clone(); 1000];
    scene
}

#[test]
fn scenes_come_after_the_units_before_them() {
    let queue = Queue::new(UNIT * 6, UNIT * 6);
    let (source, mut camera) = (source(1), Camera::new());
    let (first, second) = (camera.key(), camera.other());
    let scene = scene_of(&first);
    queue.push(&source, first);
    queue.push_scene(&source, scene.clone());
    queue.push(&source, second);
    assert!(matches!(queue.next(NOW), Next::Item(Item::Unit { .. })));
    let Next::Item(Item::Scene { scene: found, .. }) = queue.next(NOW) else {
        panic!("no scene");
    };
    assert_eq!(found, scene);
    assert!(matches!(queue.next(NOW), Next::Item(Item::Unit { .. })));
    assert!(matches!(queue.next(NOW), Next::Nothing));
}

#[test]
fn a_flood_of_scenes_drops_scenes_only() {
    let queue = Queue::new(UNIT * 6, UNIT * 3);
    let (flooding, other, mut camera) = (source(1), source(2), Camera::new());
    let scene = large_scene(&mut camera);
    let fit = (SOURCE_SCENES_BYTES / scene.memory_bytes()) as u64;
    for _ in 0..fit + 5 {
        queue.push_scene(&flooding, scene.clone());
    }
    assert_eq!(flooding.report().dropped_scenes, 5);
    queue.push_scene(&other, scene.clone());
    assert_eq!(other.report().dropped_scenes, 0);
    // Pictures have all of their room.
    assert_eq!(queue.bytes(), 0);
    for unit in camera.group(3) {
        queue.push(&flooding, unit);
    }
    assert_eq!(queue.bytes(), UNIT * 3);
    assert_eq!(flooding.report().dropped_groups, 0);
    let mut found = [0, 0];
    while let Next::Item(item) = queue.next(NOW) {
        found[usize::from(matches!(item, Item::Scene { .. }))] += 1;
    }
    assert_eq!(found, [3, fit + 1]);
    // There is room again.
    queue.push_scene(&flooding, scene);
    assert_eq!(flooding.report().dropped_scenes, 5);
}

#[test]
fn scenes_of_many_sources_are_bounded_together() {
    let queue = Queue::new(UNIT, UNIT);
    let scene = large_scene(&mut Camera::new());
    let fit = SOURCE_SCENES_BYTES / scene.memory_bytes();
    let sources: Vec<_> = (0..20).map(source).collect();
    for source in &sources {
        for _ in 0..fit {
            queue.push_scene(source, scene.clone());
        }
    }
    let dropped = sources.iter().map(|source| source.report().dropped_scenes);
    let kept = 20 * fit as u64 - dropped.sum::<u64>();
    assert_eq!(kept, (SCENES_BYTES / scene.memory_bytes()) as u64);
}

#[test]
fn a_full_queue_of_units_takes_scenes() {
    let queue = Queue::new(UNIT * 2, UNIT * 2);
    let (source, mut camera) = (source(1), Camera::new());
    for unit in camera.group(3) {
        let scene = scene_of(&unit);
        queue.push(&source, unit);
        queue.push_scene(&source, scene);
    }
    let report = source.report().clone();
    assert_eq!((report.dropped_groups, report.dropped_scenes), (1, 0));
}

#[test]
fn scenes_of_a_removed_source_and_of_a_closed_queue_are_ignored() {
    let queue = Queue::new(UNIT * 6, UNIT * 6);
    let (removed, source, mut camera) = (source(1), source(2), Camera::new());
    let scene = scene_of(&camera.key());
    queue.remove(removed.clone());
    queue.push_scene(&removed, scene.clone());
    queue.push_scene(&source, scene.clone());
    queue.close();
    queue.push_scene(&source, scene);
    assert!(matches!(queue.next(NOW), Next::Item(Item::Ended(_))));
    assert!(matches!(queue.next(NOW), Next::Item(Item::Scene { .. })));
    assert!(matches!(queue.next(NOW), Next::Closed));
}
