//! Somebody's ONNX file to an installed model: what the file tells is read, the rest is guessed or asked for, the result
//! is tried out before it takes its place.

use std::fs;
use std::path::{Path, PathBuf};

use super::contract::{described, dims, input_dims};
use super::decode::yolox_cells;
use super::manifest::{
    ColorOrder, Input, KnownLabels, LabelSource, Layout, ModelFile, Normalize, Output,
    OutputFormat, Range,
};
use super::network::{Network, NetworkDetector, TensorInfo};
use super::onnxruntime::OnnxRuntimeNetwork;
use super::rten::RtenNetwork;
use super::store::{check_id, sha256_of, writable, write_whole};
use super::{
    COCO80, DetectError, Detector, InstalledModel, Manifest, PADDING, Picture, Thresholds,
};
use crate::base::{Letterbox, Size};

/// What is imported, and what its file does not tell.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// The ONNX file.
    pub file: PathBuf,
    /// The model's new id.
    pub id: String,
    /// Its class names; the file's metadata or, for 80 classes, COCO's where absent.
    pub labels: Option<Vec<String>>,
    /// How its output is boxes; guessed from its shape where absent.
    pub format: Option<OutputFormat>,
    /// What a byte becomes; guessed from the format where absent.
    pub range: Option<Range>,
    /// Order of its channels; guessed from the format where absent.
    pub color_order: Option<ColorOrder>,
    /// The size of its input; only for files that leave it open.
    pub size: Option<Size>,
    /// Under which licence its weights may be used.
    pub license: Option<String>,
    /// Where they come from.
    pub source: Option<String>,
}

/// Reads, tries out and installs `request` in the first of `dirs` that can be written.
///
/// # Errors
/// When the id is taken, the file can't be loaded, or its tensors are none that a manifest can describe: with what was
/// expected and what was found.
pub fn import(request: &ImportRequest, dirs: &[PathBuf]) -> Result<InstalledModel, DetectError> {
    check_id(&request.id)?;
    let dir = writable(dirs)?;
    let place = dir.join(&request.id);
    if place.exists() {
        return Err(refusal(
            request,
            format!(
                "{} is there already; choose another id, or remove it first",
                place.display()
            ),
        ));
    }
    let staging = Staging::make(dir, &request.id)?;
    let graph = staging.0.join("model.onnx");
    fs::copy(&request.file, &graph).map_err(|error| DetectError::Io {
        action: "read",
        path: request.file.clone(),
        error,
        hint: "",
    })?;
    let mut network = load(request, &graph)?;
    let manifest = describe(request, network.as_mut(), &graph)?;
    let problems = manifest.problems();
    if !problems.is_empty() {
        return Err(refusal(request, problems.join("; ")));
    }
    let mut model = InstalledModel {
        id: request.id.clone(),
        manifest_path: staging.0.join("model.toml"),
        weights_dir: staging.0.clone(),
        manifest,
    };
    try_out(network, &model)?;
    let text =
        toml::to_string(&model.manifest).map_err(|error| refusal(request, error.to_string()))?;
    write_whole(&model.manifest_path, text.as_bytes())?;
    fs::rename(&staging.0, &place).map_err(|error| DetectError::Io {
        action: "create",
        path: place.clone(),
        error,
        hint: "",
    })?;
    model.manifest_path = place.join("model.toml");
    model.weights_dir = place;
    Ok(model)
}

/// A directory that is gone when the import fails.
struct Staging(PathBuf);

