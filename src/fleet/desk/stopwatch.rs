//! The clock of a rollout, which can be paused.

use std::time::{Duration, Instant};

/// Measures the time since its start, without its pauses.
#[derive(Debug)]
pub(super) struct Stopwatch {
    began: Instant,
    /// Length of the pauses that have ended.
    paused: Duration,
    paused_since: Option<Instant>,
}

impl Stopwatch {
    /// Starts now.
    pub(super) fn start() -> Self {
        Self {
            began: Instant::now(),
            paused: Duration::ZERO,
            paused_since: None,
        }
    }

    /// The time since the start that counts.
    pub(super) fn elapsed(&self) -> Duration {
        let paused = self
            .paused_since
            .map_or(Duration::ZERO, |since| since.elapsed());
        self.began.elapsed().saturating_sub(self.paused + paused)
    }

    /// The time since the start, with pauses.
    pub(super) fn since_start(&self) -> Duration {
        self.began.elapsed()
    }

    /// Begins a pause. False if it is paused already.
    pub(super) fn pause(&mut self) -> bool {
        let runs = self.paused_since.is_none();
        if runs {
            self.paused_since = Some(Instant::now());
        }
        runs
    }

    /// Ends the pause. False if it was not paused.
    pub(super) fn go_on(&mut self) -> bool {
        let Some(since) = self.paused_since.take() else {
            return false;
        };
        self.paused += since.elapsed();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_do_not_count() {
        const PAUSE: Duration = Duration::from_millis(20);
        let mut stopwatch = Stopwatch::start();
        assert!(stopwatch.pause() && !stopwatch.pause());
        std::thread::sleep(PAUSE);
        let (elapsed, all) = (stopwatch.elapsed(), stopwatch.since_start());
        assert!(elapsed + PAUSE <= all, "{elapsed:?} of {all:?}");
        assert!(stopwatch.go_on() && !stopwatch.go_on());
        let (elapsed, all) = (stopwatch.elapsed(), stopwatch.since_start());
        assert!(elapsed + PAUSE <= all, "{elapsed:?} of {all:?}");
        std::thread::sleep(PAUSE);
        assert!(stopwatch.elapsed() >= elapsed + PAUSE, "it runs again");
    }
}
