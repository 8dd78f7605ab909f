//! The interface between the page of the recordings and the role.
//!
//! All functions block on the disk. Times are in milliseconds since the Unix epoch, where they go to the page.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::Serialize;

use crate::base::{SourceId, Stop};

/// The data of a recorder for its page. Called on several threads at once.
pub trait RecorderView: Send + Sync {
    /// The cameras with their recordings.
    ///
    /// # Errors
    /// If the recordings can't be read.
    fn cameras(&self) -> Result<CameraList, ViewError>;

    /// The recorded times and the events of a camera that overlap a window.
    ///
    /// # Errors
    /// If there is no such camera, or its recordings can't be read.
    fn timeline(&self, source: SourceId, window: Window) -> Result<Timeline, ViewError>;

    /// Events, the newest first.
    ///
    /// # Errors
    /// If there is no such camera, or the recordings can't be read.
    fn events(&self, query: &EventQuery) -> Result<EventList, ViewError>;

    /// The parts of the recordings of a camera that show a window, by file, in the order in which they are played.
    ///
    /// # Errors
    /// If there is no such camera, or its recordings can't be read.
    fn segments(&self, source: SourceId, window: Window) -> Result<Vec<FileSegments>, ViewError>;

    /// Opens a recording. `file` has the form of a name ([`super::is_name`]). Absent if there is none.
    ///
    /// # Errors
    /// If it can't be read.
    fn media(&self, source: SourceId, file: &str) -> Result<Option<Media>, ViewError>;

    /// The frames of a camera that were captured in a window, each with its objects.
    ///
    /// # Errors
    /// If there is no such camera, or its recordings can't be read.
    fn scenes(&self, source: SourceId, window: Window) -> Result<SceneList, ViewError>;

    /// The frame of a camera that was captured at a time, as JPEG of at most `width` pixels in width. Absent if none was recorded.
    /// Decodes video, for some seconds at most.
    ///
    /// # Errors
    /// If there is no such camera, or the frame can't be read or decoded.
    fn thumbnail(
        &self,
        source: SourceId,
        at_ms: u64,
        width: u32,
    ) -> Result<Option<Bytes>, ViewError>;

    /// Checks whether a time can be exported, as far as that is quick.
    ///
    /// # Errors
    /// If it can't.
    fn check_export(&self, wanted: &ExportWanted) -> Result<(), ViewError>;

    /// Exports a time as a ZIP archive: videos, objects, and a signed manifest. Nothing goes to `out` before all recordings are
    /// checked, which takes minutes if they are many. Blocks for as long as `out` does.
    ///
    /// # Errors
    /// If there is nothing to export, recordings change meanwhile, `out` takes no more, or `stop` is raised. What went to `out` is no
    /// whole archive then.
    fn export(
        &self,
        wanted: &ExportWanted,
        out: &mut dyn Write,
        stop: &Stop,
    ) -> Result<(), ViewError>;
}

/// A time that is to be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportWanted {
    /// The camera.
    pub source: SourceId,
    /// The time.
    pub window: Window,
    /// The name of the files, without an ending.
    pub name: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// No camera has this id.
    #[error("source={id}: there is no such camera; {}", among(.known))]
    NoSource {
        /// The id.
        id: SourceId,
        /// The ids of all cameras.
        known: Vec<SourceId>,
    },
    /// Nothing was recorded in that time, with the times that there are.
    #[error("{0}")]
    NothingRecorded(String),
    /// The recordings can't be read now, with the reason and the remedy.
    #[error("{0}")]
    Unreadable(String),
    /// The frame can't be decoded, with the reason.
    #[error("{0}")]
    Undecodable(String),
}

fn among(known: &[SourceId]) -> String {
    match known {
        [] => "none is recorded; set record.dir".to_owned(),
        [only] => format!("the only one has the id {only}"),
        all => {
            let ids: Vec<String> = all.iter().map(SourceId::to_string).collect();
            format!("they have the ids {}", ids.join(", "))
        }
    }
}

/// A span of time: from `from_ms` to before `to_ms`, which is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its begin.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
}

