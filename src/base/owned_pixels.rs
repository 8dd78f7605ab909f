//! Pixels in ordinary memory of our own: pictures that a program makes itself, as files, test patterns and rotations are.

use std::sync::Arc;
use std::time::Duration;

use super::{
    CaptureClock, Colorimetry, Frame, FrameMeta, HostPixels, PixelFormat, Pixels, Plane, Size,
};

/// A picture in ordinary memory, one vector per plane.
#[derive(Debug, Clone)]
pub struct OwnedPixels {
    format: PixelFormat,
    /// Bytes and stride of each plane.
    planes: Vec<(Vec<u8>, usize)>,
    scaled: Option<Size>,
}

impl OwnedPixels {
    /// An all-zero picture of `size`, without gaps between rows.
    pub fn zeroed(format: PixelFormat, size: Size) -> Self {
        let planes = layout(format, size).into_iter();
        Self {
            format,
            planes: planes
                .map(|(stride, rows)| (vec![0; stride * rows], stride))
                .collect(),
            scaled: Some(size),
        }
    }

    /// A picture of `size` from `bytes`, in which the planes follow each other without gaps.
    pub fn from_bytes(bytes: &[u8], format: PixelFormat, size: Size) -> Self {
        let mut rest = bytes;
        let planes = layout(format, size).into_iter().map(|(stride, rows)| {
            let (plane, after) = rest.split_at(rest.len().min(stride * rows));
            rest = after;
            (plane.to_vec(), stride)
        });
        Self {
            format,
            planes: planes.collect(),
            scaled: Some(size),
        }
    }

    /// Planes as they are, each with its stride in bytes. They have the size that the frame states.
    pub fn from_planes(format: PixelFormat, planes: Vec<(Vec<u8>, usize)>) -> Self {
        Self {
            format,
            planes,
            scaled: None,
        }
    }

    /// The planes Y, U and V of an I420 picture, each with its stride; empty for other formats.
    pub fn i420_mut(&mut self) -> [(&mut [u8], usize); 3] {
        match (self.format, self.planes.as_mut_slice()) {
            (PixelFormat::I420, [y, u, v]) => {
                [y, u, v].map(|(bytes, stride)| (bytes.as_mut_slice(), *stride))
            }
            _ => [(&mut [], 0), (&mut [], 0), (&mut [], 0)],
        }
    }
}

impl HostPixels for OwnedPixels {
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

    fn scaled(&self) -> Option<Size> {
        self.scaled
    }
}

impl FrameMeta {
    /// Frame 0 of a picture of `size`, with no times.
    pub fn untimed(size: Size) -> Self {
        Self {
            frame_id: 0,
            size,
            colorimetry: Colorimetry::assumed(size),
            pts: None,
            arrival: Duration::ZERO,
            captured_unix: Duration::ZERO,
            clock: CaptureClock::Arrival,
            ntp_ns: None,
        }
    }
}

impl Frame {
    /// Frame 0 of `size` with no times.
    pub fn untimed(size: Size, pixels: OwnedPixels) -> Self {
        Self {
            meta: FrameMeta::untimed(size),
            pixels: Pixels::Host(Arc::new(pixels)),
        }
    }
}

/// Stride and rows of each plane without gaps.
fn layout(format: PixelFormat, size: Size) -> Vec<(usize, usize)> {
    let (width, height) = (size.width as usize, size.height as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    match format {
        PixelFormat::I420 => vec![
            (width, height),
            (half_width, half_height),
            (half_width, half_height),
        ],
        PixelFormat::Nv12 => vec![(width, height), (2 * half_width, half_height)],
        PixelFormat::Rgb => vec![(3 * width, height)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_of_odd_pictures_keep_their_last_column_and_row() {
        let picture = OwnedPixels::zeroed(PixelFormat::I420, Size::new(5, 3));
        let lengths = [0, 1, 2, 3].map(|index| {
            let plane = picture.plane(index);
            (plane.bytes.len(), plane.stride)
        });
        assert_eq!(lengths, [(15, 5), (6, 3), (6, 3), (0, 0)]);
        let picture = OwnedPixels::zeroed(PixelFormat::Nv12, Size::new(5, 3));
        assert_eq!(picture.plane(1).bytes.len(), 12);
        let picture = OwnedPixels::zeroed(PixelFormat::Rgb, Size::new(5, 3));
        assert_eq!(picture.plane(0).bytes.len(), 45);
    }
}
