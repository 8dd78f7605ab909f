//! A detector without a network. It reads the frame number that the test pattern paints into its pictures, and finds
//! exactly the objects of that frame. For tests, demonstrations, and measurements of everything except the engine.

use std::sync::Arc;
use std::time::Duration;

use super::labels::{self, Labels};
use super::{DetectError, Detection, Detector, Picture, Thresholds};
use crate::base::{PATTERN_CLASSES, PatternCode, Size};

/// Its name in settings, messages and, as a model's id, in events.
pub(super) const NAME: &str = "scripted";

/// As large as the usual network's input, so that the letterbox has the usual cost.
const INPUT: Size = Size::new(640, 640);

/// The decrease of confidence per object: the first has 1.0, the last of 24 has 0.54.
const CONFIDENCE_STEP: f32 = 0.02;

/// The scripted detector; see the module.
#[derive(Debug)]
pub(super) struct ScriptedDetector {
    delay: Duration,
    labels: Labels,
}

impl ScriptedDetector {
    /// A detector that sleeps for `delay` per picture.
    pub(super) fn new(delay: Duration) -> Self {
        Self {
            delay,
            labels: labels::shared(PATTERN_CLASSES),
        }
    }

    /// The classes of the pattern's objects.
    pub(super) fn labels(&self) -> Labels {
        self.labels.clone()
    }

    fn see(&self, picture: &Picture<'_>, thresholds: Thresholds) -> Vec<Detection> {
        let source = picture.letterbox.source;
        let Some(code) = PatternCode::read_rgb(picture.rgb, &picture.letterbox) else {
            return Vec::new();
        };
        let Some(pattern) = code.pattern(source) else {
            return Vec::new();
        };
        pattern
            .objects(code.frame_number)
            .into_iter()
            .enumerate()
            .map(|(index, object)| Detection {
                class_name: self
                    .labels
                    .iter()
                    .find(|label| ***label == *object.class_name)
                    .cloned()
                    .unwrap_or_else(|| Arc::from(object.class_name)),
                confidence: 1.0 - index as f32 * CONFIDENCE_STEP,
                bbox: object.bbox,
            })
            .filter(|detection| detection.confidence >= thresholds.confidence)
            .collect()
    }
}

impl Detector for ScriptedDetector {
    fn input_size(&self) -> Size {
        INPUT
    }

    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        let mut all = Vec::with_capacity(pictures.len());
        for picture in pictures {
            if !self.delay.is_zero() {
                std::thread::sleep(self.delay);
            }
            all.push(self.see(picture, thresholds));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_frames::{i420, pattern_frame};
    use super::*;
    use crate::detect::{Canvas, Letterboxer, PADDING};

    fn seen(frame: &crate::base::Frame, confidence: f32) -> Vec<Detection> {
        let mut canvas = Canvas::default();
        let picture = Letterboxer::new(INPUT, PADDING)
            .draw(frame, &mut canvas)
            .expect("a picture");
        let thresholds = Thresholds {
            confidence,
            iou: 0.45,
        };
        ScriptedDetector::new(Duration::ZERO)
            .detect(&[picture], thresholds)
            .expect("it can't fail")
            .remove(0)
    }

    #[test]
    fn it_finds_the_pattern_s_objects_exactly() {
        for size in [
            Size::new(1280, 720),
            Size::new(640, 480),
            Size::new(1920, 1080),
        ] {
            let (pattern, frame) = pattern_frame(size, 4, 4711);
            let wanted: Vec<Detection> = pattern
                .objects(4711)
                .into_iter()
                .zip([1.0, 0.98, 0.96, 0.94])
                .map(|(object, confidence)| Detection {
                    class_name: object.class_name.into(),
                    confidence,
                    bbox: object.bbox,
                })
                .collect();
            assert_eq!(seen(&frame, 0.5), wanted, "{size}");
            assert_eq!(seen(&frame, 0.97), wanted[..2], "{size}");
        }
    }

    #[test]
    fn it_finds_nothing_in_a_picture_without_a_code() {
        let frame = i420(Size::new(640, 360), |_, column, row| (column + row) as u8);
        assert_eq!(seen(&frame, 0.0), []);
    }
}
