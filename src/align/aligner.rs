//! The aligner of one source: receives frames and events, and gives the boxes for each frame.

use std::sync::Arc;
use std::time::Duration;

use super::clocks::{Ns, Reading, duration, ms, ns};
use super::delay::{Delay, LONGEST};
use super::event_clock::{EventClock, Origin};
use super::events::{Events, Inserted, Latest, TimedEvent, sorted_by_confidence};
use super::frames::{Frames, KeyKind, ntp_of};
use super::interpolate::{EventWindow, as_detected};
use super::measurements::Measurements;
use super::stats::AlignStats;
use super::{AlignSettings, Basis, Drawing, FrameTimes};
use crate::base::Size;
use crate::config::Sync;
use crate::event::DetectionEvent;

/// Video is not delayed if no event has arrived for this long.
const NO_EVENTS: Ns = ms(5_000);

/// The aligner of one source.
#[derive(Debug)]
pub struct Aligner {
    settings: AlignSettings,
    frames: Frames,
    events: Events,
    latest: Latest,
    clock: EventClock,
    delay: Delay,
    measurements: Measurements,
    last_received: Option<Ns>,
    counted: AlignStats,
}

impl Aligner {
    /// An aligner without frames and events.
    pub fn new(settings: AlignSettings) -> Self {
        Self {
            settings,
            frames: Frames::default(),
            events: Events::default(),
            latest: Latest::default(),
            clock: EventClock::default(),
            delay: Delay::default(),
            measurements: Measurements::default(),
            last_received: None,
            counted: AlignStats::default(),
        }
    }

    /// Applies new settings. Measurements are kept. The delay changes to its new target at once.
    pub fn set(&mut self, settings: AlignSettings) {
        if settings == self.settings {
            return;
        }
        self.settings = settings;
        if let Some(received) = self.last_received {
            self.delay.jump(self.target(received));
        }
    }

    /// Adds a decoded frame. To be called for every frame, in order, before it is shown.
    pub fn frame(&mut self, frame: &FrameTimes) {
        self.counted.frames += 1;
        self.frames.push(frame);
        self.clock.update_ntp_fit(self.frames.session_distance());
        self.match_frames();
        self.measure_latest_skew(frame);
        let target = self.target(ns(frame.arrival));
        let slack = duration(self.frames.interval());
        self.delay.glide(frame.arrival, target, slack);
    }

    /// The camera's session on the wall ended. The next one has other media times. Frames of the ended one may still be shown.
    pub fn session_ended(&mut self) {
        self.frames.session_ended();
        self.measurements.clear_skews();
    }

    /// Adds an event that arrived at `now` (monotonic). The wall's time of day is not used: capture times are compared with each
    /// other only, and with the monotonic clock by the arrival of events.
    pub fn event(&mut self, event: Arc<DetectionEvent>, now: Duration) {
        self.counted.events += 1;
        let received = ns(now);
        let named = event.frame_width.zip(event.frame_height);
        let size = named
            .map(|(width, height)| Size::new(width, height))
            .or(self.frames.size())
            .filter(|size| size.width > 0 && size.height > 0);
        let Some(size) = size else {
            self.counted.refused += 1;
            return;
        };
        let ntp = ntp_of(event.ntp_ns);
        let origin = Origin::of(&event, ntp.is_some());
        if self.clock.follow(origin) {
            self.events.clear();
        }
        let captured =
            ntp.unwrap_or_else(|| Ns::try_from(event.timestamp.as_nanosecond()).unwrap_or(Ns::MAX));
        let sorted = sorted_by_confidence(&event);
        let event = sorted.as_ref().unwrap_or(&event);
        let (seen, refused) = TimedEvent::new(event, size, captured, received);
        self.counted.refused += refused;
        let seen = Arc::new(seen);
        self.latest.put(&seen);
        self.last_received = Some(received);

        match self.clock.read(event, captured, received) {
            Reading::Plausible => {}
            Reading::Implausible => {
                self.counted.refused += 1;
                return;
            }
            Reading::Stepped => {
                self.events.clear();
                self.measurements.clear_skews();
            }
        }
        self.clock.update_ntp_fit(self.frames.session_distance());
        match self.events.put(seen, self.frames.interval() / 2) {
            Inserted::Last => self.measure_event_interval(),
            Inserted::InPlaceOfLast | Inserted::Elsewhere => {}
        }
        self.match_frames();
    }

