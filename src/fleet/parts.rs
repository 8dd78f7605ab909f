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

/// A firmware image that the device installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirmwareRef {
    /// The address of the image: https or http.
    pub url: String,
    /// SHA-256 of the image.
    pub sha256: DocumentHash,
    /// Its version: 1 to 64 letters, digits, `.`, `-`, `_`, `+` and `~`.
    #[schemars(length(min = 1, max = 64))]
    pub version: String,
    /// Exact length of the image in bytes, above 0. Without it the image may have at most 4 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Number of this order, from 1 to 2^53 - 1, apart from the generation of the document: a device installs only what has a
    /// higher one than the last. Absent: the generation of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub generation: Option<u64>,
}

impl FirmwareRef {
    /// Whether `other` names the same image, whatever the generations.
    pub fn is_same_image(&self, other: &Self) -> bool {
        (&self.url, &self.sha256, &self.version, self.size)
            == (&other.url, &other.sha256, &other.version, other.size)
    }
}
