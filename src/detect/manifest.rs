//! The description of a model: its files and their hashes, its input, the format of its output, its labels.
//!
//! A manifest is `models/<id>/model.toml`. Unknown keys are refused; every problem is reported at once (`check`).
//! Read on the thread that loads the model; nothing is kept of a manifest with problems.

mod check;
mod input;
mod output;

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::labels::coco91;
use super::{COCO80, DetectError};
use crate::base::Size;

pub use input::{ColorOrder, Custom, Input, Layout, Normalize, Range, Resize};
pub use output::{Activation, Output, OutputFormat};

/// A model's manifest, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// A description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The licence of its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The origin of its weights: a URL, or a package and file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Names of its classes.
    pub labels: LabelSource,
    /// Its files; exactly one of them is an ONNX graph, the others are its labels and its weights.
    pub files: Vec<ModelFile>,
    /// Its input tensor.
    pub input: Input,
    /// Its output tensor.
    pub output: Output,
}

/// Where class names are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"coco80\", \"coco91\", a list of names, or { file = \"labels.txt\" }"
)]
pub enum LabelSource {
    /// A list that the program knows: `coco80` or `coco91`.
    Known(KnownLabels),
    /// In the manifest.
    Inline(Vec<String>),
    /// In a file beside the weights, one name per line; it must be in `files`, too.
    File(LabelFile),
}

/// Known lists of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KnownLabels {
    /// [`COCO80`].
    Coco80,
    /// The same classes by COCO's own numbers, which begin at 1 and have gaps, with `n/a` in these.
    Coco91,
}

impl KnownLabels {
    /// The names.
    pub fn names(self) -> Vec<String> {
        match self {
            Self::Coco80 => COCO80.map(str::to_owned).to_vec(),
            Self::Coco91 => coco91(),
        }
    }
}

/// A file of labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelFile {
    /// Its name, beside the weights.
    pub file: String,
}

/// One of a model's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Its name; with folders below the model's directory if it is in one.
    pub name: String,
    /// SHA-256 of its content, 64 hexadecimal digits.
    pub sha256: String,
    /// Its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Manifest {
    /// Reads and checks the text of the manifest at `path`.
    ///
    /// # Errors
    /// With all problems.
    pub fn parse(text: &str, path: &Path) -> Result<Self, DetectError> {
        let refuse = |problems| DetectError::Manifest {
            path: path.to_owned(),
            problems,
        };
        let raw: Self = from_toml(text, problem_at).map_err(|problem| refuse(vec![problem]))?;
        let problems = raw.problems();
        if problems.is_empty() {
            Ok(raw)
        } else {
            Err(refuse(problems))
        }
    }

    /// Reads and checks the manifest at `path`.
    ///
    /// # Errors
    /// If it can't be read, or with all problems.
    pub fn read(path: &Path) -> Result<Self, DetectError> {
        let text = std::fs::read_to_string(path).map_err(|error| DetectError::Io {
            action: "read",
            path: path.to_owned(),
            error,
            hint: "",
        })?;
        Self::parse(text.trim_start_matches('\u{feff}'), path)
    }

    /// The size of its input.
    pub fn input_size(&self) -> Size {
        Size::new(self.input.width, self.input.height)
    }

    /// The file that holds the graph.
    pub fn onnx(&self) -> &str {
        self.files
            .iter()
            .map(|file| file.name.as_str())
            .find(|name| is_onnx(name))
            .unwrap_or_default()
    }
}

impl LabelSource {
    /// These names, by the name of a list that the program knows.
    pub(super) fn of(names: &[String]) -> Self {
        [KnownLabels::Coco80, KnownLabels::Coco91]
            .into_iter()
            .find(|known| known.names() == names)
            .map_or_else(|| Self::Inline(names.to_vec()), Self::Known)
    }

    /// The names, or the file that has them.
    pub(super) fn names(&self) -> Result<Vec<String>, PathBuf> {
        match self {
            Self::Known(known) => Ok(known.names()),
            Self::Inline(names) => Ok(names.clone()),
            Self::File(LabelFile { file }) => Err(file.into()),
        }
    }
}

/// Reads the text of a TOML file. `problem` makes a text of the key that is wrong and of the parser's message.
pub(super) fn from_toml<T: serde::de::DeserializeOwned>(
    text: &str,
    problem: impl FnOnce(&str, &str) -> String,
) -> Result<T, String> {
    let raw =
        toml::Deserializer::parse(text).map_err(|error| error.message().trim_end().to_owned())?;
    serde_path_to_error::deserialize(raw).map_err(|error| {
        problem(
            &error.path().to_string(),
            error.inner().message().trim_end(),
        )
    })
}

/// A parse error with its key; a missing format is not guessed.
fn problem_at(path: &str, message: &str) -> String {
    if path == "output" && message == "missing field `format`" {
        format!(
            "{path}: {message}; it is yolov5, yolov8, yolox, end2end, end2end7, detr or dfine, and the tensor's shape alone \
             does not tell"
        )
    } else {
        format!("{path}: {message}")
    }
}

fn is_onnx(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// `location` without redundant steps; none if it leads out of its directory.
pub(super) fn plain_path(location: &str) -> Option<String> {
    if location.chars().any(char::is_control) {
        return None;
    }
    let mut parts = Vec::new();
    for part in Path::new(location).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
