//! Installs a file whose manifest is known, as the catalogue's are: staged, loaded and run once like an import, and put into the
//! place of a former model of the same id. Runs on the thread of the caller.

use std::path::{Path, PathBuf};

use super::staging::Staged;
use super::store::{check_id, writable};
use super::{DetectError, ImportRequest, InstalledModel, Manifest};

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
    let import = ImportRequest {
        file: request.file.to_owned(),
        id: request.id.to_owned(),
        ..ImportRequest::default()
    };
    let staged = Staged::new(&import, dir)?;
    let mut manifest = request.manifest.clone();
    manifest.files.clone_from(&staged.files);
    staged
        .tested(&import, manifest, &request.notes)?
        .replace(dir.join(request.id))
}
