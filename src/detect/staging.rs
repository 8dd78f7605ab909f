//! Models on their way into a directory of models: copied beside their place, loaded, run once, and put into it at the end. What an
//! import or an installation leaves when it is killed is removed by the next one.

use std::fs;
use std::path::{Path, PathBuf};

use super::import_request::ImportRequest;
use super::manifest::ModelFile;
use super::network::{Network, NetworkDetector};
use super::onnx_file::{CUT_OFF, ExternalFiles, OnnxFile};
use super::onnxruntime::{OnnxRuntimeNetwork, Provider};
use super::rten::{RtenNetwork, SharedModel};
use super::store::write_whole;
use super::{
    DetectError, Detector, InstalledModel, Manifest, PADDING, Picture, Thresholds, foreign_file,
    weights,
};
use crate::base::Letterbox;

/// The name of a manifest.
const MANIFEST: &str = "model.toml";

/// A model that was copied and loaded. It is removed if it is not put into its place.
pub(super) struct Staged {
    /// The file that it comes from, read without an engine.
    pub(super) file: Result<OnnxFile, String>,
    /// Its files, for a manifest.
    pub(super) files: Vec<ModelFile>,
    pub(super) network: Box<dyn Network>,
    staging: Staging,
}

impl Staged {
    /// Copies the file of `request`, with its weights, into `dir`, and loads the copy.
    ///
    /// # Errors
    /// If it is no ONNX file, can't be copied, or no engine can load it.
    pub(super) fn new(request: &ImportRequest, dir: &Path) -> Result<Self, DetectError> {
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
        let network = load(request, &graph, &external.unwrap_or_default())
            .map_err(|error| cut_off(request, &file).unwrap_or(error))?;
        Ok(Self {
            file,
            files,
            network,
            staging,
        })
    }

    /// Runs the model once by `manifest`, and writes that and `notes`, texts by the names of their files.
    ///
    /// # Errors
    /// If the manifest is not valid or does not fit the network, or the directory can't be written.
    pub(super) fn tested(
        self,
        request: &ImportRequest,
        manifest: Manifest,
        notes: &[(&str, String)],
    ) -> Result<Tested, DetectError> {
        let problems = manifest.problems();
        if !problems.is_empty() {
            return Err(request.refusal(problems.join("; ")));
        }
        let folder = &self.staging.0;
        let model = InstalledModel {
            id: request.id.clone(),
            manifest_path: folder.join(MANIFEST),
            weights_dir: folder.clone(),
            manifest,
        };
        test_run(self.network, &model)?;
        let text =
            toml::to_string(&model.manifest).map_err(|error| request.refusal(error.to_string()))?;
        write_whole(&model.manifest_path, text.as_bytes())?;
        for (name, note) in notes {
            write_whole(&folder.join(name), note.as_bytes())?;
        }
        Ok(Tested {
            model,
            staging: self.staging,
        })
    }
}

/// A staged model that has its manifest and works. It is removed if it is not put into its place.
pub(super) struct Tested {
    model: InstalledModel,
    staging: Staging,
}

impl Tested {
    /// Puts it into `place`, which must be free.
    ///
    /// # Errors
    /// If the directory can't be written.
    pub(super) fn put(self, place: PathBuf) -> Result<InstalledModel, DetectError> {
        rename(&self.staging.0, &place)?;
        Ok(self.at(place))
    }

    /// Puts it into `place`. A model that is there goes.
    ///
    /// # Errors
    /// If the directory can't be written; then the former model stays.
    pub(super) fn replace(self, place: PathBuf) -> Result<InstalledModel, DetectError> {
        replace(&self.staging, &place)?;
        Ok(self.at(place))
    }

    fn at(self, place: PathBuf) -> InstalledModel {
        InstalledModel {
            manifest_path: place.join(MANIFEST),
            weights_dir: place,
            ..self.model
        }
    }
}

/// Puts a staged directory into `place`. A former one is moved away first, and back if that fails.
fn replace(staging: &Staging, place: &Path) -> Result<(), DetectError> {
    if !place.exists() {
        return rename(&staging.0, place);
    }
    let former = Staging::make(place.parent().unwrap_or(Path::new(".")), "former")?;
    let kept = former.0.join("model");
    rename(place, &kept)?;
    // After a success the former model goes with its directory.
    rename(&staging.0, place).inspect_err(|_| {
        let _ = fs::rename(&kept, place);
    })
}

fn rename(from: &Path, to: &Path) -> Result<(), DetectError> {
    fs::rename(from, to).map_err(|error| DetectError::write(to, error))
}

/// A directory that is removed with its value.
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
    let first = match RtenNetwork::load(graph, external, 1, &SharedModel::default()) {
        Ok(network) => return Ok(Box::new(network)),
        Err(DetectError::Load { message, .. }) => message,
        Err(other) => return Err(other),
    };
    match OnnxRuntimeNetwork::load(graph, 1, Provider::Cpu) {
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
fn cut_off(request: &ImportRequest, file: &Result<OnnxFile, String>) -> Option<DetectError> {
    let reason = file.as_ref().err()?;
    let is_cut_off = reason.starts_with(CUT_OFF);
    is_cut_off.then(|| request.refusal(format!("{reason}; copy or download the whole file again")))
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

    /// A directory that is staged, with one file.
    fn staged(dir: &Path) -> Staging {
        let staging = Staging::make(dir, "new").expect("made");
        fs::write(staging.0.join("model.onnx"), "new").expect("written");
        staging
    }

    #[test]
    fn a_model_takes_its_place_and_that_of_a_former_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = dir.path().join("m");
        for _ in 0..2 {
            replace(&staged(dir.path()), &place).expect("it is put");
            let file = place.join("model.onnx");
            assert_eq!(fs::read_to_string(&file).expect("a file"), "new");
            fs::write(file, "old").expect("written");
        }
        let left = fs::read_dir(dir.path()).expect("listed").count();
        assert_eq!(left, 1, "the former one is gone");
    }

    #[test]
    fn a_former_model_stays_if_the_new_one_can_not_be_put() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = dir.path().join("m");
        fs::create_dir(&place).expect("made");
        let staging = staged(dir.path());
        fs::remove_dir_all(&staging.0).expect("removed");
        replace(&staging, &place).expect_err("there is nothing to put");
        assert!(place.is_dir());
    }
}
