//! A detector that is ready, and the quicker one that is not ready yet: what it takes to make it, while the other works.

use std::sync::Arc;

use super::tensorrt::{self, BuildFlags, build_engine};
use super::{DetectError, Detector, InstalledModel, Labels};
use crate::base::Stop;

/// How often the log hears of a build: it takes minutes.
const TELL_EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// A detector, ready to work, and what it is.
pub struct LoadedDetector {
    /// It.
    pub detector: Box<dyn Detector>,
    /// The model's id, as events carry it.
    pub model_id: Arc<str>,
    /// What runs it: `tensorrt`, `onnxruntime`, `rten`, `scripted`.
    pub backend: &'static str,
    /// The classes that it can find.
    pub labels: Labels,
    /// A quicker detector of the same model that has to be built first.
    pub upgrade: Option<Upgrade>,
}

/// A TensorRT engine that has to be built first.
#[derive(Debug)]
pub struct Upgrade {
    model: InstalledModel,
    /// The engine that the cache has was refused: the same key again means another build.
    anew: bool,
}

impl Upgrade {
    /// What would help after `reason` kept TensorRT from running `model`; nothing where no engine would.
    pub(super) fn after(model: &InstalledModel, reason: &DetectError) -> Option<Self> {
        let DetectError::TensorRt(reason) = reason else {
            return None;
        };
        if !reason.needs_another_engine() {
            return None;
        }
        if let Err(err) = tensorrt::can_build() {
            tracing::info!(%err, "no engine can be built here");
            return None;
        }
        Some(Self {
            model: model.clone(),
            anew: !matches!(reason, tensorrt::TensorRtError::NoEngine { .. }),
        })
    }

    /// Builds the engine and loads it. Blocks for minutes; ends early when `stop` is raised.
    ///
    /// # Errors
    /// When the build or the engine fails.
    pub fn run(self, stop: &Stop) -> Result<LoadedDetector, DetectError> {
        let model = &self.model;
        tracing::info!(
            model = model.id,
            "building a TensorRT engine; this takes some minutes"
        );
        let mut told = std::time::Duration::ZERO;
        let mut progress = |progress: tensorrt::Progress<'_>| {
            if progress.elapsed >= told + TELL_EVERY {
                told = progress.elapsed;
                let seconds = progress.elapsed.as_secs();
                tracing::info!(seconds, words = progress.words, "still building the engine");
            }
        };
        let built = build_engine(model, BuildFlags::default(), self.anew, &mut progress, stop)?;
        tracing::info!(engine = %built.path.display(), "the engine is built");
        let labels = model.labels()?;
        let detector = tensorrt::open(model, labels.clone())?;
        Ok(opened(detector, model, tensorrt::NAME, labels, None))
    }
}

impl std::fmt::Debug for LoadedDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedDetector")
            .field("model_id", &self.model_id)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

pub(super) fn opened(
    detector: Box<dyn Detector>,
    model: &InstalledModel,
    backend: &'static str,
    labels: Labels,
    upgrade: Option<Upgrade>,
) -> LoadedDetector {
    tracing::info!(model = model.id, backend, file = %model.onnx().display(), "the model is loaded");
    LoadedDetector {
        detector,
        model_id: model.id.as_str().into(),
        backend,
        labels,
        upgrade,
    }
}
