//! Makes the manifest of a network that is being imported. The built-in picture decides between the possible readings of its
//! tensors; where it has none of the model's classes, the metadata and a run on noise must leave no doubt.

use super::import_output::{Names, Tensors, names_of};
use super::import_queries::Together;
use super::import_request::ImportRequest;
use super::import_tensors::{PictureInput, known_outputs, picture_input, shown, whole_output};
use super::import_trial::{Judged, best, judge};
use super::manifest::{
    ColorOrder, Input, LabelSource, Manifest, ModelFile, Normalize, Output, OutputFormat, Range,
    Resize,
};
use super::network::Network;
use super::onnx_file::OnnxFile;
use super::output_layout::other_task;
use super::{DetectError, PADDING};

/// The usual conversions of a byte, the one of the format first; only the one that the options state, if they do.
fn ranges(format: OutputFormat, said: Option<Range>) -> Vec<Range> {
    if let Some(said) = said {
        return vec![said];
    }
    // YOLOX's own exports take bytes; DETR and RF-DETR take the statistics of ImageNet; most others take 0-1.
    match format {
        OutputFormat::Yolox => vec![Range::Bytes, Range::Unit, Range::ImageNet],
        OutputFormat::Detr => vec![Range::ImageNet, Range::Unit, Range::Bytes],
        _ => vec![Range::Unit, Range::Bytes, Range::ImageNet],
    }
}

/// Makes manifests of what an import found.
struct Describer<'a> {
    request: &'a ImportRequest,
    files: Vec<ModelFile>,
    input: PictureInput,
}

impl Describer<'_> {
    fn manifest(&self, output: Output, labels: LabelSource, range: Range) -> Manifest {
        // Networks of queries are trained on stretched pictures.
        let usual_resize = match output.format {
            OutputFormat::Detr | OutputFormat::Dfine => Resize::Stretch,
            _ => Resize::Letterbox,
        };
        // YOLOX's own exports take bytes in the order of OpenCV, also those with `decode_in_inference`. The built-in picture
        // does not tell: networks find nearly as much with red and blue exchanged.
        let usual_order = match (output.format, range) {
            (OutputFormat::Yolox, _) | (OutputFormat::Yolov5, Range::Bytes) => ColorOrder::Bgr,
            _ => ColorOrder::Rgb,
        };
        Manifest {
            description: None,
            license: self.request.license.clone(),
            source: self.request.source.clone(),
            labels,
            files: self.files.clone(),
            input: Input {
                name: Some(self.input.name.clone()),
                width: self.input.size.width,
                height: self.input.size.height,
                layout: self.input.layout,
                color_order: self.request.color_order.unwrap_or(usual_order),
                normalize: Normalize::Range(range),
                resize: self.request.resize.unwrap_or(usual_resize),
                padding: PADDING,
            },
            output,
        }
    }

    /// All manifests of these readings, the usual input of each first.
    fn all(&self, readings: &[(Output, LabelSource)]) -> Vec<Manifest> {
        let all = readings.iter().flat_map(|(output, labels)| {
            let ranges = ranges(output.format, self.request.range);
            ranges
                .into_iter()
                .map(|range| self.manifest(output.clone(), labels.clone(), range))
        });
        all.collect()
    }
}

/// The manifest, and the reason for its reading of the tensors.
///
/// # Errors
/// If the tensors can't be described, or their reading is in doubt.
pub(super) fn describe(
    request: &ImportRequest,
    network: &mut dyn Network,
    file: &Result<OnnxFile, String>,
    files: Vec<ModelFile>,
) -> Result<(Manifest, String), DetectError> {
    let refuse = |reason: String| request.refusal(reason);
    let input = picture_input(request, network.inputs()).map_err(refuse)?;
    if let Some(reason) = file.as_ref().ok().and_then(other_task) {
        return Err(refuse(reason));
    }
    let outputs = known_outputs(network, &input).map_err(refuse)?;
    let names = names_of(request, file).map_err(refuse)?;
    let describer = Describer {
        request,
        files,
        input,
    };
    let together = Together::of(&outputs);
    let together =
        together.filter(|together| request.format.is_none_or(|said| said == together.format()));
    if let Some(together) = together {
        return of_several(&describer, network, &together, names.as_ref());
    }
    let Some(output) = whole_output(&outputs) else {
        let found: Vec<String> = network.outputs().iter().map(shown).collect();
        return Err(refuse(format!(
            "it should have an output of three dimensions, the first of them 1, of f32, but has {}",
            found.join(", ")
        )));
    };
    let tensors = Tensors {
        input: describer.input.clone(),
        output: output.index,
        shape: output.shape.clone(),
    };
    let name = output.name.clone();
    of_one(
        &describer,
        network,
        file.as_ref().ok(),
        (&tensors, name),
        names,
    )
}

