//! The manifest of an export: where it is from, its files with their SHA-256, and what it lacks.

use serde::{Deserialize, Serialize};

use crate::base::{PublicKey, SourceId};

/// The kind of the document, and its version.
pub(super) const FORMAT: &str = "nvr-export";
pub(super) const VERSION: u32 = 1;

/// The manifest. Times are RFC 3339 in UTC, durations seconds, hashes SHA-256 in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The program and its version.
    pub program: String,
    /// The host name of the machine that made the export.
    #[serde(rename = "box")]
    pub host: String,
    /// The public key of the signature.
    pub key: PublicKey,
    /// When it was made, by the clock of that machine.
    pub exported: String,
    /// The source.
    pub source_id: SourceId,
    /// The range that was asked for.
    pub from: String,
    /// Its end.
    pub until: String,
    /// The videos, in the order of time.
    pub videos: Vec<VideoEntry>,
    /// The objects of the analysed frames.
    pub boxes: FileEntry,
    /// Times of the range without frames.
    pub gaps: Vec<GapEntry>,
    /// What was not sound, and is not exported.
    pub damage: Vec<DamageEntry>,
}

/// A file of the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    /// Its name, without a folder.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub sha256: String,
    /// Number of frames: in a video, or those that were analysed.
    pub frames: u64,
}

/// A video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct VideoEntry {
    /// The file.
    #[serde(flatten)]
    pub file: FileEntry,
    /// Why it begins: `start`, `format`, `clock` or `gap`.
    pub begins: String,
    /// `h264` or `h265`.
    pub codec: String,
    /// Size of the pictures in pixels.
    pub width: u32,
    /// Size of the pictures in pixels.
    pub height: u32,
    /// Capture time of the first frame.
    pub first_captured: String,
    /// Capture time of the last frame.
    pub last_captured: String,
    /// What players show.
    pub duration_s: f64,
    /// Capture time = `captured` + media time − `media_s` of the last entry before it, within half a second.
    pub clock: Vec<ClockEntry>,
    /// What it is from, in order.
    pub recordings: Vec<RecordingEntry>,
}

/// A media time and its capture time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClockEntry {
    /// Time since the start of the video.
    pub media_s: f64,
    /// The capture time.
    pub captured: String,
}

/// A recording of which a video has a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordingEntry {
    /// Its name in the folder of recordings.
    pub name: String,
    /// The id in its seals, 16 hexadecimal digits.
    pub id: String,
    /// `closed`, `open` or `not_closed`.
    pub state: String,
    /// What was taken of it: one piece, or more around damage.
    pub pieces: Vec<PieceEntry>,
}

/// Fragments that follow one another in a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceEntry {
    /// The first byte.
    pub offset: u64,
    /// Their length.
    pub bytes: u64,
    /// Their number.
    pub fragments: u64,
    /// The hash of these bytes, with their seals.
    pub sha256: String,
}

/// A time without frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GapEntry {
    /// The end of the last frame before it, or the beginning of the range.
    pub from: String,
    /// The next frame, or the end of the range.
    pub until: String,
    /// The time between.
    pub duration_s: f64,
}

/// A damaged part of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DamageEntry {
    /// Its name in the folder of recordings.
    pub recording: String,
    /// The byte at which the damaged block begins.
    pub byte: Option<u64>,
    /// The damage.
    pub reason: String,
}

impl Manifest {
    /// Its bytes, which are signed.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .expect("invariant: a manifest has texts and finite numbers only");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// The reason for which these bytes are none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("it is not the manifest of an export: {error}"))?;
        match (manifest.format.as_str(), manifest.version) {
            (FORMAT, VERSION) => Ok(manifest),
            (format, version) => Err(format!(
                "it is {format} of version {version}; this program reads {FORMAT} of version {VERSION}"
            )),
        }
    }

    /// All files that it lists.
    pub(super) fn files(&self) -> impl Iterator<Item = &FileEntry> {
        let videos = self.videos.iter().map(|video| &video.file);
        videos.chain([&self.boxes])
    }
}
