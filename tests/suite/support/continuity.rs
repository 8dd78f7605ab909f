//! Whether the events of a source go on without a break.

use serde_json::Value;

/// Frames that may be missing between two events: on a busy machine the detector takes the newest frame, and leaves out others.
const MISSING_FRAMES: u64 = 2;
/// Longest time between two events of a source with `fps` frames per second, in frame intervals. A machine that is busy delays
/// frames; a session that starts anew takes longer, and counts its frames from the beginning.
const LATE_INTERVALS: f64 = 10.0;

/// Checks that events of one source, in their order, are of one session and miss no frames.
///
/// # Panics
/// With the events on both sides of a break.
pub(crate) fn is_unbroken(source: u32, fps: f64, events: &[Value]) {
    assert!(events.len() > 1, "source {source}: {events:?}");
    for pair in events.windows(2) {
        let frame = |event: &Value| event["frame_id"].as_u64().expect("a number");
        let time = |event: &Value| -> jiff::Timestamp {
            let text = event["timestamp"].as_str().expect("a text");
            text.parse().expect("a time")
        };
        let (before, after) = (&pair[0], &pair[1]);
        let step = frame(after).checked_sub(frame(before));
        assert!(
            step.is_some_and(|step| (1..=1 + MISSING_FRAMES).contains(&step)),
            "source {source} misses frames: {before} then {after}"
        );
        let gap = time(after).duration_since(time(before)).as_secs_f64();
        assert!(
            gap <= LATE_INTERVALS / fps,
            "source {source} stood still for {gap} s: {before} then {after}"
        );
    }
}
