//! The analysis rate of a source: its limit and its measurement.

use std::collections::VecDeque;
use std::time::Duration;

/// Limits the frame rate. Frames pass at even intervals, independent of the source's rate.
#[derive(Debug, Clone)]
pub(super) struct RateLimit {
    interval: Option<Duration>,
    due: Duration,
}

impl RateLimit {
    const JITTER: Duration = Duration::from_millis(30);

    /// Limits to `max_fps` frames per second; no limit if absent.
    pub(super) fn new(max_fps: Option<f64>) -> Self {
        Self {
            interval: max_fps.map(interval),
            due: Duration::ZERO,
        }
    }

    /// Whether a frame that arrived at `at` passes.
    pub(super) fn admits(&mut self, at: Duration) -> bool {
        let Some(interval) = self.interval else {
            return true;
        };
        // Frames jitter, on a busy machine by tens of milliseconds: a frame that comes slightly early is the due one.
        let slack = (interval / 8).min(Self::JITTER);
        if at + slack < self.due {
            return false;
        }
        // Adding to the due time, not to the arrival, keeps the mean rate exact. After a pause the count starts again.
        let next = self.due.saturating_add(interval);
        self.due = if at > next {
            at.saturating_add(interval)
        } else {
            next
        };
        true
    }
}

/// The time between two frames at `fps` frames per second; [`Duration::MAX`] if it does not fit.
pub(super) fn interval(fps: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / fps).unwrap_or(Duration::MAX)
}

/// Events within the last second.
#[derive(Debug, Default)]
pub(super) struct RateMeter {
    times: VecDeque<Duration>,
}

impl RateMeter {
    const SPAN: Duration = Duration::from_secs(1);

    /// Counts one event at `at` and returns the rate over the last second, in events per second.
    pub(super) fn count(&mut self, at: Duration) -> f64 {
        self.times.push_back(at);
        self.per_second(at)
    }

    /// The rate over the second before `now`, in events per second.
    pub(super) fn per_second(&mut self, now: Duration) -> f64 {
        while self
            .times
            .front()
            .is_some_and(|first| now.saturating_sub(*first) >= Self::SPAN)
        {
            self.times.pop_front();
        }
        self.times.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limit: Option<f64>, fps: u32, seconds: u32) -> usize {
        let mut rate = RateLimit::new(limit);
        (0..fps * seconds)
            .filter(|frame| {
                rate.admits(Duration::from_secs(9) + Duration::from_secs(1) * *frame / fps)
            })
            .count()
    }

    #[test]
    fn ten_of_twenty_five_frames_pass_a_limit_of_ten() {
        assert_eq!(admitted(Some(10.0), 25, 10), 100);
        assert_eq!(admitted(Some(25.0), 25, 10), 250);
        assert_eq!(admitted(Some(0.5), 25, 10), 5);
        assert_eq!(admitted(None, 25, 10), 250);
        assert_eq!(admitted(Some(1e-300), 25, 10), 1);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut rate = RateLimit::new(Some(10.0));
        assert!(rate.admits(Duration::from_secs(1)));
        let burst =
            (0..10).filter(|ms| rate.admits(Duration::from_secs(60) + Duration::from_millis(*ms)));
        assert_eq!(burst.count(), 1);
    }

    #[test]
    fn the_meter_counts_the_last_second_only() {
        let mut meter = RateMeter::default();
        for tenth in 0..30 {
            meter.count(Duration::from_millis(tenth * 100));
        }
        assert_eq!(meter.per_second(Duration::from_millis(2900)), 10.0);
        assert_eq!(meter.per_second(Duration::from_secs(9)), 0.0);
    }
}
