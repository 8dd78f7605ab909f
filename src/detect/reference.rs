//! A built-in picture with known objects: what a model finds in it shows whether its output and its input are read
//! rightly.
//!
//! The picture is put together from three that are free for every use: Eileen Collins (NASA, public domain), the cat
//! Chelsea (Stefan van der Walt, CC0) and a cup of coffee (Rachel Michetti, CC0), all three as in scikit-image.

use super::{Canvas, DetectError, Detection, Labels, Letterboxer};
use crate::base::{BBox, Frame, OwnedPixels, PixelFormat, Size};

/// The picture, a JPEG file of 640 × 480.
pub const REFERENCE_PICTURE: &[u8] = include_bytes!("reference_picture.jpg");

/// The known objects: class, left, top, right, bottom in pixels of the picture.
const OBJECTS: [(&str, [f32; 4]); 4] = [
    ("person", [347.0, 8.0, 552.0, 299.0]),
    ("cat", [0.0, 0.0, 303.0, 226.0]),
    ("cup", [96.0, 262.0, 239.0, 390.0]),
    ("dining table", [1.0, 250.0, 339.0, 477.0]),
];

/// Minimum overlap (IoU) of a detection with the object that it stands for.
const LEAST_OVERLAP: f32 = 0.5;
/// Maximum number of detections of a model that is read rightly; most find four. A wrong reading gives hundreds.
const MOST_DETECTIONS: usize = 20;
/// In a smaller input the objects have too few pixels.
const SMALLEST_SIDE: u32 = 160;

/// Decodes the picture.
///
/// # Errors
/// If it can't be decoded, which a test excludes.
pub(super) fn frame() -> Result<Frame, DetectError> {
    let unreadable = |error: image::ImageError| DetectError::Pixels(error.to_string());
    let picture = image::load_from_memory(REFERENCE_PICTURE)
        .map_err(unreadable)?
        .to_rgb8();
    let size = Size::new(picture.width(), picture.height());
    let stride = 3 * size.width as usize;
    let planes = vec![(picture.into_raw(), stride)];
    Ok(Frame::untimed(
        size,
        OwnedPixels::from_planes(PixelFormat::Rgb, planes),
    ))
}

/// Draws it for a model's input.
///
/// # Errors
/// As [`frame`].
pub(super) fn drawn(input: Size, padding: Option<u8>) -> Result<Canvas, DetectError> {
    let mut canvas = Canvas::default();
    Letterboxer::new(input, padding).draw(&frame()?, &mut canvas)?;
    Ok(canvas)
}

/// Whether a model with these classes and this input can be judged by the picture: it knows one of the objects.
pub(super) fn can_judge(labels: &Labels, input: Size) -> bool {
    input.width.min(input.height) >= SMALLEST_SIDE
        && OBJECTS
            .iter()
            .any(|(class, _)| labels.iter().any(|label| is_class(label, class)))
}

/// What a model found of the known objects.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Score {
    /// The objects, each with its confidence.
    found: Vec<(&'static str, f32)>,
    /// Objects of the classes that the model has.
    known: usize,
    /// All detections.
    detections: usize,
}

impl Score {
    /// Judges the detections of a model with these classes in the picture.
    pub(super) fn of(detections: &[Detection], labels: &Labels) -> Self {
        let known: Vec<&(&str, [f32; 4])> = OBJECTS
            .iter()
            .filter(|(class, _)| labels.iter().any(|label| is_class(label, class)))
            .collect();
        let found = known
            .iter()
            .filter_map(|(class, [left, top, right, bottom])| {
                let object = BBox::from_corners(*left, *top, *right, *bottom);
                let confidence = detections
                    .iter()
                    .filter(|one| is_class(&one.class_name, class))
                    .filter(|one| one.bbox.iou(&object) >= LEAST_OVERLAP)
                    .map(|one| one.confidence)
                    .max_by(f32::total_cmp)?;
                Some((*class, confidence))
            });
        Self {
            found: found.collect(),
            known: known.len(),
            detections: detections.len(),
        }
    }

