//! Checks a manifest against the tensors of a graph, and converts between them: pictures to the input, the output to
//! detections. It is the same for all engines.

use super::decode::Decoder;
use super::labels::Labels;
use super::nms::Candidate;
use super::tensor::{TensorFill, TensorInfo};
use super::{DetectError, Detection, Input, InstalledModel, Layout, Picture, Thresholds};
use crate::base::Size;

/// A manifest that agrees with a graph. Its buffers are reused for every picture.
pub(super) struct Contract {
    /// The model's id, for messages.
    pub(super) model: String,
    /// The input's size in pixels.
    pub(super) size: Size,
    /// The grey around a frame.
    pub(super) padding: u8,
    /// The input's dimensions for one picture.
    pub(super) dims: [usize; 4],
    /// The index of the graph's output that is read.
    pub(super) output: usize,
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
        check_input(inputs, input, dims, mismatch)?;
        let output = match &manifest.output.name {
            Some(name) => outputs.iter().position(|tensor| tensor.name == *name),
            None => (!outputs.is_empty()).then_some(0),
        }
        .ok_or_else(|| {
            let wanted = manifest
                .output
                .name
                .as_deref()
                .unwrap_or("one tensor or more");
            let found = names(outputs);
            mismatch("the list of outputs".to_owned(), wanted.to_owned(), found)
        })?;
        let decoder = Decoder::new(manifest.output.format, size, labels.len());
        if let Some(found) = &outputs[output].dims
            && let Some(found) = found.iter().copied().collect::<Option<Vec<usize>>>()
        {
            decoder.check(&model.id, &found)?;
        }
        Ok(Self {
            model: model.id.clone(),
            labels,
            size,
            padding: input.padding,
            dims,
            output,
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

    /// The detections in the output of one picture, in pixels of the frame, by falling confidence.
    ///
    /// # Errors
    /// If the output does not have the shape of the manifest's format.
    pub(super) fn read(
        &mut self,
        shape: &[usize],
        numbers: &[f32],
        picture: &Picture<'_>,
        thresholds: Thresholds,
    ) -> Result<Vec<Detection>, DetectError> {
        self.decoder.check(&self.model, shape)?;
        self.decoder.decode(
            shape,
            numbers,
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

/// Checks that the graph has one input, that of the manifest.
fn check_input(
    inputs: &[TensorInfo],
    input: &Input,
    dims: [usize; 4],
    mismatch: impl Fn(String, String, String) -> DetectError,
) -> Result<(), DetectError> {
    let fed = match inputs {
        [fed] if input.name.as_ref().is_none_or(|name| *name == fed.name) => fed,
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
    Ok(())
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