    /// The present delay of frames.
    pub fn delay(&self) -> Duration {
        self.delay.get()
    }

    /// The boxes for this frame, which is shown at `now`.
    pub fn boxes(&self, frame: &FrameTimes, now: Duration) -> Drawing {
        match self.key_kind(Some(frame)) {
            Some(kind) => self.aligned(frame, kind),
            None if self.settings.sync == Sync::Aligned => Drawing::default(),
            None => self.newest(ns(now)),
        }
    }

    /// Statistics of the alignment.
    pub fn stats(&self) -> AlignStats {
        let is_fed = self.last_received.is_some();
        let kind = self.key_kind(None);
        AlignStats {
            delay_ms: self.delay().as_secs_f64() * 1e3,
            mode: match kind {
                _ if !is_fed => Basis::Nothing,
                Some(KeyKind::Ntp) => Basis::Matched,
                Some(KeyKind::Arrival) => Basis::Estimated,
                None => Basis::Latest,
            },
            ..self.measurements.stats(kind, self.counted)
        }
    }

    #[cfg(test)]
    pub(super) fn kept_boxes(&self) -> usize {
        self.events.boxes()
    }

    /// The kind of keys that match events to `frame`, or to new frames if that is `None`. Gives `None` if the newest boxes are
    /// drawn.
    fn key_kind(&self, frame: Option<&FrameTimes>) -> Option<KeyKind> {
        let is_trusted = match self.settings.sync {
            Sync::Latest => false,
            Sync::Aligned => true,
            Sync::Auto => self.clock.is_reliable() && !self.exceeds_longest_delay(),
        };
        self.clock.offset().filter(|_| is_trusted)?;
        let fits = match frame {
            None => self.clock.ntp_fits(),
            Some(frame) => self
                .clock
                .ntp_fits_at(self.frames.distance(frame), self.frames.session_distance()),
        };
        Some(if fits { KeyKind::Ntp } else { KeyKind::Arrival })
    }

    /// In mode latest: measures the time from the newest boxes to this frame, which is shown now.
    fn measure_latest_skew(&mut self, frame: &FrameTimes) {
        let is_latest = self.key_kind(None).is_none();
        self.measurements.use_latest(is_latest);
        if !is_latest {
            return;
        }
        let ttl = ns(self.settings.ttl);
        let Some(seen) = self.latest.within(ns(frame.arrival), ttl) else {
            return;
        };
        let kind = if self.clock.ntp_fits() {
            KeyKind::Ntp
        } else {
            KeyKind::Arrival
        };
        if let Some(key) = self.frames.key(frame, kind) {
            let own = seen.captured.saturating_add(self.clock.shift(kind));
            let skew = key.saturating_sub(own);
            let is_own = kind == KeyKind::Ntp && skew.abs() <= self.frames.interval() / 2;
            self.measurements.add_latest_frame(skew, is_own);
        }
    }

    /// Whether most events arrive so late that none of their boxes can be drawn: later than the delay of frames and the time to
    /// live of boxes. Always false with `sync = "latest"`.
    pub fn is_late(&self, now: Duration) -> bool {
        let is_fed = self.is_fed(ns(now));
        let delay = match (self.settings.sync, self.key_kind(None)) {
            (Sync::Latest, _) => return false,
            (_, Some(_)) => self.delay(),
            // Events that arrive too late are the reason why `auto` has stopped aligning.
            (Sync::Auto, None) => {
                return is_fed && self.clock.has_latency() && self.exceeds_longest_delay();
            }
            (Sync::Aligned, None) => return false,
        };
        is_fed && self.measurements.median_lag() > delay.saturating_add(self.settings.ttl)
    }

    /// Whether most events arrive so late that their frames would have no boxes even with the longest delay.
    fn exceeds_longest_delay(&self) -> bool {
        let delay = self.settings.budget.unwrap_or(LONGEST).min(LONGEST);
        self.measurements.median_lag() > delay.saturating_add(self.settings.ttl)
    }

