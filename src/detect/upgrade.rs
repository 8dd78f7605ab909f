//! A loaded detector, and the faster one that can be built while it works.

use std::sync::Arc;

use super::tensorrt::{self, Product, build_engine};
use super::{DetectError, Detector, InstalledModel, Labels, Parallelism};
use crate::base::Stop;

/// The interval of log messages during a build, which takes minutes.
const REPORT_INTERVAL: std::time::Duration = std::time::Duration::from_secs(30);

/// A detector that is ready, with its description.
pub struct LoadedDetector {
    /// The detector.
    pub detector: Box<dyn Detector>,
    /// Further instances of it, which work beside it.
    pub more: Vec<Box<dyn Detector>>,
    /// The model's id, as in events.
    pub model_id: Arc<str>,
    /// The backend: `tensorrt`, `tensorrt-rtx`, `openvino`, `onnxruntime`, `rten`, `scripted`.
    pub backend: &'static str,
    /// The classes that it detects.
    pub labels: Labels,
    /// A faster detector of the same model that must be built first.
    pub upgrade: Option<Upgrade>,
    /// Whether it has other lanes for one source than for several.
    pub follows_sources: bool,
}

/// A TensorRT engine that must be built first.
#[derive(Debug)]
pub struct Upgrade {
    product: Product,
    model: InstalledModel,
    parallelism: Parallelism,
    /// The cached engine with the same key was refused, so it must be built again.
    rebuild: bool,
    /// Why the model does not run yet, with the remedy.
    reason: String,
}

impl Upgrade {
    /// The upgrade that helps if `reason` prevents `product` from running `model`; none if no engine would help.
    pub(super) fn after(
        product: Product,
        model: &InstalledModel,
        parallelism: Parallelism,
        reason: &DetectError,
    ) -> Option<Self> {
        let DetectError::TensorRt(reason) = reason else {
            return None;
        };
        if !reason.needs_another_engine() {
            return None;
        }
        if let Err(err) = tensorrt::can_build(product) {
            tracing::info!(%err, "no engine can be built here");
            return None;
        }
        Some(Self {
            product,
            model: model.clone(),
            parallelism,
            rebuild: !matches!(reason, tensorrt::TensorRtError::NoEngine { .. }),
            reason: reason.to_string(),
        })
    }

    /// Why the model does not run yet, with the remedy.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Builds the engine and loads it. Blocks for minutes; ends early when `stop` is raised.
    ///
    /// # Errors
    /// If the build or the engine fails.
    pub fn run(self, stop: &Stop) -> Result<LoadedDetector, DetectError> {
        let model = &self.model;
        tracing::info!(
            model = model.id,
            "building a TensorRT engine; this takes some minutes"
        );
        let mut reported = std::time::Duration::ZERO;
        let mut progress = |progress: tensorrt::Progress<'_>| {
            if progress.elapsed >= reported + REPORT_INTERVAL {
                reported = progress.elapsed;
                let seconds = progress.elapsed.as_secs();
                tracing::info!(seconds, words = progress.words, "still building the engine");
            }
        };
        let product = self.product;
        let built = build_engine(product, model, None, self.rebuild, &mut progress, stop)?;
        tracing::info!(engine = %built.path.display(), "the engine is built");
        let labels = model.labels()?;
        let detectors = tensorrt::open(product, model, labels.clone(), self.parallelism)?;
        Ok(opened(detectors, model, product.name(), labels, None))
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

/// A detector with one of `detectors` for each lane.
///
/// # Panics
/// If there is none.
pub(super) fn opened(
    mut detectors: Vec<Box<dyn Detector>>,
    model: &InstalledModel,
    backend: &'static str,
    labels: Labels,
    upgrade: Option<Upgrade>,
) -> LoadedDetector {
    tracing::info!(model = model.id, backend, lanes = detectors.len(), file = %model.onnx().display(), "the model is loaded");
    LoadedDetector {
        detector: detectors.remove(0),
        more: detectors,
        model_id: model.id.as_str().into(),
        backend,
        labels,
        upgrade,
        follows_sources: false,
    }
}
