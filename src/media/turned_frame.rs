#![expect(unsafe_code, reason = "libyuv is a C++ library")]
//! Pictures that must be rotated to be upright: films of phones, cameras that are mounted on their side.
//!
//! A frame is rotated when it is first read, once for all readers: frames that a rate limit drops cost nothing. Upright
//! frames do not use this file.

use std::ffi::c_int;
use std::sync::OnceLock;

use yuv_sys::{
    RotationMode, RotationMode_kRotate0, RotationMode_kRotate90, RotationMode_kRotate180,
    RotationMode_kRotate270, rs_I420Rotate, rs_NV12ToI420Rotate,
};

use crate::base::{HostPixels, Orientation, OwnedPixels, PixelFormat, Pixels, Plane, Size};

/// A picture that is rotated when it is read.
pub(super) struct TurnedFrame {
    /// The decoded picture, and the size of its planes.
    from: Pixels,
    size: Size,
    orientation: Orientation,
    /// None if it could not be rotated: readers get empty planes and report an error.
    turned: OnceLock<Option<OwnedPixels>>,
}

impl TurnedFrame {
    /// A picture `from`, with planes of `size`, that is rotated later.
    pub(super) fn new(from: Pixels, size: Size, orientation: Orientation) -> Self {
        Self {
            from,
            size,
            orientation,
            turned: OnceLock::new(),
        }
    }
}

impl HostPixels for TurnedFrame {
    fn format(&self) -> PixelFormat {
        PixelFormat::I420
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        let turned = self.turned.get_or_init(|| {
            rotate(&self.from, self.size, self.orientation)
                .inspect_err(|err| tracing::debug!(%err, "a picture can't be rotated"))
                .ok()
        });
        turned.as_ref().map_or(
            Plane {
                bytes: &[],
                stride: 0,
            },
            |turned| turned.plane(index),
        )
    }

    fn scaled(&self) -> Option<Size> {
        Some(self.orientation.turned(self.size))
    }
}

/// Why a picture can't be rotated.
#[derive(Debug, thiserror::Error)]
enum RotateError {
    /// Its pixels can't be read, or are too few.
    #[error("{0}")]
    Pixels(String),
    /// Only decoded pictures are rotated here.
    #[error("RGB pictures are rotated by their source")]
    Rgb,
    /// A size or stride is out of range.
    #[error("{0} is too large for libyuv")]
    TooLarge(String),
    /// libyuv refused.
    #[error("libyuv can't rotate {size} (code {code})")]
    Library { size: Size, code: c_int },
}

fn rotate(from: &Pixels, size: Size, orientation: Orientation) -> Result<OwnedPixels, RotateError> {
    let pixels = from.host().map_err(RotateError::Pixels)?;
    let mut turned = OwnedPixels::zeroed(PixelFormat::I420, orientation.turned(size));
    let half = Size::new(size.width.div_ceil(2), size.height.div_ceil(2));
    let plane = |index: usize, size: Size, bytes: usize| {
        let plane = pixels.plane(index).checked(size, bytes);
        let plane = plane.map_err(|error| RotateError::Pixels(error.to_string()))?;
        Ok::<_, RotateError>((plane.bytes.as_ptr(), number(plane.stride)?))
    };
    let [(y, y_stride), (u, u_stride), (v, v_stride)] = turned.i420_mut();
    let (width, height) = (number(size.width)?, number(size.height)?);
    let (height, mode) = rotation_of(orientation, height);
    let (y_stride, u_stride, v_stride) = (number(y_stride)?, number(u_stride)?, number(v_stride)?);
    let refused = match pixels.format() {
        PixelFormat::I420 => {
            let (from_y, from_u, from_v) =
                (plane(0, size, 1)?, plane(1, half, 1)?, plane(2, half, 1)?);
            // SAFETY: `checked` counted that each plane has all rows of its size in borrowed bytes; `turned` was made for the
            // turned size, with the same halves; libyuv reads and writes there alone and keeps no pointer.
            unsafe {
                rs_I420Rotate(
                    from_y.0,
                    from_y.1,
                    from_u.0,
                    from_u.1,
                    from_v.0,
                    from_v.1,
                    y.as_mut_ptr(),
                    y_stride,
                    u.as_mut_ptr(),
                    u_stride,
                    v.as_mut_ptr(),
                    v_stride,
                    width,
                    height,
                    mode,
                )
            }
        }
        PixelFormat::Nv12 => {
            let (from_y, from_uv) = (plane(0, size, 1)?, plane(1, half, 2)?);
            // SAFETY: as above, with U and V in one plane of pairs.
            unsafe {
                rs_NV12ToI420Rotate(
                    from_y.0,
                    from_y.1,
                    from_uv.0,
                    from_uv.1,
                    y.as_mut_ptr(),
                    y_stride,
                    u.as_mut_ptr(),
                    u_stride,
                    v.as_mut_ptr(),
                    v_stride,
                    width,
                    height,
                    mode,
                )
            }
        }
        PixelFormat::Rgb => return Err(RotateError::Rgb),
    };
    match refused {
        0 => Ok(turned),
        code => Err(RotateError::Library { size, code }),
    }
}

