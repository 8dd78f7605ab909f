//! Waits between attempts: exponential, jittered, without end.

use std::time::Duration;

/// Waits that double from `first` to `longest`. Each is drawn between half of its nominal value and the whole, so that devices
/// that lose the same connection do not all reconnect at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
}

impl Backoff {
    /// Waits from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            attempt: 0,
        }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let nominal = self
            .first
            .saturating_mul(1u32.checked_shl(self.attempt).unwrap_or(u32::MAX))
            .min(self.longest);
        self.attempt = self.attempt.saturating_add(1).min(31);
        nominal.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Number of waits since the last success.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Records a success: the next wait is the first one again.
    pub fn succeeded(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_again_after_a_success() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(30));
        let mut backoff = Backoff::new(first, longest);
        for nominal_ms in [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000] {
            let nominal = Duration::from_millis(nominal_ms);
            let wait = backoff.next_wait();
            assert!(
                wait >= nominal / 2 && wait <= nominal,
                "{wait:?} for {nominal:?}"
            );
        }
        backoff.succeeded();
        assert!(backoff.next_wait() <= first);
    }

    #[test]
    fn a_year_of_attempts_does_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for _ in 0..1_000_000 {
            assert!(backoff.next_wait() <= Duration::from_secs(30));
        }
    }
}
