//! `nvr model bill`: models as components of a CycloneDX bill of materials, for `tools/dist`. The models are in no package; the
//! bill names those that the program can fetch, and those whose manifests are packed.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::out;
use crate::detect::{Catalogue, CatalogueModel, Manifest};

/// Options of `nvr model bill`.
#[derive(Debug, Args)]
pub(super) struct BillArgs {
    /// Manifests, in folders with the ids of their models
    manifests: Vec<PathBuf>,
}

/// Prints the components.
pub(super) fn bill(args: &BillArgs) -> anyhow::Result<()> {
    let catalogue = Catalogue::built_in()?;
    let mut components: Vec<Value> = catalogue.models.iter().map(of_catalogue).collect();
    for path in &args.manifests {
        let folder = path.parent().and_then(Path::file_name);
        let id = folder.with_context(|| format!("{} is in no folder", path.display()))?;
        components.push(of_manifest(&id.to_string_lossy(), &Manifest::read(path)?));
    }
    out::line(serde_json::to_string_pretty(&components)?);
    Ok(())
}

fn of_catalogue(model: &CatalogueModel) -> Value {
    let hashes: Vec<Value> = model.sha256.iter().map(|hash| sha256(hash)).collect();
    json!({
        "type": "machine-learning-model",
        "bom-ref": format!("model:{}@{}", model.id, model.version),
        "name": model.id,
        "version": model.version,
        "description": model.description,
        "scope": SCOPE,
        "hashes": hashes,
        "licenses": [{ "license": { "id": model.license, "url": model.license_url } }],
        "externalReferences": [{ "type": "distribution", "url": model.url }],
    })
}

/// The version of a manifest's model is the hash of its graph: nothing else tells two trainings apart.
fn of_manifest(id: &str, manifest: &Manifest) -> Value {
    let graph = manifest
        .files
        .iter()
        .find(|file| file.name == manifest.onnx());
    let hash = graph.map_or("", |file| file.sha256.as_str());
    let version: String = hash.chars().take(12).collect();
    let licenses: Vec<Value> = manifest
        .license
        .iter()
        .map(|license| json!({ "license": { "name": license } }))
        .collect();
    json!({
        "type": "machine-learning-model",
        "bom-ref": format!("model:{id}@{version}"),
        "name": id,
        "version": version,
        "description": manifest.description.as_deref().unwrap_or_default(),
        "scope": SCOPE,
        "hashes": [sha256(hash)],
        "licenses": licenses,
        "properties": [{ "name": "nvr:source", "value": manifest.source.as_deref().unwrap_or_default() }],
    })
}

/// No package contains a model.
const SCOPE: &str = "optional";

fn sha256(hash: &str) -> Value {
    json!({ "alg": "SHA-256", "content": hash })
}
