//! The smaller parts of a desired document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DocumentHash;
use crate::config::Span;

/// How long and by what a new document is tried before it becomes the last known good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Probation {
    /// Length of the trial, 1s to 1h. Default: 60s.
    pub limit: Span,
    /// The consequence of a new source that never delivers a frame. Default: keep.
    pub on_dead_new_source: OnDeadNewSource,
}

impl Default for Probation {
    fn default() -> Self {
        Self {
            limit: Span(std::time::Duration::from_secs(60)),
            on_dead_new_source: OnDeadNewSource::Keep,
        }
    }
}

/// The consequence of a new source that never delivers a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDeadNewSource {
    /// It is reported, and the document is kept: the camera may be mounted later.
    Keep,
    /// The document is reverted.
    Revert,
}

/// A model that the device fetches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// The id under which it is installed, as `processor.model` names it.
    pub id: String,
    /// The address of its file: https or http. A tar archive of its folder, which may be compressed by gzip, or an ONNX file.
    pub url: String,
    /// SHA-256 of the file.
    pub sha256: DocumentHash,
    /// Exact length of the file in bytes, above 0. Without it the file may have at most 1 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A firmware image that the device installs. Accepted, and not used yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirmwareRef {
    /// The address of the image: https or http.
    pub url: String,
    /// SHA-256 of the image.
    pub sha256: DocumentHash,
    /// Its version.
    pub version: String,
}