/// libyuv flips the picture vertically before rotating it if the height is negative; with half a turn that is a
/// horizontal flip.
fn rotation_of(orientation: Orientation, height: c_int) -> (c_int, RotationMode) {
    let (height, quarters) = if orientation.mirrored {
        (-height, orientation.quarters + 2)
    } else {
        (height, orientation.quarters)
    };
    let mode = match quarters % 4 {
        0 => RotationMode_kRotate0,
        1 => RotationMode_kRotate90,
        2 => RotationMode_kRotate180,
        _ => RotationMode_kRotate270,
    };
    (height, mode)
}

fn number(value: impl TryInto<c_int> + std::fmt::Display + Copy) -> Result<c_int, RotateError> {
    let failed = |_| RotateError::TooLarge(value.to_string());
    value.try_into().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The position of a sample in the rotated picture.
    fn place(orientation: Orientation, size: Size, (x, y): (u32, u32)) -> (u32, u32) {
        let (mut x, mut y, mut size) = (x, y, size);
        if orientation.mirrored {
            x = size.width - 1 - x;
        }
        for _ in 0..orientation.quarters {
            (x, y) = (size.height - 1 - y, x);
            size = Size::new(size.height, size.width);
        }
        (x, y)
    }

    fn samples(length: usize) -> Vec<u8> {
        (0..length).map(|sample| (sample % 251) as u8).collect()
    }

    #[test]
    fn every_orientation_puts_every_sample_in_its_place() {
        // Odd sizes: the last column and row of chroma cover half a sample.
        let size = Size::new(35, 18);
        let half = Size::new(18, 9);
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            let bytes = samples(35 * 18 + 2 * 18 * 9);
            let from: Arc<dyn HostPixels> = Arc::new(OwnedPixels::from_bytes(&bytes, format, size));
            for quarters in 0..4 {
                for mirrored in [false, true] {
                    let orientation = Orientation { mirrored, quarters };
                    let turned = TurnedFrame::new(Pixels::Host(from.clone()), size, orientation);
                    assert_eq!(turned.scaled(), Some(orientation.turned(size)));
                    for (plane, size) in [(0, size), (1, half), (2, half)] {
                        let after = turned.plane(plane);
                        for y in 0..size.height {
                            for x in 0..size.width {
                                let (to_x, to_y) = place(orientation, size, (x, y));
                                let seen =
                                    after.bytes[to_y as usize * after.stride + to_x as usize];
                                let (x, y) = (x as usize, y as usize);
                                let wanted = match (format, plane) {
                                    (PixelFormat::Nv12, 1 | 2) => {
                                        let pairs = from.plane(1);
                                        pairs.bytes[y * pairs.stride + 2 * x + plane - 1]
                                    }
                                    _ => {
                                        let before = from.plane(plane);
                                        before.bytes[y * before.stride + x]
                                    }
                                };
                                assert_eq!(
                                    seen, wanted,
                                    "{orientation:?}, plane {plane}, {x}, {y}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_picture_that_can_not_be_rotated_has_no_samples() {
        let size = Size::new(16, 16);
        let short = OwnedPixels::from_bytes(&[0; 100], PixelFormat::I420, size);
        let sideways = Orientation {
            mirrored: false,
            quarters: 1,
        };
        let turned = TurnedFrame::new(Pixels::Host(Arc::new(short)), size, sideways);
        assert_eq!(turned.plane(0).bytes.len(), 0);
    }
}
