//! What a detector finds, and the seam that every backend implements.

use std::sync::Arc;

use super::DetectError;
use crate::base::{BBox, Letterbox, Size};

/// One object in one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Its class, by the model's labels.
    pub class_name: Arc<str>,
    /// Score, 0–1.
    pub confidence: f32,
    /// Where it is, in pixels of the source frame, inside the frame.
    pub bbox: BBox,
}

/// A frame scaled and padded to the model's input, ready for a detector.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// RGB, three bytes a pixel, rows without gaps, [`Letterbox::input`] in size.
    pub rgb: &'a [u8],
    /// Where the frame lies in it.
    pub letterbox: Letterbox,
}

/// What a detector keeps of what it sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Least confidence, 0–1.
    pub confidence: f32,
    /// Overlap (IoU) above which the weaker of two boxes of one class is dropped, 0–1.
    pub iou: f32,
}

/// What letterboxes are padded with where a manifest says nothing: the grey that the YOLO family is trained with.
pub const PADDING: u8 = 114;

/// Pictures to detections. Owned by one worker thread; every method may block, none is called after an error that is
/// not [`DetectError::is_transient`].
pub trait Detector: Send {
    /// The size that pictures must have.
    fn input_size(&self) -> Size;

    /// The grey that surrounds the frame in a picture.
    fn padding(&self) -> u8 {
        PADDING
    }

    /// How many pictures one call gains by; 1 where batches bring nothing.
    fn max_batch(&self) -> usize {
        1
    }

    /// Detections of each picture, in order, each list by falling confidence. Blocks for the time of the inference.
    ///
    /// # Errors
    /// When the engine fails, or gives a tensor of another shape than its manifest promises.
    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError>;
}
