//! The result of the detection worker for one frame, and its counters.

use std::sync::Arc;
use std::time::Duration;

use super::Detection;
use crate::base::{FrameMeta, SourceId};

/// The result of one frame.
#[derive(Debug, Clone)]
pub struct Inferred {
    /// The source of the frame.
    pub source_id: SourceId,
    /// The frame's number, size and times.
    pub meta: FrameMeta,
    /// The detections by falling confidence, down to the worker's threshold, not the source's.
    pub detections: Vec<Detection>,
    /// The time in the detector, for the whole batch if there was one; without the letterbox.
    pub inference_time: Duration,
    /// The model's id.
    pub model_id: Arc<str>,
}

/// Counters since the start of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerStats {
    /// Inferred frames.
    pub inferred: u64,
    /// Frames that were not inferred because of an error.
    pub failed: u64,
    /// Time spent on letterboxes.
    pub letterbox_time: Duration,
    /// Time spent in the detector.
    pub inference_time: Duration,
}

/// The work of the running detector since it was installed. Times are means of its lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkDone {
    /// The id of its model.
    pub model_id: Arc<str>,
    /// Its backend.
    pub backend: &'static str,
    /// The time with frames: letterbox, inference and sink.
    pub busy: Duration,
    /// Frames that were inferred in batches of the largest useful size, by all lanes.
    pub full_frames: u64,
    /// The time with these frames.
    pub full_time: Duration,
}
