//! ONNX Runtime, Microsoft's engine. Its library is opened at run time; it is about twice as fast as rten.
//!
//! The crate `ort` looks for its library at the first call and panics if it finds none. Therefore it is opened here
//! first, explicitly, and its absence is an error. There is one library and one environment in a process: the first one
//! that opens stays.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use half::f16;
use ort::environment::Environment;
use ort::ep::CPU;
use ort::logging::LogLevel;
use ort::session::{Session, SessionInputValue, builder::GraphOptimizationLevel};
use ort::value::{DynValue, Outlet, TensorElementType, TensorRef, ValueType};

use super::DetectError;
use super::network::{Feed, Network, ReadOutputs};
use super::tensor::{OutputTensor, TensorInfo};
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
    /// The element types of all inputs and outputs; none for what is no tensor.
    input_elements: Vec<Option<TensorElementType>>,
    output_elements: Vec<Option<TensorElementType>>,
    /// The picture as 16-bit floats, if its input needs them.
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
            input_elements: session.inputs().iter().map(element).collect(),
            output_elements: session.outputs().iter().map(element).collect(),
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
        feed: &Feed<'_>,
        wanted: &[usize],
        read: &mut ReadOutputs<'_>,
    ) -> Result<Result<(), DetectError>, String> {
        let words = |error: ort::Error| error.to_string();
        let is_half = |index: usize| {
            self.input_elements.get(index) == Some(&Some(TensorElementType::Float16))
        };
        let picture: SessionInputValue<'_> = if is_half(feed.input) {
            self.halves.clear();
            let halves = feed.picture.iter().map(|number| f16::from_f32(*number));
            self.halves.extend(halves);
            TensorRef::from_array_view((feed.dims, self.halves.as_slice()))
                .map_err(words)?
                .into()
        } else {
            TensorRef::from_array_view((feed.dims, feed.picture))
                .map_err(words)?
                .into()
        };
        let outputs = if self.inputs.len() == 1 {
            self.session.run([picture])
        } else {
            let (wide, narrow) = (feed.sides(), feed.sides_in_32_bits());
            let mut values = vec![(self.inputs[feed.input].name.as_str(), picture)];
            for (index, input) in self.inputs.iter().enumerate() {
                if index == feed.input {
                    continue;
                }
                let size: SessionInputValue<'_> =
                    if self.input_elements[index] == Some(TensorElementType::Int32) {
                        TensorRef::from_array_view(([1usize, 2], &narrow[..]))
                            .map_err(words)?
                            .into()
                    } else {
                        TensorRef::from_array_view(([1usize, 2], &wide[..]))
                            .map_err(words)?
                            .into()
                    };
                values.push((input.name.as_str(), size));
            }
            self.session.run(values)
        }
        .map_err(words)?;
        let extracted: Vec<(Vec<usize>, Cow<'_, [f32]>)> = wanted
            .iter()
            .map(|index| extracted(&outputs[*index], self.output_elements[*index]))
            .collect::<Result<_, _>>()
            .map_err(words)?;
        let tensors: Vec<OutputTensor<'_>> = extracted
            .iter()
            .map(|(shape, numbers)| OutputTensor { shape, numbers })
            .collect();
        Ok(read(&tensors))
    }
}

/// Dimensions and numbers of an output.
fn extracted(
    value: &DynValue,
    element: Option<TensorElementType>,
) -> ort::Result<(Vec<usize>, Cow<'_, [f32]>)> {
    fn converted<T: Copy>(
        (shape, numbers): (&[i64], &[T]),
        convert: impl Fn(T) -> f32,
    ) -> (Vec<usize>, Cow<'static, [f32]>) {
        let numbers = numbers.iter().map(|number| convert(*number)).collect();
        (lengths(shape), Cow::Owned(numbers))
    }
    Ok(match element {
        Some(TensorElementType::Float16) => {
            let (shape, halves) = value.try_extract_tensor::<f16>()?;
            converted((shape, halves), f16::to_f32)
        }
        Some(TensorElementType::Int64) => {
            let (shape, numbers) = value.try_extract_tensor::<i64>()?;
            converted((shape, numbers), |number| number as f32)
        }
        Some(TensorElementType::Int32) => {
            let (shape, numbers) = value.try_extract_tensor::<i32>()?;
            converted((shape, numbers), |number| number as f32)
        }
        _ => {
            let (shape, numbers) = value.try_extract_tensor::<f32>()?;
            (lengths(shape), Cow::Borrowed(numbers))
        }
    })
}

fn lengths(shape: &[i64]) -> Vec<usize> {
    let length = |dim: &i64| usize::try_from(*dim).unwrap_or_default();
    shape.iter().map(length).collect()
}

fn element(outlet: &Outlet) -> Option<TensorElementType> {
    match outlet.dtype() {
        ValueType::Tensor { ty, .. } => Some(*ty),
        _ => None,
    }
}

fn session(environment: &Environment, path: &Path, threads: usize) -> ort::Result<Session> {
    // With its arena a lane of yolo12n-640 takes 37 MB for its tensors, and 88 MB without: the allocator of the system does not find
    // room for the large ones between the small ones. A memory pattern takes 26 MB more. Spinning threads use a core between two frames.
    Session::builder(environment)?
        .with_execution_providers([CPU::default().with_arena_allocator(true).build()])?
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
    let (name, dims) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => (
            ty.to_string(),
            Some(shape.iter().map(|dim| usize::try_from(*dim).ok()).collect()),
        ),
        other => (other.to_string(), None),
    };
    let element = element(outlet);
    TensorInfo {
        name: outlet.name().to_owned(),
        element: name,
        is_f32: matches!(
            element,
            Some(TensorElementType::Float32 | TensorElementType::Float16)
        ),
        is_integer: matches!(
            element,
            Some(TensorElementType::Int64 | TensorElementType::Int32)
        ),
        dims,
    }
}
