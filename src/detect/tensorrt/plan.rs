//! The tensors of an engine for one model: which is the input, which is read, and how many pictures a run takes.

use std::ffi::CString;

use super::super::contract::{Contract, described, names};
use super::super::labels::Labels;
use super::super::tensor::TensorInfo;
use super::super::{DetectError, InstalledModel};
use super::object::Dims;
use super::runtime::{Engine, Tensor};

/// Maximum number of pictures per run: a larger batch adds more latency than throughput.
pub(super) const MOST_PICTURES: usize = 8;

/// Element types of the input and the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
}

/// A tensor, as an inference request uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// Its name.
    pub(super) name: CString,
    /// Its dimensions for one picture.
    pub(super) dims: Vec<usize>,
    /// Bytes of one picture.
    pub(super) bytes: usize,
}

/// How an engine is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The input.
    pub(super) input: Port,
    /// Its element type.
    pub(super) input_element: ElementType,
    /// All outputs: each needs memory.
    pub(super) outputs: Vec<Port>,
    /// The outputs that are read: their indexes and element types.
    pub(super) reads: Vec<(usize, ElementType)>,
    /// Minimum number of pictures per run: with fewer, the rest of the input has old values.
    pub(super) least: usize,
    /// Maximum number of pictures per run.
    pub(super) most: usize,
    /// Whether the context must be told the number.
    pub(super) dynamic: bool,
}

impl ElementType {
    /// Bytes per value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    fn of(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::F32),
            1 => Some(Self::F16),
            _ => None,
        }
    }
}

impl Plan {
    /// Checks the engine's tensors against the model's manifest.
    ///
    /// # Errors
    /// If names, shapes or types do not match the manifest.
    pub(super) fn new(
        engine: &Engine,
        model: &InstalledModel,
        labels: Labels,
    ) -> Result<(Self, Contract), DetectError> {
        let tensors = engine.tensors()?;
        let limits = |input: &Tensor| engine.limits(&input.name);
        Self::of(tensors, limits, model, labels)
    }

    fn of(
        tensors: Vec<Tensor>,
        limits: impl Fn(&Tensor) -> (Dims, Dims),
        model: &InstalledModel,
        labels: Labels,
    ) -> Result<(Self, Contract), DetectError> {
        let (inputs, outputs): (Vec<_>, Vec<_>) =
            tensors.into_iter().partition(|tensor| tensor.is_input);
        // The first axis is the batch, in the input and in all tensors that depend on it.
        let batch = inputs.first().and_then(|input| input.dims.first().copied());
        let infos = |tensors: &[Tensor]| -> Vec<_> {
            tensors.iter().map(|tensor| info(tensor, batch)).collect()
        };
        let (input_infos, output_infos) = (infos(&inputs), infos(&outputs));
        let contract = Contract::new(&input_infos, &output_infos, model, labels)?;
        if inputs.len() > 1 {
            return Err(DetectError::Shape {
                model: model.id.clone(),
                tensor: "the list of inputs".to_owned(),
                expected: "one tensor for TensorRT; run this model with onnxruntime or rten"
                    .to_owned(),
                found: names(&input_infos),
            });
        }
        let mismatch = |tensor: &Tensor, expected: &str, found: String| DetectError::Shape {
            model: model.id.clone(),
            tensor: format!("output `{}`", tensor.name.to_string_lossy()),
            expected: expected.to_owned(),
            found,
        };
        let ports: Result<Vec<Port>, DetectError> = outputs
            .iter()
            .zip(&output_infos)
            .map(|(tensor, info)| {
                let dims = info.dims.clone().unwrap_or_default();
                let known: Option<Vec<usize>> = dims.into_iter().collect();
                let known = known
                    .ok_or_else(|| mismatch(tensor, "of a known shape", described(&info.dims)))?;
                Ok(port(tensor, known))
            })
            .collect();
        let reads = contract.outputs.iter().map(|read| {
            let element = ElementType::of(outputs[*read].element).ok_or_else(|| {
                let found = &output_infos[*read];
                mismatch(
                    &outputs[*read],
                    "of f32 or f16",
                    format!("{} of {}", described(&found.dims), found.element),
                )
            })?;
            Ok((*read, element))
        });
        let reads = reads.collect::<Result<Vec<_>, DetectError>>()?;
        let input = &inputs[0];
        let input_element =
            ElementType::of(input.element).expect("invariant: the contract took its type");
        let (least, most) = pictures_per_run(batch, || limits(input));
        let plan = Self {
            input: port(input, contract.dims.to_vec()),
            input_element,
            outputs: ports?,
            reads,
            least,
            most,
            dynamic: input.dims.contains(&-1),
        };
        Ok((plan, contract))
    }
}

/// The minimum and maximum number of pictures per run: the batch, or the limits of an engine whose batch is variable.
fn pictures_per_run(batch: Option<i64>, limits: impl FnOnce() -> (Dims, Dims)) -> (usize, usize) {
    let (least, most) = match batch {
        Some(fixed @ 1..) => (fixed, fixed),
        _ => {
            let (smallest, largest) = limits();
            let first = |dims: &Dims| dims.first().copied().unwrap_or(1);
            (first(&smallest), first(&largest))
        }
    };
    let count = |number: i64| usize::try_from(number).unwrap_or(1).max(1);
    let least = count(least);
    (least, count(most).min(MOST_PICTURES.max(least)))
}

fn port(tensor: &Tensor, dims: Vec<usize>) -> Port {
    Port {
        name: tensor.name.clone(),
        bytes: dims.iter().product::<usize>() * element_bytes(tensor.element),
        dims,
    }
}

/// The dimensions for one picture: the batch axis is 1.
fn info(tensor: &Tensor, batch: Option<i64>) -> TensorInfo {
    let dims = tensor.dims.iter().enumerate().map(|(axis, dim)| {
        if axis == 0 && Some(*dim) == batch {
            Some(1)
        } else {
            usize::try_from(*dim).ok()
        }
    });
    TensorInfo {
        name: tensor.name.to_string_lossy().into_owned(),
        element: element_name(tensor.element),
        is_f32: ElementType::of(tensor.element).is_some(),
        is_integer: INTEGERS.contains(&tensor.element),
        dims: Some(dims.collect()),
    }
}

/// `DataType` of `NvInferRuntimeBase.h`.
const ELEMENTS: [(&str, usize); 10] = [
    ("f32", 4),
    ("f16", 2),
    ("i8", 1),
    ("i32", 4),
    ("bool", 1),
    ("u8", 1),
    ("f8", 1),
    ("bf16", 2),
    ("i64", 8),
    ("i4", 1),
];

/// The numbers of `i32` and `i64`.
const INTEGERS: [i32; 2] = [3, 8];

fn element_name(number: i32) -> String {
    let known = usize::try_from(number).ok().and_then(|at| ELEMENTS.get(at));
    known.map_or_else(|| format!("type {number}"), |(name, _)| (*name).to_owned())
}

/// Sufficient for one value, also of later types.
fn element_bytes(number: i32) -> usize {
    let known = usize::try_from(number).ok().and_then(|at| ELEMENTS.get(at));
    known.map_or(8, |(_, bytes)| *bytes)
}
