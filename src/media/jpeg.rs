//! Encodes a frame as a JPEG file for people.

use std::io::Cursor;

use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvPlanarImage, YuvRange, YuvStandardMatrix,
    yuv_nv12_to_rgb, yuv420_to_rgb,
};

use crate::base::{ColorMatrix, ColorRange, Frame, HostPixels, PixelFormat, Size};

/// Sufficient for judging focus and exposure.
const QUALITY: u8 = 90;
/// For smaller pictures and for square pixels.
const FILTER: image::imageops::FilterType = image::imageops::FilterType::Triangle;

/// Why a frame can't be encoded.
#[derive(Debug, thiserror::Error)]
pub enum JpegError {
    /// Its pixels can't be read.
    #[error("{0}")]
    Pixels(String),
    /// Its pixels do not have the size that it states.
    #[error("the frame does not have the size that it states")]
    Size,
    /// Its rows have too few pixels.
    #[error("the frame's rows are too short")]
    Rows,
    /// The conversion to RGB failed.
    #[error("the frame can't be converted: {0}")]
    Convert(String),
    /// The encoder failed.
    #[error("the frame can't be encoded: {0}")]
    Encode(image::ImageError),
    /// Even a small picture has too many bytes.
    #[error("the picture has more than {0} bytes at any size")]
    TooLarge(usize),
}

/// A picture is not made smaller than this, in pixels of the shorter side.
const SMALLEST: u32 = 16;

/// Encodes a frame.
///
/// # Errors
/// If its pixels are in device memory that can't be read, or if they do not have the size that it states.
pub(super) fn jpeg(frame: &Frame) -> Result<Vec<u8>, JpegError> {
    encode(&image_of(frame)?)
}

/// Encodes a frame in at most `most_bytes`, at three quarters of its size, and again, until it fits.
///
/// # Errors
/// As of a frame in its own size; also if even a picture of 16 pixels has too many bytes.
pub fn jpeg_within(frame: &Frame, most_bytes: usize) -> Result<Vec<u8>, JpegError> {
    let mut image = image_of(frame)?;
    loop {
        let bytes = encode(&image)?;
        if bytes.len() <= most_bytes {
            return Ok(bytes);
        }
        let (width, height) = (image.width() * 3 / 4, image.height() * 3 / 4);
        if width.min(height) < SMALLEST {
            return Err(JpegError::TooLarge(most_bytes));
        }
        image = image::imageops::resize(&image, width, height, FILTER);
    }
}

/// Encodes a frame at most `width` pixels wide, with its height in proportion. It is never enlarged.
///
/// # Errors
/// As of a frame in its own size.
pub fn jpeg_of_width(frame: &Frame, width: u32) -> Result<Vec<u8>, JpegError> {
    let image = image_of(frame)?;
    if image.width() <= width {
        return encode(&image);
    }
    let height = u64::from(image.height()) * u64::from(width) / u64::from(image.width());
    let height = u32::try_from(height).unwrap_or(u32::MAX).max(1);
    encode(&image::imageops::thumbnail(&image, width.max(1), height))
}

fn image_of(frame: &Frame) -> Result<image::RgbImage, JpegError> {
    let pixels = frame.pixels.host().map_err(JpegError::Pixels)?;
    let Size { width, height } = frame.planes_size();
    let rgb = rgb(frame, pixels.as_ref())?;
    let image = image::RgbImage::from_raw(width, height, rgb).ok_or(JpegError::Size)?;
    Ok(in_square_pixels(image, frame.meta.size))
}

fn encode(image: &image::RgbImage) -> Result<Vec<u8>, JpegError> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    image
        .write_with_encoder(encoder)
        .map_err(JpegError::Encode)?;
    Ok(bytes.into_inner())
}

/// Scales to square pixels, the only kind that all viewers show correctly. A picture that hardware has reduced stays as
/// it is.
fn in_square_pixels(image: image::RgbImage, picture: Size) -> image::RgbImage {
    let across = u64::from(image.width()) * u64::from(picture.height);
    let down = u64::from(image.height()) * u64::from(picture.width);
    // Scalers round to whole chroma samples.
    if across.abs_diff(down) * 50 <= across.max(down) {
        return image;
    }
    image::imageops::resize(&image, picture.width, picture.height, FILTER)
}

