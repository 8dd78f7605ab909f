//! One word that ends a thread: set once, waited for with a time-out.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A flag that threads wait on instead of sleeping. Once raised it stays raised.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Wakes every thread that waits on this flag.
    pub fn raise(&self) {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.1.notify_all();
    }

    /// Whether the flag was raised.
    pub fn is_raised(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at most `limit`; true as soon as the flag is raised.
    pub fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut raised = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*raised {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            raised = self
                .shared
                .1
                .wait_timeout(raised, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_thread_wakes_when_the_flag_is_raised() {
        let stop = Stop::default();
        let waiting = stop.clone();
        let thread = std::thread::spawn(move || waiting.wait(Duration::from_secs(60)));
        stop.raise();
        assert!(thread.join().expect("the thread ends"));
        assert!(stop.is_raised());
    }

    #[test]
    fn a_wait_ends_at_its_limit() {
        assert!(!Stop::default().wait(Duration::from_millis(1)));
    }
}