    /// The difference between a key of `kind` and the capture time of its event.
    fn shift(&self, kind: KeyKind) -> Ns {
        self.clock
            .shift(kind)
            .saturating_sub(self.measurements.skew(kind))
    }

    /// Matches events to frames that have arrived by now, and measures skews and lags.
    fn match_frames(&mut self) {
        let Some(kind) = self.key_kind(None) else {
            let unmatched = self.events.match_frames(|_| true);
            self.counted.unmatched += unmatched.len() as u64;
            // The lag shows whether aligning has become possible.
            let shift = self.clock.shift(KeyKind::Arrival);
            for seen in &unmatched {
                self.measurements.add_lag(
                    seen.received
                        .saturating_sub(seen.captured.saturating_add(shift)),
                );
            }
            return;
        };
        self.measurements.use_kind(kind);
        // Without the skew, which is measured here.
        let shift = self.clock.shift(kind);
        let half = self.frames.interval() / 2;
        let frames = &self.frames;
        let settled = self.events.match_frames(|seen| {
            frames.has_reached(
                seen.captured.saturating_add(shift).saturating_add(half),
                kind,
            )
        });
        if settled.is_empty() {
            return;
        }
        for seen in settled {
            let key = seen.captured.saturating_add(shift);
            let nearest = self.frames.nearest(key, kind);
            let arrival = match nearest {
                Some((_, arrival)) => {
                    match kind {
                        KeyKind::Ntp => self.counted.matched += 1,
                        KeyKind::Arrival => self.counted.estimated += 1,
                    }
                    arrival
                }
                None => {
                    self.counted.unmatched += 1;
                    seen.captured.saturating_add(self.shift(KeyKind::Arrival))
                }
            };
            let skew = nearest.map(|(skew, _)| skew);
            let lag = seen.received.saturating_sub(arrival);
            self.measurements.add_event(skew, kind, lag);
        }
        self.measurements.update();
    }

    /// Whether an event has arrived recently.
    fn is_fed(&self, now: Ns) -> bool {
        self.last_received
            .is_some_and(|received| now.saturating_sub(received) <= NO_EVENTS)
    }

    /// The target of the delay.
    fn target(&self, now: Ns) -> Duration {
        match (self.settings.sync, self.settings.budget) {
            (Sync::Latest, _) => Duration::ZERO,
            (_, _) if !self.is_fed(now) => Duration::ZERO,
            (Sync::Auto, _) if self.key_kind(None).is_none() => Duration::ZERO,
            (_, Some(budget)) => budget,
            (_, None) => self.measurements.required_delay(),
        }
    }

    /// Measures the time between the last two events.
    fn measure_event_interval(&mut self) {
        let Some(index) = self.events.len().checked_sub(2) else {
            return;
        };
        let (Some(before), Some(last)) = (self.events.get(index), self.events.get(index + 1))
        else {
            return;
        };
        let interval = last.captured.saturating_sub(before.captured);
        // A longer time is a pause, or events are so rare that no delay can bridge it.
        if interval <= ns(LONGEST) {
            self.measurements.add_event_interval(interval);
        }
    }

    /// The newest boxes.
    fn newest(&self, now: Ns) -> Drawing {
        match self.latest.within(now, ns(self.settings.ttl)) {
            Some(seen) => Drawing {
                boxes: as_detected(seen),
                basis: Basis::Latest,
            },
            None => Drawing::default(),
        }
    }

    fn aligned(&self, frame: &FrameTimes, kind: KeyKind) -> Drawing {
        let window = EventWindow {
            events: &self.events,
            frame_interval: self.frames.interval(),
            event_interval: self.measurements.median_event_interval(),
            ttl: ns(self.settings.ttl),
        };
        let key = self.frames.key(frame, kind);
        let found = key.and_then(|key| window.boxes(key.saturating_sub(self.shift(kind))));
        found.map_or_else(Drawing::default, |boxes| Drawing {
            boxes,
            basis: match kind {
                KeyKind::Ntp => Basis::Matched,
                KeyKind::Arrival => Basis::Estimated,
            },
        })
    }
}
