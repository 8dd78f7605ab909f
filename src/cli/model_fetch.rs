//! `nvr model fetch`: the models of the catalogue, listed or downloaded and installed.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::form::Form;
use super::model_download::Download;
use super::model_licence::{ACCEPTED_FILE, accepted};
use super::model_text::described;
use super::out;
use crate::base::shown_bytes;
use crate::bus::Trust;
use crate::config::{did_you_mean, without_secrets};
use crate::detect::{
    Catalogue, CatalogueModel, DetectError, Imported, InstallRequest, InstalledModel, ModelStore,
    install, writable_dir,
};

/// Options of `nvr model fetch`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct FetchArgs {
    /// Id of the model; without it, list the models that can be fetched
    id: Option<String>,
    /// Accept the licence of the model, by its SPDX identifier. A licence that asks for more than a notice must be accepted
    /// once, by this option or at the terminal
    #[arg(
        long,
        visible_alias = "accept-license",
        value_name = "SPDX",
        requires = "id"
    )]
    accept_licence: Option<String>,
    /// Address of the file in place of that of the catalogue, for example of a mirror
    #[arg(long, requires = "id")]
    url: Option<String>,
    /// File with further models; those of the same id replace the ones of the program
    #[arg(long, value_name = "FILE", env = "NVR_CATALOGUE")]
    catalogue: Option<PathBuf>,
    /// File of certificates (PEM) of authorities that are trusted besides those of the system
    #[arg(long, value_name = "FILE", requires = "id")]
    ca: Option<PathBuf>,
    /// Output format of the list
    #[arg(long, value_enum, default_value_t, conflicts_with = "id")]
    format: Form,
}

const AFTER_HELP: &str = "\
A download that was interrupted is continued by the same command. HTTPS_PROXY, HTTP_PROXY and NO_PROXY are obeyed. On a
machine without a network, install a file that you copied there with `nvr model import`.

Examples:
  nvr model fetch
  nvr model fetch yolox-nano-416
  nvr model fetch yolov8n-640 --accept-licence AGPL-3.0
  nvr model fetch yolox-nano-416 --url https://models.example/yolox_nano.onnx";

/// What there is of a model.
enum Presence {
    Absent,
    /// Its files have the hashes of its manifest.
    Intact(Box<InstalledModel>),
    /// It can't be used.
    Damaged {
        /// The directory of models that has it.
        dir: Option<PathBuf>,
        reason: String,
    },
}

/// Lists the catalogue, or fetches a model of it.
pub(super) fn fetch(
    args: &FetchArgs,
    store: &ModelStore,
    targets: &[PathBuf],
) -> anyhow::Result<()> {
    let mut catalogue = Catalogue::built_in()?;
    if let Some(path) = &args.catalogue {
        catalogue = Catalogue::read(path)?.with(catalogue);
    }
    match &args.id {
        None => list(&catalogue, store, args.format),
        Some(id) => {
            let model = find(&catalogue, id)?;
            obtain(model, args, store, targets)
        }
    }
}

fn find<'a>(catalogue: &'a Catalogue, id: &str) -> anyhow::Result<&'a CatalogueModel> {
    if let Some(model) = catalogue.find(id) {
        return Ok(model);
    }
    if let Some(model) = catalogue.unavailable.iter().find(|model| model.id == id) {
        bail!("{id} can't be fetched: {}; {}", model.reason, model.remedy);
    }
    let known: Vec<&str> = catalogue
        .models
        .iter()
        .map(|model| model.id.as_str())
        .collect();
    bail!(
        "the catalogue has no model `{id}`; {}it has {}",
        did_you_mean(id, &known),
        known.join(", ")
    );
}

/// Downloads and installs `model`, if it is not there.
fn obtain(
    model: &CatalogueModel,
    args: &FetchArgs,
    store: &ModelStore,
    targets: &[PathBuf],
) -> anyhow::Result<()> {
    let url = address(model, args.url.as_deref())?;
    let mut dirs = targets.to_vec();
    match presence(store, model) {
        Presence::Intact(found) => return already_there(model, &found),
        Presence::Damaged { dir, reason } => {
            out::error(format_args!(
                "{} can't be used and is fetched again: {reason}",
                model.id
            ));
            // In its place: in another directory it might not be found.
            if let Some(dir) = dir {
                dirs.insert(0, dir);
            }
        }
        Presence::Absent => {}
    }
    let dir = writable_dir(&dirs)?.to_owned();
    let place = dir.join(&model.id);
    if place.exists() && !place.join("model.toml").exists() {
        bail!(
            "{} exists and is no model; remove it first, or name another directory with --models-dir DIR",
            place.display()
        );
    }
    let licence = accepted(model, args.accept_licence.as_deref(), &place)?;
    let notes = match &licence {
        Some(licence) => vec![(ACCEPTED_FILE, licence.text()?)],
        None => Vec::new(),
    };
    let trust = trust(args.ca.as_deref())?;
    let download = Download::new(model, &dir)?;
    let file = download.run(url, &trust)?;
    let request = InstallRequest {
        file: &file,
        id: &model.id,
        manifest: model.manifest(&without_secrets(url)),
        notes,
    };
    let Imported {
        model: installed,
        reading,
    } = match install(&request, std::slice::from_ref(&dir)) {
        Ok(installed) => installed,
        Err(error) => {
            // A file with the hash of the catalogue is the right one, and may be of use to another engine.
            let is_of_disk = matches!(error, DetectError::Write { .. } | DetectError::Io { .. });
            if model.sha256.is_none() && !is_of_disk {
                download.remove();
            }
            return Err(error)
                .with_context(|| format!("{} was fetched, but not installed", model.id));
        }
    };
    download.remove();
    tell(model, &installed, &reading, url);
    warn_if_hidden(store, &installed);
    Ok(())
}

