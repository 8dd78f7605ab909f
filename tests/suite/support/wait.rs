//! Waits for conditions instead of fixed times.

use std::time::{Duration, Instant};

/// Longest wait for something that should happen immediately.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// Calls `look` repeatedly until it returns a value.
///
/// # Panics
/// When there is none within `limit`. The message contains `what`.
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// As [`until`], for a condition.
pub(crate) fn until_true(what: &str, limit: Duration, mut look: impl FnMut() -> bool) {
    until(what, limit, || look().then_some(()));
}
