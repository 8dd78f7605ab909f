//! NVIDIA TensorRT, opened at run time: no SDK is needed to build, and one binary serves every board.
//!
//! TensorRT has no C interface and changes its C++ one with each major version; `slots` has the numbers, by version, and
//! `docs/tensorrt-abi.md` says where they come from. From below: `cuda` and `buffers` (memory and streams), `version`,
//! `slots` and `library` (what is here), `logger`, `object`, `runtime` and `context` (its objects, with owners), `plan`, `lane` and `detector`
//! (pictures to detections), `cache`, `trtexec` and `build` (ONNX files to engines), `report`, `engines` and `smoke` (what
//! the doctor asks). The only place that names any of it.

mod buffers;
mod build;
mod cache;
mod context;
mod cuda;
mod detector;
mod engines;
mod error;
mod infer_request;
mod library;
mod logger;
mod object;
mod plan;
mod report;
mod runtime;
mod search;
mod smoke;
mod trtexec;
mod version;
mod vtable;

pub use build::{BuiltEngine, build_engine};
pub use cache::BuildFlags;
pub(super) use detector::NAME;
pub use engines::{EngineReport, EngineVerdict, engines};
pub use error::TensorRtError;
pub use report::TensorRtReport;
pub use smoke::{SMOKE_ONNX, SmokeStep, smoke_test};
pub use trtexec::Progress;

use self::cache::EngineCache;
use self::detector::TensorRtDetector;
use self::library::Libraries;
use super::labels::Labels;
use super::{DetectError, Detector, InstalledModel};

/// What is here, in words: `TensorRT 10.3.0 on Orin (…)`. The libraries are opened, if this was not done yet.
///
/// # Errors
/// Why TensorRT can't be used here.
pub(super) fn present() -> Result<String, TensorRtError> {
    let libraries = Libraries::open()?;
    Ok(format!(
        "TensorRT {} ({}) on {}",
        libraries.version,
        libraries.path.display(),
        libraries.gpu
    ))
}

/// Whether engines can be built here.
///
/// # Errors
/// When the tool for it is not here.
pub(super) fn can_build() -> Result<(), TensorRtError> {
    trtexec::Tool::find().map(drop)
}

/// The engine in the cache that fits `model` and what is here, loaded. Blocks for a second or more.
///
/// # Errors
/// When TensorRT or a GPU is not here, there is no such engine, or it is refused.
pub(super) fn open(
    model: &InstalledModel,
    labels: Labels,
) -> Result<Box<dyn Detector>, DetectError> {
    open_in(&EngineCache::of_program(), model, labels)
}

/// As [`open`], from another cache than the program's.
fn open_in(
    cache: &EngineCache,
    model: &InstalledModel,
    labels: Labels,
) -> Result<Box<dyn Detector>, DetectError> {
    let libraries = Libraries::open()?;
    let file = cache.find(model, &libraries)?;
    let bytes = file.read()?;
    let detector = TensorRtDetector::load(
        &libraries,
        (&file.path, &bytes),
        file.flags.dla,
        model,
        labels,
    )?;
    Ok(Box::new(detector))
}

impl TensorRtError {
    /// Whether another engine would help: then it is worth building.
    pub(super) fn needs_another_engine(&self) -> bool {
        matches!(
            self,
            Self::NoEngine { .. }
                | Self::EngineVersion { .. }
                | Self::EngineGpu { .. }
                | Self::EngineDamaged { .. }
                | Self::Engine { .. }
        )
    }
}