/// `cameras.json`.
#[derive(Debug, Clone, Serialize)]
pub struct CameraList {
    /// The present time of the recorder.
    pub now_ms: u64,
    /// Each camera, also those that are not recorded.
    pub cameras: Vec<Camera>,
    /// Why the recordings of a directory are missing, with the remedy, while those of another one are shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// A camera.
#[derive(Debug, Clone, Serialize)]
pub struct Camera {
    /// Its id.
    pub source_id: SourceId,
    /// Its name, or another text that people recognise.
    pub name: String,
    /// The camera whose main stream this is, if it is recorded beside the sub-stream: that one has its sub-stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<SourceId>,
    /// Whether it is recorded.
    pub state: RecordingState,
    /// Why it is not, where that is not asked for, or why it is recorded to the second of two directories.
    pub reason: Option<String>,
    /// Begin of its oldest recording.
    pub oldest_ms: Option<u64>,
    /// End of its newest recording.
    pub newest_ms: Option<u64>,
}

/// Whether a camera is recorded, as in statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// What it sends is written.
    Recording,
    /// Events are recorded, and there is none now.
    Armed,
    /// It sends nothing at present.
    Waiting,
    /// The disk does not take it.
    Failing,
    /// It can't be recorded.
    Refused,
    /// It is not to be recorded.
    Off,
}

/// `timeline.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Timeline {
    /// Begin and end of each recorded time, in order, with a gap of over a second between two.
    pub recorded: Vec<(u64, u64)>,
    /// The events, by begin.
    pub events: Vec<Event>,
    /// Whether there are more than these.
    pub truncated: bool,
}

/// `events.json`.
#[derive(Debug, Clone, Serialize)]
pub struct EventList {
    /// The events, the newest first.
    pub events: Vec<Event>,
    /// Whether there are more than these.
    pub truncated: bool,
    /// All classes of which there are events.
    pub classes: Vec<String>,
}

/// One track of an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// The camera.
    pub source_id: SourceId,
    /// The id of the track.
    pub track: u64,
    /// What it is.
    pub class: String,
    /// When it was first seen.
    pub from_ms: u64,
    /// When it was last seen.
    pub to_ms: u64,
    /// Its highest confidence, 0–1.
    pub confidence: f32,
    /// When it had that.
    pub best_ms: u64,
}

/// Which events are asked for. Absent: any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// The camera.
    pub source: Option<SourceId>,
    /// The class.
    pub class: Option<String>,
    /// Only those that end after this time.
    pub from_ms: Option<u64>,
    /// Only those that begin before this time.
    pub to_ms: Option<u64>,
    /// Only those of at least this length.
    pub min_length_ms: u64,
    /// Maximum number of events.
    pub limit: usize,
}

/// The part of a file that shows a window: its head, and the fragments from a key frame on, without a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSegments {
    /// The name of the file without `.mp4`, and [`super::IN_NEXT`] if it is in the second of two directories.
    pub file: String,
    /// Length of its head in bytes.
    pub head_bytes: u64,
    /// The fragments, in order.
    pub fragments: Vec<FragmentRange>,
}

/// A fragment of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentRange {
    /// Its first byte in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Decode time of its first frame, in ticks of 1/90000 s since the file's start.
    pub first_tick: u64,
    /// Sum of the durations of its frames in ticks.
    pub ticks: u64,
    /// Capture time of its first frame since the Unix epoch.
    pub captured_unix: Duration,
    /// Whether decoding can start with its first frame.
    pub begins_with_key: bool,
}

/// A recording that is open for reading.
#[derive(Debug)]
pub struct Media {
    /// The file, at any position.
    pub file: File,
    /// The number of its bytes that may be served.
    pub bytes: u64,
    /// Whether it is complete, so that it changes no more.
    pub is_closed: bool,
    /// When it was last written.
    pub modified: Option<SystemTime>,
}

/// `scenes.json`.
#[derive(Debug, Clone, Serialize)]
pub struct SceneList {
    /// The files, in the order in which they are played.
    pub files: Vec<FileScenes>,
}

/// The frames of a file.
#[derive(Debug, Clone, Serialize)]
pub struct FileScenes {
    /// The name of the file without `.mp4`.
    pub file: String,
    /// The frames, in the order in which they are shown.
    pub frames: Vec<FrameScene>,
}

/// A frame: its presentation time in ticks of 1/90000 s since the file's start, its capture time in milliseconds, and its objects,
/// which are absent if it was not analysed.
#[derive(Debug, Clone, Serialize)]
pub struct FrameScene(pub i64, pub f64, pub Option<Vec<SceneBox>>);

/// An object: class, confidence (0–1), left, top, width and height as fractions of the frame, and the id of its track.
#[derive(Debug, Clone, Serialize)]
pub struct SceneBox(
    pub Arc<str>,
    pub f32,
    pub f32,
    pub f32,
    pub f32,
    pub f32,
    pub Option<u64>,
);
