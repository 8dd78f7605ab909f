//! Waiting on conditions, never for a time.

use std::time::{Duration, Instant};

/// Longest that a test waits for what should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// When it has not within `limit`; the message names `what`.
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

/// As [`until`], for something that is so or is not.
pub(crate) fn until_true(what: &str, limit: Duration, mut look: impl FnMut() -> bool) {
    until(what, limit, || look().then_some(()));
}
