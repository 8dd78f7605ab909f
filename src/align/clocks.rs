//! Two clocks that are read some way apart: what one shows when the other's news could have arrived at the earliest.
//!
//! News is never faster than its way, so the least of `receipt − time told` over a while is the clocks' distance plus the
//! shortest way, without the jitter (as RTP receivers and NTP's clock filter have it). A clock that steps is noticed because
//! several readings in succession agree with each other and not with the past.

use std::time::Duration;

/// A time, or a distance of two clocks, in nanoseconds. Arithmetic saturates: times told by strangers may be anything.
pub(super) type Ns = i64;

/// A monotonic time as nanoseconds.
pub(super) fn ns(time: Duration) -> Ns {
    Ns::try_from(time.as_nanos()).unwrap_or(Ns::MAX)
}

/// Nanoseconds as a time; nothing below zero.
pub(super) fn duration(time: Ns) -> Duration {
    Duration::from_nanos(u64::try_from(time).unwrap_or(0))
}

/// Milliseconds as nanoseconds.
pub(super) const fn ms(time: i64) -> Ns {
    time * 1_000_000
}

/// The least is taken over the present and the last span of so long: 50 ppm of drift are 0.5 ms then, and a clock that was
/// set back by less than [`EARLY`] is followed after twice that.
const SPAN: Ns = ms(5_000);
/// News this much faster than the fastest is told by a clock that stepped, or by no clock.
const EARLY: Ns = ms(500);
/// News this much slower than the fastest is not delayed: brokers and networks do not hold anything for so long without
/// dropping it.
const LATE: Ns = ms(5_000);
/// Implausible readings that agree within this are a clock that has stepped.
const AGREEMENT: Ns = ms(150);
/// So many of them make a step …
const STEP_READINGS: u32 = 3;
/// … if they are spread over this at least: what a network held back arrives in a burst.
const STEP_SPAN: Ns = ms(400);

/// What a reading says of its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// It fits the past.
    Plausible,
    /// It does not.
    Implausible,
    /// It does not, and neither did the ones before it: the clock has another time since, and all older readings are void.
    Stepped,
}

/// The least distance of two clocks.
#[derive(Debug, Default)]
pub(super) struct ClockOffset {
    /// Of the present span and of the one before it.
    least: [Option<Ns>; 2],
    since: Ns,
    readings: u32,
    outliers: Option<Outliers>,
}

/// Readings that do not fit, and agree with each other.
#[derive(Debug)]
struct Outliers {
    low: Ns,
    high: Ns,
    since: Ns,
    readings: u32,
}

impl ClockOffset {
    /// Reads both clocks: `told` arrived at `received`.
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

    /// The distance; none before the first reading.
    pub(super) fn get(&self) -> Option<Ns> {
        self.least.into_iter().flatten().min()
    }

    /// Whether it rests on more than a reading or two.
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
