//! Still images: JPEG and PNG files, decoded and rotated upright.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::pixel_aspect::pixel_of_file;
use super::regular_file::{check_file, file_code};
use crate::base::{OwnedPixels, PictureShape, PixelFormat, Size, shown_bytes};

/// Maximum size of a file and of its decoded image; 24 megapixels as RGB are 72 MB.
const MOST_BYTES: u64 = 256 << 20;

/// Why a still image can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// There is no regular file, or it can't be read.
    #[error("{reason}")]
    File {
        /// A code of [`super::SessionEnd`].
        code: &'static str,
        /// The reason.
        reason: String,
    },
    /// It has another format.
    #[error("is neither JPEG nor PNG; convert it")]
    Foreign,
    /// It does not have its end.
    #[error("is cut off; copy or download the whole file again")]
    CutOff,
    /// The file is too large.
    #[error(
        "has more than {}, the limit of a picture; make it smaller",
        shown_bytes(MOST_BYTES)
    )]
    TooLong,
    /// The decoded image is too large.
    #[error("has {size} pixels, which take {} in memory; the limit is {}; make it smaller",
        shown_bytes(*bytes), shown_bytes(MOST_BYTES))]
    TooLarge {
        /// Its size.
        size: Size,
        /// The memory of its pixels.
        bytes: u64,
    },
    /// The decoder refuses it.
    #[error("can't be decoded: {0}; copy or download it again")]
    Damaged(image::ImageError),
}

impl StillError {
    /// The code of [`super::SessionEnd`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { code, .. } => code,
            _ => "garbage",
        }
    }
}

/// A decoded JPEG or PNG file. It is upright, as its EXIF orientation states.
#[derive(Debug, Clone)]
pub struct StillImage {
    /// The format of the file: `jpeg` or `png`.
    pub codec: &'static str,
    /// The size of the picture in square pixels. Boxes refer to it.
    pub size: Size,
    /// The samples. They have another size if the file states pixels that are not square.
    samples: RgbImage,
}

impl StillImage {
    /// Reads and decodes a file. Its format is recognised by its content.
    ///
    /// # Errors
    /// See [`StillError`].
    pub fn read(path: &Path) -> Result<Self, StillError> {
        check_file(path).map_err(|(code, reason)| StillError::File { code, reason })?;
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| StillError::File {
                code: file_code(&error),
                reason: error.to_string(),
            })?;
        Self::decode(&bytes)
    }

    /// Decodes the content of a file.
    ///
    /// # Errors
    /// See [`StillError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StillError> {
        let (format, codec) = match image::guess_format(bytes) {
            Ok(format @ ImageFormat::Jpeg) => (format, "jpeg"),
            Ok(format @ ImageFormat::Png) => (format, "png"),
            _ => return Err(StillError::Foreign),
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(StillError::TooLong);
        }
        if format == ImageFormat::Jpeg && !has_end(bytes) {
            return Err(StillError::CutOff);
        }
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::default();
        limits.max_alloc = Some(MOST_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(StillError::Damaged)?;
        // The decoder of JPEG ignores the limit.
        let (width, height) = decoder.dimensions();
        check_bytes(Size::new(width, height), decoder.total_bytes())?;
        // EXIF that can't be read is ignored.
        let turned = decoder.orientation().ok();
        let mut decoded = DynamicImage::from_decoder(decoder).map_err(StillError::Damaged)?;
        let mut shape = PictureShape {
            pixel: pixel_of_file(bytes),
            ..PictureShape::plain(Size::new(width, height))
        };
        if let Some(turned) = turned {
            decoded.apply_orientation(turned);
            // Only the size is needed here, so the direction of the rotation does not matter.
            shape.orientation.quarters = u8::from(is_sideways(turned));
        }
        Ok(Self {
            codec,
            size: shape.picture(),
            samples: decoded.into_rgb8(),
        })
    }

    /// Its samples as the pixels of a frame.
    pub fn pixels(&self) -> OwnedPixels {
        let size = Size::new(self.samples.width(), self.samples.height());
        OwnedPixels::from_bytes(&self.samples, PixelFormat::Rgb, size)
    }

    /// The picture in square pixels, for drawing on it.
    ///
    /// # Errors
    /// If it is too large, because its pixels are far from square.
    pub fn into_square_pixels(self) -> Result<RgbImage, StillError> {
        let Size { width, height } = self.size;
        if self.samples.dimensions() == (width, height) {
            return Ok(self.samples);
        }
        check_bytes(self.size, 3 * u64::from(width) * u64::from(height))?;
        Ok(imageops::resize(
            &self.samples,
            width,
            height,
            FilterType::Triangle,
        ))
    }
}

fn check_bytes(size: Size, bytes: u64) -> Result<(), StillError> {
    if bytes > MOST_BYTES {
        return Err(StillError::TooLarge { size, bytes });
    }
    Ok(())
}

/// Whether a JPEG file has its end. Decoders fill the rest of a picture that is cut off with grey.
fn has_end(bytes: &[u8]) -> bool {
    // After its first marker.
    let mut rest = bytes.get(2..).unwrap_or_default();
    // A marker follows the coded data of a scan, or directly the last segment (ITU-T T.81, B.1.1). Within coded data, 0xff is
    // followed by 0 or by the number of a restart.
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    while let Some(at) = rest.windows(2).position(is_marker) {
        let marker = rest[at + 1];
        rest = &rest[at + 2..];
        match marker {
            0xd9 => return true,
            // Without a segment.
            0x01 | 0xd8 => {}
            _ => {
                let length = rest.first_chunk().map(|length| u16::from_be_bytes(*length));
                let after = length.and_then(|length| rest.get(usize::from(length)..));
                rest = after.unwrap_or_default();
            }
        }
    }
    false
}

/// Whether rows become columns.
fn is_sideways(orientation: image::metadata::Orientation) -> bool {
    use image::metadata::Orientation as Exif;
    matches!(
        orientation,
        Exif::Rotate90 | Exif::Rotate270 | Exif::Rotate90FlipH | Exif::Rotate270FlipH
    )
}

#[cfg(test)]
#[path = "still_tests.rs"]
mod tests;
