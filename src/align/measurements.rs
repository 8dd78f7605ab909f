//! Statistics over recent events and frames: lags, intervals and skews, and the delay that results from them.

use std::time::Duration;

use super::clocks::{Ns, duration};
use super::delay::LONGEST;
use super::frames::KeyKind;
use super::stats::{AlignStats, Recent, ms_of};

/// Number of recent events that decide the delay: 12 s at five events per second.
const RECENT: usize = 64;
/// Share of the lags and intervals that the delay covers.
const COVERED: f64 = 0.95;

/// Measurements of one source.
#[derive(Debug)]
pub(super) struct Measurements {
    /// Time from the nearest frame to an event, by keys of `skew_kind`.
    skews: Recent<RECENT>,
    skew_kind: KeyKind,
    /// Median of `skews`. Every event has a frame here, so a constant difference of the keys is not a distance in time. The NTP
    /// times of two sessions may differ slightly. Arrival times differ by the difference of the network delays.
    skew: Ns,
    /// In mode latest: time from the newest boxes to each frame that they are drawn on, at the frame's arrival.
    latest_skews: Recent<RECENT>,
    /// 1 for boxes on their own frame by NTP time, else 0. Per event, or in mode latest per frame.
    matched: Recent<RECENT>,
    is_latest: bool,
    /// Time from the arrival of a frame to the arrival of its event.
    lags: Recent<RECENT>,
    event_intervals: Recent<RECENT>,
    required_delay: Duration,
}

impl Default for Measurements {
    fn default() -> Self {
        Self {
            skews: Recent::default(),
            skew_kind: KeyKind::Ntp,
            skew: 0,
            latest_skews: Recent::default(),
            matched: Recent::default(),
            is_latest: false,
            lags: Recent::default(),
            event_intervals: Recent::default(),
            required_delay: Duration::ZERO,
        }
    }
}

impl Measurements {
    /// Discards all skews, after a clock or a session has changed.
    pub(super) fn clear_skews(&mut self) {
        self.skews.clear();
        self.latest_skews.clear();
        self.skew = 0;
    }

    /// Measures skews by keys of `kind` from now on.
    pub(super) fn use_kind(&mut self, kind: KeyKind) {
        if kind != self.skew_kind {
            self.skew_kind = kind;
            self.clear_skews();
        }
    }

    /// Whether the newest boxes are drawn on every frame from now on.
    pub(super) fn use_latest(&mut self, is_latest: bool) {
        if is_latest != self.is_latest {
            self.is_latest = is_latest;
            self.latest_skews.clear();
            self.matched.clear();
        }
    }

    /// Adds a frame that the newest boxes are drawn on. `is_matched` says that they were found in this frame.
    pub(super) fn add_latest_frame(&mut self, skew: Ns, is_matched: bool) {
        self.matched.push(is_matched.into());
        self.latest_skews.push(skew);
    }

    /// Adds an event that was matched to the frame at distance `skew` by keys of `kind`, or to none.
    pub(super) fn add_event(&mut self, skew: Option<Ns>, kind: KeyKind, lag: Ns) {
        self.matched
            .push((skew.is_some() && kind == KeyKind::Ntp).into());
        if let Some(skew) = skew {
            self.skews.push(skew);
        }
        self.lags.push(lag);
    }

    /// Adds the lag of an event that was not matched to a frame.
    pub(super) fn add_lag(&mut self, lag: Ns) {
        self.lags.push(lag);
    }

    /// Adds the time between two events.
    pub(super) fn add_event_interval(&mut self, interval: Ns) {
        self.event_intervals.push(interval);
    }

    /// Computes skew and delay from the events added so far.
    pub(super) fn update(&mut self) {
        self.skew = self.skews.quantile(0.5).unwrap_or(0);
        let lag = self.lags.quantile(COVERED).unwrap_or(0);
        let interval = self.event_intervals.quantile(COVERED).unwrap_or(0);
        self.required_delay = duration(lag.saturating_add(interval)).min(LONGEST);
    }

    /// The constant difference between the keys of events and of frames, for keys of `kind`.
    pub(super) fn skew(&self, kind: KeyKind) -> Ns {
        if self.skew_kind == kind { self.skew } else { 0 }
    }

    pub(super) fn median_lag(&self) -> Duration {
        duration(self.lags.quantile(0.5).unwrap_or(0))
    }

    pub(super) fn median_event_interval(&self) -> Ns {
        self.event_intervals.quantile(0.5).unwrap_or(0)
    }

    /// The delay with which most frames have events on both sides when they are shown.
    pub(super) fn required_delay(&self) -> Duration {
        self.required_delay
    }

    /// `counted` with shares and quantiles. `kind` is the present kind of keys, `None` in mode latest.
    pub(super) fn stats(&self, kind: Option<KeyKind>, counted: AlignStats) -> AlignStats {
        // With arrival times the skew is zero by construction.
        let skew = |share| match kind {
            Some(KeyKind::Ntp) => self.skews.quantile_of_size(share),
            Some(KeyKind::Arrival) => None,
            None => self.latest_skews.quantile_of_size(share),
        };
        AlignStats {
            matched_share: self.matched.mean(),
            skew_p50_ms: skew(0.5).map(ms_of),
            skew_p95_ms: skew(0.95).map(ms_of),
            lag_p50_ms: self.lags.quantile(0.5).map_or(0.0, ms_of),
            lag_p95_ms: self.lags.quantile(0.95).map_or(0.0, ms_of),
            ..counted
        }
    }
}
