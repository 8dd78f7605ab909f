//! What is to be imported.

use std::path::PathBuf;

use super::DetectError;
use super::manifest::{Activation, ColorOrder, OutputFormat, Range, Resize};
use crate::base::Size;

/// The file to import, and facts that it does not state.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// The ONNX file.
    pub file: PathBuf,
    /// The id of the new model.
    pub id: String,
    /// The class names; if absent, from the file's metadata or, for 80 classes, COCO's.
    pub labels: Option<Vec<String>>,
    /// The format of the output; if absent, from its shape, the metadata, what the model finds in the built-in picture, and a
    /// run on noise. Refused if these leave a doubt.
    pub format: Option<OutputFormat>,
    /// For networks of queries: what makes a probability of a score; if absent, from a run.
    pub activation: Option<Activation>,
    /// The conversion of a byte; if absent, the one with which the model finds the most in the built-in picture, or the usual
    /// one of the format.
    pub range: Option<Range>,
    /// The order of channels; if absent, the usual one of the format.
    pub color_order: Option<ColorOrder>,
    /// How a frame is scaled; if absent, as is usual for the format.
    pub resize: Option<Resize>,
    /// The size of the input; only for files that leave it open.
    pub size: Option<Size>,
    /// The licence of the weights.
    pub license: Option<String>,
    /// The origin of the weights.
    pub source: Option<String>,
}

impl ImportRequest {
    /// The file can't be imported.
    pub(super) fn refusal(&self, reason: String) -> DetectError {
        DetectError::Import {
            path: self.file.clone(),
            reason,
        }
    }
}
