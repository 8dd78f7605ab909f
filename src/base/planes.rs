//! Scales planes of frames; the crate `nvr-pixels` describes the filter.

use nvr_pixels::{PixelBytes, Scaler, Source, Target};

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
#[derive(Debug, Default)]
pub struct PlaneScaler {
    scaler: Scaler,
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
        self.plane(PixelBytes::One, plane, from, to, room)
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
        self.plane(PixelBytes::Two, plane, from, to, room)
    }

    /// As [`PlaneScaler::single`], for pixels of four bytes. The fourth is scaled as the others are; it is not taken for alpha.
    ///
    /// # Errors
    /// When the plane has fewer bytes than its size requires.
    pub fn quads<'a>(
        &mut self,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, PlaneError> {
        self.plane(PixelBytes::Four, plane, from, to, room)
    }

    /// Scales the whole plane of RGB into the rectangle of `size` at `left` and `top` of a picture without gaps.
    ///
    /// # Errors
    /// When plane or picture have fewer bytes than their size requires, or the rectangle is not inside the picture.
    pub fn rgb_into(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        target: Target<'_>,
    ) -> Result<(), PlaneError> {
        self.scale(PixelBytes::Three, plane, from, target)
    }

    fn plane<'a>(
        &mut self,
        pixel: PixelBytes,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, PlaneError> {
        let plane = plane.checked(from, pixel.count())?;
        // The converters read whole rows, also the last one.
        let is_whole = plane.stride.is_multiple_of(pixel.count())
            && plane.bytes.len() >= plane.stride * from.height as usize;
        if from == to && is_whole {
            return Ok(plane);
        }
        let stride = to.width as usize * pixel.count();
        room.resize(stride * to.height as usize, 0);
        let target = Target {
            bytes: room,
            picture: (to.width, to.height),
            at: (0, 0),
            size: (to.width, to.height),
        };
        self.scale(pixel, plane, from, target)?;
        Ok(Plane {
            bytes: room,
            stride,
        })
    }

    fn scale(
        &mut self,
        pixel: PixelBytes,
        plane: Plane<'_>,
        from: Size,
        target: Target<'_>,
    ) -> Result<(), PlaneError> {
        let plane = plane.checked(from, pixel.count())?;
        let source = Source {
            bytes: plane.bytes,
            stride: plane.stride,
            width: from.width,
            height: from.height,
        };
        self.scaler
            .scale(pixel, source, target)
            .map_err(|error| PlaneError(error.to_string()))
    }
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
