//! Estimates the offset between the clock of a sender and ours from the arrival of its messages.
//!
//! The minimum of `receipt time − sender time` over some seconds is the clock offset plus the shortest one-way delay, without
//! jitter. RTP receivers and NTP's clock filter use the same method. A clock step is detected when several successive readings
//! agree with each other but not with the past.

use std::time::Duration;

/// A time, or an offset between two clocks, in nanoseconds. Arithmetic saturates, because times in messages can have any value.
pub(super) type Ns = i64;

/// A monotonic time as nanoseconds.
pub(super) fn ns(time: Duration) -> Ns {
    Ns::try_from(time.as_nanos()).unwrap_or(Ns::MAX)
}

/// Nanoseconds as a duration. Negative values give zero.
pub(super) fn duration(time: Ns) -> Duration {
    Duration::from_nanos(u64::try_from(time).unwrap_or(0))
}

/// Milliseconds as nanoseconds.
pub(super) const fn ms(time: i64) -> Ns {
    time * 1_000_000
}

/// The minimum is taken over the present and the last span of this length. A drift of 50 ppm is 0.5 ms in two spans. A clock
/// that was set back by less than [`EARLY`] is followed after two spans.
const SPAN: Ns = ms(5_000);
/// A message that is faster than the fastest one by more than this comes from a clock that has stepped, or has a wrong time.
const EARLY: Ns = ms(500);
/// A message that is slower than the fastest one by more than this was not delayed, because brokers and networks drop messages
/// before that. Its clock has stepped, or its time is wrong.
const LATE: Ns = ms(5_000);
/// Implausible readings that agree within this time indicate a clock step.
const AGREEMENT: Ns = ms(150);
/// Number of such readings that are taken as a step …
const STEP_READINGS: u32 = 3;
/// … and the minimum time between the first and the last. Messages that a network has held back arrive in a burst.
const STEP_SPAN: Ns = ms(400);

/// The result of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// It fits the earlier readings.
    Plausible,
    /// It does not fit the earlier readings.
    Implausible,
    /// The clock has stepped. All earlier readings are discarded.
    Stepped,
}

/// The offset between two clocks, as the minimum of recent readings.
#[derive(Debug, Default)]
pub(super) struct ClockOffset {
    /// The minimum of the present span and of the one before it.
    least: [Option<Ns>; 2],
    since: Ns,
    readings: u32,
    outliers: Option<Outliers>,
}

/// Readings that do not fit the earlier ones but agree with each other.
#[derive(Debug)]
struct Outliers {
    low: Ns,
    high: Ns,
    since: Ns,
    readings: u32,
}

impl ClockOffset {
    /// Adds a reading: a message with the sender time `captured` arrived at `received`.
    pub(super) fn read(&mut self, received: Ns, captured: Ns) -> Reading {
        let distance = received.saturating_sub(captured);
        if let Some(least) = self.get() {
            let excess = distance.saturating_sub(least);
            if !(-EARLY..=LATE).contains(&excess) {
                return self.note_outlier(received, distance);
            }
        }
        self.outliers = None;
        self.take(received, distance);
        Reading::Plausible
    }

    /// The offset. `None` before the first reading.
    pub(super) fn get(&self) -> Option<Ns> {
        self.least.into_iter().flatten().min()
    }

    /// Whether there were at least three readings.
    pub(super) fn is_settled(&self) -> bool {
        self.readings >= STEP_READINGS
    }

    fn take(&mut self, received: Ns, distance: Ns) {
        if self.least[0].is_none() {
            self.since = received;
        } else if received.saturating_sub(self.since) > SPAN {
            self.least = [None, self.least[0]];
            self.since = received;
        }
        self.least[0] = Some(self.least[0].map_or(distance, |least| least.min(distance)));
        self.readings = self.readings.saturating_add(1);
    }

    fn note_outlier(&mut self, received: Ns, distance: Ns) -> Reading {
        let first = Outliers {
            low: distance,
            high: distance,
            since: received,
            readings: 0,
        };
        let outliers = self.outliers.get_or_insert(first);
        let (low, high) = (outliers.low.min(distance), outliers.high.max(distance));
        if high.saturating_sub(low) > AGREEMENT {
            *outliers = Outliers {
                low: distance,
                high: distance,
                since: received,
                readings: 0,
            };
        } else {
            (outliers.low, outliers.high) = (low, high);
        }
        outliers.readings = outliers.readings.saturating_add(1);
        let spread = received.saturating_sub(outliers.since);
        if outliers.readings < STEP_READINGS || spread < STEP_SPAN {
            return Reading::Implausible;
        }
        let (low, readings) = (outliers.low, outliers.readings);
        *self = Self::default();
        self.take(received, low);
        self.readings = readings;
        Reading::Stepped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_way_tells_and_jitter_does_not() {
        let mut clock = ClockOffset::default();
        for (at, way) in [(0, 30), (100, 5), (200, 80), (300, 400)] {
            let captured = ms(at) - ms(way) + ms(1_000_000);
            assert_eq!(clock.read(ms(at), captured), Reading::Plausible);
        }
        assert_eq!(clock.get(), Some(ms(5 - 1_000_000)));
    }

    #[test]
    fn one_reading_from_the_future_is_refused_and_a_step_is_followed() {
        let mut clock = ClockOffset::default();
        for at in 0..20 {
            clock.read(ms(at * 200), ms(at * 200));
        }
        assert_eq!(clock.read(ms(4_000), ms(9_999_000)), Reading::Implausible);
        assert_eq!(clock.read(ms(4_200), ms(4_200)), Reading::Plausible);
        let hour = 3_600_000;
        let readings = [4_400, 4_600, 4_800, 5_000].map(|at| clock.read(ms(at), ms(at + hour)));
        use Reading::{Implausible, Plausible, Stepped};
        assert_eq!(readings, [Implausible, Implausible, Stepped, Plausible]);
        assert_eq!(clock.get(), Some(ms(-hour)));
    }

    #[test]
    fn a_burst_of_what_a_network_held_back_is_no_step() {
        let mut clock = ClockOffset::default();
        clock.read(0, 0);
        for event in 0..10 {
            let reading = clock.read(ms(9_000), ms(1_000 + event * 10));
            assert_eq!(reading, Reading::Implausible);
        }
        assert_eq!(clock.get(), Some(0));
    }

    #[test]
    fn a_way_that_became_longer_is_followed_after_two_spans() {
        let mut clock = ClockOffset::default();
        clock.read(0, 0);
        for at in (200..12_000).step_by(200) {
            clock.read(ms(at), ms(at - 100));
        }
        assert_eq!(clock.get(), Some(ms(100)));
    }
}
