//! Detections, and the trait that every backend implements.

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
    /// Its box, in pixels of the source frame and inside the frame.
    pub bbox: BBox,
}

/// A frame scaled and padded to the model's input, ready for a detector.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// RGB, three bytes per pixel, rows without gaps, of the size [`Letterbox::input`].
    pub rgb: &'a [u8],
    /// The position of the frame in it.
    pub letterbox: Letterbox,
}

/// The thresholds for detections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Minimum confidence, 0–1.
    pub confidence: f32,
    /// Overlap (IoU) above which the weaker of two boxes of one class is dropped, 0–1.
    pub iou: f32,
}

/// The padding if a manifest states none: the grey with which the YOLO family is trained.
pub const PADDING: u8 = 114;

/// Turns pictures into detections. One worker thread owns it. Every method may block; none is called after an error
/// that is not [`DetectError::is_transient`].
pub trait Detector: Send {
    /// The size that pictures must have.
    fn input_size(&self) -> Size;

    /// The grey that surrounds the frame in a picture; none if the frame is stretched over the whole picture.
    fn padding(&self) -> Option<u8> {
        Some(PADDING)
    }

    /// The largest useful batch; 1 if batches are not faster.
    fn max_batch(&self) -> usize {
        1
    }

    /// The detections of each picture, in order, each list by falling confidence. Blocks for the time of the inference.
    ///
    /// # Errors
    /// If the engine fails, or if a tensor has another shape than in the manifest.
    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError>;
}
