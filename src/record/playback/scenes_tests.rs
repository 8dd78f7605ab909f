use super::*;
use crate::base::Size;

fn frame(ms: u64, ntp_ns: Option<u64>) -> FrameTime {
    FrameTime {
        captured_unix: Duration::from_millis(ms),
        ntp_ns,
    }
}

/// A scene that is told from others by the width of its frame.
fn scene(width: u32, ms: u64, ntp_ns: Option<u64>) -> Scene {
    Scene {
        captured_unix: Duration::from_millis(ms),
        ntp_ns,
        frame_size: Size::new(width, 480),
        objects: Vec::new(),
    }
}

fn widths(frames: &[FrameTime], scenes: Vec<Scene>) -> Vec<u32> {
    let found = by_frame(frames, scenes).into_iter();
    found
        .map(|scene| scene.map_or(0, |scene| scene.frame_size.width))
        .collect()
}

/// Frames 40 ms apart.
fn frames() -> Vec<FrameTime> {
    (0..5)
        .map(|number| frame(1000 + 40 * number, None))
        .collect()
}

#[test]
fn the_ntp_time_counts_more_than_the_capture_time() {
    let frames = [
        frame(1000, Some(70)),
        frame(1040, Some(71)),
        frame(1080, None),
    ];
    let scenes = vec![scene(1, 1000, Some(71)), scene(2, 1041, Some(70))];
    assert_eq!(widths(&frames, scenes), [2, 1, 0]);
    // The NTP time of none of the frames: by the capture time.
    let scenes = vec![scene(1, 1079, Some(5)), scene(2, 1000, None)];
    assert_eq!(widths(&frames, scenes), [2, 0, 1]);
}

#[test]
fn a_capture_time_counts_within_half_a_frame() {
    for (ms, wanted) in [
        (979, [0, 0, 0, 0, 0]),
        (980, [9, 0, 0, 0, 0]),
        (1019, [9, 0, 0, 0, 0]),
        (1021, [0, 9, 0, 0, 0]),
        (1080, [0, 0, 9, 0, 0]),
        (1180, [0, 0, 0, 0, 9]),
        (1181, [0, 0, 0, 0, 0]),
    ] {
        assert_eq!(widths(&frames(), vec![scene(9, ms, None)]), wanted, "{ms}");
    }
    // A gap between frames does not widen it.
    let with_gap = [1000, 1040, 1080, 5000].map(|ms| frame(ms, None));
    assert_eq!(widths(&with_gap, vec![scene(9, 4970, None)]), [0; 4]);
    assert_eq!(
        widths(&[frame(1000, None)], vec![scene(9, 1020, None)]),
        [9]
    );
    assert_eq!(
        widths(&[frame(1000, None)], vec![scene(9, 1021, None)]),
        [0]
    );
}

#[test]
fn a_frame_has_one_scene_and_a_scene_one_frame() {
    let scenes = vec![
        scene(1, 1050, None),
        scene(2, 1042, None),
        scene(3, 1042, None),
    ];
    assert_eq!(widths(&frames(), scenes), [0, 2, 0, 0, 0]);
    let mut same_ntp = frames();
    same_ntp[1].ntp_ns = Some(7);
    let scenes = vec![scene(1, 1040, None), scene(2, 1100, Some(7))];
    assert_eq!(widths(&same_ntp, scenes), [0, 2, 0, 0, 0]);
}

#[test]
fn frames_in_decoding_order_are_found_as_well() {
    let frames = [1000, 1120, 1040, 1080].map(|ms| frame(ms, None));
    let scenes = vec![scene(1, 1080, None), scene(2, 1120, None)];
    assert_eq!(widths(&frames, scenes), [0, 2, 0, 1]);
}

#[test]
fn without_frames_or_scenes_there_is_nothing() {
    assert!(widths(&[], vec![scene(1, 1000, None)]).is_empty());
    assert_eq!(widths(&frames(), Vec::new()), [0; 5]);
}
