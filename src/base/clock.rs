//! The monotonic clock. It is passed in, so that tests can move it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock: the system's, or one that a test moves.
///
/// Its values are durations since an arbitrary start in this process, and can only be compared with each other.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    by_hand: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The system's monotonic clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock at zero that only [`Clock::advance`] moves.
    pub fn by_hand() -> Self {
        Self {
            by_hand: Some(Arc::default()),
        }
    }

    /// Time since the arbitrary start.
    pub fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match &self.by_hand {
            Some(nanoseconds) => Duration::from_nanos(nanoseconds.load(Ordering::Acquire)),
            None => START.get_or_init(Instant::now).elapsed(),
        }
    }

    /// Moves a clock of [`Clock::by_hand`]. No effect on the system's clock.
    pub fn advance(&self, by: Duration) {
        if let Some(nanoseconds) = &self.by_hand {
            let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            nanoseconds.fetch_add(by, Ordering::AcqRel);
        }
    }
}

/// Wall-clock time since the Unix epoch. Only for published times, never for time-outs.
pub fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_by_hand_moves_for_all_its_holders() {
        let clock = Clock::by_hand();
        let other = clock.clone();
        clock.advance(Duration::from_secs(3));
        assert_eq!(other.now(), Duration::from_secs(3));
    }
}
