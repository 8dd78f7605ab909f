//! Opens a detector by the settings: selects the model and the engine, and reports which of them is missing.

use std::collections::BTreeMap;
use std::path::Path;

use super::idle::{self, IdleDetector};
use super::lane_choice;
use super::manifest::plain_path;
use super::network::{Network, NetworkDetector};
use super::onnx_file::{ExternalFiles, OnnxFile};
use super::onnxruntime::{self, OnnxRuntimeNetwork};
use super::parallelism::threads_of;
use super::remembered::ChoiceKey;
use super::rten::{self, RtenNetwork};
use super::scripted::{self, ScriptedDetector};
use super::tensorrt::{self, Product};
use super::upgrade::{LoadedDetector, Upgrade, opened};
use super::{DetectError, Detector, InstalledModel, Labels, ModelStore, Parallelism};
use crate::config::{Backend, ModelChoice, ProcessorSettings};

/// The wanted detector.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorRequest {
    /// The model.
    pub model: ModelChoice,
    /// The engine.
    pub backend: Backend,
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
    CheckedModel::find(&wanted.model, store)?.open(wanted.backend, wanted.parallelism)
}

/// A model whose files were read and checked once, to be opened in one or more engines.
pub struct CheckedModel {
    model: InstalledModel,
    labels: Labels,
    external: ExternalFiles,
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
        })
    }

    /// Loads it in `backend`, which is one that runs models. Blocks for seconds.
    ///
    /// # Errors
    /// If the backend is missing, or the graph does not match the manifest.
    pub fn open(
        &self,
        backend: Backend,
        parallelism: Parallelism,
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
        let mut engine = cpu_engine(backend);
        let detectors = match self.lanes(&engine, parallelism) {
            // ONNX Runtime refuses some files that rten reads, and with it such a model was imported.
            Err(reason @ DetectError::Load { .. })
                if backend == Backend::Auto && engine == CpuEngine::OnnxRuntime =>
            {
                engine = CpuEngine::Rten;
                let detectors = self.lanes(&engine, parallelism);
                if detectors.is_err() {
                    return Err(reason);
                }
                tracing::warn!(model = model.id, backend = engine.name(), %reason, "backend chosen: the faster one can't load this model");
                detectors
            }
            other => other,
        }?;
        let follows_sources =
            upgrade.is_none() && parallelism.lanes.is_none() && parallelism.cpu_threads() > 1;
        let mut opened = opened(detectors, model, engine.name(), labels, upgrade);
        opened.follows_sources = follows_sources;
        Ok(opened)
    }

    /// The instances of the network in an engine on the CPU.
    fn lanes(
        &self,
        engine: &CpuEngine,
        parallelism: Parallelism,
    ) -> Result<Vec<Box<dyn Detector>>, DetectError> {
        let load = |threads: usize| -> Result<Box<dyn Detector>, DetectError> {
            let network = engine.load(&self.model.onnx(), &self.external, threads)?;
            let detector = NetworkDetector::new(network, &self.model, self.labels.clone())?;
            Ok(Box::new(detector))
        };
        let threads = parallelism.cpu_threads();
        match parallelism.cpu_lanes() {
            Some(lanes) => threads_of(threads, lanes).into_iter().map(load).collect(),
            None => {
                let key = ChoiceKey {
                    model: format!("{} {}", self.model.id, self.model.network_sha256()?),
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

/// All backends, with `ready` or the reason why they can't be used here.
pub fn available_backends() -> BTreeMap<&'static str, String> {
    let ready = || "ready".to_owned();
    let mut backends = BTreeMap::from([
        (
            onnxruntime::NAME,
            onnxruntime::open_library().map_or_else(|reason| reason.to_string(), |_| ready()),
        ),
        (rten::NAME, ready()),
        ("scripted", ready()),
    ]);
    for product in Product::ALL {
        let told = match tensorrt::present(product) {
            Ok(what) => format!("ready: {what}"),
            Err(reason) => reason.to_string(),
        };
        backends.insert(product.name(), told);
    }
    backends
}

/// An engine that runs networks on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CpuEngine {
    OnnxRuntime,
    Rten,
}

/// The engine that `backend` stands for: `auto` takes the faster one that is here.
fn cpu_engine(backend: Backend) -> CpuEngine {
    match backend {
        Backend::Rten => CpuEngine::Rten,
        Backend::Onnxruntime => CpuEngine::OnnxRuntime,
        _ => match onnxruntime::open_library() {
            Ok(library) => {
                tracing::info!(backend = onnxruntime::NAME, library = %library.display(), "backend chosen");
                CpuEngine::OnnxRuntime
            }
            Err(reason) => {
                tracing::info!(backend = rten::NAME, %reason, "backend chosen: ONNX Runtime, which is twice as fast, is missing");
                CpuEngine::Rten
            }
        },
    }
}

impl CpuEngine {
    fn name(&self) -> &'static str {
        match self {
            Self::OnnxRuntime => onnxruntime::NAME,
            Self::Rten => rten::NAME,
        }
    }

    /// What distinguishes it from another version of it: the library's path, or the program's version.
    fn identity(&self) -> String {
        match self {
            Self::OnnxRuntime => {
                let library = onnxruntime::open_library();
                let library =
                    library.map_or_else(|_| String::new(), |path| path.display().to_string());
                format!("{} {library}", onnxruntime::NAME)
            }
            Self::Rten => format!("{} of nvr {}", rten::NAME, env!("CARGO_PKG_VERSION")),
        }
    }

    fn load(
        &self,
        path: &Path,
        external: &ExternalFiles,
        threads: usize,
    ) -> Result<Box<dyn Network>, DetectError> {
        Ok(match self {
            Self::OnnxRuntime => Box::new(OnnxRuntimeNetwork::load(path, threads)?),
            Self::Rten => Box::new(RtenNetwork::load(path, external, threads)?),
        })
    }
}
