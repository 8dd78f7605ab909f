//! Opens a detector by the settings: selects the model and the engine, and reports which of them is missing.

use std::collections::BTreeMap;

use super::cpu_engine::CpuEngine;
use super::engine_choice::{self, Candidates};
use super::idle::{self, IdleDetector};
use super::lane_choice;
use super::manifest::plain_path;
use super::network::NetworkDetector;
use super::onnx_file::{ExternalFiles, OnnxFile};
use super::onnxruntime::library::{Build, open_library};
use super::onnxruntime::{self, openvino};
use super::parallelism::threads_of;
use super::remembered::ChoiceKey;
use super::rten::{self, SharedModel};
use super::scripted::{self, ScriptedDetector};
use super::tensorrt::{self, Product};
use super::upgrade::{LoadedDetector, Upgrade, opened};
use super::{DetectError, Detector, InstalledModel, Labels, ModelStore, Parallelism};
use crate::config::{Backend, ModelChoice, OpenVinoPrecision, ProcessorSettings};

/// The wanted detector.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorRequest {
    /// The model.
    pub model: ModelChoice,
    /// The engine.
    pub backend: Backend,
    /// The precision in which the backend `openvino` computes.
    pub openvino_precision: OpenVinoPrecision,
    /// The engine's threads and lanes.
    pub parallelism: Parallelism,
    /// The time that the `scripted` backend takes for a frame.
    pub scripted_delay: std::time::Duration,
}

impl DetectorRequest {
    /// The detector that a processor's settings ask for, for so many sources.
    pub fn from_settings(settings: &ProcessorSettings, sources: usize) -> Self {
        Self {
            model: settings.model.clone(),
            backend: settings.backend,
            openvino_precision: settings.openvino_precision,
            parallelism: Parallelism {
                threads: settings.threads,
                lanes: settings.lanes,
                has_many_sources: sources > 1,
            },
            scripted_delay: settings.scripted_delay,
        }
    }
}

impl LoadedDetector {
    /// Whether it is none at all, and needs no pictures.
    pub fn is_absent(&self) -> bool {
        self.backend == idle::NAME
    }
}

/// Finds the model, checks its files, and loads it. Blocks for seconds; call it while the current detector continues to
/// work.
///
/// # Errors
/// If the model or the backend is missing, a file is damaged, or the graph does not match the manifest.
pub fn open(wanted: &DetectorRequest, store: &ModelStore) -> Result<LoadedDetector, DetectError> {
    if wanted.backend == Backend::None {
        return Ok(LoadedDetector {
            labels: IdleDetector::labels(),
            detector: Box::new(IdleDetector),
            more: Vec::new(),
            model_id: idle::NAME.into(),
            backend: idle::NAME,
            upgrade: None,
            follows_sources: false,
        });
    }
    if wanted.backend == Backend::Scripted {
        let detector = ScriptedDetector::new(wanted.scripted_delay);
        let lanes = wanted.parallelism.lanes.unwrap_or(1);
        let another =
            || Box::new(ScriptedDetector::new(wanted.scripted_delay)) as Box<dyn Detector>;
        return Ok(LoadedDetector {
            labels: detector.labels(),
            detector: Box::new(detector),
            more: std::iter::repeat_with(another)
                .take(lanes.saturating_sub(1))
                .collect(),
            model_id: scripted::NAME.into(),
            backend: scripted::NAME,
            upgrade: None,
            follows_sources: false,
        });
    }
    CheckedModel::find(&wanted.model, store)?.open(
        wanted.backend,
        wanted.parallelism,
        wanted.openvino_precision,
    )
}

/// A model whose files were read and checked once, to be opened in one or more engines.
pub struct CheckedModel {
    model: InstalledModel,
    labels: Labels,
    external: ExternalFiles,
    /// For the lanes of rten.
    shared: SharedModel,
}

