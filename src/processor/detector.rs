//! The detector of a processor: loading by the settings, thresholds, and the facts that sources need.

use std::time::Duration;

use super::classes::warn_of_unknown;
use super::source::{Source, confidence_floor};
use crate::base::Size;
use crate::config::{Backend, Settings, SourceSettings};
use crate::control::{DetectorStatus, DetectorWork};
use crate::detect::{
    self, DetectError, DetectorRequest, Labels, LoadedDetector, ModelStore, Thresholds, WorkDone,
};

/// The running detector.
#[derive(Debug, Clone)]
pub(super) struct DetectorInfo {
    pub(super) model: String,
    pub(super) backend: String,
    /// The names of its classes.
    pub(super) labels: Labels,
    /// Input size in pixels.
    pub(super) input: Size,
    /// Whether it has other lanes for one source than for several.
    pub(super) follows_sources: bool,
    /// Whether it is none at all.
    pub(super) is_absent: bool,
}

impl DetectorInfo {
    pub(super) fn of(opened: &LoadedDetector) -> Self {
        Self {
            model: opened.model_id.to_string(),
            backend: opened.backend.to_owned(),
            labels: opened.labels.clone(),
            input: opened.detector.input_size(),
            follows_sources: opened.follows_sources,
            is_absent: opened.is_absent(),
        }
    }

    /// Requests the pictures that it needs.
    pub(super) fn request_from(&self, source: &Source) {
        let is_analysed = !self.is_absent && !source.settings().is_only_recorded();
        source.request_output(self.input, is_analysed);
    }

    /// Its status after `work`. Between a swap and the next frame the work is still that of the detector before; it does not
    /// count then.
    pub(super) fn status(&self, work: &WorkDone) -> DetectorStatus {
        let is_own = *work.model_id == *self.model && work.backend == self.backend;
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        DetectorStatus {
            model: self.model.clone(),
            backend: self.backend.clone(),
            classes: self.labels.len(),
            work: match is_own {
                true => DetectorWork {
                    busy_us: microseconds(work.busy),
                    full_frames: work.full_frames,
                    full_us: microseconds(work.full_time),
                },
                false => DetectorWork::default(),
            },
        }
    }

    /// Warns of each class in the filter of `source` that the model does not have.
    pub(super) fn warn_of_unknown_classes(&self, source: &SourceSettings) {
        // Without a detector no class is known.
        if !self.labels.is_empty() && !source.is_only_recorded() {
            warn_of_unknown(source, &self.model, &self.labels);
        }
    }
}

/// Whether `settings` ask for no detector.
pub(super) fn is_idle(settings: &Settings) -> bool {
    settings.processor.backend == Backend::None
}

/// The number of sources that are analysed, if there is a detector.
pub(super) fn analysed_sources(settings: &Settings) -> usize {
    let sources = settings.sources.values();
    sources.filter(|source| !source.is_only_recorded()).count()
}

/// The lowest thresholds that any source needs.
pub(super) fn thresholds(settings: &Settings) -> Thresholds {
    Thresholds {
        confidence: confidence_floor(
            settings
                .sources
                .values()
                .map(|source| source.analysis.confidence),
            settings.processor.tracking,
        ),
        iou: settings.processor.iou,
    }
}

/// Loads the detector that `settings` ask for. Blocks for seconds.
///
/// # Errors
/// When the model or its backend can't be used.
pub(super) fn open_detector(settings: &Settings) -> Result<LoadedDetector, DetectError> {
    let store = ModelStore::new(settings.models_dirs.clone());
    let request = DetectorRequest::from_settings(&settings.processor, analysed_sources(settings));
    detect::open(&request, &store)
}
