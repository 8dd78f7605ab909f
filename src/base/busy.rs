//! Since when something is being done, told to other threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Nothing is being done.
const IDLE: u64 = u64::MAX;

/// Since when a thread does something that may take too long, for those who watch it.
#[derive(Debug)]
pub struct BusySince(AtomicU64);

impl Default for BusySince {
    /// It does nothing.
    fn default() -> Self {
        Self(AtomicU64::new(IDLE))
    }
}

impl BusySince {
    /// It begins at `now`, by the clock.
    pub fn begin(&self, now: Duration) {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(IDLE - 1);
        self.0.store(now_ns, Ordering::Release);
    }

    /// It has ended.
    pub fn end(&self) {
        self.0.store(IDLE, Ordering::Release);
    }

    /// When it began, if it is still being done at `now` and for at least `limit`.
    pub fn for_longer_than(&self, limit: Duration, now: Duration) -> Option<Duration> {
        let since_ns = self.0.load(Ordering::Acquire);
        let since = Duration::from_nanos(since_ns);
        (since_ns != IDLE && now.saturating_sub(since) >= limit).then_some(since)
    }
}
