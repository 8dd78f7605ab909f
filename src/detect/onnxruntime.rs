//! ONNX Runtime, Microsoft's engine. Its library is opened at run time; it is about twice as fast as rten.
//!
//! The crate `ort` looks for its library at the first call and panics if it finds none. Therefore it is opened here
//! first, explicitly, and its absence is an error. There is one library and one environment in a process: the first one
//! that opens stays.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use half::f16;
use ort::environment::Environment;
use ort::ep::CPU;
use ort::logging::LogLevel;
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use super::DetectError;
use super::network::{Network, ReadOutput};
use super::tensor::TensorInfo;
use crate::base;
use crate::base::sync::lock;

/// Its name in settings and messages.
pub(super) const NAME: &str = "onnxruntime";

/// The environment, once it is created.
static ENVIRONMENT: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Opens the library, if it is not open yet, and returns its path.
///
/// # Errors
/// Every file that was tried, with the reason why it was not used.
pub(super) fn open_library() -> Result<PathBuf, DetectError> {
    with_environment(|path, _| path.to_owned())
}

/// A graph in ONNX Runtime.
pub(super) struct OnnxRuntimeNetwork {
    session: Session,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    /// Which tensors have 16-bit floats: the input, and each output.
    half_input: bool,
    half_outputs: Vec<bool>,
    /// The input as 16-bit floats, if it needs them.
    halves: Vec<f16>,
}

impl OnnxRuntimeNetwork {
    /// Loads the ONNX file at `path`, to be run by `threads` threads. Blocks.
    ///
    /// # Errors
    /// If the library is missing, or ONNX Runtime's own error.
    pub(super) fn load(path: &Path, threads: usize) -> Result<Self, DetectError> {
        let environment = with_environment(|_, environment| environment.clone())?;
        let session = session(&environment, path, threads).map_err(|error| DetectError::Load {
            backend: NAME,
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        Ok(Self {
            inputs: session.inputs().iter().map(info).collect(),
            outputs: session.outputs().iter().map(info).collect(),
            half_input: session.inputs().first().is_some_and(is_half),
            half_outputs: session.outputs().iter().map(is_half).collect(),
            halves: Vec::new(),
            session,
        })
    }
}

impl Network for OnnxRuntimeNetwork {
    fn backend(&self) -> &'static str {
        NAME
    }

    fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    fn run(
        &mut self,
        input: &[f32],
        dims: [usize; 4],
        output: usize,
        read: &mut ReadOutput<'_>,
    ) -> Result<Result<(), DetectError>, String> {
        let words = |error: ort::Error| error.to_string();
        let outputs = if self.half_input {
            self.halves.clear();
            self.halves
                .extend(input.iter().map(|number| f16::from_f32(*number)));
            let tensor =
                TensorRef::from_array_view((dims, self.halves.as_slice())).map_err(words)?;
            self.session.run(ort::inputs![tensor])
        } else {
            let tensor = TensorRef::from_array_view((dims, input)).map_err(words)?;
            self.session.run(ort::inputs![tensor])
        }
        .map_err(words)?;
        let value = &outputs[output];
        if self.half_outputs.get(output) == Some(&true) {
            let (shape, halves) = value.try_extract_tensor::<f16>().map_err(words)?;
            let numbers: Vec<f32> = halves.iter().map(|half| half.to_f32()).collect();
            Ok(read(&lengths(shape), &numbers))
        } else {
            let (shape, numbers) = value.try_extract_tensor::<f32>().map_err(words)?;
            Ok(read(&lengths(shape), numbers))
        }
    }
}

fn lengths(shape: &[i64]) -> Vec<usize> {
    let length = |dim: &i64| usize::try_from(*dim).unwrap_or_default();
    shape.iter().map(length).collect()
}

fn is_half(outlet: &Outlet) -> bool {
    matches!(
        outlet.dtype(),
        ValueType::Tensor {
            ty: TensorElementType::Float16,
            ..
        }
    )
}

fn session(environment: &Environment, path: &Path, threads: usize) -> ort::Result<Session> {
    // The arena keeps every buffer that a run ever needed, and spinning threads use a core between two frames: both are
    // for servers that do nothing else.
    Session::builder(environment)?
        .with_execution_providers([CPU::default().with_arena_allocator(false).build()])?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_log_level(LogLevel::Warning)?
        .commit_from_file(path)
}

fn with_environment<T>(take: impl FnOnce(&Path, &Environment) -> T) -> Result<T, DetectError> {
    let mut held = lock(&ENVIRONMENT);
    if held.is_none() {
        *held = Some(open(&candidates())?);
    }
    match &*held {
        Some((path, environment)) => Ok(take(path, environment)),
        None => Err(DetectError::LibraryAbsent { tried: Vec::new() }),
    }
}

/// Possible paths of the library: only the one that the operator names, otherwise the cache and the system.
fn candidates() -> Vec<PathBuf> {
    match std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        Some(path) => vec![path.into()],
        None => vec![
            base::cache_dir().join("onnxruntime/libonnxruntime.so"),
            "libonnxruntime.so".into(),
            "libonnxruntime.so.1".into(),
        ],
    }
}

fn open(candidates: &[PathBuf]) -> Result<(PathBuf, Environment), DetectError> {
    let mut tried = Vec::new();
    for path in candidates {
        let opened = ort::init_from(path)
            .map_err(|error| error.to_string())
            .and_then(|builder| {
                builder
                    .with_name("nvr")
                    .with_telemetry(false)
                    .with_logger(Arc::new(log))
                    .build()
                    .map_err(|error| error.to_string())
            });
        match opened {
            Ok(environment) => {
                environment.set_log_level(LogLevel::Warning);
                tracing::debug!(library = %path.display(), build = ort::info(), "ONNX Runtime is open");
                return Ok((path.clone(), environment));
            }
            Err(reason) => tried.push(format!("{}: {reason}", path.display())),
        }
    }
    Err(DetectError::LibraryAbsent { tried })
}

fn log(level: LogLevel, category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {
            tracing::debug!(category, place, message, "ONNX Runtime says")
        }
        LogLevel::Warning => tracing::warn!(category, place, message, "ONNX Runtime warns"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::error!(category, place, message, "ONNX Runtime failed")
        }
    }
}

fn info(outlet: &Outlet) -> TensorInfo {
    let (element, is_f32, dims) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => (
            ty.to_string(),
            matches!(ty, TensorElementType::Float32 | TensorElementType::Float16),
            Some(shape.iter().map(|dim| usize::try_from(*dim).ok()).collect()),
        ),
        other => (other.to_string(), false, None),
    };
    TensorInfo {
        name: outlet.name().to_owned(),
        element,
        is_f32,
        dims,
    }
}
