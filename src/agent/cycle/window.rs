//! The time in which a document may be applied.

use jiff::Timestamp;

use crate::agent::codes;
use crate::fleet::{Desired, DocumentError, Window};

/// Whether a window is open.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Opening {
    Open,
    /// Not yet, or not known yet.
    Wait(DocumentError),
    Over(DocumentError),
}

/// Whether the window of `desired` is open at `wall`; `None` while the clock is not synchronised.
pub(super) fn opening(desired: &Desired, wall: Option<Timestamp>) -> Opening {
    match desired.window(wall.unwrap_or_default(), wall.is_some()) {
        Window::Open => Opening::Open,
        Window::ClockUnknown => {
            let message = "the document has a time window and the clock of this box is not synchronised; it waits for the clock";
            Opening::Wait(DocumentError::new(
                "",
                codes::CLOCK_NOT_SYNCHRONISED,
                message,
            ))
        }
        Window::NotYet(start) => {
            let message = format!("waits until {start}");
            Opening::Wait(DocumentError::new("not_before", codes::NOT_YET, message))
        }
        Window::Expired(end) => {
            let message = format!("its time ended at {end}; publish a newer generation");
            Opening::Over(DocumentError::new("not_after", codes::EXPIRED, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::DeviceRole;

    #[test]
    fn a_window_counts_only_by_a_synchronised_clock() {
        let at = |second: i64| Timestamp::from_second(second).expect("in range");
        let code = |from: Option<i64>, to: Option<i64>, now: Option<i64>| {
            let desired = Desired {
                not_before: from.map(at),
                not_after: to.map(at),
                ..Desired::new(1, DeviceRole::Processor)
            };
            match opening(&desired, now.map(at)) {
                Opening::Open => "open".to_owned(),
                Opening::Wait(problem) => format!("wait: {}", problem.code),
                Opening::Over(problem) => format!("over: {}", problem.code),
            }
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
            assert_eq!(code(from, to, now), expected, "{from:?} {to:?} {now:?}");
        }
    }
}
