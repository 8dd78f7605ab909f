//! The moving test pattern as a source. The session's own thread paints each frame when it is due, without encoder or
//! decoder.
//!
//! Frame numbers continue across sessions. A delayed thread skips numbers instead of catching up.

use std::sync::Arc;
use std::time::Duration;

use super::synthetic::FrameTimer;
use super::{FrameSink, FrameSource, SessionEnd, StreamFacts};
use crate::base::{Clock, Colorimetry, OwnedPixels, Pattern, PixelFormat, PlaneMut, Stop};
use crate::config::TestPattern;

/// Paints [`Pattern`] at its rate until it is stopped.
#[derive(Debug)]
pub struct TestPatternSource {
    options: TestPattern,
    beat: FrameTimer,
}

impl TestPatternSource {
    /// A source that starts with frame 0.
    pub fn new(options: TestPattern, clock: Clock) -> Self {
        // The configuration's checks refuse an invalid rate; it must not cause a panic here.
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
            let mut picture = OwnedPixels::zeroed(PixelFormat::I420, size);
            let planes = picture.i420_mut();
            pattern.paint(
                // The frame code has 32 bits, which last five years at 25 frames per second.
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
