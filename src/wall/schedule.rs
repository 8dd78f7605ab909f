//! The daily schedule in which monitors are off.

use jiff::Zoned;

use crate::config::DailySpan;

/// Whether it is now within `span`, in local time.
pub(super) fn is_within(span: &DailySpan) -> bool {
    let now = Zoned::now();
    holds(
        span,
        now.hour().unsigned_abs().into(),
        now.minute().unsigned_abs().into(),
    )
}

fn holds(span: &DailySpan, hour: u16, minute: u16) -> bool {
    let now = hour * 60 + minute;
    let (from, to) = (span.from_minute, span.to_minute);
    if from <= to {
        (from..to).contains(&now)
    } else {
        now >= from || now < to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_reaches_over_midnight() {
        let night = DailySpan {
            from_minute: 22 * 60,
            to_minute: 6 * 60,
        };
        for (hour, minute, off) in [(21, 59, false), (22, 0, true), (3, 0, true), (6, 0, false)] {
            assert_eq!(holds(&night, hour, minute), off, "{hour}:{minute}");
        }
    }

    #[test]
    fn a_break_lies_within_a_day() {
        let noon = DailySpan {
            from_minute: 12 * 60,
            to_minute: 13 * 60,
        };
        assert!(holds(&noon, 12, 30) && !holds(&noon, 13, 0) && !holds(&noon, 11, 59));
    }
}
