//! A still image as a source: read, decoded and rotated upright once per session, delivered once per second.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::pixel_aspect::pixel_of_file;
use super::synthetic::FrameTimer;
use super::{FrameSink, FrameSource, SessionEnd, StreamFacts};
use crate::base::{
    Clock, ColorMatrix, ColorRange, Colorimetry, HostPixels, OwnedPixels, PictureShape,
    PixelFormat, Size, Stop,
};

/// One frame per second: often enough to see the effect of another model or threshold.
const PERIOD: Duration = Duration::from_secs(1);
/// Maximum size of a decoded image; 24 megapixels as RGB are 72 MB.
const MOST_BYTES: u64 = 256 << 20;

/// Delivers a JPEG or PNG file until it is stopped.
#[derive(Debug)]
pub struct ImageSource {
    path: PathBuf,
    beat: FrameTimer,
}

impl ImageSource {
    /// A source for one file. Each session reads it.
    pub fn new(path: PathBuf, clock: Clock) -> Self {
        Self {
            path,
            beat: FrameTimer::new(PERIOD, clock),
        }
    }
}

impl FrameSource for ImageSource {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        let (codec, size, picture) = match read(&self.path) {
            Ok(read) => read,
            Err((code, message)) => {
                return SessionEnd::Failed {
                    code,
                    message,
                    live_for: Duration::ZERO,
                };
            }
        };
        sink.described(&StreamFacts {
            codec: codec.to_owned(),
            size: Some(size),
            decoder: "image".to_owned(),
            nominal_fps: Some(1.0),
        });
        // Irrelevant for RGB, but part of a frame.
        let colorimetry = Colorimetry {
            matrix: ColorMatrix::Bt709,
            range: ColorRange::Full,
        };
        self.beat.begin();
        while let Some(number) = self.beat.next(sink.as_ref(), stop) {
            sink.access_unit(0);
            sink.frame(self.beat.frame(number, size, colorimetry, picture.clone()));
        }
        SessionEnd::Stopped
    }
}

