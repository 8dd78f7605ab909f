//! Scales a frame to the size of its tile. The wall keeps only this copy of a frame.
//!
//! The decoder's thread scales directly from the decoder's buffer, which can be reused when the call returns. The copy stays
//! in YUV, which takes half the memory of RGB, and is converted only when and where it is shown.

use std::sync::{Arc, Mutex};

use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix, yuv420_to_bgra};

use super::{Canvas, Rect, scale};
use crate::base::sync::lock;
use crate::base::{
    ColorMatrix, ColorRange, Colorimetry, Crop, Frame, HostPixels, PixelFormat, Plane, PlaneError,
    Size,
};
use crate::config::Fit;

/// Spare buffers: one for a picture that is shown, one for a picture that is scaled, and a small reserve. Delayed pictures are
/// returned one by one, so more buffers would stay unused.
const SPARE_BUFFERS: usize = 4;

/// A frame can't be scaled for a tile.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The pixels are in device memory that can't be read.
    #[error("its pixels are in a device buffer (dma-buf) that can't be read: {0}")]
    Device(String),
    /// The pixels are RGB.
    #[error("its pixels are RGB; tiles need YUV")]
    Rgb,
    /// The frame or the tile is smaller than 2×2 pixels.
    #[error("its size is {0} pixels; frame and tile need at least 2x2")]
    Size(Size),
    /// The frame has less memory than its size requires.
    #[error(transparent)]
    Plane(#[from] PlaneError),
}

/// The position of a source's picture in a tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Rectangle in the tile, with even width and height.
    pub rect: Rect,
    /// The part of the source that is shown there: left, top, right, bottom as fractions.
    pub part: [f32; 4],
}

/// One picture of a tile: planes Y, U and V of even size, without gaps.
pub struct TilePicture {
    size: Size,
    colorimetry: Colorimetry,
    bytes: Vec<u8>,
    pool: Pool,
}

/// Makes [`TilePicture`]s from frames. There is one per source and tile size, used on the decoder's thread.
#[derive(Debug, Default)]
pub struct TileScaler {
    /// Scaled pairs of U and V before they are separated.
    room: Vec<u8>,
    pool: Pool,
}

#[derive(Debug, Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Placement {
    /// Places pictures of `source` pixels in a tile of `tile` pixels.
    pub fn new(source: Size, tile: Size, fit: Fit) -> Self {
        let whole = [0.0, 0.0, 1.0, 1.0];
        let (width, height) = (
            f64::from(source.width.max(1)),
            f64::from(source.height.max(1)),
        );
        let across = f64::from(tile.width) / width;
        let down = f64::from(tile.height) / height;
        match fit {
            Fit::Stretch => Self {
                rect: even(Rect::of(tile)),
                part: whole,
            },
            Fit::Contain => {
                let scale = across.min(down);
                let fitted = |length: f64, limit: u32| {
                    ((length * scale / 2.0).round() as u32 * 2).clamp(2, limit.max(2) & !1)
                };
                let size = Size::new(fitted(width, tile.width), fitted(height, tile.height));
                let margin = |limit: u32, length: u32| (limit.saturating_sub(length) / 2) as i32;
                Self {
                    rect: Rect::new(
                        margin(tile.width, size.width),
                        margin(tile.height, size.height),
                        size.width,
                        size.height,
                    ),
                    part: whole,
                }
            }
            Fit::Cover => {
                let scale = across.max(down);
                let shown = |tile: u32, length: f64| {
                    (f64::from(tile) / (length * scale)).clamp(0.0, 1.0) as f32
                };
                let (wide, high) = (shown(tile.width, width), shown(tile.height, height));
                let (left, top) = ((1.0 - wide) / 2.0, (1.0 - high) / 2.0);
                Self {
                    rect: even(Rect::of(tile)),
                    part: [left, top, left + wide, top + high],
                }
            }
        }
    }

    /// Places a picture of `size` pixels, which was placed so before, in another tile.
    pub fn again(&self, size: Size, tile: Size, fit: Fit) -> Self {
        let Self { rect, part } = Self::new(size, tile, fit);
        let [left, top, right, bottom] = self.part;
        let along = |fraction: f32, from: f32, to: f32| from + fraction * (to - from);
        Self {
            rect,
            part: [
                along(part[0], left, right),
                along(part[1], top, bottom),
                along(part[2], left, right),
                along(part[3], top, bottom),
            ],
        }
    }

    /// Converts fractions of the source's picture to pixels of the tile, unrounded.
    pub fn to_tile(&self, x: f32, y: f32) -> (f32, f32) {
        let [left, top, right, bottom] = self.part;
        let along = |value: f32, from: f32, to: f32| (value - from) / (to - from).max(f32::EPSILON);
        (
            self.rect.x as f32 + along(x, left, right) * self.rect.width as f32,
            self.rect.y as f32 + along(y, top, bottom) * self.rect.height as f32,
        )
    }

    /// The part of a source's plane in whole samples, on even columns and rows.
    fn crop(&self, source: Size) -> Crop {
        let [left, top, right, bottom] = self.part;
        let at = |fraction: f32, length: u32| ((fraction * length as f32 / 2.0).round() as u32) * 2;
        let (x, y) = (at(left, source.width), at(top, source.height));
        let until = |fraction: f32, from: u32, length: u32| {
            if fraction >= 1.0 {
                length
            } else {
                at(fraction, length)
            }
            .min(length)
            .saturating_sub(from)
            .max(1)
        };
        Crop {
            left: x.min(source.width.saturating_sub(1)),
            top: y.min(source.height.saturating_sub(1)),
            size: Size::new(
                until(right, x, source.width),
                until(bottom, y, source.height),
            ),
        }
    }
}