/// Of a network whose boxes and scores are different outputs.
fn of_several(
    describer: &Describer<'_>,
    network: &mut dyn Network,
    together: &Together,
    names: Option<&Names>,
) -> Result<(Manifest, String), DetectError> {
    let request = describer.request;
    let refuse = |reason: String| request.refusal(reason);
    let readings = together
        .readings(request, network, &describer.input, names)
        .map_err(refuse)?;
    let judged = judge(network, &request.id, describer.all(&readings))?;
    if let Some(best) = best(&judged) {
        return Ok((best.manifest.clone(), found_by(best)));
    }
    let format = together.format();
    // An input that is converted wrongly shows nowhere but in what is found.
    let is_said = request.format == Some(format) && request.range.is_some();
    let is_known = is_said || (format == OutputFormat::Dfine && judged.is_empty());
    match &readings[..] {
        [(output, labels)] if is_known => {
            let range = ranges(format, request.range)[0];
            let manifest = describer.manifest(output.clone(), labels.clone(), range);
            Ok((
                manifest,
                untested(format, "its outputs belong to it", &judged),
            ))
        }
        _ => Err(refuse(format!(
            "its outputs are those of {format}, and {}; if you know its input and its scores, say --output-format {format} \
             --normalise 0-1, 0-255 or imagenet, and --activation sigmoid or softmax",
            undecided(&judged)
        ))),
    }
}

/// Of a network with one output that has everything.
fn of_one(
    describer: &Describer<'_>,
    network: &mut dyn Network,
    file: Option<&OnnxFile>,
    (tensors, name): (&Tensors, String),
    names: Option<Names>,
) -> Result<(Manifest, String), DetectError> {
    let request = describer.request;
    let refuse = |reason: String| request.refusal(reason);
    let candidates = match request.format {
        Some(said) => {
            tensors.check(said).map_err(refuse)?;
            None
        }
        None => Some(tensors.candidates(file, names.as_ref()).map_err(refuse)?),
    };
    let formats = match (&candidates, request.format) {
        (Some(candidates), _) => candidates.formats(),
        (None, said) => said.into_iter().collect(),
    };
    let output = |format: OutputFormat| Output {
        name: Some(name.clone()),
        activation: request.activation,
        ..format.into()
    };
    let readings: Vec<(Output, LabelSource)> = formats
        .iter()
        .filter_map(|format| {
            let labels = tensors.labels(*format, names.clone()).ok()?;
            Some((output(*format), labels))
        })
        .collect();
    let judged = judge(network, &request.id, describer.all(&readings))?;
    if let Some(best) = best(&judged) {
        return Ok((best.manifest.clone(), found_by(best)));
    }
    let (format, reason) = match (&candidates, request.format) {
        (Some(candidates), _) => {
            let (format, reason) = tensors
                .by_noise(request, network, candidates)
                .map_err(refuse)?;
            if !judged.is_empty() && !candidates.by_metadata {
                return Err(refuse(format!(
                    "its output, {}, can be {format}, because {reason}, but {}; if you know that it is, say --output-format \
                     {format}, and --normalise if its input is not {}",
                    tensors.found(),
                    undecided(&judged),
                    ranges(format, None)[0]
                )));
            }
            (format, reason)
        }
        (None, Some(said)) => (said, "--output-format says it"),
        (None, None) => return Err(refuse("its format is not known".to_owned())),
    };
    let labels = tensors.labels(format, names).map_err(refuse)?;
    let range = ranges(format, request.range)[0];
    let manifest = describer.manifest(output(format), labels, range);
    Ok((manifest, untested(format, reason, &judged)))
}

/// The reason for a reading that finds known objects.
pub(super) fn found_by(best: &Judged) -> String {
    let range = match &best.manifest.input.normalize {
        Normalize::Range(range) => range.to_string(),
        Normalize::Custom(_) => "its own statistics".to_owned(),
    };
    let order = match best.manifest.input.color_order {
        ColorOrder::Rgb => "",
        ColorOrder::Bgr => ", blue first",
    };
    format!(
        "read as {} with an input of {range}{order}: it finds {}",
        best.manifest.output.format, best.score
    )
}

/// The reason for a reading that the built-in picture does not confirm.
fn untested(format: OutputFormat, reason: &str, judged: &[Judged]) -> String {
    let doubt = match judged.iter().max_by_key(|one| one.score.objects()) {
        Some(most) => format!("in which it finds {}", most.score),
        None => "which has none of its classes, or is too large for its input".to_owned(),
    };
    format!(
        "read as {format}, because {reason}; not confirmed by the built-in picture, {doubt}: look at what it finds with \
         `nvr model try`"
    )
}

/// Why the built-in picture does not decide.
fn undecided(judged: &[Judged]) -> String {
    if judged.is_empty() {
        return "the built-in picture has none of its classes, or is too large for its input"
            .to_owned();
    }
    let tried: Vec<String> = judged.iter().map(found_by).collect();
    format!(
        "the built-in picture does not decide ({})",
        tried.join("; ")
    )
}
