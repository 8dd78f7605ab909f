//! The frame timer of sources that make their own frames (image, test pattern).

use std::sync::Arc;
use std::time::Duration;

use super::{ALIVE_INTERVAL, FrameSink};
use crate::base::{
    CaptureClock, Clock, Colorimetry, Frame, FrameMeta, HostPixels, Pixels, Size, Stop, unix_now,
};

/// Numbers and times the frames of a source that makes them itself.
#[derive(Debug)]
pub(super) struct FrameTimer {
    clock: Clock,
    period: Duration,
    next_frame: u64,
    session_start: Duration,
    due: Duration,
}

/// A source that is later than this skips frames instead of catching up: the machine was suspended.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(1);

impl FrameTimer {
    /// One frame every `period`.
    pub(super) fn new(period: Duration, clock: Clock) -> Self {
        Self {
            clock,
            period,
            next_frame: 0,
            session_start: Duration::ZERO,
            due: Duration::ZERO,
        }
    }

    /// Starts a session; its first frame is due immediately.
    pub(super) fn begin(&mut self) {
        self.session_start = self.clock.now();
        self.due = self.session_start;
    }

    /// Time since the start of the session.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.now().saturating_sub(self.session_start)
    }

    /// Waits until the next frame is due and returns its number; none once `stop` is raised.
    pub(super) fn next(&mut self, sink: &dyn FrameSink, stop: &Stop) -> Option<u64> {
        loop {
            sink.alive();
            let left = self.due.saturating_sub(self.clock.now());
            if stop.wait(left.min(ALIVE_INTERVAL)) {
                return None;
            }
            let late = self.clock.now().checked_sub(self.due);
            if let Some(late) = late {
                if late > CATCH_UP_LIMIT {
                    self.due += late;
                }
                self.due += self.period;
                self.next_frame += 1;
                return Some(self.next_frame - 1);
            }
        }
    }

    /// Makes frame `number`, captured now.
    pub(super) fn frame(
        &self,
        number: u64,
        size: Size,
        colorimetry: Colorimetry,
        pixels: Arc<dyn HostPixels>,
    ) -> Frame {
        Frame {
            meta: FrameMeta {
                frame_id: number,
                size,
                colorimetry,
                pts: Some(self.elapsed()),
                arrival: self.clock.now(),
                captured_unix: unix_now(),
                clock: CaptureClock::Arrival,
                ntp_ns: None,
            },
            pixels: Pixels::Host(pixels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_frames_are_skipped_not_caught_up() {
        struct Nobody;
        impl FrameSink for Nobody {
            fn described(&self, _: &super::super::StreamFacts) {}
            fn access_unit(&self, _: usize) {}
            fn alive(&self) {}
            fn frame(&self, _: Frame) {}
        }
        let clock = Clock::by_hand();
        let mut beat = FrameTimer::new(Duration::from_millis(100), clock.clone());
        beat.begin();
        assert_eq!(beat.next(&Nobody, &Stop::default()), Some(0));
        clock.advance(Duration::from_secs(60));
        assert_eq!(beat.next(&Nobody, &Stop::default()), Some(1));
        assert_eq!(
            beat.due,
            Duration::from_secs(60) + Duration::from_millis(100)
        );
        let stop = Stop::default();
        stop.raise();
        assert_eq!(beat.next(&Nobody, &stop), None);
    }
}
