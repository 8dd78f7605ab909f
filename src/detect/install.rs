//! Installs a file whose manifest is known, as the catalogue's are: staged, loaded and run once like an import, and put in the
//! place of a former model of the same id. Runs on the thread of the caller.

use std::fs;
use std::path::{Path, PathBuf};

use super::import::{Staging, cut_off, load, test_run};
use super::onnx_file::OnnxFile;
use super::store::{check_id, writable, write_whole};
use super::{DetectError, ImportRequest, InstalledModel, Manifest, foreign_file, weights};

/// A file that is to be a model.
#[derive(Debug, Clone)]
pub struct InstallRequest<'a> {
    /// The ONNX file.
    pub file: &'a Path,
    /// The id of the model.
    pub id: &'a str,
    /// The manifest. Its list of files is made from `file`.
    pub manifest: Manifest,
    /// Texts that are kept beside the manifest, by the names of their files.
    pub notes: Vec<(&'a str, String)>,
}

/// Tests the file and installs it in the first of `dirs` that can be written. A model that has its place is replaced.
///
/// # Errors
/// If the file can't be loaded, or its tensors are not those of the manifest; with the expected and the found values.
pub fn install(
    request: &InstallRequest<'_>,
    dirs: &[PathBuf],
) -> Result<InstalledModel, DetectError> {
    check_id(request.id)?;
    let dir = writable(dirs)?;
    let place = dir.join(request.id);
    let refusal = |reason| DetectError::Import {
        path: request.file.to_owned(),
        reason,
    };
    if let Some(reason) = foreign_file::reason(request.file) {
        return Err(refusal(reason));
    }
    let file = OnnxFile::read(request.file);
    let known = file.as_ref().ok();
    let weights = weights::of(request.file, known)
        .and_then(|weights| weights.fit(dir).map(|()| weights))
        .map_err(refusal)?;
    let staging = Staging::make(dir, request.id)?;
    let mut manifest = request.manifest.clone();
    manifest.files = weights.copy_to(&staging.0)?;
    let problems = manifest.problems();
    if !problems.is_empty() {
        return Err(refusal(problems.join("; ")));
    }
    let import = ImportRequest {
        file: request.file.to_owned(),
        id: request.id.to_owned(),
        ..ImportRequest::default()
    };
    let external = known
        .map(|known| known.external.clone())
        .unwrap_or_default();
    let network = load(&import, &staging.0.join(weights::GRAPH), &external)
        .map_err(|error| cut_off(&import, &file).unwrap_or(error))?;
    let mut model = InstalledModel {
        id: request.id.to_owned(),
        manifest_path: staging.0.join(MANIFEST),
        weights_dir: staging.0.clone(),
        manifest,
    };
    test_run(network, &model)?;
    let text = toml::to_string(&model.manifest).map_err(|error| refusal(error.to_string()))?;
    write_whole(&model.manifest_path, text.as_bytes())?;
    for (name, note) in &request.notes {
        write_whole(&staging.0.join(name), note.as_bytes())?;
    }
    put(&staging, &place, dir)?;
    model.manifest_path = place.join(MANIFEST);
    model.weights_dir = place;
    Ok(model)
}

/// The name of a manifest.
const MANIFEST: &str = "model.toml";

/// Puts the staged model in its place. A former one is moved away first, and back if that fails.
fn put(staging: &Staging, place: &Path, dir: &Path) -> Result<(), DetectError> {
    let write = |error| DetectError::write(place, error);
    let former = place
        .exists()
        .then(|| Staging::make(dir, "former"))
        .transpose()?;
    let Some(former) = former else {
        return fs::rename(&staging.0, place).map_err(write);
    };
    let kept = former.0.join("model");
    fs::rename(place, &kept).map_err(write)?;
    // After a success the former model goes with its directory.
    fs::rename(&staging.0, place).map_err(|error| {
        let _ = fs::rename(&kept, place);
        write(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            put(&staged(dir.path()), &place, dir.path()).expect("it is put");
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
        put(&staging, &place, dir.path()).expect_err("there is nothing to put");
        assert!(place.is_dir());
    }
}