type Read = (&'static str, Size, Arc<dyn HostPixels>);

/// The image's format, size and pixels, or a code of [`SessionEnd`] and a message.
fn read(path: &Path) -> Result<Read, (&'static str, String)> {
    let named = |error: &dyn std::fmt::Display| format!("image {}: {error}", path.display());
    check_file(path).map_err(|(code, reason)| (code, named(&reason)))?;
    let bytes = std::fs::read(path).map_err(|error| (file_code(&error), named(&error)))?;
    let pixel = pixel_of_file(&bytes);
    let is_whole = has_end(&bytes);
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| (file_code(&error), named(&error)))?;
    let codec = match reader.format() {
        Some(ImageFormat::Jpeg) if !is_whole => {
            let message = "is cut off; copy or download the whole file again";
            return Err(("garbage", named(&message)));
        }
        Some(ImageFormat::Jpeg) => "jpeg",
        Some(ImageFormat::Png) => "png",
        _ => {
            let message = "is neither JPEG nor PNG; convert it, or use file: for a video";
            return Err(("garbage", named(&message)));
        }
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let garbage = |error: image::ImageError| ("garbage", named(&error));
    let mut decoder = reader.into_decoder().map_err(garbage)?;
    // EXIF that can't be read is ignored.
    let turned = decoder.orientation().ok();
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(garbage)?;
    let mut shape = PictureShape {
        pixel,
        ..PictureShape::plain(Size::new(decoded.width(), decoded.height()))
    };
    if let Some(turned) = turned {
        decoded.apply_orientation(turned);
        // Only the size is needed here, so the direction of the rotation does not matter.
        shape.orientation.quarters = u8::from(is_sideways(turned));
    }
    let picture = decoded.into_rgb8();
    let planes = Size::new(picture.width(), picture.height());
    let pixels = OwnedPixels::from_bytes(&picture, PixelFormat::Rgb, planes);
    Ok((codec, shape.picture(), Arc::new(pixels)))
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

/// Checks that there is a file at `path`, that it is not empty, and that it can be opened. To open a pipe would block,
/// without an end.
///
/// # Errors
/// A code of [`SessionEnd`] and the reason.
pub(super) fn check_file(path: &Path) -> Result<(), (&'static str, String)> {
    let failed = |error: std::io::Error| (file_code(&error), error.to_string());
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        let reason = "is a directory; name a file in it";
        return Err(("garbage", reason.to_owned()));
    }
    if !metadata.is_file() {
        let reason = "is a pipe or a device, which can't be played; name a regular file";
        return Err(("garbage", reason.to_owned()));
    }
    if metadata.len() == 0 {
        return Err(("garbage", "is empty; copy or download it again".to_owned()));
    }
    std::fs::File::open(path).map(|_| ()).map_err(failed)
}

/// The code of [`SessionEnd`] for a file that can't be read.
fn file_code(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "not-found",
        std::io::ErrorKind::PermissionDenied => "permission",
        _ => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_gives_its_own_pixels() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("red.png");
        let image = image::RgbImage::from_fn(3, 2, |x, y| image::Rgb([200, x as u8, y as u8]));
        image.save(&path).expect("written");
        let (codec, size, pixels) = read(&path).expect("a readable image");
        assert_eq!((codec, size), ("png", Size::new(3, 2)));
        assert_eq!(pixels.plane(0).stride, 9);
        assert_eq!(pixels.plane(0).bytes, image.as_raw().as_slice());
    }

    /// EXIF data with one entry, the orientation.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut exif = b"MM\0*\0\0\0\x08\0\x01".to_vec();
        exif.extend([
            0x01,
            0x12,
            0,
            3,
            0,
            0,
            0,
            1,
            0,
            orientation,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        exif
    }

    #[test]
    fn an_image_stands_as_its_camera_says() {
        use image::ImageEncoder;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("phone.png");
        // Red at the left, blue at the right.
        let image = image::RgbImage::from_fn(4, 2, |x, _| {
            image::Rgb(if x < 2 { [200, 0, 0] } else { [0, 0, 200] })
        });
        let red_is_first = |orientation: u8| {
            let file = std::fs::File::create(&path).expect("a file");
            let mut encoder = image::codecs::png::PngEncoder::new(file);
            encoder
                .set_exif_metadata(exif(orientation))
                .expect("PNG has EXIF");
            let color = image::ExtendedColorType::Rgb8;
            encoder
                .write_image(image.as_raw(), 4, 2, color)
                .expect("written");
            let (_, size, pixels) = read(&path).expect("a readable image");
            (size, pixels.plane(0).bytes[0] == 200)
        };
        let (lying, standing) = (Size::new(4, 2), Size::new(2, 4));
        assert_eq!(red_is_first(1), (lying, true));
        assert_eq!(red_is_first(3), (lying, false));
        assert_eq!(red_is_first(6), (standing, true));
        assert_eq!(red_is_first(8), (standing, false));
        assert_eq!(red_is_first(99), (lying, true));
    }

    #[test]
    fn an_image_of_pixels_that_are_not_square_has_the_size_that_it_shows() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("scan.jpg");
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
        encoder.set_pixel_density(image::codecs::jpeg::PixelDensity {
            density: (1, 2),
            unit: image::codecs::jpeg::PixelDensityUnit::PixelAspectRatio,
        });
        encoder
            .encode(&[90; 64 * 32 * 3], 64, 32, image::ExtendedColorType::Rgb8)
            .expect("encoded");
        std::fs::write(&path, bytes).expect("written");
        let (_, size, pixels) = read(&path).expect("a readable image");
        assert_eq!(size, Size::new(128, 32));
        assert_eq!(pixels.scaled(), Some(Size::new(64, 32)));
    }

    #[test]
    fn a_file_that_is_not_an_image_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let code = |path: &Path| read(path).map(|_| ()).expect_err("no image").0;
        assert_eq!(code(&folder.path().join("missing.png")), "not-found");
        let text = folder.path().join("text.png");
        std::fs::write(&text, "hello").expect("written");
        assert_eq!(code(&text), "garbage");
        let cut = folder.path().join("cut.png");
        std::fs::write(&cut, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").expect("written");
        assert_eq!(code(&cut), "garbage");
        assert_eq!(code(folder.path()), "garbage");
    }

    #[test]
    fn a_jpeg_that_is_cut_off_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cut.jpg");
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
            .take(64 * 32 * 3)
            .collect();
        let mut whole = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut whole)
            .encode(&noise, 64, 32, image::ExtendedColorType::Rgb8)
            .expect("encoded");
        // As some cameras do.
        whole.extend([0; 16]);
        let read_first = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            let told = read(&path).map(|(codec, size, _)| (codec, size));
            told.map_err(|(_, message)| message.replace(&path.display().to_string(), "F"))
        };
        assert_eq!(read_first(&whole), Ok(("jpeg", Size::new(64, 32))));
        let cut_off = "image F: is cut off; copy or download the whole file again";
        for length in [whole.len() - 17, whole.len() / 2, 30, 2] {
            if length > 2 {
                assert_eq!(read_first(&whole[..length]), Err(cut_off.to_owned()));
            }
            assert!(!has_end(&whole[..length]));
        }
        assert_eq!(
            read_first(b""),
            Err("image F: is empty; copy or download it again".to_owned())
        );
        // The end of a thumbnail is not that of the picture.
        let thumbnail = b"\xff\xd8\xff\xe1\0\x06\xff\xd9\0\0\xff\xda\0\x02\x12";
        assert!(!has_end(thumbnail));
        assert!(has_end(
            &[&thumbnail[..], b"\xff\0\xff\xd0\xff\xff\xd9"].concat()
        ));
    }
}