fn even(rect: Rect) -> Rect {
    Rect::new(rect.x, rect.y, rect.width & !1, rect.height & !1)
}

impl TileScaler {
    /// Scales `frame` as `placement` says.
    ///
    /// # Errors
    /// See [`PictureError`].
    pub fn scale(
        &mut self,
        frame: &Frame,
        placement: &Placement,
    ) -> Result<TilePicture, PictureError> {
        let pixels = frame.pixels.host().map_err(PictureError::Device)?;
        let (source, size) = (frame.planes_size(), placement.rect.size());
        if source.width < 2 || source.height < 2 || size.width < 2 || size.height < 2 {
            return Err(PictureError::Size(source));
        }
        let luma = size.width as usize * size.height as usize;
        let mut picture = TilePicture {
            size,
            colorimetry: frame.meta.colorimetry,
            bytes: self.pool.take(luma + luma / 2),
            pool: self.pool.clone(),
        };
        fill(&*pixels, source, placement, &mut self.room, &mut picture)?;
        Ok(picture)
    }
}

/// Scales `pixels` of size `source` into `picture`. `room` is a buffer for pairs of U and V.
fn fill(
    pixels: &dyn HostPixels,
    source: Size,
    placement: &Placement,
    room: &mut Vec<u8>,
    picture: &mut TilePicture,
) -> Result<(), PictureError> {
    let crop = placement.crop(source);
    let halved = |crop: Crop| Crop {
        left: crop.left / 2,
        top: crop.top / 2,
        size: Size::new(crop.size.width.div_ceil(2), crop.size.height.div_ceil(2)),
    };
    let chroma = Size::new(source.width.div_ceil(2), source.height.div_ceil(2));
    let (size, half) = (
        picture.size,
        Size::new(picture.size.width / 2, picture.size.height / 2),
    );
    let [y, u, v] = planes_mut(&mut picture.bytes, size);
    scale::single(pixels.plane(0), source, crop, size, y)?;
    match pixels.format() {
        PixelFormat::I420 => {
            for (index, target) in [(1, u), (2, v)] {
                scale::single(pixels.plane(index), chroma, halved(crop), half, target)?;
            }
        }
        PixelFormat::Nv12 => {
            let pairs = pixels.plane(1);
            scale::pairs(pairs, chroma, halved(crop), half, room, [u, v])?;
        }
        PixelFormat::Rgb => return Err(PictureError::Rgb),
    }
    Ok(())
}