impl Staging {
    fn make(dir: &Path, id: &str) -> Result<Self, DetectError> {
        let path = dir.join(format!(".import-{id}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| DetectError::Io {
            action: "create",
            path: path.clone(),
            error,
            hint: "",
        })?;
        Ok(Self(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After a success it has moved away.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// By the engine that is always there; by the other one where that lacks an operator.
fn load(request: &ImportRequest, graph: &Path) -> Result<Box<dyn Network>, DetectError> {
    let first = match RtenNetwork::load(graph, 1) {
        Ok(network) => return Ok(Box::new(network)),
        Err(DetectError::Load { message, .. }) => message,
        Err(other) => return Err(other),
    };
    match OnnxRuntimeNetwork::load(graph, 1) {
        Ok(network) => Ok(Box::new(network)),
        Err(DetectError::Load { message, .. }) => Err(refusal(
            request,
            format!("no engine can load it: rten says: {first}; onnxruntime says: {message}"),
        )),
        Err(DetectError::LibraryAbsent { .. }) => Err(refusal(
            request,
            format!("rten can't load it: {first}; onnxruntime might, but its library is not here"),
        )),
        Err(other) => Err(other),
    }
}

fn describe(
    request: &ImportRequest,
    network: &mut dyn Network,
    graph: &Path,
) -> Result<Manifest, DetectError> {
    let (input_name, layout, size) = input_of(request, network.inputs())?;
    let (output_name, shape) = output_of(request, network, layout, size)?;
    let found = dims(&shape);
    let (format, classes) = match (request.format, guess(&shape, size)) {
        (Some(format), _) => (format, classes_of(format, &shape)),
        (None, Some(format)) => (format, classes_of(format, &shape)),
        (None, None) => {
            return Err(refusal(
                request,
                format!(
                    "its output should be 1x(4+classes)xN (yolov8), 1x{}x(5+classes) (yolox at {size}) or 1xNx6 \
                     (end2end), but is {found}; name the format with --output-format if it is one of them all the same",
                    yolox_cells(size)
                ),
            ));
        }
    };
    let labels = labels_of(request, graph, format, classes, &found)?;
    // YOLOX's own exports take bytes as OpenCV reads them; nearly everything else takes 0-1 and red first.
    let (usual_range, usual_order) = match format {
        OutputFormat::Yolox => (Range::Bytes, ColorOrder::Bgr),
        OutputFormat::Yolov8 | OutputFormat::End2end => (Range::Unit, ColorOrder::Rgb),
    };
    Ok(Manifest {
        description: None,
        license: request.license.clone(),
        source: request.source.clone(),
        labels,
        files: vec![ModelFile {
            name: "model.onnx".to_owned(),
            sha256: sha256_of(graph)?,
        }],
        input: Input {
            name: Some(input_name),
            width: size.width,
            height: size.height,
            layout,
            color_order: request.color_order.unwrap_or(usual_order),
            normalize: Normalize::Range(request.range.unwrap_or(usual_range)),
            padding: PADDING,
        },
        output: Output {
            name: Some(output_name),
            format,
        },
    })
}

fn input_of(
    request: &ImportRequest,
    inputs: &[TensorInfo],
) -> Result<(String, Layout, Size), DetectError> {
    let wanted = "one input, 1x3xHxW or 1xHxWx3 of f32";
    let [input] = inputs else {
        let found: Vec<String> = inputs.iter().map(shown).collect();
        return Err(refusal(
            request,
            format!(
                "it should have {wanted}, but has {}: {}",
                inputs.len(),
                found.join(", ")
            ),
        ));
    };
    let unfit = || {
        refusal(
            request,
            format!("it should have {wanted}, but has {}", shown(input)),
        )
    };
    let Some(&[batch, second, third, last]) = input.dims.as_deref() else {
        return Err(unfit());
    };
    let (layout, height, width) = match (second, last) {
        (Some(3), _) => (Layout::Nchw, third, last),
        (_, Some(3)) => (Layout::Nhwc, second, third),
        _ => return Err(unfit()),
    };
    if !input.is_f32 || batch.is_some_and(|batch| batch != 1) {
        return Err(unfit());
    }
    let side = |side: Option<usize>, asked: Option<u32>| match (side, asked) {
        (Some(side), None) => u32::try_from(side).map_err(|_| unfit()),
        (Some(side), Some(asked)) if side == asked as usize => Ok(asked),
        (None, Some(asked)) => Ok(asked),
        (Some(side), Some(asked)) => Err(refusal(
            request,
            format!("its input has a side of {side}, and not of {asked} as --size says"),
        )),
        (None, None) => Err(refusal(
            request,
            format!(
                "its input `{}` leaves its size open; name it with --size WxH",
                shown(input)
            ),
        )),
    };
    let size = Size::new(
        side(width, request.size.map(|size| size.width))?,
        side(height, request.size.map(|size| size.height))?,
    );
    Ok((input.name.clone(), layout, size))
}

/// The first output with three dimensions; a run on zeros tells what the file leaves open.
fn output_of(
    request: &ImportRequest,
    network: &mut dyn Network,
    layout: Layout,
    size: Size,
) -> Result<(String, Vec<usize>), DetectError> {
    let tensors = network.outputs().to_vec();
    let input = input_dims(layout, size);
    let zeros = vec![0.0; input.iter().product()];
    for (index, tensor) in tensors.iter().enumerate() {
        let known = tensor
            .dims
            .as_ref()
            .and_then(|dims| dims.iter().copied().collect());
        let shape: Vec<usize> = match known {
            Some(shape) => shape,
            None => {
                let mut shape = Vec::new();
                network
                    .run(&zeros, input, index, &mut |found, _| {
                        shape = found.to_vec();
                        Ok(())
                    })
                    .map_err(|message| {
                        refusal(
                            request,
                            format!("a run on a black picture failed: {message}"),
                        )
                    })??;
                shape
            }
        };
        if shape.len() == 3 && shape[0] == 1 && tensor.is_f32 {
            return Ok((tensor.name.clone(), shape));
        }
    }
    let found: Vec<String> = tensors.iter().map(shown).collect();
    Err(refusal(
        request,
        format!(
            "it should have an output of three dimensions, the first of them 1, of f32, but has {}",
            found.join(", ")
        ),
    ))
}

/// What a shape is most likely to be.
fn guess(shape: &[usize], size: Size) -> Option<OutputFormat> {
    let cells = yolox_cells(size);
    match *shape {
        // Both YOLOs propose one box a cell: the longer axis tells which one it is.
        [1, boxes, columns] if boxes == cells && columns > 5 => Some(OutputFormat::Yolox),
        [1, rows, boxes] if boxes == cells && rows > 4 => Some(OutputFormat::Yolov8),
        [1, _, 6] => Some(OutputFormat::End2end),
        [1, rows, boxes] if rows > 4 && boxes > rows => Some(OutputFormat::Yolov8),
        _ => None,
    }
}

/// How many classes an output of that shape has; an end-to-end one does not tell.
fn classes_of(format: OutputFormat, shape: &[usize]) -> Option<usize> {
    match format {
        OutputFormat::Yolov8 => shape[1].checked_sub(4),
        OutputFormat::Yolox => shape[2].checked_sub(5),
        OutputFormat::End2end => None,
    }
}

fn labels_of(
    request: &ImportRequest,
    graph: &Path,
    format: OutputFormat,
    classes: Option<usize>,
    found: &str,
) -> Result<LabelSource, DetectError> {
    let (names, whence) = match &request.labels {
        Some(names) => (Some(names.clone()), "--labels names"),
        None => (super::onnx_names::names(graph), "the file names"),
    };
    let is_coco = |names: &[String]| names.iter().map(String::as_str).eq(COCO80);
    match (names, classes) {
        (Some(names), Some(classes)) if names.len() != classes => Err(refusal(
            request,
            format!(
                "{whence} {} classes, but its output, {found} as {format}, has {classes}",
                names.len()
            ),
        )),
        (Some(names), _) if is_coco(&names) => Ok(LabelSource::Known(KnownLabels::Coco80)),
        (Some(names), _) => Ok(LabelSource::Inline(names)),
        (None, Some(80)) => Ok(LabelSource::Known(KnownLabels::Coco80)),
        (None, Some(classes)) => Err(refusal(
            request,
            format!(
                "its output, {found} as {format}, has {classes} classes; name them with --labels"
            ),
        )),
        (None, None) => Err(refusal(
            request,
            format!(
                "its output, {found} as {format}, does not tell its classes; name them with --labels"
            ),
        )),
    }
}

/// One inference of a grey picture: what fails here would fail at the first frame.
fn try_out(network: Box<dyn Network>, model: &InstalledModel) -> Result<(), DetectError> {
    let size = model.manifest.input_size();
    let mut detector = NetworkDetector::new(network, model, model.labels()?)?;
    let grey = vec![PADDING; size.width as usize * size.height as usize * 3];
    let picture = Picture {
        rgb: &grey,
        letterbox: Letterbox::fit(size, size),
    };
    let thresholds = Thresholds {
        confidence: 0.5,
        iou: 0.5,
    };
    detector.detect(&[picture], thresholds).map(|_| ())
}

fn shown(tensor: &TensorInfo) -> String {
    format!(
        "`{}` {} of {}",
        tensor.name,
        described(&tensor.dims),
        tensor.element
    )
}

fn refusal(request: &ImportRequest, reason: String) -> DetectError {
    DetectError::Import {
        path: request.file.clone(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_their_shapes() {
        let at = |side, shape: &[usize]| guess(shape, Size::new(side, side));
        assert_eq!(at(640, &[1, 84, 8400]), Some(OutputFormat::Yolov8));
        assert_eq!(at(320, &[1, 84, 2100]), Some(OutputFormat::Yolov8));
        assert_eq!(at(640, &[1, 6, 8400]), Some(OutputFormat::Yolov8));
        assert_eq!(at(1280, &[1, 84, 34000]), Some(OutputFormat::Yolov8));
        assert_eq!(at(416, &[1, 3549, 85]), Some(OutputFormat::Yolox));
        assert_eq!(at(416, &[1, 3549, 6]), Some(OutputFormat::Yolox));
        assert_eq!(at(640, &[1, 300, 6]), Some(OutputFormat::End2end));
        assert_eq!(at(640, &[1, 25200, 85]), None);
        assert_eq!(at(640, &[1, 1000]), None);
    }
}
