//! The recent decoded frames: their keys, their interval, and the frame nearest to an event.

use std::collections::VecDeque;

use super::FrameTimes;
use super::clocks::{ClockOffset, Ns, ms, ns};
use crate::base::Size;

/// Number of frames: one second of delay at 120 frames per second, and as many again for events that arrive late.
const MOST_FRAMES: usize = 256;
/// The interval is the median over this many frames: half a second at 60 frames per second, so that it soon follows a change of
/// the rate.
const INTERVAL_FRAMES: usize = 33;
/// Minimum interval. Frames that are closer arrived in a burst.
const SHORTEST_INTERVAL: Ns = ms(5);
/// Maximum interval, which limits the tolerance of half an interval.
const LONGEST_INTERVAL: Ns = ms(1_000);
/// Interval until two frames have arrived.
const USUAL_INTERVAL: Ns = ms(40);
/// A frame whose NTP time is this far from its session's clock belongs to another session.
const SESSION_SPREAD: Ns = ms(2_000);

/// The time of a frame that serves as its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// RTCP NTP time.
    Ntp,
    /// Arrival time. With NTP times, its jitter is removed.
    Arrival,
}

#[derive(Debug, Clone, Copy)]
struct KnownFrame {
    arrival: Ns,
    ntp: Option<Ns>,
}

/// The recent frames of a source.
#[derive(Debug)]
pub(super) struct Frames {
    recent: VecDeque<KnownFrame>,
    clock: ClockOffset,
    interval: Ns,
    size: Option<Size>,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            recent: VecDeque::with_capacity(MOST_FRAMES),
            clock: ClockOffset::default(),
            interval: USUAL_INTERVAL,
            size: None,
        }
    }
}

pub(super) fn ntp_of(ntp_ns: Option<u64>) -> Option<Ns> {
    Ns::try_from(ntp_ns?).ok()
}

impl Frames {
    /// Adds the next frame.
    pub(super) fn push(&mut self, frame: &FrameTimes) {
        let known = KnownFrame {
            arrival: ns(frame.arrival),
            ntp: ntp_of(frame.ntp_ns),
        };
        if let Some(ntp) = known.ntp {
            self.clock.read(known.arrival, ntp);
        }
        if self.recent.len() == MOST_FRAMES {
            self.recent.pop_front();
        }
        self.recent.push_back(known);
        self.size = Some(frame.size);
        self.measure_interval();
    }

    /// Discards frames and clock, because the next session has other media times. Interval and size are kept.
    pub(super) fn session_ended(&mut self) {
        self.recent.clear();
        self.clock = ClockOffset::default();
    }

    /// The size of the newest frame.
    pub(super) fn size(&self) -> Option<Size> {
        self.size
    }

    /// Time between frames, not affected by dropped ones.
    pub(super) fn interval(&self) -> Ns {
        self.interval
    }

    /// Arrival time minus NTP time, at the shortest delay, for the session of `frame`. `None` without an NTP time.
    pub(super) fn distance(&self, frame: &FrameTimes) -> Option<Ns> {
        let own = ns(frame.arrival).saturating_sub(ntp_of(frame.ntp_ns)?);
        match self.clock.get() {
            Some(least) if own.saturating_sub(least).saturating_abs() <= SESSION_SPREAD => {
                Some(least)
            }
            // A frame of an ended session that is still shown.
            _ => Some(own),
        }
    }

    /// As [`Frames::distance`], for the present session.
    pub(super) fn session_distance(&self) -> Option<Ns> {
        self.clock.get()
    }

    /// The key of a frame.
    pub(super) fn key(&self, frame: &FrameTimes, kind: KeyKind) -> Option<Ns> {
        let ntp = ntp_of(frame.ntp_ns);
        match kind {
            KeyKind::Ntp => ntp,
            KeyKind::Arrival => Some(match (ntp, self.distance(frame)) {
                (Some(ntp), Some(distance)) => ntp.saturating_add(distance),
                _ => ns(frame.arrival),
            }),
        }
    }

