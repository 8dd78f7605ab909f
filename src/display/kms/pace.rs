//! Determines when the next scene may be presented.
//!
//! Normally the monitor sets the pace, because a flip is complete at a vertical blank. Drivers of virtual machines complete
//! flips at once. They are detected by flips that are faster than the refresh interval, and are then paced by the clock.

use std::time::Duration;

/// Number of successive early flips that indicate such a driver. A single flip may seem early after a late timer.
const EARLY_FLIPS: u32 = 3;

/// The pace of one monitor.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    last_flip: Option<Duration>,
    early: u32,
    slot: Duration,
}

impl Pace {
    /// The pace of a monitor with this refresh interval.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            last_flip: None,
            early: 0,
            slot: Duration::ZERO,
        }
    }

    /// Whether the driver completes flips without waiting for the monitor.
    pub(super) fn is_unpaced(&self) -> bool {
        self.early >= EARLY_FLIPS
    }

    /// Earliest time of the next scene.
    pub(super) fn not_before(&self) -> Duration {
        if self.is_unpaced() {
            self.slot
        } else {
            Duration::ZERO
        }
    }

    /// A scene was committed.
    pub(super) fn committed(&mut self, now: Duration) {
        // Slots have a fixed distance from each other, not from the commits, so that composing does not lower the rate.
        let next = self.slot + self.interval;
        self.slot = if next + self.interval < now {
            now + self.interval
        } else {
            next.max(now)
        };
    }

    /// A flip is complete.
    pub(super) fn flipped(&mut self, now: Duration) {
        if let Some(last) = self.last_flip
            && !self.is_unpaced()
        {
            if now.saturating_sub(last) < self.interval * 3 / 4 {
                self.early += 1;
            } else {
                self.early = 0;
            }
        }
        self.last_flip = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(16);

    /// Commits as soon as it is allowed, each after `compose`; gives the scenes of a second.
    fn scenes(compose: Duration, flip: impl Fn(Duration) -> Duration) -> u32 {
        let mut pace = Pace::new(INTERVAL);
        let mut now = Duration::from_secs(100);
        let end = now + Duration::from_secs(1);
        let mut count = 0;
        while now < end {
            now = now.max(pace.not_before()) + compose;
            pace.committed(now);
            now = flip(now);
            pace.flipped(now);
            count += 1;
        }
        count
    }

    #[test]
    fn a_driver_that_flips_at_once_is_paced_by_the_clock() {
        let at_once = |now: Duration| now + Duration::from_micros(50);
        let rate = scenes(Duration::from_millis(1), at_once);
        assert!((60..=67).contains(&rate), "{rate}");
        let rate = scenes(Duration::from_millis(9), at_once);
        assert!((60..=67).contains(&rate), "{rate}");
    }

    #[test]
    fn a_monitors_rhythm_is_followed_without_a_delay_of_our_own() {
        let next_blank = |now: Duration| {
            let blanks = now.as_nanos() / INTERVAL.as_nanos() + 1;
            INTERVAL * u32::try_from(blanks).expect("few")
        };
        let rate = scenes(Duration::from_millis(9), next_blank);
        assert!((62..=63).contains(&rate), "{rate}");
    }

    #[test]
    fn one_early_flip_after_a_late_one_is_no_proof() {
        let mut pace = Pace::new(INTERVAL);
        for at in [0, 16, 44, 48, 64, 92, 96] {
            pace.flipped(Duration::from_millis(at));
        }
        assert!(!pace.is_unpaced());
    }
}
