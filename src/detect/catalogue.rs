//! The catalogue of `nvr model fetch`: for each model the address, length, hash and licence of its file, and what its manifest
//! must say.
//!
//! One catalogue is part of the program (`catalogue.toml`). A fleet with its own server of models can have others, in the same
//! form. The whole text is checked when it is read, on the thread of the caller; nothing is kept of one with problems.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::manifest::from_toml;
use super::store::check_id;
use super::{Input, LabelSource, Manifest, ModelFile, Output};

/// The catalogue of this program.
const BUILT_IN: &str = include_str!("catalogue.toml");
/// Its name in messages.
const BUILT_IN_NAME: &str = "built into nvr";

/// Licences that ask for no more than a notice. A person must accept any other one.
const PERMISSIVE: [&str; 7] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Zlib",
];

/// Why a catalogue can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file can't be read.
    #[error("could not read the catalogue {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error; part of the message.
        error: std::io::Error,
    },
    /// It is not valid.
    #[error("the catalogue {} is not usable: {}", path.display(), problems.join("; "))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every problem, each with its key.
        problems: Vec<String>,
    },
}

/// Models that can be fetched.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The models.
    #[serde(default, rename = "model")]
    pub models: Vec<CatalogueModel>,
    /// Known models that are not published as an ONNX file.
    #[serde(default)]
    pub unavailable: Vec<UnavailableModel>,
}

/// A model that can be fetched.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueModel {
    /// Its id, as of an installed model.
    pub id: String,
    /// The release or revision that the address names.
    pub version: String,
    /// A description for people.
    pub description: String,
    /// The address of its ONNX file: https or http.
    pub url: String,
    /// SHA-256 of the file, if a source besides this download confirms it.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The exact length of the file, if it is known.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// The licence of the weights, an SPDX identifier.
    pub license: String,
    /// The address where the licence can be read.
    pub license_url: String,
    /// Names of its classes: `coco80`, or a list.
    pub labels: LabelSource,
    /// Its input tensor.
    pub input: Input,
    /// Its output tensor.
    pub output: Output,
}

/// A model that can't be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnavailableModel {
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
    /// What to do instead.
    pub remedy: String,
}

impl Catalogue {
    /// The catalogue of this program.
    ///
    /// # Errors
    /// With all problems. A test proves that there are none.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::parse(BUILT_IN, Path::new(BUILT_IN_NAME))
    }

    /// Reads and checks the catalogue at `path`.
    ///
    /// # Errors
    /// If it can't be read, or with all problems.
    pub fn read(path: &Path) -> Result<Self, CatalogueError> {
        let text = std::fs::read_to_string(path).map_err(|error| CatalogueError::Io {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(text.trim_start_matches('\u{feff}'), path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, CatalogueError> {
        let refuse = |problems| CatalogueError::Invalid {
            path: path.to_owned(),
            problems,
        };
        let raw: Self = from_toml(text, |key, message| format!("{key}: {message}"))
            .map_err(|problem| refuse(vec![problem]))?;
        let problems = raw.problems();
        if problems.is_empty() {
            Ok(raw)
        } else {
            Err(refuse(problems))
        }
    }

    /// These models, and those of `other` that have other ids.
    pub fn with(mut self, other: Self) -> Self {
        let is_new = |id: &str| {
            self.models.iter().all(|model| model.id != id)
                && self.unavailable.iter().all(|model| model.id != id)
        };
        let (mut models, mut unavailable) = (other.models, other.unavailable);
        models.retain(|model| is_new(&model.id));
        unavailable.retain(|model| is_new(&model.id));
        self.models.extend(models);
        self.unavailable.extend(unavailable);
        self
    }

    /// The model of this id.
    pub fn find(&self, id: &str) -> Option<&CatalogueModel> {
        self.models.iter().find(|model| model.id == id)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut ids = BTreeSet::new();
        for (index, model) in self.models.iter().enumerate() {
            let own = model.problems();
            problems.extend(
                own.into_iter()
                    .map(|problem| format!("model[{index}].{problem}")),
            );
            if !ids.insert(&model.id) {
                problems.push(format!("model[{index}].id: `{}` is listed twice", model.id));
            }
        }
        for (index, model) in self.unavailable.iter().enumerate() {
            if !ids.insert(&model.id) {
                problems.push(format!(
                    "unavailable[{index}].id: `{}` is listed twice",
                    model.id
                ));
            }
        }
        problems
    }
}

impl CatalogueModel {
    /// Whether a person must accept its licence before it is fetched.
    pub fn needs_consent(&self) -> bool {
        !PERMISSIVE.contains(&self.license.as_str())
    }

    /// Its manifest, still without files, for a file that came from `source`.
    pub fn manifest(&self, source: &str) -> Manifest {
        Manifest {
            description: Some(self.description.clone()),
            license: Some(self.license.clone()),
            source: Some(source.to_owned()),
            labels: self.labels.clone(),
            files: Vec::new(),
            input: self.input.clone(),
            output: self.output.clone(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = check_id(&self.id) {
            problems.push(format!("id: {error}"));
        }
        for (key, address) in [("url", &self.url), ("license_url", &self.license_url)] {
            if !["https://", "http://"]
                .iter()
                .any(|scheme| address.starts_with(scheme))
            {
                problems.push(format!(
                    "{key}: must begin with https:// or http://, got `{address}`"
                ));
            }
        }
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if let Some(sha256) = &self.sha256
            && (sha256.len() != 64 || !sha256.bytes().all(is_digit))
        {
            problems.push(format!(
                "sha256: must be 64 lower-case hexadecimal digits, got `{sha256}`"
            ));
        }
        if self.bytes == Some(0) {
            problems.push("bytes: must be above 0".to_owned());
        }
        if self.license.trim().is_empty() {
            problems.push("license: must be an SPDX identifier, as Apache-2.0 is".to_owned());
        }
        if matches!(self.labels, LabelSource::File(_)) {
            problems.push("labels: must be a known list or names, not a file".to_owned());
        } else {
            // A file of any hash: the rest of the manifest is checked.
            let mut manifest = self.manifest(&self.url);
            manifest.files = vec![ModelFile {
                name: "model.onnx".to_owned(),
                sha256: "0".repeat(64),
                bytes: None,
            }];
            problems.extend(manifest.problems());
        }
        problems
    }
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
