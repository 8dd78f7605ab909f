//! Checks a manifest against the tensors of a graph, and converts between them: pictures to the input, the output to
//! detections. It is the same for all engines.

use super::decode::Decoder;
use super::labels::Labels;
use super::nms::Candidate;
use super::tensor::{OutputTensor, TensorFill, TensorInfo};
use super::{
    DetectError, Detection, Input, InstalledModel, Layout, Output, OutputFormat, Picture,
    Thresholds,
};
use crate::base::Size;

/// A manifest that agrees with a graph. Its buffers are reused for every picture.
pub(super) struct Contract {
    /// The model's id, for messages.
    pub(super) model: String,
    /// The input's size in pixels.
    pub(super) size: Size,
    /// The grey around a frame; none if it is stretched.
    pub(super) padding: Option<u8>,
    /// The input's dimensions for one picture.
    pub(super) dims: [usize; 4],
    /// The index of the graph's input that takes the picture.
    pub(super) input: usize,
    /// The indexes of the graph's outputs that are read, in the decoder's order.
    pub(super) outputs: Vec<usize>,
    labels: Labels,
    fill: TensorFill,
    decoder: Decoder,
    candidates: Vec<Candidate>,
}

impl Contract {
    /// Checks `model`'s manifest against the tensors of a graph.
    ///
    /// # Errors
    /// If the graph does not have the input and output of the manifest, as far as its file states them.
    pub(super) fn new(
        inputs: &[TensorInfo],
        outputs: &[TensorInfo],
        model: &InstalledModel,
        labels: Labels,
    ) -> Result<Self, DetectError> {
        let manifest = &model.manifest;
        let (input, size) = (&manifest.input, manifest.input_size());
        let dims = input_dims(input.layout, size);
        let mismatch = |tensor: String, expected: String, found: String| DetectError::Shape {
            model: model.id.clone(),
            tensor,
            expected,
            found,
        };
        let has_size = manifest.output.format == OutputFormat::Dfine;
        let fed = check_input(inputs, input, dims, has_size, mismatch)?;
        let read = outputs_of(outputs, &manifest.output).map_err(|wanted| {
            let found = names(outputs);
            mismatch("the list of outputs".to_owned(), wanted, found)
        })?;
        let decoder = Decoder::new(&manifest.output, size, labels.len());
        let shapes: Option<Vec<Vec<usize>>> =
            read.iter().map(|index| outputs[*index].shape()).collect();
        if let Some(shapes) = shapes {
            let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            decoder.check(&model.id, &shapes)?;
        }
        Ok(Self {
            model: model.id.clone(),
            labels,
            size,
            padding: input.frame_padding(),
            dims,
            input: fed,
            outputs: read,
            fill: TensorFill::new(input),
            decoder,
            candidates: Vec::new(),
        })
    }

    /// The number of values of one picture in the input.
    pub(super) fn numbers(&self) -> usize {
        self.dims.iter().product()
    }

    /// Writes `picture` into `tensor`, which has [`Contract::numbers`] values.
    ///
    /// # Errors
    /// If the picture does not have the size of the model's input.
    pub(super) fn fill(
        &self,
        picture: &Picture<'_>,
        tensor: &mut [f32],
    ) -> Result<(), DetectError> {
        if picture.rgb.len() != tensor.len() {
            return Err(DetectError::Pixels(format!(
                "model {} takes pictures of {} ({} bytes), got {} of {} bytes",
                self.model,
                self.size,
                tensor.len(),
                picture.letterbox.input,
                picture.rgb.len()
            )));
        }
        self.fill.fill(picture.rgb, tensor);
        Ok(())
    }

