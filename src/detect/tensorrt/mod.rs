//! NVIDIA TensorRT and TensorRT for RTX, opened at run time: no SDK is needed to build, and each build serves all
//! supported versions.
//!
//! TensorRT has no C interface and changes its C++ one with each major version. `vtable` has the slot numbers by
//! version, and `docs/tensorrt-abi.md` states their source. From bottom to top: `cuda` and `buffers` (memory and
//! streams), `product`, `version`, `vtable`, `compute` and `library` (the installed libraries), `logger`, `object`, `runtime`, `kernels` and `context`
//! (its objects, with owners), `plan`, `infer_request` and `detector` (pictures to detections), `flags`, `cache`, `builder`,
//! `build_command`, `trtexec` and `build` (ONNX files to engines), `report`, `engines` and `smoke` (for the doctor). Only this folder names CUDA and
//! TensorRT.

mod buffers;
mod build;
mod build_command;
mod builder;
mod cache;
mod compute;
mod context;
mod cuda;
mod detector;
mod engines;
mod error;
mod flags;
mod infer_request;
mod kernels;
mod library;
mod logger;
mod object;
mod plan;
mod product;
mod report;
mod runtime;
mod search;
mod smoke;
mod trtexec;
mod version;
mod vtable;

pub use build::{BuiltEngine, build_engine};
pub use builder::{Recipe, build as build_here, options as builder_options};
pub use engines::{EngineReport, EngineVerdict, engines};
pub use error::TensorRtError;
pub use flags::BuildFlags;
pub use product::Product;
pub use report::TensorRtReport;
pub use smoke::{SMOKE_ONNX, SmokeStep, smoke_test};
pub use trtexec::{BUILDER_COMMAND, Progress};

use self::cache::EngineCache;
use self::detector::TensorRtDetector;
use self::library::Libraries;
use super::labels::Labels;
use super::{DetectError, Detector, InstalledModel, Parallelism};

/// Describes the installed product and GPU: `TensorRT 10.3.0 on Orin (…)`. Opens the libraries if they are not open
/// yet.
///
/// # Errors
/// Why the product can't be used here.
pub(super) fn present(product: Product) -> Result<String, TensorRtError> {
    let libraries = Libraries::open(product)?;
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
/// If the tool for it is missing.
pub(super) fn can_build(product: Product) -> Result<(), TensorRtError> {
    trtexec::Tool::find(product).map(drop)
}

/// Whether this machine has what builds engines of one product. Runs it: blocks for a second.
pub fn can_build_engines() -> bool {
    Product::ALL
        .into_iter()
        .any(|product| can_build(product).is_ok())
}

/// The product that a processor uses on this machine, whose GPU it serves; TensorRT if there is none. Opens NVIDIA's libraries:
/// blocks for seconds.
pub fn present_product() -> Product {
    let is_present = |product: &Product| Libraries::open(*product).is_ok();
    let mut all = Product::ALL.into_iter();
    all.find(is_present).unwrap_or(Product::TensorRt)
}

/// Loads the cached engine for `model` and this machine, with one detector or more for it. Blocks for a second or more.
///
/// # Errors
/// If TensorRT, the GPU or such an engine is missing, or if the engine is refused.
pub(super) fn open(
    product: Product,
    model: &InstalledModel,
    labels: Labels,
    parallelism: Parallelism,
) -> Result<Vec<Box<dyn Detector>>, DetectError> {
    open_in(
        (&EngineCache::of_program(), product),
        model,
        labels,
        parallelism,
    )
}

/// As [`open`], with the given cache.
fn open_in(
    (cache, product): (&EngineCache, Product),
    model: &InstalledModel,
    labels: Labels,
    parallelism: Parallelism,
) -> Result<Vec<Box<dyn Detector>>, DetectError> {
    let libraries = Libraries::open(product)?;
    let file = cache.find(model, &libraries)?;
    let bytes = file.read()?;
    let detectors = TensorRtDetector::load(
        &libraries,
        (&file.path, &bytes),
        file.flags.dla,
        model,
        labels,
        parallelism.gpu_lanes(),
    )?;
    let boxed = |detector| Box::new(detector) as Box<dyn Detector>;
    Ok(detectors.into_iter().map(boxed).collect())
}

impl TensorRtError {
    /// Whether the product is not here, or nothing that it could run on.
    pub(super) fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::CudaAbsent { .. } | Self::NoGpu { .. } | Self::LibraryAbsent { .. }
        )
    }

    /// Whether building another engine would help.
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