fn rgb(frame: &Frame, pixels: &dyn HostPixels) -> Result<Vec<u8>, JpegError> {
    let Size { width, height } = frame.planes_size();
    let row_bytes = 3 * width as usize;
    let mut rgb = vec![0; row_bytes * height as usize];
    let range = match frame.meta.colorimetry.range {
        ColorRange::Limited => YuvRange::Limited,
        ColorRange::Full => YuvRange::Full,
    };
    let matrix = match frame.meta.colorimetry.matrix {
        ColorMatrix::Bt601 => YuvStandardMatrix::Bt601,
        ColorMatrix::Bt709 => YuvStandardMatrix::Bt709,
    };
    let stride = |plane: usize| pixels.plane(plane).stride as u32;
    let [first, second, third] = [0, 1, 2].map(|plane| pixels.plane(plane).bytes);
    let converted = match pixels.format() {
        PixelFormat::I420 => {
            let planes = YuvPlanarImage {
                y_plane: first,
                y_stride: stride(0),
                u_plane: second,
                u_stride: stride(1),
                v_plane: third,
                v_stride: stride(2),
                width,
                height,
            };
            yuv420_to_rgb(&planes, &mut rgb, row_bytes as u32, range, matrix)
        }
        PixelFormat::Nv12 => {
            let planes = YuvBiPlanarImage {
                y_plane: first,
                y_stride: stride(0),
                uv_plane: second,
                uv_stride: stride(1),
                width,
                height,
            };
            let mode = YuvConversionMode::Balanced;
            yuv_nv12_to_rgb(&planes, &mut rgb, row_bytes as u32, range, matrix, mode)
        }
        PixelFormat::Rgb => {
            let rows = first.chunks(pixels.plane(0).stride.max(1));
            for (to, from) in rgb.chunks_mut(row_bytes.max(1)).zip(rows) {
                let from = from.get(..row_bytes).ok_or(JpegError::Rows)?;
                to.copy_from_slice(from);
            }
            Ok(())
        }
    };
    converted.map_err(|error| JpegError::Convert(error.to_string()))?;
    Ok(rgb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{OwnedPixels, Pattern, PlaneMut};

    #[test]
    fn a_picture_is_made_smaller_until_it_fits() {
        let size = Size::new(320, 240);
        let mut pixels = OwnedPixels::zeroed(PixelFormat::I420, size);
        let [(luma, _), ..] = pixels.i420_mut();
        // Noise is what JPEG can't compress.
        fastrand::Rng::with_seed(1).fill(luma);
        let frame = Frame::untimed(size, pixels);
        let whole = jpeg(&frame).expect("it is encoded");
        assert_eq!(jpeg_within(&frame, whole.len()).expect("it fits"), whole);
        let limit = whole.len() / 4;
        let small = jpeg_within(&frame, limit).expect("it is made to fit");
        assert!(small.len() <= limit);
        let image = image::load_from_memory(&small).expect("a JPEG");
        assert!(image.width() < 320 && image.width() * 3 / 4 == image.height());
        let none = jpeg_within(&frame, 10);
        assert!(matches!(none, Err(JpegError::TooLarge(10))), "{none:?}");
    }

    #[test]
    fn a_picture_is_at_most_as_wide_as_asked_for() {
        let size = Size::new(320, 240);
        let frame = Frame::untimed(size, OwnedPixels::zeroed(PixelFormat::I420, size));
        let of_width = |width| {
            let bytes = jpeg_of_width(&frame, width).expect("it is encoded");
            let image = image::load_from_memory(&bytes).expect("a JPEG");
            (image.width(), image.height())
        };
        assert_eq!(of_width(80), (80, 60));
        assert_eq!(of_width(319), (319, 239));
        assert_eq!(of_width(320), (320, 240));
        assert_eq!(of_width(640), (320, 240));
    }

    #[test]
    fn a_painted_frame_keeps_its_colours() {
        let size = Size::new(320, 240);
        let pattern = Pattern::new(size, 3).expect("an ordinary pattern");
        let mut pixels = OwnedPixels::zeroed(PixelFormat::I420, size);
        let planes = pixels.i420_mut();
        pattern.paint(9, planes.map(|(bytes, stride)| PlaneMut { bytes, stride }));
        let frame = Frame::untimed(size, pixels);
        let bytes = jpeg(&frame).expect("it is encoded");
        let image = image::load_from_memory(&bytes).expect("a JPEG").into_rgb8();
        assert_eq!(image.dimensions(), (320, 240));
        for object in pattern.objects(9) {
            let [y, u, v] = object.yuv.map(f64::from);
            let (luma, u, v) = (1.164 * (y - 16.0), u - 128.0, v - 128.0);
            let wanted = [
                luma + 1.596 * v,
                luma - 0.392 * u - 0.813 * v,
                luma + 2.017 * u,
            ];
            let seen = image.get_pixel(object.bbox.x as u32, object.bbox.y as u32);
            for (seen, wanted) in seen.0.into_iter().zip(wanted) {
                assert!(
                    (f64::from(seen) - wanted).abs() < 6.0,
                    "{seen} is not {wanted}"
                );
            }
        }
    }
}
