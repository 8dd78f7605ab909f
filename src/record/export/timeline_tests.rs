use super::*;
use crate::base::CaptureClock;

const START: Duration = Duration::from_secs(1_795_854_600);

/// A frame at these ticks of its recording that was captured at this time after the start.
fn frame(decode_tick: u64, presentation_tick: i64, captured_ms: u64) -> FrameAt {
    FrameAt {
        offset: 0,
        bytes: 1,
        decode_tick,
        presentation_tick,
        is_key: true,
        captured_unix: START + Duration::from_millis(captured_ms),
        clock: CaptureClock::Ntp,
        ntp_ns: None,
    }
}

fn even(tick: u64, captured_ms: u64) -> FrameAt {
    frame(tick, tick as i64, captured_ms)
}

/// The first decode times of fragments of one frame each, which lasts a second; each is of a recording of its own.
fn joined(frames: &[FrameAt]) -> (Timeline, Vec<u64>) {
    let mut timeline = Timeline::new(&frames[0]);
    let mut ticks = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        if number > 0 {
            timeline.join(frame).expect("it fits");
        }
        let placed = timeline.place(std::slice::from_ref(frame), 90_000).0;
        ticks.push(placed[0].decode_tick);
    }
    (timeline, ticks)
}

#[test]
fn a_recording_begins_at_its_capture_time() {
    let (timeline, ticks) = joined(&[even(500, 0), even(0, 1000), even(7, 61_003)]);
    assert_eq!(ticks, [0, 90_000, 61_003 * 90]);
    assert_eq!(timeline.clock, [(Duration::ZERO, START)]);
}

#[test]
fn a_small_overlap_moves_the_later_recording_and_a_large_one_does_not_fit() {
    let mut timeline = joined(&[even(0, 0), even(0, 1000)]).0;
    assert_eq!(timeline.join(&even(0, 300)), Ok(()));
    let placed = timeline.place(&[even(0, 300)], 1).0;
    assert_eq!(placed[0].decode_tick, 90_001);
    // Capture and media time differ by 700 ms.
    assert_eq!(timeline.clock.len(), 2);
    assert_eq!(timeline.join(&even(0, 0)), Err(Misfit::Clock));
    let earlier = FrameAt {
        captured_unix: START - Duration::from_secs(1),
        ..even(0, 0)
    };
    assert_eq!(timeline.join(&earlier), Err(Misfit::Clock));
}

#[test]
fn no_frame_lasts_longer_than_players_bear() {
    let mut timeline = joined(&[even(0, 0)]).0;
    assert_eq!(timeline.join(&even(0, 6 * 3_600_000)), Ok(()));
    assert_eq!(timeline.join(&even(0, 7 * 3_600_000)), Err(Misfit::Gap));
}

#[test]
fn reordered_frames_begin_at_the_presentation_of_the_first() {
    // An open group: two frames are shown before its key frame.
    let group = [frame(0, 7200, 80), frame(3600, 0, 0), frame(7200, 3600, 40)];
    let mut timeline = Timeline::new(&group[0]);
    let (placed, end) = timeline.place(&group, 10_800);
    let shown: Vec<_> = placed
        .iter()
        .map(|one| (one.decode_tick, one.offset))
        .collect();
    assert_eq!(
        (shown, end),
        (vec![(0, 7200), (3600, -3600), (7200, -3600)], 10_800)
    );
    // The next recording counts from the capture time of the key frame, which is shown first.
    assert_eq!(timeline.join(&even(0, 1080)), Ok(()));
    let placed = timeline.place(&[even(0, 1080)], 1).0;
    assert_eq!(placed[0].decode_tick, 7200 + 90_000);
}

#[test]
fn gaps_are_pauses_of_over_a_second_more_than_usual() {
    let times = |gaps: Vec<(Duration, Duration)>| {
        let since = |time: Duration| (time - START).as_millis() as u64;
        let times = gaps.into_iter();
        times
            .map(|(from, until)| (since(from), since(until)))
            .collect::<Vec<_>>()
    };
    let mut gaps = Gaps::new(START);
    // A frame each 3 s is no gap, one after 8 s is.
    let slow: Vec<FrameAt> = [0, 3, 6, 14].map(|s| even(s * 90_000, s * 1000)).into();
    gaps.frames(&slow, 4 * 3 * 90_000);
    // Jammed: arrival times jump, media times do not.
    gaps.frames(&[even(17 * 90_000, 19_000)], 3 * 90_000);
    gaps.next_recording();
    gaps.frames(&[even(0, 23_001)], 90_000);
    assert_eq!(
        times(gaps.finish(START + Duration::from_secs(30))),
        [(9000, 14_000), (22_000, 23_001), (24_001, 30_000)]
    );
}
