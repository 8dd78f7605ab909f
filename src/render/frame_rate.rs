//! The frame rate of a camera, measured from the decoding times of its frames.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Frames are counted over this time, because they arrive in bursts when a network or a machine is busy.
const WINDOW: Duration = Duration::from_secs(3);
/// Minimum time for a rate. The first frames of a session arrive in a burst, whose rate is that of the network.
const LEAST: Duration = Duration::from_secs(1);
/// Minimum (for slow cameras) and maximum (for fast ones) number of frames that are remembered.
const FRAMES: RangeInclusive<usize> = 4..=256;

/// The times of the newest frames.
#[derive(Debug, Default)]
pub(super) struct FrameRate {
    recent: VecDeque<Duration>,
}

impl FrameRate {
    /// A frame was decoded at `now`.
    pub(super) fn note(&mut self, now: Duration) {
        self.recent.push_back(now);
        let is_old = |first: &Duration| now.saturating_sub(*first) > WINDOW;
        while self.recent.len() > *FRAMES.end()
            || (self.recent.len() > *FRAMES.start() && self.recent.front().is_some_and(is_old))
        {
            self.recent.pop_front();
        }
    }

    /// A session ended. The pause does not count as an interval between frames. The time of the last frame is kept.
    pub(super) fn session_ended(&mut self) {
        let last = self.recent.pop_back();
        self.recent.clear();
        self.recent.extend(last);
    }

    /// The time of the last frame.
    pub(super) fn last(&self) -> Option<Duration> {
        self.recent.back().copied()
    }

    /// Frames per second. `None` before a session has lasted a second.
    pub(super) fn fps(&self) -> Option<f64> {
        let span = self.recent.back()?.saturating_sub(*self.recent.front()?);
        let interval = self.interval().filter(|_| span >= LEAST)?;
        Some(1.0 / interval.as_secs_f64())
    }

    /// Mean time between two frames.
    pub(super) fn interval(&self) -> Option<Duration> {
        let (first, last) = (self.recent.front()?, self.recent.back()?);
        let intervals = u32::try_from(self.recent.len()).ok()?.checked_sub(1)?;
        last.saturating_sub(*first).checked_div(intervals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(times_ms: impl IntoIterator<Item = u64>) -> FrameRate {
        let mut rate = FrameRate::default();
        for time in times_ms {
            rate.note(Duration::from_millis(time));
        }
        rate
    }

    #[test]
    fn bursts_do_not_change_the_rate() {
        // Ten frames at once, every 400 ms: 25 a second.
        let rate = after((0..50).flat_map(|burst| (0..10).map(move |frame| burst * 400 + frame)));
        let fps = rate.fps();
        assert!(
            fps.is_some_and(|fps| (23.0..32.0).contains(&fps)),
            "{fps:?}"
        );
    }

    #[test]
    fn a_slow_camera_has_an_interval_too() {
        let rate = after([0, 5_000, 10_000, 15_000, 20_000]);
        assert_eq!(rate.interval(), Some(Duration::from_secs(5)));
        assert_eq!(after([7]).interval(), None);
    }

    #[test]
    fn the_burst_at_the_start_of_a_session_is_no_rate() {
        assert_eq!(after((0..10).map(|frame| frame * 2)).fps(), None);
        let settled = after([0, 2, 4, 500, 1_000]);
        assert_eq!(settled.fps(), Some(4.0));
    }

    #[test]
    fn a_pause_between_sessions_is_no_interval() {
        let mut rate = after([0, 40, 80]);
        rate.session_ended();
        assert_eq!(
            (rate.last(), rate.interval()),
            (Some(Duration::from_millis(80)), None)
        );
        rate.note(Duration::from_secs(60));
        rate.session_ended();
        assert_eq!(rate.last(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn memory_is_bounded() {
        assert!(after(0..10_000).recent.len() <= *FRAMES.end());
    }
}
