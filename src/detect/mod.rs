//! Frames to detections: model manifests, the letterbox, the backends behind [`Detector`], and the worker that serves
//! all sources fairly.

mod error;
mod types;

pub use error::DetectError;
pub use types::{Detection, Detector, Picture, Thresholds};
