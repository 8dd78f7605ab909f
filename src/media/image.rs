//! A still image as a source: read once per session, delivered once per second.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::still::{StillError, StillImage};
use super::synthetic::FrameTimer;
use super::{FrameSink, FrameSource, SessionEnd, StreamFacts};
use crate::base::{Clock, ColorMatrix, ColorRange, Colorimetry, HostPixels, Stop};

/// One frame per second: often enough to see the effect of another model or threshold.
const PERIOD: Duration = Duration::from_secs(1);

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
        let image = match StillImage::read(&self.path) {
            Ok(image) => image,
            Err(error) => {
                return SessionEnd::Failed {
                    code: error.code(),
                    message: described(&error, &self.path),
                    live_for: Duration::ZERO,
                };
            }
        };
        let size = image.size;
        let picture: Arc<dyn HostPixels> = Arc::new(image.pixels());
        sink.described(&StreamFacts {
            codec: image.codec.to_owned(),
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

/// The message about the file of a source.
fn described(error: &StillError, path: &Path) -> String {
    let more = match error {
        StillError::Foreign => ", or use file: for a video",
        _ => "",
    };
    format!("image {}: {error}{more}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_is_refused_with_the_scheme_that_plays_it() {
        assert_eq!(
            described(&StillError::Foreign, Path::new("/a/b.mp4")),
            "image /a/b.mp4: is neither JPEG nor PNG; convert it, or use file: for a video"
        );
    }
}
