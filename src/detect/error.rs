//! What can go wrong between a model's file and its detections.

/// Why a model can't be used, or an inference failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The engine refused to run.
    #[error("{backend} could not run model {model}: {message}")]
    Inference {
        /// Which backend.
        backend: &'static str,
        /// Which model.
        model: String,
        /// The engine's own words.
        message: String,
    },
}

impl DetectError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Inference { .. })
    }
}
