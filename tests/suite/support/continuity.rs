//! Whether the events of a source go on without a break. Measured by the camera's own clock, which its frames carry, and by the
//! numbers of the frames: neither depends on how busy the machine is.

use serde_json::Value;

/// Longest gap between two frames that follow each other, in frame intervals.
const LONGEST_GAP: f64 = 2.0;
/// Tolerance of the camera's clock, in frame intervals.
const JITTER: f64 = 0.25;
/// Frames without an event between two events: on a busy machine the detector takes the newest frame, and leaves out others. They
/// were decoded, and have their numbers.
const SKIPPED_FRAMES: u64 = 2;

/// The time at which the camera took the frame, in seconds; absent before its first report.
fn taken(event: &Value) -> Option<f64> {
    let nanoseconds: u64 = event["ntp_ns"].as_str()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

/// Checks that events of one source with `fps` frames per second, in their order, are of one session and miss no frames.
///
/// # Panics
/// With the events on both sides of a break.
pub(crate) fn is_unbroken(source: u32, fps: f64, events: &[Value]) {
    let first = events.iter().position(|event| taken(event).is_some());
    let events = &events[first.unwrap_or(events.len())..];
    assert!(events.len() > 5, "source {source}: {events:?}");
    for pair in events.windows(2) {
        let frame = |event: &Value| event["frame_id"].as_u64().expect("a number");
        let time = |event: &Value| taken(event).expect("the clock of the camera stays known");
        let (before, after) = (&pair[0], &pair[1]);
        let step = frame(after).saturating_sub(frame(before));
        assert!(
            (1..=1 + SKIPPED_FRAMES).contains(&step),
            "source {source} misses events: {before} then {after}"
        );
        // The frames between the two events were received, an interval each.
        let intervals = (time(after) - time(before)) * fps - (step - 1) as f64;
        assert!(
            (1.0 - JITTER..=LONGEST_GAP + JITTER).contains(&intervals),
            "source {source} has a gap of {intervals} frame intervals: {before} then {after}"
        );
    }
}
