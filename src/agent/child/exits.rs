//! When an ended child is started again, and whether it ends again and again. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::Backoff;

/// So many ends within [`LOOP_TIME`] are a crash loop.
const LOOP_EXITS: usize = 5;
/// The time in which ends are counted.
const LOOP_TIME: Duration = Duration::from_secs(120);
/// A child that has run so long after its start has recovered.
const STEADY: Duration = Duration::from_secs(60);
/// First wait before a child is started again.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait, also that of a crash loop.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The unasked ends of a child.
#[derive(Debug)]
pub(super) struct Exits {
    recent: VecDeque<Duration>,
    backoff: Backoff,
}

impl Default for Exits {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
        }
    }
}

impl Exits {
    /// The child ended at `now` after it had run for `ran`. Returns the wait before it is started again.
    pub(super) fn note(&mut self, now: Duration, ran: Duration) -> Duration {
        if ran >= STEADY {
            self.backoff.succeeded();
        }
        self.recent.push_back(now);
        self.forget(now);
        let wait = self.backoff.next_wait();
        if self.is_loop(now) {
            LONGEST_WAIT
        } else {
            wait
        }
    }

    /// Another configuration, or an operator's restart: the next end is the first again.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether the child is in a crash loop at `now`.
    pub(super) fn is_loop(&mut self, now: Duration) -> bool {
        self.forget(now);
        self.recent.len() >= LOOP_EXITS
    }

    fn forget(&mut self, now: Duration) {
        while self
            .recent
            .front()
            .is_some_and(|at| now.saturating_sub(*at) > LOOP_TIME)
        {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_single_end_is_no_loop_and_is_waited_for_shortly() {
        let mut exits = Exits::default();
        assert!(exits.note(at(1000), at(900)) <= FIRST_WAIT);
        assert!(!exits.is_loop(at(1000)));
        assert!(
            exits.note(at(3000), at(1999)) <= FIRST_WAIT,
            "it was steady"
        );
    }

    #[test]
    fn five_ends_within_two_minutes_are_a_loop_that_ends_with_time() {
        let mut exits = Exits::default();
        for second in 0..4 {
            assert!(exits.note(at(second), at(0)) < LONGEST_WAIT);
        }
        assert_eq!(exits.note(at(5), at(0)), LONGEST_WAIT);
        assert!(exits.is_loop(at(60)));
        assert!(!exits.is_loop(at(122)));
        exits.note(at(123), at(0));
        exits.reset();
        assert!(exits.note(at(124), at(0)) <= FIRST_WAIT);
    }
}
