//! Statistics of the alignment of a source for operators, and the quantiles they need.

use std::collections::VecDeque;

use super::Basis;
use super::clocks::Ns;

/// Statistics of the alignment of a source.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AlignStats {
    /// Frames decoded.
    pub frames: u64,
    /// Events received.
    pub events: u64,
    /// Events matched to their frame by NTP time.
    pub matched: u64,
    /// Events matched to their frame by arrival time.
    pub estimated: u64,
    /// Events without a frame: the frame was dropped here, there is no common clock, or the newest boxes are drawn.
    pub unmatched: u64,
    /// Refused events, with an implausible time or without a picture size, and refused boxes, outside the picture or without
    /// an extent.
    pub refused: u64,
    /// The share of recent events that were matched to their frame by NTP time, 0–1. In mode latest: the share of recent frames
    /// with boxes whose boxes were found in that frame, which is 0 unless the frame rate is low.
    pub matched_share: Option<f64>,
    /// Median time between boxes and the frame that they are drawn on, in milliseconds: for recent events that were matched by
    /// NTP time, or in mode latest for recent frames. `None` if they are matched by arrival time.
    pub skew_p50_ms: Option<f64>,
    /// The same, 95th percentile.
    pub skew_p95_ms: Option<f64>,
    /// Median arrival time of recent events minus that of their frames, in milliseconds. Negative if events arrive first.
    pub lag_p50_ms: f64,
    /// The same, 95th percentile.
    pub lag_p95_ms: f64,
    /// Present delay of frames, in milliseconds.
    pub delay_ms: f64,
    /// How boxes are matched to frames at present.
    pub mode: Basis,
}

/// The newest `N` values of a series, with quantiles.
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

    /// The value that `share` (0–1) of the values do not exceed. `None` without values.
    pub(super) fn quantile(&self, share: f64) -> Option<Ns> {
        quantile(self.values.iter().copied().collect(), share)
    }

    /// The mean. `None` without values.
    pub(super) fn mean(&self) -> Option<f64> {
        let sum: f64 = self.values.iter().map(|value| *value as f64).sum();
        (!self.values.is_empty()).then(|| sum / self.values.len() as f64)
    }

    /// As [`Recent::quantile`], for absolute values.
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

/// Nanoseconds as milliseconds.
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