impl TilePicture {
    /// Columns and rows.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The picture for another tile, as [`Placement::again`] places it. Less sharp than a picture that is scaled from its frame,
    /// which is enough until the next one.
    ///
    /// # Errors
    /// [`PictureError::Size`], if the tile is too small.
    pub fn scale_again(&self, tile: Size, fit: Fit) -> Result<Self, PictureError> {
        let placement = Placement::new(self.size, tile, fit);
        let size = placement.rect.size();
        if size.width < 2 || size.height < 2 {
            return Err(PictureError::Size(size));
        }
        let luma = size.width as usize * size.height as usize;
        let mut picture = Self {
            size,
            colorimetry: self.colorimetry,
            bytes: vec![0; luma + luma / 2],
            // Pictures of this size are not made often enough to keep their buffers.
            pool: Pool::default(),
        };
        fill(self, self.size, &placement, &mut Vec::new(), &mut picture)?;
        Ok(picture)
    }

    /// Converts the picture into `canvas` with its top left corner at (`x`, `y`). Does nothing if a part of it lies outside.
    pub fn paint(&self, canvas: &mut Canvas, x: i32, y: i32) {
        let target = Rect::new(x, y, self.size.width, self.size.height);
        if !canvas.bounds().covers(&target) {
            return;
        }
        let half = self.size.width / 2;
        let [y_plane, u_plane, v_plane] = planes(&self.bytes, self.size);
        let image = YuvPlanarImage {
            y_plane,
            y_stride: self.size.width,
            u_plane,
            u_stride: half,
            v_plane,
            v_stride: half,
            width: self.size.width,
            height: self.size.height,
        };
        let range = match self.colorimetry.range {
            ColorRange::Limited => YuvRange::Limited,
            ColorRange::Full => YuvRange::Full,
        };
        let matrix = match self.colorimetry.matrix {
            ColorMatrix::Bt601 => YuvStandardMatrix::Bt601,
            ColorMatrix::Bt709 => YuvStandardMatrix::Bt709,
        };
        let stride = canvas.stride() as u32;
        let outcome = yuv420_to_bgra(&image, canvas.from_mut(&target), stride, range, matrix);
        debug_assert!(outcome.is_ok(), "{outcome:?}");
    }
}

impl HostPixels for TilePicture {
    fn format(&self) -> PixelFormat {
        PixelFormat::I420
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        let width = self.size.width as usize;
        let planes = planes(&self.bytes, self.size).into_iter();
        let mut strided = planes.zip([width, width / 2, width / 2]);
        let (bytes, stride) = strided.nth(index).unwrap_or_default();
        Plane { bytes, stride }
    }
}

impl Drop for TilePicture {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

impl std::fmt::Debug for TilePicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TilePicture({})", self.size)
    }
}

impl Pool {
    /// A buffer of `length` bytes with arbitrary content.
    fn take(&self, length: usize) -> Vec<u8> {
        let spare = lock(&self.0).pop();
        let mut bytes = spare.unwrap_or_default();
        bytes.resize(length, 0);
        bytes
    }

    fn give(&self, bytes: Vec<u8>) {
        let mut spare = lock(&self.0);
        if spare.len() < SPARE_BUFFERS {
            spare.push(bytes);
        }
    }
}

fn planes(bytes: &[u8], size: Size) -> [&[u8]; 3] {
    let luma = size.width as usize * size.height as usize;
    let (y, chroma) = bytes.split_at(luma);
    let (u, v) = chroma.split_at(luma / 4);
    [y, u, v]
}

fn planes_mut(bytes: &mut [u8], size: Size) -> [&mut [u8]; 3] {
    let luma = size.width as usize * size.height as usize;
    let (y, chroma) = bytes.split_at_mut(luma);
    let (u, v) = chroma.split_at_mut(luma / 4);
    [y, u, v]
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
