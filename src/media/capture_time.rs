//! The capture time of a picture: from the camera's clock by its RTCP sender reports, otherwise the arrival of the
//! access unit.
//!
//! Times are stored before the decoder and found after it by PTS, because hardware decoders drop the metadata of
//! buffers.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::CaptureClock;

/// Seconds from the NTP era's start, 1900, to Unix's, 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
const NS_PER_S: u64 = 1_000_000_000;
/// Maximum difference between the camera's clock and ours for the camera's time to be published: cameras with unset
/// clocks are common.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);
/// Access units between parser and sink: H.265 reorders at most 16, and a frame-threaded decoder holds a few more.
const UNITS_IN_FLIGHT: usize = 64;
/// Tolerance for decoders that round PTS to microseconds.
const PTS_TOLERANCE_NS: u64 = 1_000;

/// NTP nanoseconds since 1900 as Unix nanoseconds. Times before 1970 belong to the era that begins in 2036.
pub(super) fn ntp_to_unix_ns(ntp_ns: u64) -> u64 {
    let offset = NTP_TO_UNIX_S * NS_PER_S;
    match ntp_ns.checked_sub(offset) {
        Some(unix_ns) => unix_ns,
        None => ntp_ns + (NS_PER_S << 32) - offset,
    }
}

/// One sender report: the same instant on the wall clock and on the RTP clock (RFC 3550, 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SenderReport {
    /// NTP time, 32.32 fixed point seconds since 1900.
    pub(super) ntp: u64,
    /// RTP time.
    pub(super) rtp: u32,
    /// RTP clock rate in Hz.
    pub(super) clock_rate: u32,
}

impl SenderReport {
    /// Unix nanoseconds of the RTP time `rtp`, at most half a turn of the RTP clock (6.6 h at 90 kHz) from the report.
    pub(super) fn unix_ns(&self, rtp: u32) -> Option<u64> {
        if self.ntp == 0 || self.clock_rate == 0 {
            return None;
        }
        let report_ns = u64::try_from((u128::from(self.ntp) * u128::from(NS_PER_S)) >> 32).ok()?;
        let ticks = i64::from(rtp.wrapping_sub(self.rtp).cast_signed());
        let rate = u64::from(self.clock_rate);
        let distance_ns = u64::try_from(
            u128::from(ticks.unsigned_abs()) * u128::from(NS_PER_S) / u128::from(rate),
        )
        .ok()?;
        let ntp_ns = if ticks < 0 {
            report_ns.checked_sub(distance_ns)?
        } else {
            report_ns.checked_add(distance_ns)?
        };
        Some(ntp_to_unix_ns(ntp_ns))
    }
}

/// Facts about an access unit before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnitTime {
    /// Its arrival, by [`crate::base::Clock`].
    pub(super) arrival: Duration,
    /// Its NTP time as Unix nanoseconds, if the camera sends reports.
    pub(super) ntp_ns: Option<u64>,
    /// The number of units before it in the session that were not decoded.
    pub(super) skipped: u64,
}

/// A small map by PTS; the oldest entries are removed first.
#[derive(Debug)]
pub(super) struct PtsMap<T> {
    entries: VecDeque<(u64, T)>,
}

impl<T> Default for PtsMap<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::with_capacity(UNITS_IN_FLIGHT),
        }
    }
}

impl<T: Copy> PtsMap<T> {
    /// Stores `value`. A later value for the same PTS replaces it.
    pub(super) fn note(&mut self, pts_ns: u64, value: T) {
        if self.entries.len() == UNITS_IN_FLIGHT {
            self.entries.pop_front();
        }
        self.entries.push_back((pts_ns, value));
    }

    /// The last value for `pts_ns`, or for a PTS within a microsecond of it.
    pub(super) fn find(&self, pts_ns: u64) -> Option<T> {
        self.entries
            .iter()
            .rev()
            .filter(|(pts, _)| pts.abs_diff(pts_ns) <= PTS_TOLERANCE_NS)
            .min_by_key(|(pts, _)| pts.abs_diff(pts_ns))
            .map(|(_, value)| *value)
    }
}

/// The published capture time: NTP if it is within two seconds of the arrival, both in wall-clock time.
pub(super) fn captured(arrival_unix: Duration, ntp_ns: Option<u64>) -> (Duration, CaptureClock) {
    match ntp_ns.map(Duration::from_nanos) {
        Some(ntp) if ntp.abs_diff(arrival_unix) <= CLOCK_TOLERANCE => (ntp, CaptureClock::Ntp),
        _ => (arrival_unix, CaptureClock::Arrival),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: SenderReport = SenderReport {
        ntp: (NTP_TO_UNIX_S + 1_000) << 32 | 1 << 31,
        rtp: u32::MAX - 44_999,
        clock_rate: 90_000,
    };

    #[test]
    fn rtp_times_after_and_before_the_report_are_told_across_the_wrap() {
        assert_eq!(REPORT.unix_ns(REPORT.rtp), Some(1_000_500_000_000));
        assert_eq!(REPORT.unix_ns(0), Some(1_001_000_000_000));
        assert_eq!(REPORT.unix_ns(45_000), Some(1_001_500_000_000));
        assert_eq!(
            REPORT.unix_ns(REPORT.rtp.wrapping_sub(90_000)),
            Some(999_500_000_000)
        );
    }

    #[test]
    fn a_report_without_time_or_rate_tells_nothing() {
        assert_eq!(SenderReport { ntp: 0, ..REPORT }.unix_ns(0), None);
        let no_rate = SenderReport {
            clock_rate: 0,
            ..REPORT
        };
        assert_eq!(no_rate.unix_ns(0), None);
    }

    #[test]
    fn ntp_times_of_the_second_era_are_after_2036() {
        assert_eq!(ntp_to_unix_ns(NTP_TO_UNIX_S * NS_PER_S), 0);
        assert_eq!(ntp_to_unix_ns(0), 2_085_978_496 * NS_PER_S);
    }

    #[test]
    fn times_are_found_by_pts_despite_rounding() {
        let mut times = PtsMap::default();
        for unit in 0..200u64 {
            times.note(unit * 40_000_000, unit);
        }
        assert_eq!(times.find(199 * 40_000_000), Some(199));
        assert_eq!(times.find(150 * 40_000_000 - 999), Some(150));
        assert_eq!(times.find(150 * 40_000_000 - 1_001), None);
        assert_eq!(times.find(0), None, "forgotten long ago");
    }

    #[test]
    fn ntp_time_more_than_two_seconds_off_is_not_published() {
        let arrival = Duration::from_secs(1_700_000_000);
        let ntp = |offset_ms: i64| {
            let ns = 1_700_000_000_000_i64 + offset_ms;
            Some(u64::try_from(ns).expect("after 1970") * 1_000_000)
        };
        assert_eq!(
            captured(arrival, ntp(-2_000)),
            (Duration::from_secs(1_699_999_998), CaptureClock::Ntp)
        );
        for ntp_ns in [ntp(-2_001), ntp(2_001), None] {
            assert_eq!(captured(arrival, ntp_ns), (arrival, CaptureClock::Arrival));
        }
    }
}
