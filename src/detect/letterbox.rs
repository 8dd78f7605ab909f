//! Turns frames into pictures of a model's input size: planes are scaled at their own resolution, then converted to RGB
//! in place.
//!
//! Runs on the detection worker's thread, only for frames that will be inferred. Scaling comes first, because a
//! 1280x720 frame has four times the samples of its 640x360 picture. The chroma planes are scaled directly to the
//! picture's size (for that frame: not at all), so colours are not blurred by a later enlargement. A frame that already has the
//! picture's size is only converted, as ffmpeg does it: four pixels share a sample of chroma, which takes a tenth of the time.

use nvr_pixels::Target;
use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvPlanarImage, YuvRange, YuvStandardMatrix,
    yuv_nv12_to_rgb, yuv_nv24_to_rgb, yuv420_to_rgb, yuv444_to_rgb,
};

use super::{DetectError, Picture};
use crate::base::{
    ColorMatrix, ColorRange, Colorimetry, Frame, HostPixels, Letterbox, PixelFormat, Plane,
    PlaneScaler, Size,
};

/// The memory of a picture, reused for every frame.
#[derive(Debug, Default)]
pub struct Canvas {
    rgb: Vec<u8>,
    /// The letterbox to which the current padding belongs.
    letterbox: Option<Letterbox>,
}

/// Draws frames into canvases of one size. It keeps its intermediate planes: after the first frame of the largest
/// source no planes are allocated.
#[derive(Debug)]
pub struct Letterboxer {
    input: Size,
    padding: Option<u8>,
    scaler: PlaneScaler,
    planes: [Vec<u8>; 3],
}

impl Letterboxer {
    /// A letterboxer for a model's input of this size, with this grey as padding. Without one, frames are stretched over
    /// the whole input.
    pub fn new(input: Size, padding: impl Into<Option<u8>>) -> Self {
        Self {
            input,
            padding: padding.into(),
            scaler: PlaneScaler::default(),
            planes: Default::default(),
        }
    }

    /// Draws `frame` into `canvas` and returns the picture.
    ///
    /// # Errors
    /// If the pixels are in device memory that can't be read, or fewer than their format needs.
    pub fn draw<'a>(
        &mut self,
        frame: &Frame,
        canvas: &'a mut Canvas,
    ) -> Result<Picture<'a>, DetectError> {
        let pixels = frame.pixels.host().map_err(DetectError::Pixels)?;
        let source = frame.meta.size;
        if source.width == 0 || source.height == 0 {
            return Err(DetectError::Pixels(format!("the frame is {source}")));
        }
        let letterbox = match self.padding {
            Some(_) => Letterbox::fit(source, self.input),
            None => Letterbox::stretched(source, self.input),
        };
        canvas.pad(&letterbox, self.padding.unwrap_or_default());
        let stride = self.input.width as usize * 3;
        let first = letterbox.top as usize * stride + letterbox.left as usize * 3;
        let window = Window {
            rgb: &mut canvas.rgb,
            first,
            stride,
            letterbox: &letterbox,
        };
        self.fill(&*pixels, frame, window)?;
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
        let (source, content) = (frame.planes_size(), window.letterbox.content);
        let chroma = Size::new(source.width.div_ceil(2), source.height.div_ceil(2));
        // Rows are converted in pairs, and the last two only where both have the whole stride.
        let is_scaled =
            content != source || !source.height.is_multiple_of(2) || !window.has_whole_rows();
        let colours = if is_scaled { content } else { chroma };
        let (range, matrix) = yuv_colours(frame.meta.colorimetry);
        let [y_room, u_room, v_room] = &mut self.planes;
        let (scaler, stride) = (&mut self.scaler, window.stride);
        match pixels.format() {
            PixelFormat::I420 => {
                let y = scaler
                    .single(pixels.plane(0), source, content, y_room)
                    .map_err(unreadable)?;
                let u = scaler
                    .single(pixels.plane(1), chroma, colours, u_room)
                    .map_err(unreadable)?;
                let v = scaler
                    .single(pixels.plane(2), chroma, colours, v_room)
                    .map_err(unreadable)?;
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
                let convert = if is_scaled {
                    yuv444_to_rgb
                } else {
                    yuv420_to_rgb
                };
                convert(&image, window.rows(), stride as u32, range, matrix)
            }
            PixelFormat::Nv12 => {
                let y = scaler
                    .single(pixels.plane(0), source, content, y_room)
                    .map_err(unreadable)?;
                let uv = scaler
                    .pairs(pixels.plane(1), chroma, colours, u_room)
                    .map_err(unreadable)?;
                let image = YuvBiPlanarImage {
                    y_plane: y.bytes,
                    y_stride: stride_of(&y)?,
                    uv_plane: uv.bytes,
                    uv_stride: stride_of(&uv)?,
                    width: content.width,
                    height: content.height,
                };
                let convert = if is_scaled {
                    yuv_nv24_to_rgb
                } else {
                    yuv_nv12_to_rgb
                };
                let mode = YuvConversionMode::Balanced;
                convert(&image, window.rows(), stride as u32, range, matrix, mode)
            }
            PixelFormat::Rgb => return draw_rgb(scaler, pixels.plane(0), source, window),
        }
        .map_err(unreadable)
    }
}

impl Canvas {
    /// The last picture; none before the first one.
    pub fn picture(&self) -> Option<Picture<'_>> {
        self.letterbox.map(|letterbox| Picture {
            rgb: &self.rgb,
            letterbox,
        })
    }

    /// Fills the canvas with grey if the padding is not correct; the content is drawn over it.
    fn pad(&mut self, letterbox: &Letterbox, grey: u8) {
        if self.letterbox.as_ref() != Some(letterbox) {
            self.rgb.clear();
            let Size { width, height } = letterbox.input;
            self.rgb.resize(width as usize * height as usize * 3, grey);
            self.letterbox = Some(*letterbox);
        }
    }
}

/// The position of the frame in a canvas.
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

    /// Whether each row of the frame, the last one too, has the whole stride.
    fn has_whole_rows(&self) -> bool {
        self.rgb.len() - self.first >= self.stride * self.letterbox.content.height as usize
    }
}

/// The colours of a frame, as the conversion names them.
fn yuv_colours(colorimetry: Colorimetry) -> (YuvRange, YuvStandardMatrix) {
    let range = match colorimetry.range {
        ColorRange::Limited => YuvRange::Limited,
        ColorRange::Full => YuvRange::Full,
    };
    let matrix = match colorimetry.matrix {
        ColorMatrix::Bt601 => YuvStandardMatrix::Bt601,
        ColorMatrix::Bt709 => YuvStandardMatrix::Bt709,
    };
    (range, matrix)
}

/// Scales RGB pixels directly into the canvas.
fn draw_rgb(
    scaler: &mut PlaneScaler,
    plane: Plane<'_>,
    from: Size,
    window: Window<'_>,
) -> Result<(), DetectError> {
    let Letterbox {
        input,
        content,
        left,
        top,
        ..
    } = *window.letterbox;
    let target = Target {
        bytes: window.rgb,
        picture: (input.width, input.height),
        at: (left, top),
        size: (content.width, content.height),
    };
    scaler.rgb_into(plane, from, target).map_err(unreadable)
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
