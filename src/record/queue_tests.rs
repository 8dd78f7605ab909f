use super::*;
use crate::record::testing::Camera;

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
    assert!(matches!(queue.next(NOW), Next::Item(Item::Removed(_))));
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
