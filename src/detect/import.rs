//! Imports an ONNX file as an installed model: reads the file, completes it by the options, and tests the result before
//! it is installed. `import_output` determines the meaning of its output, `weights` the files beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::import_manifest::describe;
use super::import_request::ImportRequest;
use super::network::{Network, NetworkDetector};
use super::onnx_file::{CUT_OFF, ExternalFiles, OnnxFile};
use super::onnxruntime::OnnxRuntimeNetwork;
use super::rten::RtenNetwork;
use super::store::{check_id, writable, write_whole};
use super::{
    DetectError, Detector, InstalledModel, PADDING, Picture, Thresholds, foreign_file, weights,
};
use crate::base::Letterbox;

/// A model that was imported.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The model.
    pub model: InstalledModel,
    /// How its tensors are read, and why so, for people.
    pub reading: String,
}

/// Reads, tests and installs `request` in the first of `dirs` that can be written.
///
/// # Errors
/// If the id is taken, the file can't be loaded, or a manifest can't describe its tensors; with the expected and the
/// found values.
pub fn import(request: &ImportRequest, dirs: &[PathBuf]) -> Result<Imported, DetectError> {
    check_id(&request.id)?;
    let dir = writable(dirs)?;
    let place = dir.join(&request.id);
    if place.exists() {
        return Err(request.refusal(format!(
            "{} exists already; choose another id, or remove it first",
            place.display()
        )));
    }
    if let Some(reason) = foreign_file::reason(&request.file) {
        return Err(request.refusal(reason));
    }
    // Another file that is not ONNX has no weights beside it; the engines refuse it.
    let file = OnnxFile::read(&request.file);
    let known = file.as_ref().ok();
    let weights = weights::of(&request.file, known)
        .and_then(|weights| weights.fit(dir).map(|()| weights))
        .map_err(|reason| request.refusal(reason))?;
    let staging = Staging::make(dir, &request.id)?;
    let files = weights.copy_to(&staging.0)?;
    let graph = staging.0.join(weights::GRAPH);
    let external = known.map(|known| known.external.clone());
    let mut network = load(request, &graph, &external.unwrap_or_default())
        .map_err(|error| cut_off(request, &file).unwrap_or(error))?;
    let (manifest, reading) = describe(request, network.as_mut(), &file, files)?;
    let problems = manifest.problems();
    if !problems.is_empty() {
        return Err(request.refusal(problems.join("; ")));
    }
    let mut model = InstalledModel {
        id: request.id.clone(),
        manifest_path: staging.0.join("model.toml"),
        weights_dir: staging.0.clone(),
        manifest,
    };
    test_run(network, &model)?;
    let text =
        toml::to_string(&model.manifest).map_err(|error| request.refusal(error.to_string()))?;
    write_whole(&model.manifest_path, text.as_bytes())?;
    fs::rename(&staging.0, &place).map_err(|error| DetectError::write(&place, error))?;
    model.manifest_path = place.join("model.toml");
    model.weights_dir = place;
    Ok(Imported { model, reading })
}

/// A directory that is removed if the import fails.
pub(super) struct Staging(pub(super) PathBuf);

/// The prefix of such directories' names; the id and the process follow.
const STAGING: &str = ".import-";

impl Staging {
    pub(super) fn make(dir: &Path, id: &str) -> Result<Self, DetectError> {
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
pub(super) fn load(
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
        Err(DetectError::Load { message, .. }) => Err(request.refusal(format!(
            "no engine can load it: rten says: {first}; onnxruntime says: {message}"
        ))),
        Err(DetectError::LibraryAbsent { .. }) => Err(request.refusal(format!(
            "rten can't load it: {first}; onnxruntime might, but its library is missing"
        ))),
        Err(other) => Err(other),
    }
}

/// The refusal of a file that ends too early; the engines do not say so.
pub(super) fn cut_off(
    request: &ImportRequest,
    file: &Result<OnnxFile, String>,
) -> Option<DetectError> {
    let reason = file.as_ref().err()?;
    let is_cut_off = reason.starts_with(CUT_OFF);
    is_cut_off.then(|| request.refusal(format!("{reason}; copy or download the whole file again")))
}

/// One inference of a grey picture: an error here would otherwise occur at the first frame.
pub(super) fn test_run(
    network: Box<dyn Network>,
    model: &InstalledModel,
) -> Result<(), DetectError> {
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