    /// Whether a frame with this or a later key has arrived.
    pub(super) fn has_reached(&self, key: Ns, kind: KeyKind) -> bool {
        let newest = self.recent.iter().rev();
        newest
            .filter_map(|known| self.key_of(known, kind))
            .next()
            .is_some_and(|newest| newest >= key)
    }

    /// Finds the frame nearest to `key`, at most half an interval away. Gives `key` minus the frame's key, and its arrival time.
    pub(super) fn nearest(&self, key: Ns, kind: KeyKind) -> Option<(Ns, Ns)> {
        self.recent
            .iter()
            .filter_map(|known| {
                let distance = key.saturating_sub(self.key_of(known, kind)?);
                Some((distance, known.arrival))
            })
            .min_by_key(|(distance, _)| distance.saturating_abs())
            .filter(|(distance, _)| distance.saturating_abs() <= self.interval / 2)
    }

    fn key_of(&self, known: &KnownFrame, kind: KeyKind) -> Option<Ns> {
        match kind {
            KeyKind::Ntp => known.ntp,
            KeyKind::Arrival => Some(match (known.ntp, self.clock.get()) {
                (Some(ntp), Some(distance)) => ntp.saturating_add(distance),
                _ => known.arrival,
            }),
        }
    }

    fn measure_interval(&mut self) {
        let newest = || self.recent.iter().rev().take(INTERVAL_FRAMES);
        let by_ntp = newest().all(|known| known.ntp.is_some());
        let time = |known: &KnownFrame| match known.ntp {
            Some(ntp) if by_ntp => ntp,
            _ => known.arrival,
        };
        let mut steps = [0; INTERVAL_FRAMES];
        let mut count = 0;
        for (later, earlier) in newest().zip(newest().skip(1)) {
            steps[count] = time(later).saturating_sub(time(earlier));
            count += 1;
        }
        let steps = &mut steps[..count];
        if steps.is_empty() {
            return;
        }
        let (_, median, _) = steps.select_nth_unstable(count / 2);
        let mut interval = *median;
        if interval < SHORTEST_INTERVAL {
            // Most frames arrive in bursts, so that only the mean gives their rate.
            let total: i128 = steps.iter().map(|step| i128::from(*step)).sum();
            interval = Ns::try_from(total / count as i128).unwrap_or(USUAL_INTERVAL);
        }
        self.interval = interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(arrival_ms: u64, ntp_ms: Option<u64>) -> FrameTimes {
        FrameTimes {
            arrival: Duration::from_millis(arrival_ms),
            ntp_ns: ntp_ms.map(|ntp_ms| ntp_ms * 1_000_000),
            size: Size::new(640, 360),
        }
    }

    #[test]
    fn the_interval_survives_jitter_and_drops_and_follows_the_rate() {
        let mut frames = Frames::default();
        for number in (0..100u64).filter(|number| number % 7 != 3) {
            frames.push(&frame(number * 40 + number * 13 % 9, None));
        }
        assert!((ms(36)..=ms(46)).contains(&frames.interval()));
        for number in 0..20u64 {
            frames.push(&frame(4_000 + number * 100, None));
        }
        assert_eq!(frames.interval(), ms(100));
    }

    #[test]
    fn frames_that_come_in_bursts_have_their_mean_interval() {
        let mut frames = Frames::default();
        for number in 0..100u64 {
            frames.push(&frame(number / 5 * 200, None));
        }
        assert!((ms(30)..=ms(50)).contains(&frames.interval()));
    }

    #[test]
    fn the_nearest_frame_is_half_an_interval_away_at_most() {
        let mut frames = Frames::default();
        for number in 0..10 {
            frames.push(&frame(1_000 + number * 40, Some(90_000 + number * 40)));
        }
        let nearest = |at: i64| frames.nearest(ms(at), KeyKind::Ntp);
        assert_eq!(nearest(90_095), Some((ms(15), ms(1_080))));
        assert_eq!(nearest(90_381), None);
        assert!(frames.has_reached(ms(90_360), KeyKind::Ntp));
        assert!(!frames.has_reached(ms(90_361), KeyKind::Ntp));
    }
}
