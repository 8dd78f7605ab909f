//! Shared parts of sources that make their own frames (image, test pattern): pixels and a frame timer.

use std::sync::Arc;
use std::time::Duration;

use super::{ALIVE_INTERVAL, FrameSink};
use crate::base::{
    CaptureClock, Clock, Colorimetry, Frame, FrameMeta, HostPixels, PixelFormat, Pixels, Plane,
    Size, Stop, unix_now,
};

/// A picture in ordinary memory; its planes follow each other without gaps.
pub(super) struct OwnedPixels {
    bytes: Vec<u8>,
    format: PixelFormat,
    size: Size,
}

/// Start, end and stride of a plane.
type Extent = (usize, usize, usize);

impl OwnedPixels {
    /// An all-zero picture.
    pub(super) fn new(format: PixelFormat, size: Size) -> Self {
        let (_, end, _) = extents(format, size).into_iter().max().unwrap_or_default();
        Self::of(vec![0; end], format, size)
    }

    /// A picture of existing bytes, which must hold all its planes.
    pub(super) fn of(bytes: Vec<u8>, format: PixelFormat, size: Size) -> Self {
        Self {
            bytes,
            format,
            size,
        }
    }

    /// The planes Y, U and V of an I420 picture; empty for other formats.
    pub(super) fn i420_mut(&mut self) -> [(&mut [u8], usize); 3] {
        if self.format != PixelFormat::I420 {
            return [(&mut [], 0), (&mut [], 0), (&mut [], 0)];
        }
        let [(_, y_end, y_stride), (_, u_end, u_stride), (_, _, v_stride)] =
            extents(self.format, self.size);
        let (y, chroma) = self.bytes.split_at_mut(y_end);
        let (u, v) = chroma.split_at_mut(u_end - y_end);
        [(y, y_stride), (u, u_stride), (v, v_stride)]
    }
}

impl HostPixels for OwnedPixels {
    fn format(&self) -> PixelFormat {
        self.format
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        let (start, end, stride) = extents(self.format, self.size)
            .get(index)
            .copied()
            .unwrap_or_default();
        Plane {
            bytes: self.bytes.get(start..end).unwrap_or_default(),
            stride,
        }
    }

    fn scaled(&self) -> Option<Size> {
        // The pixels have their own size, whatever size the picture has.
        Some(self.size)
    }
}

fn extents(format: PixelFormat, size: Size) -> [Extent; 3] {
    let (width, height) = (size.width as usize, size.height as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let (first, second, third) = match format {
        PixelFormat::I420 => (
            (width, height),
            (half_width, half_height),
            (half_width, half_height),
        ),
        PixelFormat::Nv12 => ((width, height), (2 * half_width, half_height), (0, 0)),
        PixelFormat::Rgb => ((3 * width, height), (0, 0), (0, 0)),
    };
    let mut start = 0;
    [first, second, third].map(|(stride, rows)| {
        let extent = (start, start + stride * rows, stride);
        start = extent.1;
        extent
    })
}

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
    fn planes_of_odd_pictures_keep_their_last_column_and_row() {
        let picture = OwnedPixels::new(PixelFormat::I420, Size::new(5, 3));
        let lengths = [0, 1, 2, 3].map(|index| {
            let plane = picture.plane(index);
            (plane.bytes.len(), plane.stride)
        });
        assert_eq!(lengths, [(15, 5), (6, 3), (6, 3), (0, 0)]);
        let picture = OwnedPixels::new(PixelFormat::Nv12, Size::new(5, 3));
        assert_eq!(picture.plane(1).bytes.len(), 12);
        let picture = OwnedPixels::new(PixelFormat::Rgb, Size::new(5, 3));
        assert_eq!(picture.plane(0).bytes.len(), 45);
    }

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
