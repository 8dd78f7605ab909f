//! Frames for the tests of this room.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{
    CaptureClock, ColorMatrix, ColorRange, Colorimetry, Frame, FrameMeta, HostPixels, Pattern,
    PixelFormat, Pixels, Plane, PlaneMut, Size,
};

/// Planes in memory, each with its stride.
pub(super) struct Planes {
    pub(super) format: PixelFormat,
    pub(super) planes: Vec<(Vec<u8>, usize)>,
}

impl HostPixels for Planes {
    fn format(&self) -> PixelFormat {
        self.format
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        match self.planes.get(index) {
            Some((bytes, stride)) => Plane {
                bytes,
                stride: *stride,
            },
            None => Plane {
                bytes: &[],
                stride: 0,
            },
        }
    }
}

/// A frame with these pixels, BT.601 in limited range.
pub(super) fn frame(size: Size, pixels: Pixels) -> Frame {
    let meta = FrameMeta {
        frame_id: 0,
        size,
        colorimetry: Colorimetry {
            matrix: ColorMatrix::Bt601,
            range: ColorRange::Limited,
        },
        pts: None,
        arrival: Duration::ZERO,
        captured_unix: Duration::ZERO,
        clock: CaptureClock::Arrival,
        ntp_ns: None,
    };
    Frame { meta, pixels }
}

/// A frame with samples from `sample(plane, column, row)`, and `gap` bytes of 255 after each row but the last.
pub(super) fn drawn(
    format: PixelFormat,
    size: Size,
    gap: usize,
    sample: impl Fn(usize, u32, u32) -> u8,
) -> Frame {
    let chroma = Size::new(size.width.div_ceil(2), size.height.div_ceil(2));
    // For each plane: its size, and which of Y, U, V (or R, G, B) are interleaved in it.
    let layout: &[(Size, &[usize])] = match format {
        PixelFormat::I420 => &[(size, &[0]), (chroma, &[1]), (chroma, &[2])],
        PixelFormat::Nv12 => &[(size, &[0]), (chroma, &[1, 2])],
        PixelFormat::Rgb => &[(size, &[0, 1, 2])],
    };
    let planes = layout.iter().map(|(size, components)| {
        let mut bytes = Vec::new();
        for row in 0..size.height {
            if row > 0 {
                bytes.resize(bytes.len() + gap, 255);
            }
            for column in 0..size.width {
                bytes.extend(components.iter().map(|&plane| sample(plane, column, row)));
            }
        }
        (bytes, size.width as usize * components.len() + gap)
    });
    let planes = planes.collect();
    frame(size, Pixels::Host(Arc::new(Planes { format, planes })))
}

/// As [`drawn`], in the usual format.
pub(super) fn i420(size: Size, sample: impl Fn(usize, u32, u32) -> u8) -> Frame {
    drawn(PixelFormat::I420, size, 0, sample)
}

/// Frame `frame_number` of the test pattern.
pub(super) fn pattern_frame(size: Size, objects: u32, frame_number: u32) -> (Pattern, Frame) {
    let pattern = Pattern::new(size, objects).expect("an allowed size");
    let (width, height) = (size.width as usize, size.height as usize);
    let plane = |width: usize, height: usize| (vec![0; width * height], width);
    let mut planes = vec![
        plane(width, height),
        plane(width / 2, height / 2),
        plane(width / 2, height / 2),
    ];
    if let [y, u, v] = planes.as_mut_slice() {
        let painted = [y, u, v].map(|(bytes, stride)| PlaneMut {
            bytes,
            stride: *stride,
        });
        pattern.paint(frame_number, painted);
    }
    let pixels = Planes {
        format: PixelFormat::I420,
        planes,
    };
    (pattern, frame(size, Pixels::Host(Arc::new(pixels))))
}