impl CheckedModel {
    /// Finds the model and checks its files. Blocks for as long as reading them takes.
    ///
    /// # Errors
    /// If the model is missing or a file is damaged.
    pub fn find(wanted: &ModelChoice, store: &ModelStore) -> Result<Self, DetectError> {
        let model = store.choose(wanted)?.model;
        model.verify()?;
        let external = OnnxFile::read(&model.onnx())
            .map(|file| file.external)
            .unwrap_or_default();
        warn_unlisted(&model, &external);
        Ok(Self {
            labels: model.labels()?,
            model,
            external,
            shared: SharedModel::default(),
        })
    }

    /// Loads it in `backend`, which is one that runs models; `precision` is that of OpenVINO. Blocks for seconds.
    ///
    /// # Errors
    /// If the backend is missing, or the graph does not match the manifest.
    pub fn open(
        &self,
        backend: Backend,
        parallelism: Parallelism,
        precision: OpenVinoPrecision,
    ) -> Result<LoadedDetector, DetectError> {
        let (model, labels) = (&self.model, self.labels.clone());
        let mut upgrade = None;
        for product in products(backend) {
            match tensorrt::open(product, model, labels.clone(), parallelism) {
                Ok(detectors) => return Ok(opened(detectors, model, product.name(), labels, None)),
                Err(reason) => {
                    upgrade = without_tensorrt(backend, product, model, parallelism, reason)?;
                }
            }
            if upgrade.is_some() {
                break;
            }
        }
        let candidates = self.candidates(backend, parallelism, precision)?;
        let (engine, detectors) = self.first_that_loads(candidates, parallelism)?;
        let follows_sources =
            upgrade.is_none() && parallelism.lanes.is_none() && parallelism.cpu_threads() > 1;
        let mut opened = opened(detectors, model, engine.name(), labels, upgrade);
        opened.follows_sources = follows_sources;
        Ok(opened)
    }

    /// The engines on the CPU that `backend` stands for, in the order in which they are tried.
    fn candidates(
        &self,
        backend: Backend,
        parallelism: Parallelism,
        precision: OpenVinoPrecision,
    ) -> Result<Candidates, DetectError> {
        let engine = match backend {
            Backend::Openvino => CpuEngine::OpenVino(precision),
            Backend::Onnxruntime => CpuEngine::OnnxRuntime,
            Backend::Rten => CpuEngine::Rten,
            _ => {
                let load = |engine, threads| self.load(engine, threads);
                let model = self.key()?;
                return engine_choice::candidates(model, parallelism, precision, load);
            }
        };
        Ok(Candidates::of(vec![engine]))
    }

    /// The first one of the engines that loads the model. Each of them refuses some files that the others read.
    fn first_that_loads(
        &self,
        candidates: Candidates,
        parallelism: Parallelism,
    ) -> Result<(CpuEngine, Vec<Box<dyn Detector>>), DetectError> {
        let mut refusals = candidates.refusals;
        let last = candidates.engines.len().saturating_sub(1);
        for (place, engine) in candidates.engines.into_iter().enumerate() {
            match self.lanes(engine, parallelism) {
                Ok(detectors) => {
                    for reason in refusals {
                        tracing::warn!(model = self.model.id, backend = engine.name(), %reason, "backend chosen: the faster one can't load this model");
                    }
                    return Ok((engine, detectors));
                }
                Err(reason @ DetectError::Load { .. }) if place < last => refusals.push(reason),
                Err(reason) => return Err(refusals.pop().unwrap_or(reason)),
            }
        }
        Err(refusals
            .pop()
            .unwrap_or(DetectError::LibraryAbsent { tried: Vec::new() }))
    }

    /// What distinguishes the network from others.
    fn key(&self) -> Result<String, DetectError> {
        Ok(format!(
            "{} {}",
            self.model.id,
            self.model.network_sha256()?
        ))
    }

    /// The network in an engine on the CPU.
    fn load(&self, engine: CpuEngine, threads: usize) -> Result<Box<dyn Detector>, DetectError> {
        let network = engine.load(&self.model.onnx(), &self.external, threads, &self.shared)?;
        let detector = NetworkDetector::new(network, &self.model, self.labels.clone())?;
        Ok(Box::new(detector))
    }

