//! The rate at which recordings are written, over the last 10 minutes.

use std::collections::VecDeque;
use std::time::Duration;

/// From one sample of the written bytes to the next, and their number.
const SAMPLE_EVERY: Duration = Duration::from_secs(30);
const SAMPLES: usize = 21;
/// A rate over less is too inexact: space is reserved in large steps.
const RATE_AFTER: Duration = Duration::from_secs(180);

/// The written bytes at times of the clock.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Bytes a day. `None` in the first 3 minutes.
    pub(super) fn per_day(&self, now: Duration, written_bytes: u64) -> Option<u64> {
        let (since, before) = *self.samples.front()?;
        let elapsed = now.saturating_sub(since);
        let bytes = u128::from(written_bytes.saturating_sub(before));
        let per_day = bytes * 86_400_000 / elapsed.as_millis().max(1);
        (elapsed >= RATE_AFTER).then(|| u64::try_from(per_day).unwrap_or(u64::MAX))
    }

    /// Takes a sample of all bytes that were written, if it is time.
    pub(super) fn sample(&mut self, now: Duration, written_bytes: u64) {
        let last = self.samples.back();
        if last.is_none_or(|(at, _)| now >= *at + SAMPLE_EVERY) {
            self.samples.push_back((now, written_bytes));
            if self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
    }
}
