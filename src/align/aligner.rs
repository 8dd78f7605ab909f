//! One source's alignment: takes in frames and events, and finds for a frame the events around it.

use std::sync::Arc;
use std::time::Duration;

use super::clocks::{ClockOffset, Ns, Reading, duration, ms, ns};
use super::delay::{Delay, LONGEST};
use super::events::{Events, Inserted, TimedEvent, sorted_by_confidence};
use super::frames::{Frames, KeyKind, ntp_of};
use super::interpolate::{EventWindow, as_detected};
use super::stats::{AlignStats, Recent, ms_of};
use super::{AlignSettings, Basis, Drawing, FrameTimes};
use crate::base::Size;
use crate::config::Sync;
use crate::event::DetectionEvent;

/// NTP times of two sessions fit each other while an event's picture and the frame of the same time arrived this close to
/// each other: jitter buffers and the broker's way are in it, and cameras that begin anew are further off.
const FITTING: Ns = ms(500);
/// Once they fit, this is allowed.
const STILL_FITTING: Ns = ms(750);
/// Where no event came for so long, video is not held back for any.
const NO_EVENTS: Ns = ms(5_000);
/// Events whose lag and distance decide on the delay: 12 s at five a second.
const MEASURED: usize = 64;
/// Of the lags and distances, the share that the delay covers.
const COVERED: f64 = 0.95;
/// Events that a retransmission or another way of the network may overtake; what is older is another recording.
const OVERTAKEN: Ns = ms(2_000);

/// Which clock tells when an event's picture was taken, and who read it: times of two origins do not compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    by_ntp: bool,
    instance_id: Option<Arc<str>>,
}

/// One source's alignment.
#[derive(Debug)]
pub struct Aligner {
    settings: AlignSettings,
    frames: Frames,
    events: Events,
    latest: Option<Arc<TimedEvent>>,
    origin: Option<Origin>,
    /// Between the clock that events' times are told by and ours.
    clock: ClockOffset,
    /// Whether the last event said how long its picture had been under way.
    has_latency: bool,
    ntp_fits: bool,
    delay: Delay,
    /// Of events, by keys of `skew_kind`: how far they are from the frames nearest to them.
    skews: Recent<MEASURED>,
    skew_kind: KeyKind,
    /// The median of `skews`: an event's picture is one of ours, so what all keys are off by is no distance in time. Two
    /// sessions' NTP times may differ by a little, and clocks of arrival do by the difference of their ways.
    skew: Ns,
    /// Of frames that the newest boxes are drawn on: how far they are from those boxes' own frame when they come.
    latest_skews: Recent<MEASURED>,
    /// Of the same frames, or of events where those are matched to frames: 1 for boxes on their very frame by NTP time.
    matched: Recent<MEASURED>,
    is_latest: bool,
    lags: Recent<MEASURED>,
    distances: Recent<MEASURED>,
    wanted: Duration,
    last_received: Option<Ns>,
    counted: AlignStats,
}

impl Aligner {
    /// An alignment that knows nothing yet.
    pub fn new(settings: AlignSettings) -> Self {
        Self {
            settings,
            frames: Frames::default(),
            events: Events::default(),
            latest: None,
            origin: None,
            clock: ClockOffset::default(),
            has_latency: false,
            ntp_fits: false,
            delay: Delay::default(),
            skews: Recent::default(),
            skew_kind: KeyKind::Ntp,
            skew: 0,
            latest_skews: Recent::default(),
            matched: Recent::default(),
            is_latest: false,
            lags: Recent::default(),
            distances: Recent::default(),
            wanted: Duration::ZERO,
            last_received: None,
            counted: AlignStats::default(),
        }
    }

    /// Changes settings; what was learned stays. The delay goes at once to what they ask for.
    pub fn set(&mut self, settings: AlignSettings) {
        if settings == self.settings {
            return;
        }
        self.settings = settings;
        if let Some(received) = self.last_received {
            self.delay.jump(self.target(received));
        }
    }

