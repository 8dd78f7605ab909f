//! ONNX Runtime, Microsoft's engine. Its library is opened at run time; it is about twice as fast as rten. Builds of it with
//! OpenVINO, Intel's engine, run a graph in that instead, if they are asked to.

pub(super) mod library;
pub(super) mod openvino;

use std::borrow::Cow;
use std::path::Path;

use half::f16;
use ort::environment::Environment;
use ort::ep::CPU;
use ort::logging::LogLevel;
use ort::session::{Session, SessionInputValue, builder::GraphOptimizationLevel};
use ort::value::{DynValue, Outlet, TensorElementType, TensorRef, ValueType};

use super::DetectError;
use super::network::{Feed, Network, ReadOutputs};
use super::tensor::{OutputTensor, TensorInfo};
use crate::config::OpenVinoPrecision;
use library::{Build, with_environment};

/// Its name in settings and messages.
pub(super) const NAME: &str = "onnxruntime";

/// What runs the nodes of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    /// ONNX Runtime itself.
    Cpu,
    /// OpenVINO. It runs all nodes: a graph with a node that it does not know is refused.
    OpenVino(OpenVinoPrecision),
}

impl Provider {
    /// Its backend's name in settings and messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => NAME,
            Self::OpenVino(_) => openvino::NAME,
        }
    }

    /// The build of ONNX Runtime that has it.
    fn build(self) -> Build {
        match self {
            Self::Cpu => Build::Plain,
            Self::OpenVino(_) => Build::OpenVino,
        }
    }
}

/// A graph in ONNX Runtime.
pub(super) struct OnnxRuntimeNetwork {
    session: Session,
    provider: Provider,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    /// The element types of all inputs and outputs; none for what is no tensor.
    input_elements: Vec<Option<TensorElementType>>,
    output_elements: Vec<Option<TensorElementType>>,
    /// The picture as 16-bit floats, if its input needs them.
    halves: Vec<f16>,
}

impl OnnxRuntimeNetwork {
    /// Loads the ONNX file at `path`, to be run by `threads` threads of `provider`. Blocks; for OpenVINO up to some seconds.
    ///
    /// # Errors
    /// If the library or the provider is missing, or ONNX Runtime's own error.
    pub(super) fn load(
        path: &Path,
        threads: usize,
        provider: Provider,
    ) -> Result<Self, DetectError> {
        if matches!(provider, Provider::OpenVino(_)) {
            openvino::present()?;
        }
        let environment = with_environment(provider.build(), |open| open.environment.clone())?;
        let session = session(&environment, path, threads, provider);
        let session = session.map_err(|error| DetectError::Load {
            backend: provider.name(),
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        Ok(Self {
            provider,
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
        self.provider.name()
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

fn session(
    environment: &Environment,
    path: &Path,
    threads: usize,
    provider: Provider,
) -> ort::Result<Session> {
    // Spinning threads use a core between two frames. With its arena a lane of yolo12n-640 takes 37 MB for its tensors, and 88 MB without:
    // the allocator of the system does not find room for the large ones between the small ones. A memory pattern takes 26 MB more.
    let builder = Session::builder(environment)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(false)?
        .with_memory_pattern(false)?
        .with_log_level(LogLevel::Warning)?;
    let mut builder = match provider {
        Provider::Cpu => builder
            .with_execution_providers([CPU::default().with_arena_allocator(true).build()])?
            .with_optimization_level(GraphOptimizationLevel::All)?,
        Provider::OpenVino(precision) => openvino::prepared(builder, threads, precision)?,
    };
    builder.commit_from_file(path)
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
