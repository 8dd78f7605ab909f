//! The options of a build, which are a part of an engine's key.

use serde::{Deserialize, Serialize};

/// The build options of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildFlags {
    /// Layers may compute with 16-bit floats.
    pub fp16: bool,
    /// Layers between quantising nodes compute with 8-bit integers.
    pub int8: bool,
    /// The deep learning accelerator that runs it; the GPU if absent.
    pub dla: Option<u32>,
    /// Maximum number of pictures per run.
    pub batch: u32,
    /// Maximum scratch memory of a layer in MB; TensorRT's own limit if absent.
    pub workspace_mb: Option<u32>,
}

impl BuildFlags {
    /// The options with which a processor builds engines: 16-bit, unless the precision is the ONNX file's.
    pub(super) fn usual(precision_of_file: bool) -> Self {
        Self {
            fp16: !precision_of_file,
            ..Self::default()
        }
    }
}

impl Default for BuildFlags {
    fn default() -> Self {
        Self {
            fp16: true,
            int8: false,
            dla: None,
            batch: 1,
            workspace_mb: None,
        }
    }
}
