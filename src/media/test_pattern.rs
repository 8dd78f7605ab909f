//! The moving pattern as a source: painted when it is due, by the session's own thread, without encoder or decoder.
//!
//! Frame numbers go on across sessions; a thread that was held up leaves numbers to time, not to be caught up with.

use std::sync::Arc;
use std::time::Duration;

use super::synthetic::{FrameTimer, OwnedPixels};
use super::{FrameSink, FrameSource, SessionEnd, StreamFacts};
use crate::base::{Clock, Colorimetry, Pattern, PixelFormat, PlaneMut, Stop};
use crate::config::TestPattern;

/// Paints [`Pattern`] at its rate until it is stopped.
#[derive(Debug)]
pub struct TestPatternSource {
    options: TestPattern,
    beat: FrameTimer,
}

impl TestPatternSource {
    /// A source that begins with frame 0.
    pub fn new(options: TestPattern, clock: Clock) -> Self {
        // A rate that is no rate was refused by the configuration's checks; here it must not panic.
        let period = Duration::try_from_secs_f64(1.0 / options.fps).unwrap_or(Duration::MAX);
        Self {
            options,
            beat: FrameTimer::new(period, clock),
        }
    }
}

impl FrameSource for TestPatternSource {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        let size = self.options.size;
        let pattern = match Pattern::new(size, self.options.objects) {
            Ok(pattern) => pattern,
            Err(error) => {
                return SessionEnd::Failed {
                    code: "garbage",
                    message: error.to_string(),
                    live_for: Duration::ZERO,
                };
            }
        };
        let colorimetry = Colorimetry::assumed(size);
        sink.described(&StreamFacts {
            codec: "raw".to_owned(),
            size: Some(size),
            decoder: "none".to_owned(),
            nominal_fps: Some(self.options.fps),
        });
        self.beat.begin();
        while let Some(number) = self.beat.next(sink.as_ref(), stop) {
            let mut picture = OwnedPixels::new(PixelFormat::I420, size);
            let planes = picture.i420_mut();
            pattern.paint(
                // The code has 32 bits; at 25 frames a second they last five years.
                (number & u64::from(u32::MAX)) as u32,
                planes.map(|(bytes, stride)| PlaneMut { bytes, stride }),
            );
            let bytes = size.width as usize * size.height as usize * 3 / 2;
            sink.access_unit(bytes);
            sink.frame(
                self.beat
                    .frame(number, size, colorimetry, Arc::new(picture)),
            );
        }
        SessionEnd::Stopped
    }
}
