//! What an operator can read of a source's alignment, and the quantiles it takes.

use std::collections::VecDeque;

use super::Basis;
use super::clocks::Ns;

/// How well a source's boxes find their frames.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AlignStats {
    /// Frames decoded.
    pub frames: u64,
    /// Events taken in.
    pub events: u64,
    /// Events whose frame was found by NTP time.
    pub matched: u64,
    /// Events whose frame was found by clocks of arrival.
    pub estimated: u64,
    /// Events without a frame of their own: it was dropped here, no clock tells, or the newest boxes are drawn.
    pub unmatched: u64,
    /// Events not taken in: of an implausible time, or of no picture size; and boxes without a place or an extent.
    pub refused: u64,
    /// Of recent events, the share whose frame was found by NTP time, 0–1. Where the newest boxes are drawn: of recent
    /// frames that have some, the share whose boxes were found in them, which is none unless the frames are rare.
    pub matched_share: Option<f64>,
    /// Distance in time between boxes and the frame that they are drawn on, median of recent ones, in milliseconds: of
    /// events that found their frame by NTP time, or of frames that the newest boxes are drawn on. None where clocks of
    /// arrival alone put them together.
    pub skew_p50_ms: Option<f64>,
    /// The same, 95th percentile.
    pub skew_p95_ms: Option<f64>,
    /// Recent events' receipt less their frames' arrival, median; milliseconds, negative where events are faster.
    pub lag_p50_ms: f64,
    /// The same, 95th percentile.
    pub lag_p95_ms: f64,
    /// How long frames are held back at present, milliseconds.
    pub delay_ms: f64,
    /// What boxes are drawn by at present.
    pub mode: Basis,
}

/// The newest values of something, and their quantiles.
#[derive(Debug)]
pub(super) struct Recent<const N: usize> {
    values: VecDeque<Ns>,
}

impl<const N: usize> Default for Recent<N> {
    fn default() -> Self {
        Self {
            values: VecDeque::with_capacity(N),
        }
    }
}

impl<const N: usize> Recent<N> {
    pub(super) fn push(&mut self, value: Ns) {
        if self.values.len() == N {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    /// The value that `share` (0–1) of them do not exceed; none where there is none.
    pub(super) fn quantile(&self, share: f64) -> Option<Ns> {
        quantile(self.values.iter().copied().collect(), share)
    }

    /// Their mean; none where there is none.
    pub(super) fn mean(&self) -> Option<f64> {
        let sum: f64 = self.values.iter().map(|value| *value as f64).sum();
        (!self.values.is_empty()).then(|| sum / self.values.len() as f64)
    }

    /// As [`Recent::quantile`], of their distances from zero.
    pub(super) fn quantile_of_size(&self, share: f64) -> Option<Ns> {
        let sizes = self.values.iter().map(|value| value.saturating_abs());
        quantile(sizes.collect(), share)
    }
}

fn quantile(mut values: Vec<Ns>, share: f64) -> Option<Ns> {
    let rank = (share * values.len() as f64).ceil() as usize;
    let index = rank.saturating_sub(1).min(values.len().checked_sub(1)?);
    Some(*values.select_nth_unstable(index).1)
}

/// Nanoseconds as milliseconds for people.
pub(super) fn ms_of(time: Ns) -> f64 {
    time as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_newest_values() {
        let mut recent = Recent::<100>::default();
        assert_eq!(recent.quantile(0.95), None);
        for value in -900..=100 {
            recent.push(value);
        }
        assert_eq!(recent.quantile(0.5), Some(50));
        assert_eq!(recent.quantile(0.95), Some(95));
        assert_eq!(recent.quantile(1.0), Some(100));
    }
}
