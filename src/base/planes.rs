//! Planes of samples brought to another size, by SIMD, wherever frames are scaled on the processor.
//!
//! The filter is a triangle as wide as the reduction (`Convolution(Bilinear)`): each source sample counts, so small
//! bright things neither flicker nor vanish, as they do when four neighbours are taken out of nine. A box as wide costs
//! the same on a CPU with SIMD within the measuring error, but shifts edges by half a pixel where the factor is no
//! whole number.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x2};
use fast_image_resize::{FilterType, ImageViewMut, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::{Plane, Size};

/// A plane that can't be scaled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlaneError(String);

/// The part of a plane that is taken, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns and rows.
    pub size: Size,
}

/// Scales planes; keeps its working memory, so that nothing is allocated once the largest source has passed.
#[derive(Debug)]
pub struct PlaneScaler {
    resizer: Resizer,
    options: ResizeOptions,
    /// Rows without gaps, for planes whose last row ends with the picture or whose stride is no whole number of samples.
    packed: Vec<u8>,
}

impl Default for PlaneScaler {
    fn default() -> Self {
        Self {
            resizer: Resizer::new(),
            // Two samples a pixel are U and V here, and no alpha.
            options: ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
                .use_alpha(false),
            packed: Vec::new(),
        }
    }
}

impl Crop {
    /// All of a plane.
    pub fn whole(size: Size) -> Self {
        Self {
            left: 0,
            top: 0,
            size,
        }
    }
}

impl PlaneScaler {
    /// `plane`, which has `from` single samples, in `to` samples: itself where that is the same, else in `room`.
    ///
    /// # Errors
    /// When the plane has fewer bytes than its size asks for.
    pub fn single<'a>(
        &mut self,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, PlaneError> {
        self.plane::<U8>(plane, from, to, room)
    }

    /// As [`PlaneScaler::single`], for planes of U and V in turn.
    ///
    /// # Errors
    /// When the plane has fewer bytes than its size asks for.
    pub fn pairs<'a>(
        &mut self,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, PlaneError> {
        self.plane::<U8x2>(plane, from, to, room)
    }

    /// The part `crop` of a plane of `from` single samples, written to `target`, `to.width × to.height` bytes.
    ///
    /// # Errors
    /// When plane or target have too few bytes, or the crop is not inside the plane.
    pub fn single_into(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        crop: Crop,
        to: Size,
        target: &mut [u8],
    ) -> Result<(), PlaneError> {
        self.rows_into::<U8>(plane, from, crop, to, target)
    }

    /// As [`PlaneScaler::single_into`], for planes of U and V in turn; the target has two bytes a sample.
    ///
    /// # Errors
    /// As there.
    pub fn pairs_into(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        crop: Crop,
        to: Size,
        target: &mut [u8],
    ) -> Result<(), PlaneError> {
        self.rows_into::<U8x2>(plane, from, crop, to, target)
    }

    /// The whole plane into a view of the library's own kind.
    ///
    /// # Errors
    /// When the plane has fewer bytes than its size asks for.
    pub fn resize<P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        target: &mut impl ImageViewMut<Pixel = P>,
    ) -> Result<(), PlaneError> {
        let plane = checked(plane, from, P::size())?;
        self.resize_part(plane, from, Crop::whole(from), target)
    }

    fn plane<'a, P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, PlaneError> {
        let plane = checked(plane, from, P::size())?;
        if from == to && is_whole::<P>(&plane, from) {
            return Ok(plane);
        }
        let stride = to.width as usize * P::size();
        room.resize(stride * to.height as usize, 0);
        let mut target =
            TypedImage::<P>::from_buffer(to.width, to.height, room).map_err(refused)?;
        self.resize_part(plane, from, Crop::whole(from), &mut target)?;
        Ok(Plane {
            bytes: room,
            stride,
        })
    }

    fn rows_into<P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        crop: Crop,
        to: Size,
        target: &mut [u8],
    ) -> Result<(), PlaneError> {
        let plane = checked(plane, from, P::size())?;
        let inside = crop.left.saturating_add(crop.size.width) <= from.width
            && crop.top.saturating_add(crop.size.height) <= from.height;
        if !inside || crop.size.width == 0 || crop.size.height == 0 {
            return Err(PlaneError(format!(
                "{} at ({}, {}) is no part of a plane of {from}",
                crop.size, crop.left, crop.top
            )));
        }
        if crop.size == to {
            return copy_rows(plane, crop, P::size(), target);
        }
        let mut target =
            TypedImage::<P>::from_buffer(to.width, to.height, target).map_err(refused)?;
        self.resize_part(plane, from, crop, &mut target)
    }

    fn resize_part<P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        crop: Crop,
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
        // A view, not a crop of the resize: what lies between the rows must not bleed into the right edge.
        let view =
            TypedCroppedImage::new(rows, crop.left, crop.top, crop.size.width, crop.size.height)
                .map_err(refused)?;
        self.resizer
            .resize_typed(&view, target, &self.options)
            .map_err(refused)
    }
}

