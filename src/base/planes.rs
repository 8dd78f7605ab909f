//! Scales planes of samples on the CPU with SIMD.
//!
//! The filter is a triangle as wide as the reduction (`Convolution(Bilinear)`). Each source sample counts, so small bright objects
//! do not flicker or vanish, as they do if only four of nine neighbours are used. A box filter of that width has the same cost on a
//! CPU with SIMD, but shifts edges by half a pixel if the factor is not a whole number.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x2};
use fast_image_resize::{FilterType, ImageViewMut, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::{Plane, Size};

/// A plane that can't be scaled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlaneError(String);

impl PlaneError {
    /// An error with a description.
    pub fn new(message: String) -> Self {
        Self(message)
    }
}

/// Scales planes. It keeps its working memory, so nothing is allocated after the largest source.
#[derive(Debug)]
pub struct PlaneScaler {
    resizer: Resizer,
    options: ResizeOptions,
    /// Rows without gaps, for planes with a short last row or whose stride is not a whole number of samples.
    packed: Vec<u8>,
}

impl Default for PlaneScaler {
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

impl PlaneScaler {
    /// Scales `plane` with one sample per pixel from size `from` to `to`, into `room`. Returns `plane` itself if the sizes are
    /// equal.
    ///
    /// # Errors
    /// When the plane has fewer bytes than its size requires.
    pub fn single<'a>(
        &mut self,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, PlaneError> {
        self.plane::<U8>(plane, from, to, room)
    }

    /// As [`PlaneScaler::single`], for planes of interleaved U and V.
    ///
    /// # Errors
    /// When the plane has fewer bytes than its size requires.
    pub fn pairs<'a>(
        &mut self,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, PlaneError> {
        self.plane::<U8x2>(plane, from, to, room)
    }

    /// Scales the whole plane into an image view of fast_image_resize.
    ///
    /// # Errors
    /// When the plane has fewer bytes than its size requires.
    pub fn resize<P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        target: &mut impl ImageViewMut<Pixel = P>,
    ) -> Result<(), PlaneError> {
        let plane = plane.checked(from, P::size())?;
        self.resize_checked(plane, from, target)
    }

    fn plane<'a, P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, PlaneError> {
        let plane = plane.checked(from, P::size())?;
        if from == to && is_whole::<P>(&plane, from) {
            return Ok(plane);
        }
        let stride = to.width as usize * P::size();
        room.resize(stride * to.height as usize, 0);
        let mut target =
            TypedImage::<P>::from_buffer(to.width, to.height, room).map_err(refused)?;
        self.resize_checked(plane, from, &mut target)?;
        Ok(Plane {
            bytes: room,
            stride,
        })
    }

    fn resize_checked<P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        target: &mut impl ImageViewMut<Pixel = P>,
    ) -> Result<(), PlaneError> {
        let (row, height) = (from.width as usize * P::size(), from.height as usize);
        let (bytes, stride) = if is_whole::<P>(&plane, from) {
            (plane.bytes, plane.stride)
        } else {
            self.packed.clear();
            for line in plane.bytes.chunks(plane.stride).take(height) {
                self.packed.extend_from_slice(&line[..row]);
            }
            (self.packed.as_slice(), row)
        };
        let columns = u32::try_from(stride / P::size()).map_err(refused)?;
        let rows = TypedImageRef::<P>::from_buffer(columns, from.height, bytes).map_err(refused)?;
        // A cropped view, not the crop option of the resize: bytes between the rows must not affect the right edge.
        let view = TypedCroppedImage::new(rows, 0, 0, from.width, from.height).map_err(refused)?;
        self.resizer
            .resize_typed(&view, target, &self.options)
            .map_err(refused)
    }
}

/// Whether the plane has whole pixels per row and a full last row, as the libraries require. One of them silently omits a short
/// last row.
fn is_whole<P: PixelTrait>(plane: &Plane<'_>, size: Size) -> bool {
    plane.stride.is_multiple_of(P::size())
        && plane.bytes.len() >= plane.stride * size.height as usize
}

impl Plane<'_> {
    /// Returns the plane if it has all rows of `size`.
    ///
    /// # Errors
    /// When it has too few bytes, or its stride is shorter than a row.
    pub fn checked(self, size: Size, sample_bytes: usize) -> Result<Self, PlaneError> {
        let row = size.width as usize * sample_bytes;
        let wanted = self.stride * (size.height as usize).saturating_sub(1) + row;
        if self.stride < row || self.bytes.len() < wanted || row == 0 {
            return Err(PlaneError(format!(
                "a plane of {size} with {sample_bytes} bytes a pixel has {} bytes in rows {} apart, but needs {wanted} in \
                 rows at least {row} apart",
                self.bytes.len(),
                self.stride
            )));
        }
        Ok(self)
    }
}

fn refused(error: impl std::fmt::Display) -> PlaneError {
    PlaneError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Size = Size::new(6, 4);

    fn plane(bytes: &[u8], stride: usize) -> Plane<'_> {
        Plane { bytes, stride }
    }

    #[test]
    fn a_reduction_is_the_mean_of_its_samples() {
        let bytes = [100u8; 6 * 4];
        let mut room = Vec::new();
        let plane = PlaneScaler::default()
            .single(plane(&bytes, 6), FROM, Size::new(3, 2), &mut room)
            .expect("it scales");
        assert_eq!((plane.bytes, plane.stride), (&[100u8; 6][..], 3));
    }

    #[test]
    fn a_short_plane_is_refused() {
        let mut room = Vec::new();
        let short = PlaneScaler::default().single(plane(&[0; 20], 6), FROM, FROM, &mut room);
        assert!(short.is_err());
    }
}
