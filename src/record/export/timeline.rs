//! Where frames of recordings lie in a video: media time is capture time since the first frame.
//!
//! Within a recording the media times of the camera count, which are even. Each recording begins at its capture time, so the last
//! frame before a gap lasts as long as the gap.

use std::time::Duration;

use super::super::mp4::{FrameAt, PlainFrame};
use super::recording::ticks;
use crate::record::mp4::time_of_ticks;

/// Overlaps up to this are differences of clocks, and the later recording is moved.
const LARGEST_OVERLAP_TICKS: u64 = 90_000;
/// Players take a longer duration of a frame for a fault: 2^31 ticks, 6.6 h.
const LONGEST_FRAME_TICKS: u64 = i32::MAX as u64;
/// The longest time without frames that is no gap, after the usual time between frames.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Capture and media time may differ by this without a new entry in [`Timeline::clock`].
const CLOCK_TOLERANCE: Duration = Duration::from_millis(500);

/// Why a recording does not fit the video before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It begins before the end of the one before: a clock was set back.
    Clock,
    /// It begins hours later.
    Gap,
}

/// The times of a video.
#[derive(Debug)]
pub(super) struct Timeline {
    started_unix: Duration,
    /// Presentation time of the first frame.
    first_tick: u64,
    /// What is added to the ticks of the present recording.
    shift: i64,
    latest_tick: u64,
    /// Entries of capture times: media time since the first frame, capture time.
    pub clock: Vec<(Duration, Duration)>,
}

impl Timeline {
    /// The times of a video that begins with this frame, which is the first one of its fragment.
    pub(super) fn new(first: &FrameAt) -> Self {
        let offset = first.presentation_tick - first.decode_tick as i64;
        Self {
            started_unix: first.captured_unix,
            first_tick: u64::try_from(offset).unwrap_or(0),
            shift: -(first.decode_tick as i64),
            latest_tick: 0,
            clock: vec![(Duration::ZERO, first.captured_unix)],
        }
    }

    /// Goes on with another recording, whose first frame this is.
    ///
    /// # Errors
    /// If it needs a new video.
    pub(super) fn join(&mut self, first: &FrameAt) -> Result<(), Misfit> {
        let since = first.captured_unix.checked_sub(self.started_unix);
        let since = ticks(since.ok_or(Misfit::Clock)?);
        let wanted = (self.first_tick + since) as i64 - first.presentation_tick;
        let begin = first.decode_tick as i64 + wanted;
        let earliest = self.latest_tick as i64 + 1;
        let late = earliest - begin;
        if late > LARGEST_OVERLAP_TICKS as i64 {
            return Err(Misfit::Clock);
        }
        if begin - self.latest_tick as i64 > LONGEST_FRAME_TICKS as i64 {
            return Err(Misfit::Gap);
        }
        self.shift = wanted + late.max(0);
        Ok(())
    }

    /// The frames of the next fragment of the present recording, which lasts `fragment_ticks`, and where it ends.
    pub(super) fn place(
        &mut self,
        frames: &[FrameAt],
        fragment_ticks: u64,
    ) -> (Vec<PlainFrame>, u64) {
        let mut end = self.latest_tick;
        if let Some(first) = frames.first() {
            self.note_clock(first);
            end = self.at(first.decode_tick as i64) + fragment_ticks;
        }
        let placed = frames.iter().map(|frame| {
            let decode_tick = self.at(frame.decode_tick as i64);
            let shown_tick = self.at(frame.presentation_tick);
            self.latest_tick = self.latest_tick.max(decode_tick).max(shown_tick);
            let offset = frame.presentation_tick - frame.decode_tick as i64;
            PlainFrame {
                bytes: frame.bytes,
                decode_tick,
                // A recording lasts at most 2^31 ticks.
                offset: i32::try_from(offset).unwrap_or(0),
                is_key: frame.is_key,
            }
        });
        (placed.collect(), end)
    }

    fn at(&self, tick: i64) -> u64 {
        u64::try_from(tick + self.shift).unwrap_or(0)
    }

    fn note_clock(&mut self, frame: &FrameAt) {
        let media = self.at(frame.presentation_tick);
        let media = time_of_ticks(media.saturating_sub(self.first_tick));
        let fits = self.clock.last().is_some_and(|&(at, captured)| {
            let expected = captured + media.saturating_sub(at);
            expected.abs_diff(frame.captured_unix) <= CLOCK_TOLERANCE
        });
        if !fits {
            self.clock.push((media, frame.captured_unix));
        }
    }
}

/// Finds times without frames.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Capture time at which the next frame is expected.
    expected: Option<Duration>,
    /// Of the present recording: presentation time of the frame before, and the ticks between the two before.
    before: Option<(i64, u64)>,
    /// Beginning and end of each gap.
    pub found: Vec<(Duration, Duration)>,
}

impl Gaps {
    /// Gaps from `from` on.
    pub(super) fn new(from: Duration) -> Self {
        Self {
            expected: Some(from),
            ..Self::default()
        }
    }

    /// Another recording follows.
    pub(super) fn next_recording(&mut self) {
        self.before = None;
    }

    /// The next fragment.
    pub(super) fn frames(&mut self, frames: &[FrameAt], fragment_ticks: u64) {
        let mut shown: Vec<&FrameAt> = frames.iter().collect();
        shown.sort_by_key(|frame| frame.presentation_tick);
        let even = fragment_ticks / (frames.len() as u64).max(1);
        for frame in shown {
            let usual = match self.before {
                None => {
                    self.expect(frame.captured_unix);
                    even
                }
                Some((before, usual)) => {
                    // Arrival times jump when a network is jammed; media times do not.
                    let since = frame.presentation_tick.abs_diff(before);
                    if time_of_ticks(since.saturating_sub(usual)) > LONGEST_PAUSE {
                        self.expect(frame.captured_unix);
                        usual
                    } else {
                        since
                    }
                }
            };
            self.before = Some((frame.presentation_tick, usual));
            let expected = Some(frame.captured_unix + time_of_ticks(usual));
            self.expected = self.expected.max(expected);
        }
    }

    /// Nothing follows until `until`.
    pub(super) fn finish(mut self, until: Duration) -> Vec<(Duration, Duration)> {
        self.expect(until);
        self.found
    }

    fn expect(&mut self, captured: Duration) {
        if let Some(expected) = self.expected
            && captured.saturating_sub(expected) > LONGEST_PAUSE
        {
            self.found.push((expected, captured));
        }
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