/// The address of the file.
fn address<'a>(model: &'a CatalogueModel, named: Option<&'a str>) -> anyhow::Result<&'a str> {
    let Some(url) = named else {
        return Ok(&model.url);
    };
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        bail!(
            "--url: must begin with https:// or http://, got `{}`; install a file of this machine with `nvr model import`",
            without_secrets(url)
        );
    }
    Ok(url)
}

fn presence(store: &ModelStore, model: &CatalogueModel) -> Presence {
    match store.find(&model.id) {
        Ok(found) => match found.verify() {
            Ok(()) => Presence::Intact(Box::new(found)),
            Err(error) => Presence::Damaged {
                dir: found.weights_dir.parent().map(Path::to_owned),
                reason: error.to_string(),
            },
        },
        Err(DetectError::NotInstalled { .. }) => Presence::Absent,
        Err(error) => Presence::Damaged {
            dir: match &error {
                DetectError::Manifest { path, .. } | DetectError::Io { path, .. } => {
                    path.parent().and_then(Path::parent).map(Path::to_owned)
                }
                _ => None,
            },
            reason: error.to_string(),
        },
    }
}

/// An intact model, which is perhaps another one of the same id.
fn already_there(model: &CatalogueModel, found: &InstalledModel) -> anyhow::Result<()> {
    let graph = found.manifest.onnx();
    let file = found.manifest.files.iter().find(|file| file.name == graph);
    if let (Some(wanted), Some(file)) = (&model.sha256, file)
        && !file.sha256.eq_ignore_ascii_case(wanted)
    {
        bail!(
            "{} is installed from another file: {} has the SHA-256 {}, the catalogue names {wanted}; remove {} to fetch it",
            model.id,
            found.onnx().display(),
            file.sha256,
            found.weights_dir.display()
        );
    }
    out::line(format_args!(
        "{} is installed already: {}",
        model.id,
        described(found)
    ));
    Ok(())
}

fn trust(ca: Option<&Path>) -> anyhow::Result<Trust> {
    let trust = Trust::of(ca);
    if let Some(ca) = ca
        && trust.certificates.len() == Trust::of(None).certificates.len()
    {
        std::fs::read(ca).with_context(|| format!("--ca: can't read {}", ca.display()))?;
        bail!("--ca: {} has no certificate in PEM", ca.display());
    }
    Ok(trust)
}

fn tell(model: &CatalogueModel, installed: &InstalledModel, reading: &str, url: &str) {
    out::line(format_args!(
        "{} is installed: {}",
        model.id,
        described(installed)
    ));
    out::line(format_args!(
        "licence: {} ({}); source: {}",
        model.license,
        model.license_url,
        without_secrets(url)
    ));
    out::line(reading);
    if model.sha256.is_none() {
        let files = &installed.manifest.files;
        let hash = files.first().map_or("", |file| file.sha256.as_str());
        out::error(format_args!(
            "note: no independent source gives the SHA-256 of {}; this download has {hash}",
            model.id
        ));
    }
    out::line(format_args!(
        "use it with `--model {}`, or make it the default with `nvr model default {}`",
        model.id, model.id
    ));
}

/// A directory that is searched earlier may have a model of the same id.
fn warn_if_hidden(store: &ModelStore, installed: &InstalledModel) {
    let shown = installed.manifest_path.display();
    match store.find(&installed.id) {
        Ok(found) if found.manifest_path == installed.manifest_path => {}
        Ok(found) => out::error(format_args!(
            "warning: {} is searched first; remove it to use {shown}",
            found.manifest_path.display()
        )),
        Err(error) => out::error(format_args!("warning: {shown} is not used: {error}")),
    }
}

fn list(catalogue: &Catalogue, store: &ModelStore, format: Form) -> anyhow::Result<()> {
    let is_installed = |id: &str| store.find(id).is_ok();
    if format == Form::Json {
        let models: Vec<Value> = catalogue
            .models
            .iter()
            .map(|model| {
                json!({
                    "id": model.id, "version": model.version, "description": model.description,
                    "url": model.url, "sha256": model.sha256, "bytes": model.bytes,
                    "license": model.license, "license_url": model.license_url,
                    "needs_consent": model.needs_consent(), "installed": is_installed(&model.id),
                })
            })
            .collect();
        let unavailable: Vec<Value> = catalogue
            .unavailable
            .iter()
            .map(|model| json!({ "id": model.id, "reason": model.reason, "remedy": model.remedy }))
            .collect();
        let all = json!({ "models": models, "unavailable": unavailable });
        out::line(serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for model in &catalogue.models {
        let size = model.bytes.map_or_else(|| "?".to_owned(), shown_bytes);
        let state = if is_installed(&model.id) {
            " (installed)"
        } else if model.needs_consent() {
            " (the licence must be accepted)"
        } else {
            ""
        };
        out::line(format_args!(
            "{:<20} {size:>9}  {:<12} {}{state}",
            model.id, model.license, model.description
        ));
    }
    for model in &catalogue.unavailable {
        out::line(format_args!(
            "{:<20} can't be fetched: {}",
            model.id, model.reason
        ));
    }
    Ok(())
}
