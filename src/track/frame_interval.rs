//! The interval between the frames of a source. It decides after which time a track ends, and whether motion can be
//! tracked.
//!
//! The limits of [`TrackerSettings`] are times. A camera that is analysed every three seconds has no second frame
//! within them. Therefore they grow with the interval: a track survives a missed frame at every rate.

use std::time::Duration;

use super::TrackerSettings;

/// The number of stored intervals. Their median ignores a single pause and follows a new rate after three intervals.
const WINDOW: usize = 5;
/// The number of intervals after which the rate is reported.
const MIN_INTERVALS: usize = 3;
/// The longest first interval that counts as a rate; a longer one counts as a pause.
const MAX_FIRST_INTERVAL: Duration = Duration::from_secs(10);
/// Measured intervals vary by a frame of the camera: the limit has a tolerance of 1/20.
const JITTER_PARTS: u32 = 20;
/// From this many lost limits on, only boxes that stay in place are matched. In the synthetic crossings of the tests,
/// matching by motion has the better IDF1 at 0.2 frames per second and more (0.43 against 0.29 at 0.4), matching in
/// place at 0.1.
const IN_PLACE_LIMITS: u32 = 3;
/// The number of successive frames with objects but without a continued track after which this is reported.
const UNMATCHED_FRAMES: u32 = 5;
/// The shortest interval at which the rate is reported as the cause. At higher rates there are other causes, such as
/// single false detections.
const UNMATCHED_INTERVAL: Duration = Duration::from_millis(800);

/// The intervals between the frames of one source.
#[derive(Debug, Default)]
pub(super) struct FrameInterval {
    /// The newest is the last.
    recent: Vec<Duration>,
    unmatched_frames: u32,
}

/// The limits of the settings at the rate of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// [`TrackerSettings::lost_limit`], but at least two and a half intervals.
    pub(super) lost: Duration,
    /// [`TrackerSettings::tentative_limit`], but at least one and a half intervals.
    pub(super) tentative: Duration,
    /// The interval is so long that a near box is no more likely to be the same object: only boxes that stay in place
    /// are matched.
    pub(super) in_place_only: bool,
}

/// Why objects of a source can't be tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateTooLow {
    /// The time between two frames, measured or as limited by the settings.
    pub interval: Duration,
    /// True if the interval is above [`TrackerSettings::lost_limit`], false if no track was continued in several
    /// successive frames.
    pub beyond_limit: bool,
}

impl FrameInterval {
    /// Records the time between two frames; zero is ignored.
    pub(super) fn record(&mut self, elapsed: Duration) {
        if elapsed.is_zero() {
            return;
        }
        if self.recent.len() == WINDOW {
            self.recent.remove(0);
        }
        self.recent.push(elapsed);
    }

    /// Records whether a frame continued a track, if there was one to continue.
    pub(super) fn record_match(&mut self, any: bool) {
        self.unmatched_frames = if any {
            0
        } else {
            self.unmatched_frames.saturating_add(1)
        };
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The limits of `settings` at the current rate.
    pub(super) fn limits(&self, settings: &TrackerSettings) -> Limits {
        let interval = self.interval(settings);
        // A single interval may be a pause: it extends the limit of confirmed tracks, but not that of tentative ones.
        let certain = if self.recent.len() > 1 {
            interval
        } else {
            settings.frame_interval
        };
        Limits {
            lost: settings.lost_limit.max(interval.saturating_mul(5) / 2),
            tentative: settings.tentative_limit.max(certain.saturating_mul(3) / 2),
            in_place_only: interval > settings.lost_limit.saturating_mul(IN_PLACE_LIMITS),
        }
    }

    /// Why objects can't be tracked; none if they can be, or if the rate is not known yet.
    pub(super) fn rate_too_low(&self, settings: &TrackerSettings) -> Option<RateTooLow> {
        let interval = self.interval(settings);
        let is_known =
            settings.frame_interval > settings.lost_limit || self.recent.len() >= MIN_INTERVALS;
        let beyond_limit = self.beyond(settings);
        let unmatched_frames =
            self.unmatched_frames >= UNMATCHED_FRAMES && interval >= UNMATCHED_INTERVAL;
        (is_known && (beyond_limit || unmatched_frames)).then_some(RateTooLow {
            interval,
            beyond_limit,
        })
    }

    fn beyond(&self, settings: &TrackerSettings) -> bool {
        let limit = settings.lost_limit;
        settings.frame_interval > limit || self.measured() > limit + limit / JITTER_PARTS
    }

    fn interval(&self, settings: &TrackerSettings) -> Duration {
        self.measured().max(settings.frame_interval)
    }

    /// The lower median of the last intervals; zero if there are none.
    fn measured(&self) -> Duration {
        let mut sorted = self.recent.clone();
        sorted.sort_unstable();
        match sorted.as_slice() {
            [] => Duration::ZERO,
            [only] => (*only).min(MAX_FIRST_INTERVAL),
            several => several[(several.len() - 1) / 2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: &[u64]) -> FrameInterval {
        let mut frames = FrameInterval::default();
        for interval in millis {
            frames.record(Duration::from_millis(*interval));
        }
        frames
    }

    fn limits(millis: &[u64]) -> (u128, u128, bool) {
        let limits = after(millis).limits(&TrackerSettings::default());
        (
            limits.lost.as_millis(),
            limits.tentative.as_millis(),
            limits.in_place_only,
        )
    }

    #[test]
    fn limits_grow_with_the_interval_and_not_with_one_pause() {
        assert_eq!(limits(&[]), (2000, 500, false));
        assert_eq!(limits(&[100, 100, 100, 60_000]), (2000, 500, false));
        assert_eq!(limits(&[1000, 1000, 1000]), (2500, 1500, false));
        assert_eq!(limits(&[2000, 2040, 1960]), (5000, 3000, false));
        assert_eq!(limits(&[2500, 2500, 60_000]), (6250, 3750, false));
        assert_eq!(limits(&[7000, 7000, 60_000]), (17_500, 10_500, true));
        assert_eq!(limits(&[60_000]), (25_000, 500, true));
    }

    #[test]
    fn a_rate_is_reported_once_it_is_known_and_a_limited_one_at_once() {
        let settings = TrackerSettings::default();
        assert_eq!(after(&[3000, 3000]).rate_too_low(&settings), None);
        let slow = RateTooLow {
            interval: Duration::from_secs(3),
            beyond_limit: true,
        };
        assert_eq!(after(&[3000; 3]).rate_too_low(&settings), Some(slow));
        let limited = TrackerSettings {
            frame_interval: Duration::from_secs(3),
            ..settings
        };
        assert_eq!(after(&[]).rate_too_low(&limited), Some(slow));
        assert_eq!(after(&[100; 5]).rate_too_low(&settings), None);
        let endless = TrackerSettings {
            frame_interval: Duration::MAX,
            ..settings
        };
        assert!(after(&[]).rate_too_low(&endless).is_some());
    }

    #[test]
    fn objects_that_are_never_joined_are_reported_at_low_rates_only() {
        for (millis, wanted) in [(1000, true), (100, false)] {
            let mut frames = after(&[millis; 5]);
            (0..UNMATCHED_FRAMES).for_each(|_| frames.record_match(false));
            let slow = frames.rate_too_low(&TrackerSettings::default());
            assert_eq!(slow.is_some(), wanted, "at {millis} ms");
            frames.record_match(true);
            assert_eq!(frames.rate_too_low(&TrackerSettings::default()), None);
        }
    }
}