    /// A frame was decoded; to be called for every frame, in order, before it is shown.
    pub fn frame(&mut self, frame: &FrameTimes) {
        self.counted.frames += 1;
        self.frames.push(frame);
        self.update_ntp_fit();
        self.match_frames();
        self.measure_latest_skew(frame);
        let target = self.target(ns(frame.arrival));
        let slack = duration(self.frames.interval());
        self.delay.glide(frame.arrival, target, slack);
    }

    /// A session of the wall's camera ended: media times begin anew. Frames of it may still be shown.
    pub fn session_ended(&mut self) {
        self.frames.session_ended();
        self.forget_skew();
    }

    /// An event arrived at `now`, monotonic. The wall's time of day plays no part: times of the event are only ever
    /// compared with each other and, by when they arrive, with the monotonic clock.
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
        self.follow_origin(Origin {
            by_ntp: ntp.is_some(),
            instance_id: event.instance_id.clone(),
        });
        let captured =
            ntp.unwrap_or_else(|| Ns::try_from(event.timestamp.as_nanosecond()).unwrap_or(Ns::MAX));
        let sorted = sorted_by_confidence(&event);
        let event = sorted.as_ref().unwrap_or(&event);
        let (seen, refused) = TimedEvent::new(event, size, captured, received);
        self.counted.refused += refused;
        let seen = Arc::new(seen);
        self.keep_latest(&seen);
        self.last_received = Some(received);

