//! The errors between the file of a model and its detections.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::tensorrt::TensorRtError;
use crate::base::{free_bytes, shown_bytes};

/// Why a model can't be used, or an inference failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// A file or directory could not be read or written.
    #[error("could not {action} {}: {error}{}", path.display(), remedy(.hint))]
    Io {
        /// `read`, `write`, `create`.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error; part of the message.
        error: std::io::Error,
        /// The remedy; may be empty.
        hint: &'static str,
    },
    /// A file or directory of a store could not be written.
    #[error("could not write {}: {error}{}", path.display(), remedy(.advice))]
    Write {
        /// The path.
        path: PathBuf,
        /// The system's error; part of the message.
        error: std::io::Error,
        /// The free space and the remedy; may be empty.
        advice: String,
    },
    /// A file of labels is not valid.
    #[error("{} is not a list of class names: {reason}", path.display())]
    Labels {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file does not have the length in its manifest.
    #[error(
        "{} has {found} bytes instead of {expected}: it is damaged or another file; fetch it again, or reinstall it with `nvr model import`",
        path.display()
    )]
    Length {
        /// The path.
        path: PathBuf,
        /// The length in the manifest.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// A manifest is not valid.
    #[error("model manifest {} is not usable: {}", path.display(), problems.join("; "))]
    Manifest {
        /// The path.
        path: PathBuf,
        /// Every problem, each with its key.
        problems: Vec<String>,
    },
    /// A name that can't be the id of a model.
    #[error(
        "`{id}` can't be a model's id: use 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`, and begin with a letter or digit"
    )]
    Id {
        /// The name.
        id: String,
    },
    /// The model is not installed.
    #[error("model {id} is not installed: {missing}; {installed}; add one with `nvr model import FILE.onnx --id {id}`{}",
        remedy(.note))]
    NotInstalled {
        /// The id of the model.
        id: String,
        /// The missing file and the searched directories.
        missing: String,
        /// The installed models.
        installed: String,
        /// An additional note; may be empty.
        note: &'static str,
    },
    /// The hash of a file differs from its manifest.
    #[error(
        "{} is damaged or another file: expected SHA-256 {expected}, found {found}; fetch it again, or reinstall it with `nvr model import`",
        path.display()
    )]
    Hash {
        /// The path.
        path: PathBuf,
        /// The hash in the manifest.
        expected: String,
        /// The hash of the file.
        found: String,
    },
    /// ONNX Runtime's library could not be opened.
    #[error(
        "ONNX Runtime's library could not be opened ({}); install it with `make setup`, set ORT_DYLIB_PATH to its file, or use --backend rten",
        tried.join("; ")
    )]
    LibraryAbsent {
        /// Each file that was tried, with the reason why it was not used.
        tried: Vec<String>,
    },
    /// OpenVINO can't be used.
    #[error(
        "OpenVINO can't be used ({reason}); install it with `tools/setup openvino` (x86-64 only), set ORT_DYLIB_PATH to the libonnxruntime.so of the Python package onnxruntime-openvino, or use --backend onnxruntime"
    )]
    OpenVinoAbsent {
        /// Which library has no OpenVINO, or what could not be opened.
        reason: String,
    },
    /// An error of TensorRT or of its engine.
    #[error(transparent)]
    TensorRt(#[from] TensorRtError),
    /// The engine can't load the model.
    #[error("{backend} could not load {}: {message}", path.display())]
    Load {
        /// The backend.
        backend: &'static str,
        /// The path.
        path: PathBuf,
        /// The engine's own error.
        message: String,
    },
    /// A tensor has another shape or type than in the manifest.
    #[error(
        "model {model}: {tensor} should be {expected}, but is {found}; correct its manifest, or import the model again"
    )]
    Shape {
        /// The id of the model.
        model: String,
        /// The tensor, `input` or `output`, with its name.
        tensor: String,
        /// According to the manifest.
        expected: String,
        /// According to the model's file.
        found: String,
    },
    /// The frame's pixels can't be read by the CPU, or do not match their format.
    #[error("the frame's pixels can't be read: {0}")]
    Pixels(String),
    /// A file that can't be imported.
    #[error("{} can't be imported: {reason}", path.display())]
    Import {
        /// The path.
        path: PathBuf,
        /// The reason, with the expected and the found values.
        reason: String,
    },
    /// The engine failed to run.
    #[error("{backend} could not run model {model}: {message}")]
    Inference {
        /// The backend.
        backend: &'static str,
        /// The id of the model.
        model: String,
        /// The engine's own error.
        message: String,
    },
}

impl DetectError {
    /// Whether another attempt may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Inference { .. } | Self::Pixels(_))
    }

    /// `path`, in a store, could not be written.
    pub(super) fn write(path: &Path, error: std::io::Error) -> Self {
        let elsewhere =
            "name a directory that can be written with --models-dir DIR, or set NVR_CACHE to one";
        let advice = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                let free =
                    free_bytes(path).map_or_else(|| "an unknown amount".to_owned(), shown_bytes);
                format!("its file system has {free} free for this user; free some, or {elsewhere}")
            }
            _ => elsewhere.to_owned(),
        };
        Self::Write {
            path: path.to_owned(),
            error,
            advice,
        }
    }

    /// The outputs of `model` have the dimensions `found` instead of `expected`.
    pub(super) fn output_shape(
        model: &str,
        expected: impl Into<String>,
        found: &[&[usize]],
    ) -> Self {
        let found: Vec<String> = found.iter().map(|shape| dims(shape)).collect();
        Self::Shape {
            model: model.to_owned(),
            tensor: "output".to_owned(),
            expected: expected.into(),
            found: found.join(", "),
        }
    }
}

fn remedy(hint: &str) -> String {
    if hint.is_empty() {
        String::new()
    } else {
        format!("; {hint}")
    }
}

/// `1x84x8400`.
pub(super) fn dims(dims: &[usize]) -> String {
    let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
    dims.join("x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_errors_name_the_path_and_the_free_space() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("models/x/model.onnx");
        let told = |code: i32| {
            let error = std::io::Error::from_raw_os_error(code);
            let text = DetectError::write(&path, error).to_string();
            text.replace(&dir.path().display().to_string(), "DIR")
        };
        let elsewhere =
            "name a directory that can be written with --models-dir DIR, or set NVR_CACHE to one";
        for (code, words) in [
            (28, "No space left on device"),
            (122, "Disk quota exceeded"),
        ] {
            let text = told(code);
            let begin = format!(
                "could not write DIR/models/x/model.onnx: {words} (os error {code}); its file system has "
            );
            assert!(text.starts_with(&begin), "{text}");
            let end = format!(" free for this user; free some, or {elsewhere}");
            assert!(text.ends_with(&end), "{text}");
        }
        for (code, words) in [(30, "Read-only file system"), (13, "Permission denied")] {
            assert_eq!(
                told(code),
                format!(
                    "could not write DIR/models/x/model.onnx: {words} (os error {code}); {elsewhere}"
                )
            );
        }
    }
}
