//! Frames to pictures of a model's input size: planes scaled at their own resolution, then converted to RGB, in place.
//!
//! Runs on the detection worker's thread, on nothing but the frames that will be inferred. Scaling comes first, since a
//! 1280x720 frame has four times the samples of its 640x360 picture; and the chroma planes are scaled straight to the
//! picture's size (for that frame: not at all), so that no colour is smeared by a later doubling.
//!
//! The filter is a triangle as wide as the reduction (`Convolution(Bilinear)`): each source sample counts, so small
//! bright things neither flicker nor vanish, as they do when four neighbours are taken out of nine. A box as wide costs
//! the same on a CPU with SIMD within the measuring error, but shifts edges by half a pixel where the factor is no
//! whole number.

use fast_image_resize::images::{
    TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef,
};
use fast_image_resize::pixels::{InnerPixel, U8, U8x2, U8x3};
use fast_image_resize::{FilterType, ImageViewMut, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvPlanarImage, YuvRange, YuvStandardMatrix,
    yuv_nv24_to_rgb, yuv444_to_rgb,
};

use super::{DetectError, Picture};
use crate::base::{
    ColorMatrix, ColorRange, Frame, HostPixels, Letterbox, PixelFormat, Pixels, Plane, Size,
};

/// A picture's memory, used again for every frame.
#[derive(Debug, Default)]
pub struct Canvas {
    rgb: Vec<u8>,
    /// What the padding now there belongs to.
    letterbox: Option<Letterbox>,
}

/// Draws frames into canvases of one size. Keeps its intermediate planes; nothing of the size of a plane is allocated
/// once the first frame of the largest source has passed.
#[derive(Debug)]
pub struct Letterboxer {
    input: Size,
    padding: u8,
    scaler: Scaler,
    planes: [Vec<u8>; 3],
}

#[derive(Debug)]
struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
    /// Rows without gaps, for planes whose last row ends with the picture or whose stride is no whole number of pixels.
    packed: Vec<u8>,
}

impl Letterboxer {
    /// For a model's input of that size, padded with that grey.
    pub fn new(input: Size, padding: u8) -> Self {
        Self {
            input,
            padding,
            scaler: Scaler {
                resizer: Resizer::new(),
                // Two samples a pixel are U and V here, and no alpha.
                options: ResizeOptions::new()
                    .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
                    .use_alpha(false),
                packed: Vec::new(),
            },
            planes: Default::default(),
        }
    }

    /// Draws `frame` into `canvas` and gives the picture.
    ///
    /// # Errors
    /// When the pixels are in a device's memory, or fewer than their format promises.
    pub fn draw<'a>(
        &mut self,
        frame: &Frame,
        canvas: &'a mut Canvas,
    ) -> Result<Picture<'a>, DetectError> {
        let Pixels::Host(pixels) = &frame.pixels else {
            return Err(DetectError::Pixels(
                "they lie in a device's buffer (dma-buf), which this build can't map; choose a software decoder"
                    .to_owned(),
            ));
        };
        let source = frame.meta.size;
        if source.width == 0 || source.height == 0 {
            return Err(DetectError::Pixels(format!("the frame is {source}")));
        }
        let letterbox = Letterbox::fit(source, self.input);
        canvas.pad(&letterbox, self.padding);
        let stride = self.input.width as usize * 3;
        let first = letterbox.top as usize * stride + letterbox.left as usize * 3;
        let window = Window {
            rgb: &mut canvas.rgb,
            first,
            stride,
            letterbox: &letterbox,
        };
        self.fill(&**pixels, frame, window)?;
        Ok(Picture {
            rgb: &canvas.rgb,
            letterbox,
        })
    }

    fn fill(
        &mut self,
        pixels: &dyn HostPixels,
        frame: &Frame,
        window: Window<'_>,
    ) -> Result<(), DetectError> {
        let (source, content) = (frame.meta.size, window.letterbox.content);
        let chroma = Size::new(source.width.div_ceil(2), source.height.div_ceil(2));
        let range = match frame.meta.colorimetry.range {
            ColorRange::Limited => YuvRange::Limited,
            ColorRange::Full => YuvRange::Full,
        };
        let matrix = match frame.meta.colorimetry.matrix {
            ColorMatrix::Bt601 => YuvStandardMatrix::Bt601,
            ColorMatrix::Bt709 => YuvStandardMatrix::Bt709,
        };
        let [y_room, u_room, v_room] = &mut self.planes;
        let (scaler, stride) = (&mut self.scaler, window.stride);
        match pixels.format() {
            PixelFormat::I420 => {
                let y = scaler.plane::<U8>(pixels.plane(0), source, content, y_room)?;
                let u = scaler.plane::<U8>(pixels.plane(1), chroma, content, u_room)?;
                let v = scaler.plane::<U8>(pixels.plane(2), chroma, content, v_room)?;
                let image = YuvPlanarImage {
                    y_plane: y.bytes,
                    y_stride: stride_of(&y)?,
                    u_plane: u.bytes,
                    u_stride: stride_of(&u)?,
                    v_plane: v.bytes,
                    v_stride: stride_of(&v)?,
                    width: content.width,
                    height: content.height,
                };
                yuv444_to_rgb(&image, window.rows(), stride as u32, range, matrix)
            }
            PixelFormat::Nv12 => {
                let y = scaler.plane::<U8>(pixels.plane(0), source, content, y_room)?;
                let uv = scaler.plane::<U8x2>(pixels.plane(1), chroma, content, u_room)?;
                let image = YuvBiPlanarImage {
                    y_plane: y.bytes,
                    y_stride: stride_of(&y)?,
                    uv_plane: uv.bytes,
                    uv_stride: stride_of(&uv)?,
                    width: content.width,
                    height: content.height,
                };
                let mode = YuvConversionMode::Balanced;
                yuv_nv24_to_rgb(&image, window.rows(), stride as u32, range, matrix, mode)
            }
            PixelFormat::Rgb => return scaler.rgb(pixels.plane(0), source, window),
        }
        .map_err(unreadable)
    }
}

