//! Imports an ONNX file as an installed model: reads the file, completes it by the options, and tests the result before
//! it is installed. `import_manifest` determines the meaning of its tensors, `weights` the files beside it, and `staging` puts it
//! into its place.

use std::path::PathBuf;

use super::import_manifest::describe;
use super::import_request::ImportRequest;
use super::staging::Staged;
use super::store::{check_id, writable};
use super::{DetectError, InstalledModel};

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
    let mut staged = Staged::new(request, dir)?;
    let files = staged.files.clone();
    let (manifest, reading) = describe(request, staged.network.as_mut(), &staged.file, files)?;
    let model = staged.tested(request, manifest, &[])?.put(place)?;
    Ok(Imported { model, reading })
}