fn copy_rows(
    plane: Plane<'_>,
    crop: Crop,
    sample_bytes: usize,
    target: &mut [u8],
) -> Result<(), PlaneError> {
    let row = crop.size.width as usize * sample_bytes;
    let wanted = row * crop.size.height as usize;
    if target.len() < wanted {
        let has = target.len();
        return Err(PlaneError(format!("{wanted} bytes do not fit into {has}")));
    }
    let start = crop.left as usize * sample_bytes;
    let lines = plane.bytes.chunks(plane.stride).skip(crop.top as usize);
    for (line, into) in lines.zip(target[..wanted].chunks_exact_mut(row)) {
        into.copy_from_slice(&line[start..start + row]);
    }
    Ok(())
}

/// Whether the plane is what both libraries take: whole pixels from row to row, and a last row as long as the others.
/// (One of them leaves a shorter last row out without a word.)
fn is_whole<P: PixelTrait>(plane: &Plane<'_>, size: Size) -> bool {
    plane.stride.is_multiple_of(P::size())
        && plane.bytes.len() >= plane.stride * size.height as usize
}

/// The plane, if it has all the rows that it should have.
fn checked(plane: Plane<'_>, size: Size, pixel_bytes: usize) -> Result<Plane<'_>, PlaneError> {
    let row = size.width as usize * pixel_bytes;
    let wanted = plane.stride * (size.height as usize).saturating_sub(1) + row;
    if plane.stride < row || plane.bytes.len() < wanted || row == 0 {
        return Err(PlaneError(format!(
            "a plane of {size} with {pixel_bytes} bytes a pixel has {} bytes in rows {} apart, but needs {wanted} in \
             rows at least {row} apart",
            plane.bytes.len(),
            plane.stride
        )));
    }
    Ok(plane)
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
    fn a_part_of_the_same_size_is_copied_sample_by_sample() {
        let bytes: Vec<u8> = (0..8 * 4).collect();
        let mut target = [0u8; 4];
        let crop = Crop {
            left: 2,
            top: 1,
            size: Size::new(2, 2),
        };
        PlaneScaler::default()
            .single_into(plane(&bytes, 8), FROM, crop, crop.size, &mut target)
            .expect("the crop lies inside");
        assert_eq!(target, [10, 11, 18, 19]);
    }

    #[test]
    fn a_reduction_is_the_mean_of_its_samples() {
        let bytes = [100u8; 6 * 4];
        let mut target = [0u8; 3 * 2];
        PlaneScaler::default()
            .single_into(
                plane(&bytes, 6),
                FROM,
                Crop::whole(FROM),
                Size::new(3, 2),
                &mut target,
            )
            .expect("it scales");
        assert_eq!(target, [100; 6]);
    }

    #[test]
    fn what_is_too_short_or_outside_is_refused() {
        let mut scaler = PlaneScaler::default();
        let mut target = [0u8; 64];
        let short = scaler.single_into(
            plane(&[0; 20], 6),
            FROM,
            Crop::whole(FROM),
            FROM,
            &mut target,
        );
        assert!(short.is_err());
        let crop = Crop {
            left: 5,
            top: 0,
            size: Size::new(2, 2),
        };
        let outside = scaler.single_into(plane(&[0; 24], 6), FROM, crop, crop.size, &mut target);
        assert!(outside.is_err());
    }
}
