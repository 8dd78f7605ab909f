//! Imports an ONNX file as an installed model: reads the file, completes it by the options, and tests the result before
//! it is installed. `import_output` determines the meaning of its output, `weights` the files beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::contract::{described, input_dims};
use super::import_output::{ImportRequest, Tensors, names_of};
use super::manifest::{
    ColorOrder, Input, Layout, ModelFile, Normalize, Output, OutputFormat, Range,
};
use super::network::{Network, NetworkDetector};
use super::onnx_file::{CUT_OFF, ExternalFiles, OnnxFile};
use super::onnxruntime::OnnxRuntimeNetwork;
use super::output_layout::other_task;
use super::rten::RtenNetwork;
use super::store::{check_id, writable, write_whole};
use super::tensor::TensorInfo;
use super::{
    DetectError, Detector, InstalledModel, Manifest, PADDING, Picture, Thresholds, foreign_file,
    weights,
};
use crate::base::{Letterbox, Size};

/// Reads, tests and installs `request` in the first of `dirs` that can be written.
///
/// # Errors
/// If the id is taken, the file can't be loaded, or a manifest can't describe its tensors; with the expected and the
/// found values.
pub fn import(request: &ImportRequest, dirs: &[PathBuf]) -> Result<InstalledModel, DetectError> {
    check_id(&request.id)?;
    let dir = writable(dirs)?;
    let place = dir.join(&request.id);
    if place.exists() {
        return Err(refusal(
            request,
            format!(
                "{} exists already; choose another id, or remove it first",
                place.display()
            ),
        ));
    }
    if let Some(reason) = foreign_file::reason(&request.file) {
        return Err(refusal(request, reason));
    }
    // Another file that is not ONNX has no weights beside it; the engines refuse it.
    let file = OnnxFile::read(&request.file);
    let known = file.as_ref().ok();
    let weights = weights::of(&request.file, known)
        .and_then(|weights| weights.fit(dir).map(|()| weights))
        .map_err(|reason| refusal(request, reason))?;
    let staging = Staging::make(dir, &request.id)?;
    let files = weights.copy_to(&staging.0)?;
    let graph = staging.0.join(weights::GRAPH);
    let external = known.map(|known| known.external.clone());
    let mut network = load(request, &graph, &external.unwrap_or_default())
        .map_err(|error| cut_off(request, &file).unwrap_or(error))?;
    let manifest = describe(request, network.as_mut(), &file, files)?;
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
    test_run(network, &model)?;
    let text =
        toml::to_string(&model.manifest).map_err(|error| refusal(request, error.to_string()))?;
    write_whole(&model.manifest_path, text.as_bytes())?;
    fs::rename(&staging.0, &place).map_err(|error| DetectError::write(&place, error))?;
    model.manifest_path = place.join("model.toml");
    model.weights_dir = place;
    Ok(model)
}

/// A directory that is removed if the import fails.
struct Staging(PathBuf);

/// The prefix of such directories' names; the id and the process follow.
const STAGING: &str = ".import-";

