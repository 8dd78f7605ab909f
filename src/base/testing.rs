//! Helpers of unit tests in all rooms.

use std::time::Duration;

use super::Stop;

/// Waits until `is_true`.
pub(crate) fn wait_until(mut is_true: impl FnMut() -> bool) {
    let never = Stop::default();
    for _ in 0..12_000 {
        if is_true() {
            return;
        }
        never.wait(Duration::from_millis(5));
    }
    panic!("not within a minute");
}
