//! Scales planes of 8-bit samples on the CPU with SIMD.
//!
//! The filter is a triangle as wide as the reduction (`Convolution(Bilinear)`). Each source sample counts, so small bright objects
//! do not flicker or vanish, as they do if only four of nine neighbours are used. A box filter of that width has the same cost on a
//! CPU with SIMD, but shifts edges by half a pixel if the factor is not a whole number.

use fast_image_resize::images::{
    TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef,
};
use fast_image_resize::pixels::{InnerPixel, U8, U8x2, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// Bytes of a pixel. Each byte is scaled alike; the fourth is not taken for alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelBytes {
    /// One sample: luma, or a plane of U or V.
    One,
    /// Interleaved U and V.
    Two,
    /// RGB.
    Three,
    /// RGB and one more byte.
    Four,
}

impl PixelBytes {
    /// The number.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
        }
    }
}

/// A plane to read.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its bytes, from the first pixel on.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A rectangle to write in a picture without gaps between its rows.
#[derive(Debug)]
pub struct Target<'a> {
    /// The bytes of the whole picture.
    pub bytes: &'a mut [u8],
    /// Width and height of the whole picture, in pixels.
    pub picture: (u32, u32),
    /// Left and top of the rectangle, in pixels.
    pub at: (u32, u32),
    /// Width and height of the rectangle, in pixels.
    pub size: (u32, u32),
}

/// A plane that can't be scaled: too few bytes for its size, or a rectangle outside its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleError(String);

impl std::fmt::Display for ScaleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScaleError {}

/// Scales planes. It keeps its working memory, so nothing is allocated after the largest source.
#[derive(Debug)]
pub struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
    /// Rows without gaps, for planes with a short last row or whose stride is not a whole number of pixels.
    packed: Vec<u8>,
}

impl Default for Scaler {
    fn default() -> Self {
        Self {
            resizer: Resizer::new(),
            // Two samples per pixel are U and V, not luma and alpha.
            options: ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
                .use_alpha(false),
            packed: Vec::new(),
        }
    }
}

impl Scaler {
    /// Scales the whole source into the rectangle of the target.
    ///
    /// # Errors
    /// When one of the two has fewer bytes than its size requires, or the rectangle is not inside its picture.
    pub fn scale(
        &mut self,
        pixel: PixelBytes,
        source: Source<'_>,
        target: Target<'_>,
    ) -> Result<(), ScaleError> {
        match pixel {
            PixelBytes::One => self.scale_pixels::<U8>(source, target),
            PixelBytes::Two => self.scale_pixels::<U8x2>(source, target),
            PixelBytes::Three => self.scale_pixels::<U8x3>(source, target),
            PixelBytes::Four => self.scale_pixels::<U8x4>(source, target),
        }
    }

    fn scale_pixels<P: InnerPixel + PixelTrait>(
        &mut self,
        source: Source<'_>,
        target: Target<'_>,
    ) -> Result<(), ScaleError> {
        let (row, height) = (source.width as usize * P::size(), source.height as usize);
        let needed = source.stride * height.saturating_sub(1) + row;
        if source.stride < row || source.bytes.len() < needed {
            return Err(ScaleError(format!(
                "{height} rows of {row} bytes, {} bytes apart, need {needed} bytes, not {}",
                source.stride,
                source.bytes.len()
            )));
        }
        let (bytes, stride) = if is_whole::<P>(&source) {
            (source.bytes, source.stride)
        } else {
            self.packed.clear();
            for line in source.bytes.chunks(source.stride).take(height) {
                self.packed.extend_from_slice(&line[..row]);
            }
            (self.packed.as_slice(), row)
        };
        let columns = u32::try_from(stride / P::size()).map_err(refused)?;
        let rows =
            TypedImageRef::<P>::from_buffer(columns, source.height, bytes).map_err(refused)?;
        // A cropped view, not the crop option of the resize: bytes between the rows must not affect the right edge.
        let view =
            TypedCroppedImage::new(rows, 0, 0, source.width, source.height).map_err(refused)?;
        let (width, height) = target.picture;
        let picture = TypedImage::<P>::from_buffer(width, height, target.bytes).map_err(refused)?;
        let ((left, top), (width, height)) = (target.at, target.size);
        let mut window =
            TypedCroppedImageMut::new(picture, left, top, width, height).map_err(refused)?;
        self.resizer
            .resize_typed(&view, &mut window, &self.options)
            .map_err(refused)
    }
}

/// Whether the plane has whole pixels per row and a full last row, as the library requires. It silently omits a short last row.
fn is_whole<P: PixelTrait>(source: &Source<'_>) -> bool {
    source.stride.is_multiple_of(P::size())
        && source.bytes.len() >= source.stride * source.height as usize
}

fn refused(error: impl std::fmt::Display) -> ScaleError {
    ScaleError(error.to_string())
}