    /// The detections in the outputs of one picture, in pixels of the frame, by falling confidence.
    ///
    /// # Errors
    /// If an output does not have the shape of the manifest's format.
    pub(super) fn read(
        &mut self,
        outputs: &[OutputTensor<'_>],
        picture: &Picture<'_>,
        thresholds: Thresholds,
    ) -> Result<Vec<Detection>, DetectError> {
        let shapes: Vec<&[usize]> = outputs.iter().map(|output| output.shape).collect();
        self.decoder.check(&self.model, &shapes)?;
        self.decoder.decode(
            outputs,
            thresholds.confidence,
            thresholds.iou,
            &mut self.candidates,
        );
        let source = picture.letterbox.source;
        let detections = self.candidates.iter().filter_map(|candidate| {
            let bbox = picture.letterbox.to_source(&candidate.bbox).clamped(source);
            let class_name = self.labels.get(candidate.class)?.clone();
            (bbox.area() > 0.0).then_some(Detection {
                class_name,
                confidence: candidate.confidence.min(1.0),
                bbox,
            })
        });
        Ok(detections.collect())
    }
}

/// The indexes of the outputs that are read.
///
/// # Errors
/// The names that are wanted.
fn outputs_of(outputs: &[TensorInfo], wanted: &Output) -> Result<Vec<usize>, String> {
    let named = |name: &str| outputs.iter().position(|tensor| tensor.name == name);
    if wanted.format == OutputFormat::Dfine {
        let names = ["boxes", "scores", "labels"];
        let found: Option<Vec<usize>> = names.iter().map(|name| named(name)).collect();
        return found.ok_or_else(|| names.join(", "));
    }
    let boxes = match &wanted.name {
        Some(name) => named(name),
        None => outputs
            .iter()
            .position(|tensor| Some(&tensor.name) != wanted.scores.as_ref()),
    };
    let of_boxes = wanted.name.as_deref().unwrap_or("one tensor or more");
    match (&wanted.scores, boxes) {
        (None, Some(boxes)) => Ok(vec![boxes]),
        (None, None) => Err(of_boxes.to_owned()),
        (Some(name), boxes) => boxes
            .zip(named(name))
            .map(|(boxes, scores)| vec![boxes, scores])
            .ok_or_else(|| format!("{of_boxes} and {name}")),
    }
}

/// Checks that the graph has one input, that of the manifest, or if it `has_size` one more for the picture's size. Returns
/// its index.
fn check_input(
    inputs: &[TensorInfo],
    input: &Input,
    dims: [usize; 4],
    has_size: bool,
    mismatch: impl Fn(String, String, String) -> DetectError,
) -> Result<usize, DetectError> {
    let is_named =
        |tensor: &TensorInfo| input.name.as_ref().is_none_or(|name| *name == tensor.name);
    let (index, fed) = match inputs {
        [fed] if is_named(fed) => (0, fed),
        [fed, other] if has_size && other.takes_size() && is_named(fed) => (0, fed),
        [other, fed] if has_size && other.takes_size() && is_named(fed) => (1, fed),
        others => {
            return Err(mismatch(
                "the list of inputs".to_owned(),
                input
                    .name
                    .as_ref()
                    .map_or("one tensor".to_owned(), |name| format!("`{name}` alone")),
                names(others),
            ));
        }
    };
    let wanted: Vec<Option<usize>> = dims.iter().copied().map(Some).collect();
    let agrees = |found: &[Option<usize>]| {
        found.len() == 4
            && found
                .iter()
                .zip(dims)
                .all(|(found, wanted)| found.is_none_or(|found| found == wanted))
    };
    if !fed.is_f32 || fed.dims.as_deref().is_some_and(|found| !agrees(found)) {
        return Err(mismatch(
            format!("input `{}`", fed.name),
            format!("{} of f32", described(&Some(wanted))),
            format!("{} of {}", described(&fed.dims), fed.element),
        ));
    }
    Ok(index)
}

/// An input tensor's dimensions for one picture of `size`.
pub(super) fn input_dims(layout: Layout, size: Size) -> [usize; 4] {
    let (width, height) = (size.width as usize, size.height as usize);
    match layout {
        Layout::Nchw => [1, 3, height, width],
        Layout::Nhwc => [1, height, width, 3],
    }
}

/// `1x3x?x?` for a tensor whose dimensions are only partly known.
pub(super) fn described(dims: &Option<Vec<Option<usize>>>) -> String {
    match dims {
        None => "of unknown shape".to_owned(),
        Some(dims) => {
            let dims: Vec<String> = dims
                .iter()
                .map(|dim| dim.map_or("?".to_owned(), |dim| dim.to_string()))
                .collect();
            dims.join("x")
        }
    }
}

/// The tensors' names, for an error.
pub(super) fn names(tensors: &[TensorInfo]) -> String {
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    format!("{} ({})", tensors.len(), names.join(", "))
}
