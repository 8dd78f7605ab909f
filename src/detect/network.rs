//! A neural network as a detector: the seam to the engines, and what is the same whatever engine runs.

use super::decode::Decoder;
use super::labels::Labels;
use super::nms::Candidate;
use super::tensor::TensorFill;
use super::{DetectError, Detection, Detector, InstalledModel, Layout, Picture, Thresholds};
use crate::base::Size;

/// A tensor of a graph, as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorInfo {
    /// Its name.
    pub(super) name: String,
    /// Its element type in the engine's words.
    pub(super) element: String,
    /// Whether that is 32-bit floats; the engine may not know.
    pub(super) is_f32: bool,
    /// Its dimensions, `None` where only a run can tell; no list where not even their number is known.
    pub(super) dims: Option<Vec<Option<usize>>>,
}

/// What reads an output tensor: its dimensions and numbers.
pub(super) type ReadOutput<'a> = dyn FnMut(&[usize], &[f32]) -> Result<(), DetectError> + 'a;

/// A graph loaded by an engine. Owned by one thread.
pub(super) trait Network: Send {
    /// Which engine, as in `--backend`.
    fn backend(&self) -> &'static str;

    /// The graph's inputs.
    fn inputs(&self) -> &[TensorInfo];

    /// The graph's outputs.
    fn outputs(&self) -> &[TensorInfo];

    /// Runs the graph on `input`, which has dimensions `dims`, and shows output number `output` to `read`. Blocks for
    /// the time of the inference.
    ///
    /// # Errors
    /// In the engine's words; or what `read` answers.
    fn run(
        &mut self,
        input: &[f32],
        dims: [usize; 4],
        output: usize,
        read: &mut ReadOutput<'_>,
    ) -> Result<Result<(), DetectError>, String>;
}

/// A network, with what its manifest says of it.
pub(super) struct NetworkDetector {
    network: Box<dyn Network>,
    model: String,
    labels: Labels,
    size: Size,
    padding: u8,
    dims: [usize; 4],
    output: usize,
    fill: TensorFill,
    tensor: Vec<f32>,
    decoder: Decoder,
    candidates: Vec<Candidate>,
}

impl NetworkDetector {
    /// Joins a loaded network to its manifest.
    ///
    /// # Errors
    /// When the graph has not the input and output that the manifest promises, as far as its file tells.
    pub(super) fn new(
        network: Box<dyn Network>,
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
        let fed = match network.inputs() {
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
        let output = match &manifest.output.name {
            Some(name) => network
                .outputs()
                .iter()
                .position(|tensor| tensor.name == *name),
            None => (!network.outputs().is_empty()).then_some(0),
        }
        .ok_or_else(|| {
            let wanted = manifest
                .output
                .name
                .as_deref()
                .unwrap_or("one tensor or more");
            let found = names(network.outputs());
            mismatch("the list of outputs".to_owned(), wanted.to_owned(), found)
        })?;
        let decoder = Decoder::new(manifest.output.format, size, labels.len());
        if let Some(found) = &network.outputs()[output].dims
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
            tensor: vec![0.0; dims.iter().product()],
            decoder,
            candidates: Vec::new(),
            network,
        })
    }

    fn detect_one(
        &mut self,
        picture: &Picture<'_>,
        thresholds: Thresholds,
    ) -> Result<Vec<Detection>, DetectError> {
        if picture.rgb.len() != self.tensor.len() {
            return Err(DetectError::Pixels(format!(
                "model {} takes pictures of {} ({} bytes), got {} of {} bytes",
                self.model,
                self.size,
                self.tensor.len(),
                picture.letterbox.input,
                picture.rgb.len()
            )));
        }
        self.fill.fill(picture.rgb, &mut self.tensor);
        let (decoder, candidates, model) = (&mut self.decoder, &mut self.candidates, &self.model);
        self.network
            .run(
                &self.tensor,
                self.dims,
                self.output,
                &mut |shape, numbers| {
                    decoder.check(model, shape)?;
                    decoder.decode(
                        shape,
                        numbers,
                        thresholds.confidence,
                        thresholds.iou,
                        candidates,
                    );
                    Ok(())
                },
            )
            .map_err(|message| DetectError::Inference {
                backend: self.network.backend(),
                model: self.model.clone(),
                message,
            })??;
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

impl Detector for NetworkDetector {
    fn input_size(&self) -> Size {
        self.size
    }

    fn padding(&self) -> u8 {
        self.padding
    }

    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        pictures
            .iter()
            .map(|picture| self.detect_one(picture, thresholds))
            .collect()
    }
}

/// An input tensor's dimensions for one picture of `size`.
pub(super) fn input_dims(layout: Layout, size: Size) -> [usize; 4] {
    let (width, height) = (size.width as usize, size.height as usize);
    match layout {
        Layout::Nchw => [1, 3, height, width],
        Layout::Nhwc => [1, height, width, 3],
    }
}

/// `1x84x8400`.
pub(super) fn dims(dims: &[usize]) -> String {
    let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
    dims.join("x")
}

/// `1x3x?x?` of a tensor that is not wholly known.
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