impl Canvas {
    /// The picture that was drawn last; none before the first.
    pub fn picture(&self) -> Option<Picture<'_>> {
        self.letterbox.map(|letterbox| Picture {
            rgb: &self.rgb,
            letterbox,
        })
    }

    /// Greys everything where the padding is not what it has to be; the content is drawn over it.
    fn pad(&mut self, letterbox: &Letterbox, grey: u8) {
        if self.letterbox.as_ref() != Some(letterbox) {
            self.rgb.clear();
            let Size { width, height } = letterbox.input;
            self.rgb.resize(width as usize * height as usize * 3, grey);
            self.letterbox = Some(*letterbox);
        }
    }
}

/// Where in a canvas the frame goes.
struct Window<'a> {
    rgb: &'a mut [u8],
    first: usize,
    stride: usize,
    letterbox: &'a Letterbox,
}

impl<'a> Window<'a> {
    fn rows(self) -> &'a mut [u8] {
        &mut self.rgb[self.first..]
    }
}

impl Scaler {
    /// `plane`, which has `from` pixels of type `P`, in `to` pixels: itself where that is the same, else in `room`.
    fn plane<'a, P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'a>,
        from: Size,
        to: Size,
        room: &'a mut Vec<u8>,
    ) -> Result<Plane<'a>, DetectError> {
        let plane = checked(plane, from, P::size())?;
        if from == to && is_whole::<P>(&plane, from) {
            return Ok(plane);
        }
        let stride = to.width as usize * P::size();
        room.resize(stride * to.height as usize, 0);
        let mut target =
            TypedImage::<P>::from_buffer(to.width, to.height, room).map_err(unreadable)?;
        self.resize::<P>(plane, from, &mut target)?;
        Ok(Plane {
            bytes: room,
            stride,
        })
    }

    fn rgb(&mut self, plane: Plane<'_>, from: Size, window: Window<'_>) -> Result<(), DetectError> {
        let plane = checked(plane, from, U8x3::size())?;
        let Letterbox {
            input,
            content,
            left,
            top,
            ..
        } = *window.letterbox;
        let canvas = TypedImage::<U8x3>::from_buffer(input.width, input.height, window.rgb)
            .map_err(unreadable)?;
        let mut target =
            TypedCroppedImageMut::new(canvas, left, top, content.width, content.height)
                .map_err(unreadable)?;
        self.resize::<U8x3>(plane, from, &mut target)
    }

    fn resize<P: InnerPixel + PixelTrait>(
        &mut self,
        plane: Plane<'_>,
        from: Size,
        target: &mut impl ImageViewMut<Pixel = P>,
    ) -> Result<(), DetectError> {
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
        let columns = u32::try_from(stride / P::size()).map_err(unreadable)?;
        let rows =
            TypedImageRef::<P>::from_buffer(columns, from.height, bytes).map_err(unreadable)?;
        // A view, not a crop of the resize: what lies between the rows must not bleed into the right edge.
        let view =
            TypedCroppedImage::new(rows, 0, 0, from.width, from.height).map_err(unreadable)?;
        self.resizer
            .resize_typed(&view, target, &self.options)
            .map_err(unreadable)
    }
}

/// Whether the plane is what both libraries take: whole pixels from row to row, and a last row as long as the others.
/// (One of them leaves a shorter last row out without a word.)
fn is_whole<P: PixelTrait>(plane: &Plane<'_>, size: Size) -> bool {
    plane.stride.is_multiple_of(P::size())
        && plane.bytes.len() >= plane.stride * size.height as usize
}

/// The plane, if it has all the rows that it should have.
fn checked(plane: Plane<'_>, size: Size, pixel_bytes: usize) -> Result<Plane<'_>, DetectError> {
    let row = size.width as usize * pixel_bytes;
    let wanted = plane.stride * (size.height as usize - 1) + row;
    if plane.stride < row || plane.bytes.len() < wanted {
        return Err(DetectError::Pixels(format!(
            "a plane of {size} with {pixel_bytes} bytes a pixel has {} bytes in rows {} apart, but needs {wanted} in \
             rows at least {row} apart",
            plane.bytes.len(),
            plane.stride
        )));
    }
    Ok(plane)
}

fn stride_of(plane: &Plane<'_>) -> Result<u32, DetectError> {
    u32::try_from(plane.stride).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> DetectError {
    DetectError::Pixels(error.to_string())
}

#[cfg(test)]
#[path = "letterbox_tests.rs"]
mod tests;
