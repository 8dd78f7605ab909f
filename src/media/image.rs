//! A still image as a source: read and decoded once a session, shown once a second.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::still::{Beat, OwnedPixels};
use super::{FrameSink, FrameSource, SessionEnd, StreamFacts};
use crate::base::{
    Clock, ColorMatrix, ColorRange, Colorimetry, HostPixels, PixelFormat, Size, Stop,
};

/// One frame a second: often enough to see a change of model or thresholds at work.
const PERIOD: Duration = Duration::from_secs(1);
/// Decoded images beyond this are mistakes: 24 megapixels as RGB are 72 MB.
const MOST_BYTES: u64 = 256 << 20;

/// Shows a JPEG or PNG file until it is stopped.
#[derive(Debug)]
pub struct ImageSource {
    path: PathBuf,
    beat: Beat,
}

impl ImageSource {
    /// A source of one file, which is read when a session begins.
    pub fn new(path: PathBuf, clock: Clock) -> Self {
        Self {
            path,
            beat: Beat::new(PERIOD, clock),
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
        // Of no matter for RGB, yet told as what it is.
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
    let bytes = std::fs::read(path).map_err(|error| (file_code(&error), named(&error)))?;
    let mut reader = image::ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| (file_code(&error), named(&error)))?;
    let codec = match reader.format() {
        Some(image::ImageFormat::Jpeg) => "jpeg",
        Some(image::ImageFormat::Png) => "png",
        _ => {
            let message = "is neither JPEG nor PNG; convert it, or use file: for a video";
            return Err(("garbage", named(&message)));
        }
    };
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let picture = reader
        .decode()
        .map_err(|error| ("garbage", named(&error)))?
        .into_rgb8();
    let size = Size::new(picture.width(), picture.height());
    let pixels = OwnedPixels::of(picture.into_raw(), PixelFormat::Rgb, size);
    Ok((codec, size, Arc::new(pixels)))
}

/// The code of [`SessionEnd`] for a file that can't be read.
pub(super) fn file_code(error: &std::io::Error) -> &'static str {
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

    #[test]
    fn what_is_no_image_is_said_to_be_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let code = |path: &Path| read(path).map(|_| ()).expect_err("no image").0;
        assert_eq!(code(&folder.path().join("missing.png")), "not-found");
        let text = folder.path().join("text.png");
        std::fs::write(&text, "hello").expect("written");
        assert_eq!(code(&text), "garbage");
        let cut = folder.path().join("cut.png");
        std::fs::write(&cut, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").expect("written");
        assert_eq!(code(&cut), "garbage");
    }
}