        // How long the picture was under way before it was published; without it the inference is at least in it.
        self.has_latency = event.latency_ms.is_some();
        let under_way_ms = event.latency_ms.unwrap_or(event.inference_time_ms);
        let under_way = (f64::from(under_way_ms) * 1e6) as Ns;
        match self
            .clock
            .read(received.saturating_sub(under_way), captured)
        {
            Reading::Plausible => {}
            Reading::Implausible => {
                self.counted.refused += 1;
                return;
            }
            Reading::Stepped => {
                self.events.clear();
                self.forget_skew();
            }
        }
        self.update_ntp_fit();
        match self.events.put(seen, self.frames.interval() / 2) {
            Inserted::Last => self.measure_event_interval(),
            Inserted::InPlaceOfLast | Inserted::Elsewhere => {}
        }
        self.match_frames();
    }

    /// How long frames are held back at present.
    pub fn delay(&self) -> Duration {
        self.delay.get()
    }

    /// What to draw on this frame when it is shown at `now`.
    pub fn boxes(&self, frame: &FrameTimes, now: Duration) -> Drawing {
        match self.key_kind(Some(frame)) {
            Some(kind) => self.aligned(frame, kind),
            None if self.settings.sync == Sync::Aligned => Drawing::default(),
            None => self.newest(ns(now)),
        }
    }

    /// How well it goes.
    pub fn stats(&self) -> AlignStats {
        let is_fed = self.last_received.is_some();
        let kind = self.key_kind(None);
        // By clocks of arrival the skew is what they were set by, and tells nothing.
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
            delay_ms: self.delay().as_secs_f64() * 1e3,
            mode: match kind {
                _ if !is_fed => Basis::Nothing,
                Some(KeyKind::Ntp) => Basis::Matched,
                Some(KeyKind::Arrival) => Basis::Estimated,
                None => Basis::Latest,
            },
            ..self.counted
        }
    }

    #[cfg(test)]
    pub(super) fn kept_boxes(&self) -> usize {
        self.events.boxes()
    }

    /// Times of another clock, and tracks of another processor, do not go on from the ones before.
    fn follow_origin(&mut self, origin: Origin) {
        if self.origin.as_ref() == Some(&origin) {
            return;
        }
        self.origin = Some(origin);
        self.events.clear();
        self.clock = ClockOffset::default();
        self.ntp_fits = false;
    }

    fn keep_latest(&mut self, seen: &Arc<TimedEvent>) {
        let is_overtaken = self.latest.as_ref().is_some_and(|latest| {
            let age = latest.captured.saturating_sub(seen.captured);
            (1..=OVERTAKEN).contains(&age)
        });
        if !is_overtaken {
            self.latest = Some(Arc::clone(seen));
        }
    }

    /// Whether the NTP times of the processor's session are those of ours.
    fn update_ntp_fit(&mut self) {
        let is_by_ntp = self.origin.as_ref().is_some_and(|origin| origin.by_ntp);
        let distances = self.clock.get().zip(self.frames.session_distance());
        let Some((events, frames)) = distances.filter(|_| is_by_ntp) else {
            self.ntp_fits = false;
            return;
        };
        let limit = if self.ntp_fits {
            STILL_FITTING
        } else {
            FITTING
        };
        self.ntp_fits = events.saturating_sub(frames).saturating_abs() <= limit;
    }

    /// How events are matched to a frame, or to frames as they come; none where boxes are the newest there are.
    fn key_kind(&self, frame: Option<&FrameTimes>) -> Option<KeyKind> {
        let is_trusted = match self.settings.sync {
            Sync::Latest => false,
            Sync::Aligned => true,
            Sync::Auto => {
                self.has_latency && self.clock.is_settled() && !self.exceeds_longest_delay()
            }
        };
        let events = self.clock.get().filter(|_| is_trusted)?;
        let is_by_ntp = self.origin.as_ref().is_some_and(|origin| origin.by_ntp);
        let fits = match frame {
            None => self.ntp_fits,
            Some(frame) => match self.frames.distance(frame) {
                Some(own) if is_by_ntp => {
                    let is_of_session = Some(own) == self.frames.session_distance();
                    if is_of_session {
                        self.ntp_fits
                    } else {
                        own.saturating_sub(events).saturating_abs() <= FITTING
                    }
                }
                _ => false,
            },
        };
        Some(if fits { KeyKind::Ntp } else { KeyKind::Arrival })
    }

    /// Where the newest boxes are drawn: how far this frame, which comes to be shown now, is from theirs.
    fn measure_latest_skew(&mut self, frame: &FrameTimes) {
        let is_latest = self.key_kind(None).is_none();
        if is_latest != self.is_latest {
            self.is_latest = is_latest;
            self.latest_skews.clear();
            self.matched.clear();
        }
        if !is_latest {
            return;
        }
        let arrival = ns(frame.arrival);
        let ttl = ns(self.settings.ttl);
        let latest = self.latest.as_ref();
        let Some(seen) = latest.filter(|seen| arrival.saturating_sub(seen.received) <= ttl) else {
            return;
        };
        let kind = if self.ntp_fits {
            KeyKind::Ntp
        } else {
            KeyKind::Arrival
        };
        if let Some(key) = self.frames.key(frame, kind) {
            let own = seen.captured.saturating_add(self.clock_shift(kind));
            let stray = key.saturating_sub(own);
            let is_own = kind == KeyKind::Ntp && stray.abs() <= self.frames.interval() / 2;
            self.matched.push(is_own.into());
            self.latest_skews.push(stray);
        }
    }

    /// Whether events usually come so late that the frames that they were found in have long been shown, and no box of theirs would
    /// be drawn any more: later than frames are held back, and than boxes last. Never where the newest boxes are wished for.
    pub fn is_late(&self, now: Duration) -> bool {
        let is_fed = self
            .last_received
            .is_some_and(|received| ns(now).saturating_sub(received) <= NO_EVENTS);
        let delay = match (self.settings.sync, self.key_kind(None)) {
            (Sync::Latest, _) => return false,
            (_, Some(_)) => self.delay(),
            // Where that is why they are not aligned any more.
            (Sync::Auto, None) => {
                return is_fed && self.has_latency && self.exceeds_longest_delay();
            }
            (Sync::Aligned, None) => return false,
        };
        let lag = duration(self.lags.quantile(0.5).unwrap_or(0));
        is_fed && lag > delay.saturating_add(self.settings.ttl)
    }

    /// Whether events usually come so late that even the longest delay would leave their frames without boxes.
    fn exceeds_longest_delay(&self) -> bool {
        let lag = duration(self.lags.quantile(0.5).unwrap_or(0));
        let delay = self.settings.budget.unwrap_or(LONGEST).min(LONGEST);
        lag > delay.saturating_add(self.settings.ttl)
    }

    /// What to add to an event's time to have a key of `kind`.
    fn shift(&self, kind: KeyKind) -> Ns {
        let skew = if self.skew_kind == kind { self.skew } else { 0 };
        self.clock_shift(kind).saturating_sub(skew)
    }

    /// The same, as the clocks alone have it.
    fn clock_shift(&self, kind: KeyKind) -> Ns {
        match kind {
            KeyKind::Ntp => 0,
            KeyKind::Arrival => self.clock.get().unwrap_or(0),
        }
    }

    fn forget_skew(&mut self) {
        self.skews.clear();
        self.latest_skews.clear();
        self.skew = 0;
    }

    /// The frames of events that have one by now: how far they are from it, and how late the event was.
    fn match_frames(&mut self) {
        let Some(kind) = self.key_kind(None) else {
            let unmatched = self.events.match_frames(|_| true);
            self.counted.unmatched += unmatched.len() as u64;
            // Even then the lag tells whether aligning has become worth while.
            let shift = self.clock_shift(KeyKind::Arrival);
            for seen in &unmatched {
                self.lags.push(
                    seen.received
                        .saturating_sub(seen.captured.saturating_add(shift)),
                );
            }
            return;
        };
        if kind != self.skew_kind {
            self.skew_kind = kind;
            self.forget_skew();
        }
        // Without the skew: it is what is measured here.
        let shift = self.clock_shift(kind);
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
            let is_own = nearest.is_some() && kind == KeyKind::Ntp;
            self.matched.push(is_own.into());
            let arrival = match nearest {
                Some((skew, arrival)) => {
                    match kind {
                        KeyKind::Ntp => self.counted.matched += 1,
                        KeyKind::Arrival => self.counted.estimated += 1,
                    }
                    self.skews.push(skew);
                    arrival
                }
                None => {
                    self.counted.unmatched += 1;
                    seen.captured.saturating_add(self.shift(KeyKind::Arrival))
                }
            };
            self.lags.push(seen.received.saturating_sub(arrival));
        }
        self.skew = self.skews.quantile(0.5).unwrap_or(0);
        let lag = self.lags.quantile(COVERED).unwrap_or(0);
        let distance = self.distances.quantile(COVERED).unwrap_or(0);
        self.wanted = duration(lag.saturating_add(distance)).min(LONGEST);
    }

    fn target(&self, now: Ns) -> Duration {
        let is_fed = self
            .last_received
            .is_some_and(|received| now.saturating_sub(received) <= NO_EVENTS);
        match (self.settings.sync, self.settings.budget) {
            (Sync::Latest, _) => Duration::ZERO,
            (_, _) if !is_fed => Duration::ZERO,
            (Sync::Auto, _) if self.key_kind(None).is_none() => Duration::ZERO,
            (_, Some(budget)) => budget,
            (_, None) => self.wanted,
        }
    }

    /// The last event has followed another: how long after.
    fn measure_event_interval(&mut self) {
        let Some(index) = self.events.len().checked_sub(2) else {
            return;
        };
        let (Some(before), Some(last)) = (self.events.get(index), self.events.get(index + 1))
        else {
            return;
        };
        let distance = last.captured.saturating_sub(before.captured);
        // Beyond this it is a pause, or events are so rare that no delay would bridge them.
        if distance <= ns(LONGEST) {
            self.distances.push(distance);
        }
    }

    /// The newest boxes there are.
    fn newest(&self, now: Ns) -> Drawing {
        let ttl = ns(self.settings.ttl);
        let latest = self.latest.as_ref();
        match latest.filter(|seen| now.saturating_sub(seen.received) <= ttl) {
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
            event_interval: self.distances.quantile(0.5).unwrap_or(0),
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
