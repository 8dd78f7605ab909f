//! Frames for the tests of this room.

use std::sync::Arc;

use crate::base::{
    ColorMatrix, ColorRange, Colorimetry, Frame, FrameMeta, OwnedPixels, Pattern, PixelFormat,
    Pixels, PlaneMut, Size,
};

/// A frame with these pixels, BT.601 in limited range.
pub(super) fn frame(size: Size, pixels: Pixels) -> Frame {
    let meta = FrameMeta {
        colorimetry: Colorimetry {
            matrix: ColorMatrix::Bt601,
            range: ColorRange::Limited,
        },
        ..FrameMeta::untimed(size)
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
    let pixels = OwnedPixels::from_planes(format, planes.collect());
    frame(size, Pixels::Host(Arc::new(pixels)))
}

/// As [`drawn`], in the usual format.
pub(super) fn i420(size: Size, sample: impl Fn(usize, u32, u32) -> u8) -> Frame {
    drawn(PixelFormat::I420, size, 0, sample)
}

/// Frame `frame_number` of the test pattern.
pub(super) fn pattern_frame(size: Size, objects: u32, frame_number: u32) -> (Pattern, Frame) {
    let pattern = Pattern::new(size, objects).expect("an allowed size");
    let mut pixels = OwnedPixels::zeroed(PixelFormat::I420, size);
    let planes = pixels.i420_mut();
    pattern.paint(
        frame_number,
        planes.map(|(bytes, stride)| PlaneMut { bytes, stride }),
    );
    (pattern, frame(size, Pixels::Host(Arc::new(pixels))))
}