impl Staging {
    fn make(dir: &Path, id: &str) -> Result<Self, DetectError> {
        Self::clear(dir);
        let path = dir.join(format!("{STAGING}{id}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| DetectError::write(&path, error))?;
        Ok(Self(path))
    }

    /// Removes the directories of imports that were killed.
    fn clear(dir: &Path) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name
                .strip_prefix(STAGING)
                .and_then(|rest| rest.rsplit_once('-'))
                .and_then(|(_, process)| process.parse().ok());
            if process.is_some_and(|process| !is_running(process)) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Whether there is a process of this id. Not by `/proc`, where ProtectProc= of our units hides those of other users.
fn is_running(process: i32) -> bool {
    let process = rustix::process::Pid::from_raw(process);
    process.is_some_and(|process| {
        rustix::process::test_kill_process(process) != Err(rustix::io::Errno::SRCH)
    })
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After a success it was renamed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// By rten, which is always available, or by ONNX Runtime if rten lacks an operator.
fn load(
    request: &ImportRequest,
    graph: &Path,
    external: &ExternalFiles,
) -> Result<Box<dyn Network>, DetectError> {
    let first = match RtenNetwork::load(graph, external, 1) {
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
            format!("rten can't load it: {first}; onnxruntime might, but its library is missing"),
        )),
        Err(other) => Err(other),
    }
}

/// The refusal of a file that ends too early; the engines do not say so.
fn cut_off(request: &ImportRequest, file: &Result<OnnxFile, String>) -> Option<DetectError> {
    let reason = file.as_ref().err()?;
    let is_cut_off = reason.starts_with(CUT_OFF);
    is_cut_off.then(|| {
        refusal(
            request,
            format!("{reason}; copy or download the whole file again"),
        )
    })
}

fn describe(
    request: &ImportRequest,
    network: &mut dyn Network,
    file: &Result<OnnxFile, String>,
    files: Vec<ModelFile>,
) -> Result<Manifest, DetectError> {
    let (input_name, layout, size) = input_of(request, network.inputs())?;
    if let Some(reason) = file.as_ref().ok().and_then(other_task) {
        return Err(refusal(request, reason));
    }
    let (output, output_name, shape) = output_of(request, network, layout, size)?;
    let names = names_of(request, file).map_err(|reason| refusal(request, reason))?;
    let tensors = Tensors {
        input: size,
        input_dims: input_dims(layout, size),
        output,
        shape,
    };
    let format = tensors
        .format(request, network, file.as_ref().ok(), names.as_ref())
        .map_err(|reason| refusal(request, reason))?;
    let labels = tensors
        .labels(format, names)
        .map_err(|reason| refusal(request, reason))?;
    // YOLOX's own exports take bytes in OpenCV's order; most others take 0-1 with red first.
    let (usual_range, usual_order) = match format {
        OutputFormat::Yolox => (Range::Bytes, ColorOrder::Bgr),
        OutputFormat::Yolov8 | OutputFormat::End2end => (Range::Unit, ColorOrder::Rgb),
    };
    Ok(Manifest {
        description: None,
        license: request.license.clone(),
        source: request.source.clone(),
        labels,
        files,
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
        let remedy = match input.dims.as_deref() {
            _ if !input.is_f32 => "; export it with an input of 32-bit or 16-bit floats",
            Some([Some(2..), _, _, _]) => {
                "; export it for one picture a run (batch 1), or with an open batch"
            }
            _ => "",
        };
        refusal(
            request,
            format!("it should have {wanted}, but has {}{remedy}", shown(input)),
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
                "its input {} leaves its size open; name it with --size WxH",
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

/// The first output with three dimensions. A run on zeros gives dimensions that the file leaves open.
fn output_of(
    request: &ImportRequest,
    network: &mut dyn Network,
    layout: Layout,
    size: Size,
) -> Result<(usize, String, Vec<usize>), DetectError> {
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
            return Ok((index, tensor.name.clone(), shape));
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

/// One inference of a grey picture: an error here would otherwise occur at the first frame.
fn test_run(network: Box<dyn Network>, model: &InstalledModel) -> Result<(), DetectError> {
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
    fn the_directories_of_imports_that_were_killed_are_removed_and_no_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let running = format!("{STAGING}a-{}", std::process::id());
        // The first process is that of another user, as a rule. No machine has the last one.
        for name in [
            &running,
            ".import-b-1",
            ".import-c-2147483647",
            "b-2147483647",
        ] {
            fs::create_dir(dir.path().join(name)).expect("made");
        }
        Staging::clear(dir.path());
        let left = fs::read_dir(dir.path()).expect("listed").flatten();
        let mut left: Vec<_> = left
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        let mut wanted = [running, ".import-b-1".to_owned(), "b-2147483647".to_owned()];
        wanted.sort();
        assert_eq!(left, wanted);
    }
}
