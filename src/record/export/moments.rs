//! Times since the Unix epoch as text: RFC 3339 in UTC.

use std::time::Duration;

use jiff::Timestamp;

/// The time with as many digits as it has, at most nanoseconds.
pub(super) fn shown(unix: Duration) -> String {
    let nanoseconds = i128::try_from(unix.as_nanos()).unwrap_or(i128::MAX);
    let time = Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX);
    time.to_string()
}

/// Seconds, in whole microseconds.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_digits() {
        let time = |ns| shown(Duration::from_nanos(ns));
        assert_eq!(time(1_795_854_600_000_000_000), "2026-11-28T08:30:00Z");
        assert_eq!(
            time(1_795_854_600_123_456_789),
            "2026-11-28T08:30:00.123456789Z"
        );
        assert_eq!(shown(Duration::MAX), Timestamp::MAX.to_string());
        assert_eq!(seconds(Duration::from_nanos(1_234_567_890)), 1.234_568);
    }
}
