//! Installs a file whose manifest is known, as the catalogue's are: staged, loaded and run once like an import, and put into the
//! place of a former model of the same id. Runs on the thread of the caller.

use std::path::{Path, PathBuf};

use super::import::Imported;
use super::import_manifest::found_by;
use super::import_trial::judge;
use super::staging::Staged;
use super::store::{check_id, writable};
use super::{DetectError, ImportRequest, Manifest};

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
pub fn install(request: &InstallRequest<'_>, dirs: &[PathBuf]) -> Result<Imported, DetectError> {
    check_id(request.id)?;
    let dir = writable(dirs)?;
    let import = ImportRequest {
        file: request.file.to_owned(),
        id: request.id.to_owned(),
        ..ImportRequest::default()
    };
    let mut staged = Staged::new(&import, dir)?;
    let mut manifest = request.manifest.clone();
    manifest.files.clone_from(&staged.files);
    let judged = judge(staged.network.as_mut(), request.id, vec![manifest.clone()])?;
    let reading = judged.first().map_or_else(
        || "the built-in picture has none of its classes, or is too large for its input".to_owned(),
        found_by,
    );
    let model = staged
        .tested(&import, manifest, &request.notes)?
        .replace(dir.join(request.id))?;
    Ok(Imported { model, reading })
}
