//! Turns frames into detections: model manifests, the letterbox, the backends behind [`Detector`], and the worker that
//! serves all sources in turn. Only this room names inference engines.

mod bench;
mod catalogue;
mod class_names;
mod contract;
mod cpu_engine;
mod decode;
mod engine_choice;
mod error;
mod evidence;
mod foreign_file;
mod idle;
mod import;
mod import_manifest;
mod import_noise;
mod import_output;
mod import_queries;
mod import_request;
mod import_tensors;
mod import_trial;
mod inferred;
mod install;
mod installed_model;
mod label_lines;
mod labels;
mod lane;
mod lane_choice;
mod letterbox;
mod manifest;
mod network;
mod nms;
mod onnx_file;
mod onnx_inline;
mod onnxruntime;
mod open;
mod output_layout;
mod parallelism;
mod plausibility;
mod reference;
mod remembered;
mod rten;
mod scripted;
mod staging;
mod store;
mod tensor;
mod tensorrt;
#[cfg(test)]
mod test_frames;
mod types;
mod upgrade;
mod weights;
mod worker;

pub use bench::{Measurement, measure};
pub use catalogue::{Catalogue, CatalogueError, CatalogueModel, UnavailableModel};
pub use decode::Decoder;
pub use error::DetectError;
pub use import::{Imported, import};
pub use import_output::names_classes;
pub use import_request::ImportRequest;
pub use inferred::{Inferred, WorkDone, WorkerStats};
pub use install::{InstallRequest, install};
pub use installed_model::InstalledModel;
pub use label_lines::names as names_in;
pub use labels::{COCO80, Labels, read_labels};
pub use letterbox::{Canvas, Letterboxer};
pub use manifest::{
    Activation, ColorOrder, Custom, Input, KnownLabels, LabelFile, LabelSource, Layout, Manifest,
    ModelFile, Normalize, Output, OutputFormat, Range, Resize,
};
pub use nms::Candidate;
pub use open::{CheckedModel, DetectorRequest, available_backends, open};
pub use parallelism::Parallelism;
pub use reference::REFERENCE_PICTURE;
pub use store::writable as writable_dir;
pub use store::{ModelEntry, ModelSelection, ModelStore, PUBLISHED_DEFAULT, install_dirs};
pub use tensor::{OutputTensor, TensorFill};
pub use tensorrt::{
    BUILDER_COMMAND, BuildFlags, BuiltEngine, EngineReport, EngineVerdict, Product, Progress,
    Recipe, SMOKE_ONNX, SmokeStep, TensorRtError, TensorRtReport, build_engine, build_here,
    builder_options, can_build_engines, engines, present_product, smoke_test,
};
pub use types::{Detection, Detector, PADDING, Picture, Thresholds};
pub use upgrade::{LoadedDetector, Upgrade};
pub use worker::Worker;
