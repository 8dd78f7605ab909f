//! Whether the events of a source go on without a break. Measured by the camera's own clock, which its frames carry, and by the
//! numbers of the frames: neither depends on how busy the machine is. How many frames a busy one leaves out: `make bench`, changes.

use serde_json::Value;

/// Longest gap between two frames that follow each other, in frame intervals.
const LONGEST_GAP: f64 = 2.0;
/// Longest time between two events in seconds, whatever else the machine does.
const LATE: f64 = 2.0;
/// Tolerance of the camera's clock, in frame intervals.
const JITTER: f64 = 0.25;

/// The time at which the camera took the frame, in seconds; absent before its first report.
fn taken(event: &Value) -> Option<f64> {
    let nanoseconds: u64 = event["ntp_ns"].as_str()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

/// The number of frames of a source that a processor with this status has replaced by newer ones before it analysed them.
pub(crate) fn dropped(status: &Value, source: u32) -> u64 {
    let sources = status["sources"].as_array().expect("a processor's status");
    let one = sources.iter().find(|one| one["source_id"] == source);
    let dropped = one.and_then(|one| one["dropped"].as_u64());
    dropped.unwrap_or_else(|| panic!("source {source}: {status:#}"))
}

/// Checks that all events of one source since it was added miss no frames but `dropped`, the number of frames that its processor
/// then says that it has replaced by newer ones.
///
/// # Panics
/// With the numbers of missing and dropped frames.
pub(crate) fn misses_only(source: u32, events: &[Value], dropped: u64) {
    let frames: Vec<u64> = events
        .iter()
        .filter_map(|event| event["frame_id"].as_u64())
        .collect();
    let missing: u64 = frames
        .windows(2)
        .map(|pair| {
            let between = pair[1].checked_sub(pair[0] + 1);
            between.unwrap_or_else(|| {
                panic!("source {source} is counted from the beginning: {frames:?}")
            })
        })
        .sum();
    assert!(
        missing <= dropped,
        "source {source} misses {missing} frames, {dropped} were dropped: {frames:?}"
    );
}

/// Checks that events of one source with `fps` frames per second, in their order, are of one session, and that the frames without
/// one were received. They were decoded, and have their numbers.
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
            step >= 1,
            "source {source} started anew: {before} then {after}"
        );
        // The frames between the two events were received, an interval each.
        let seconds = time(after) - time(before);
        assert!(
            seconds < LATE,
            "source {source} stood still: {before} then {after}"
        );
        let intervals = seconds * fps - (step - 1) as f64;
        assert!(
            (1.0 - JITTER..=LONGEST_GAP + JITTER).contains(&intervals),
            "source {source} has a gap of {intervals} frame intervals: {before} then {after}"
        );
    }
}
