//! The time in which a document may be applied.

use jiff::Timestamp;

use crate::agent::problem::{Problem, codes};

/// A time window. It counts only by a synchronised clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Not before this time.
    pub not_before: Option<Timestamp>,
    /// Not after this time.
    pub not_after: Option<Timestamp>,
}

/// Whether a window is open.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Opening {
    Open,
    /// Not yet, or not known yet.
    Wait(Problem),
    Over(Problem),
}

impl Window {
    /// Whether it is open at `wall`; `None` while the clock is not synchronised.
    pub(super) fn opening(&self, wall: Option<Timestamp>) -> Opening {
        if *self == Self::default() {
            return Opening::Open;
        }
        let Some(now) = wall else {
            let message = "the document has a time window and the clock of this box is not synchronised; it waits for the clock";
            return Opening::Wait(Problem::new("", codes::CLOCK_NOT_SYNCHRONISED, message));
        };
        if let Some(end) = self.not_after.filter(|end| now > *end) {
            let message =
                format!("its time ended at {end}, and it is {now}; publish a newer generation");
            return Opening::Over(Problem::new("not_after", codes::EXPIRED, message));
        }
        if let Some(start) = self.not_before.filter(|start| now < *start) {
            let message = format!("waits until {start}");
            return Opening::Wait(Problem::new("not_before", codes::NOT_YET, message));
        }
        Opening::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_only_by_a_synchronised_clock() {
        let at = |second: i64| Timestamp::from_second(second).expect("in range");
        let window = |not_before: Option<i64>, not_after: Option<i64>| Window {
            not_before: not_before.map(at),
            not_after: not_after.map(at),
        };
        let code = |window: Window, now: Option<i64>| match window.opening(now.map(at)) {
            Opening::Open => "open".to_owned(),
            Opening::Wait(problem) => format!("wait: {}", problem.code),
            Opening::Over(problem) => format!("over: {}", problem.code),
        };
        let unknown = "wait: clock-not-synchronised";
        for (from, to, now, expected) in [
            (None, None, None, "open"),
            (None, None, Some(5), "open"),
            (Some(10), None, None, unknown),
            (None, Some(20), None, unknown),
            (Some(10), Some(20), Some(9), "wait: not-yet"),
            (Some(10), Some(20), Some(10), "open"),
            (Some(10), Some(20), Some(20), "open"),
            (Some(10), Some(20), Some(21), "over: expired"),
        ] {
            assert_eq!(
                code(window(from, to), now),
                expected,
                "{from:?} {to:?} {now:?}"
            );
        }
    }
}