    /// The instances of the network in an engine on the CPU.
    fn lanes(
        &self,
        engine: CpuEngine,
        parallelism: Parallelism,
    ) -> Result<Vec<Box<dyn Detector>>, DetectError> {
        let load = |threads| self.load(engine, threads);
        let threads = parallelism.cpu_threads();
        match parallelism.cpu_lanes() {
            Some(lanes) => threads_of(threads, lanes).into_iter().map(load).collect(),
            None => {
                let key = ChoiceKey {
                    model: self.key()?,
                    engine: engine.identity(),
                    threads,
                };
                lane_choice::choose(&key, self.model.bytes(), load)
            }
        }
    }
}

/// Reports weight files that the manifest does not list: they are not checked, and their absence is noticed only when
/// the model is loaded.
fn warn_unlisted(model: &InstalledModel, external: &ExternalFiles) {
    let is_listed = |location: &str| {
        let listed = &model.manifest.files;
        plain_path(location).is_some_and(|name| listed.iter().any(|file| file.name == name))
    };
    let unlisted: Vec<&String> = external
        .keys()
        .filter(|location| !is_listed(location))
        .collect();
    if !unlisted.is_empty() {
        tracing::warn!(
            model = model.id,
            ?unlisted,
            manifest = %model.manifest_path.display(),
            "weights are in files that the manifest does not list and are not checked; add them to its files"
        );
    }
}

/// The products of NVIDIA's that `backend` tries, in this order.
fn products(backend: Backend) -> Vec<Product> {
    match backend {
        Backend::Auto => Product::ALL.to_vec(),
        _ => Product::of_backend(backend).into_iter().collect(),
    }
}

/// Handles a failure of TensorRT: an engine is built meanwhile, or the failure is reported and another backend is used.
fn without_tensorrt(
    backend: Backend,
    product: Product,
    model: &InstalledModel,
    parallelism: Parallelism,
    reason: DetectError,
) -> Result<Option<Upgrade>, DetectError> {
    match Upgrade::after(product, model, parallelism, &reason) {
        Some(upgrade) => {
            tracing::info!(%reason, "an engine must be built; another backend runs the model until it is ready");
            Ok(Some(upgrade))
        }
        None if backend != Backend::Auto => Err(reason),
        None => {
            // Where there is nothing of NVIDIA's, one line says so.
            let is_absence =
                matches!(&reason, DetectError::TensorRt(reason) if reason.is_absence());
            if product == Product::TensorRt || !is_absence {
                tracing::info!(%reason, "{product} is not used");
            }
            Ok(None)
        }
    }
}

/// All backends, with `ready` or the reason why they can't be used here. OpenVINO is for x86-64; elsewhere it is named only if it is
/// here.
pub fn available_backends() -> BTreeMap<&'static str, String> {
    let ready = || "ready".to_owned();
    // First, because a process has one build of ONNX Runtime: that with OpenVINO can do the work of the other one.
    let openvino = openvino::present().map(|present| {
        let version = present.version.unwrap_or_default();
        format!("ready: OpenVINO {version} in {}", present.library)
    });
    let mut backends = BTreeMap::from([
        (
            onnxruntime::NAME,
            open_library(Build::Plain).map_or_else(|reason| reason.to_string(), |_| ready()),
        ),
        (rten::NAME, ready()),
        ("scripted", ready()),
    ]);
    if openvino.is_ok() || cfg!(target_arch = "x86_64") {
        let told = openvino.unwrap_or_else(|reason| reason.to_string());
        backends.insert(openvino::NAME, told);
    }
    for product in Product::ALL {
        let told = match tensorrt::present(product) {
            Ok(what) => format!("ready: {what}"),
            Err(reason) => reason.to_string(),
        };
        backends.insert(product.name(), told);
    }
    backends
}