    /// Whether a known object was found, and not by a crowd of detections.
    pub(super) fn is_good(&self) -> bool {
        !self.found.is_empty() && self.detections <= MOST_DETECTIONS
    }

    /// Whether all known objects were found.
    pub(super) fn is_full(&self) -> bool {
        self.is_good() && self.found.len() == self.known
    }

    /// The number of objects that were found.
    pub(super) fn objects(&self) -> usize {
        match self.is_good() {
            true => self.found.len(),
            false => 0,
        }
    }

    /// The sum of the confidences of the objects.
    pub(super) fn confidence(&self) -> f32 {
        self.found.iter().map(|(_, confidence)| confidence).sum()
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let found: Vec<String> = self
            .found
            .iter()
            .map(|(class, confidence)| format!("{class} {confidence:.2}"))
            .collect();
        let found = match found.is_empty() {
            true => "none".to_owned(),
            false => found.join(", "),
        };
        write!(
            f,
            "{found} of the {} known objects in the built-in picture, with {} detections",
            self.known, self.detections
        )
    }
}

/// Names of COCO's classes in other lists.
fn is_class(label: &str, class: &str) -> bool {
    let label = label.trim().to_ascii_lowercase().replace(['_', '-'], " ");
    label == class || (class == "dining table" && label == "diningtable")
}

#[cfg(test)]
mod tests {
    use super::super::labels;
    use super::*;

    fn detection(class: &str, confidence: f32, [left, top, right, bottom]: [f32; 4]) -> Detection {
        Detection {
            class_name: class.into(),
            confidence,
            bbox: BBox::from_corners(left, top, right, bottom),
        }
    }

    fn all() -> Labels {
        labels::shared(["person", "cat", "cup", "Dining_Table", "van"])
    }

    #[test]
    fn the_picture_can_be_drawn_and_has_its_objects_inside() {
        let frame = frame().expect("it is built in");
        assert_eq!(frame.meta.size, Size::new(640, 480));
        for (_, corners) in OBJECTS {
            let [left, top, right, bottom] = corners;
            assert!(left < right && right <= 640.0 && top < bottom && bottom <= 480.0);
        }
        let canvas = drawn(Size::new(320, 320), Some(114)).expect("drawn");
        let picture = canvas.picture().expect("a picture");
        // Grey above the picture and below it.
        assert_eq!(picture.rgb[..3], [114; 3]);
        assert_eq!(picture.letterbox.content, Size::new(320, 240));
    }

    #[test]
    fn objects_count_by_class_and_place_and_not_in_a_crowd() {
        let [person, cat, cup, _] = OBJECTS;
        let mut found = vec![
            detection("person", 0.9, person.1),
            detection("van", 0.9, cat.1),
            detection("cup", 0.5, [200.0, 300.0, 340.0, 430.0]),
        ];
        let score = Score::of(&found, &all());
        assert!(score.is_good() && !score.is_full());
        assert_eq!(
            score.to_string(),
            "person 0.90 of the 4 known objects in the built-in picture, with 3 detections"
        );
        found.push(detection("cup", 0.5, cup.1));
        let better = Score::of(&found, &all());
        assert_eq!(better.objects(), 2);
        assert!(better.confidence() > score.confidence());
        let crowd: Vec<Detection> = (0..30)
            .map(|_| detection("person", 0.9, person.1))
            .collect();
        assert!(!Score::of(&crowd, &all()).is_good());
    }

    #[test]
    fn models_of_other_classes_and_of_tiny_inputs_are_not_judged() {
        assert!(can_judge(&all(), Size::new(640, 384)));
        assert!(!can_judge(&all(), Size::new(640, 96)));
        let others = labels::shared(["van", "forklift"]);
        assert!(!can_judge(&others, Size::new(640, 384)));
        let one = labels::shared(["diningtable"]);
        assert!(can_judge(&one, Size::new(640, 640)));
    }
}
