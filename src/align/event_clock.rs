//! The clock of the capture times in events: where it comes from, its offset from ours, and whether NTP times fit.

use std::sync::Arc;

use super::clocks::{ClockOffset, Ns, Reading, ms};
use super::frames::KeyKind;
use crate::event::DetectionEvent;

/// The NTP times of two sessions fit if an event's frame and our frame of the same NTP time arrived within this time of each
/// other. It allows for jitter buffers and the delay of the broker. A camera that restarts its NTP time is further off.
const FITTING: Ns = ms(500);
/// The same limit while the times fit (hysteresis).
const STILL_FITTING: Ns = ms(750);
/// The clock of an event's capture time, and the processor that read it. Times of two origins can't be compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    by_ntp: bool,
    instance_id: Option<Arc<str>>,
}

impl Origin {
    /// The origin of an event's capture time.
    pub(super) fn of(event: &DetectionEvent, by_ntp: bool) -> Self {
        Self {
            by_ntp,
            instance_id: event.instance_id.clone(),
        }
    }
}

/// The clock of a source's events.
#[derive(Debug, Default)]
pub(super) struct EventClock {
    origin: Option<Origin>,
    /// From the clock of the capture times to our monotonic clock.
    offset: ClockOffset,
    /// Whether the last event has a latency.
    has_latency: bool,
    /// Whether the NTP times of the processor's session fit those of ours.
    ntp_fits: bool,
}

impl EventClock {
    /// Starts again if the clock or the processor has changed. Gives whether it has: then neither times nor tracks continue.
    pub(super) fn follow(&mut self, origin: Origin) -> bool {
        if self.origin.as_ref() == Some(&origin) {
            return false;
        }
        self.origin = Some(origin);
        self.offset = ClockOffset::default();
        self.ntp_fits = false;
        true
    }

    /// Adds an event that arrived at `received`.
    pub(super) fn read(&mut self, event: &DetectionEvent, captured: Ns, received: Ns) -> Reading {
        self.has_latency = event.latency_ms.is_some();
        // Time from capture to publication. The inference time is its lower bound.
        let under_way_ms = event.latency_ms.unwrap_or(event.inference_time_ms);
        let under_way = (f64::from(under_way_ms) * 1e6) as Ns;
        self.offset
            .read(received.saturating_sub(under_way), captured)
    }

    /// Checks whether the NTP times of the processor's session fit those of ours, whose distance is that of
    /// [`super::frames::Frames::session_distance`].
    pub(super) fn update_ntp_fit(&mut self, session_distance: Option<Ns>) {
        let distances = self.offset.get().zip(session_distance);
        let Some((events, frames)) = distances.filter(|_| self.is_by_ntp()) else {
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

    /// Whether NTP times fit those of our present session.
    pub(super) fn ntp_fits(&self) -> bool {
        self.ntp_fits
    }

    /// Whether NTP times fit those of a frame, which may belong to an ended session.
    pub(super) fn ntp_fits_at(
        &self,
        frame_distance: Option<Ns>,
        session_distance: Option<Ns>,
    ) -> bool {
        match (frame_distance, self.offset.get()) {
            (Some(own), Some(events)) if self.is_by_ntp() => {
                if Some(own) == session_distance {
                    self.ntp_fits
                } else {
                    own.saturating_sub(events).saturating_abs() <= FITTING
                }
            }
            _ => false,
        }
    }

    /// The offset. `None` before the first event.
    pub(super) fn offset(&self) -> Option<Ns> {
        self.offset.get()
    }

    /// Whether the last event has a latency.
    pub(super) fn has_latency(&self) -> bool {
        self.has_latency
    }

    /// Whether events have a latency, and there were enough of them.
    pub(super) fn is_reliable(&self) -> bool {
        self.has_latency && self.offset.is_settled()
    }

    /// The difference between a key of `kind` and the capture time of its event, without the measured skew.
    pub(super) fn shift(&self, kind: KeyKind) -> Ns {
        match kind {
            KeyKind::Ntp => 0,
            KeyKind::Arrival => self.offset.get().unwrap_or(0),
        }
    }

    fn is_by_ntp(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.by_ntp)
    }
}
