//! The recordings in one directory, in the words of the page. All functions block on the disk.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk_calls::DiskCalls;
use crate::base::{SourceId, Stop};
use crate::media::CodedFrame;
use crate::record::{
    self, ExportError, ExportRequest, FileFrames, IndexError, Library, Playback, RecordingName,
    SCENE_DELAY, Scene, SceneObject, SourceSpan,
};
use crate::web::recorder::{
    Event, EventList, EventQuery, ExportWanted, FileScenes, FileSegments, FragmentRange,
    FrameScene, Media, SceneBox, SceneList, Timeline, ViewError, Window,
};

/// The most events of a timeline.
pub(super) const TIMELINE_EVENTS: usize = 2000;
/// The frame nearest to a time is looked for in the recordings of this time before and after it.
const AROUND_FRAME_MS: u64 = 1000;

/// The recordings in one directory.
pub(super) struct Archive {
    dir: PathBuf,
    library: Library,
    playback: Playback,
    /// What the page has behind the names of its files.
    mark: &'static str,
    /// Calls on its disk.
    pub(super) calls: DiskCalls,
}

impl Archive {
    /// The recordings in `dir`. On the page `mark` is behind the names of its files, to tell them from those in another directory.
    pub(super) fn new(dir: &Path, mark: &'static str) -> Self {
        Self {
            dir: dir.to_owned(),
            library: Library::new(dir),
            playback: Playback::new(dir.to_owned()),
            mark,
            calls: DiskCalls::new(dir.to_owned()),
        }
    }

    /// The oldest and newest times of each source.
    pub(super) fn spans(&self) -> Result<Vec<SourceSpan>, ViewError> {
        match self.library.sources() {
            // The recorder has just begun, or could never start: the states of the cameras say so.
            Err(IndexError::Missing { .. }) => Ok(Vec::new()),
            spans => spans.map_err(unreadable),
        }
    }

    pub(super) fn timeline(&self, source: SourceId, window: Window) -> Result<Timeline, ViewError> {
        let recorded = self
            .library
            .recorded(source, window.from_ms, window.to_ms)
            .map_err(unreadable)?;
        let query = record::EventQuery {
            source: Some(source),
            from_ms: Some(window.from_ms),
            to_ms: Some(window.to_ms),
            limit: TIMELINE_EVENTS,
            ..Default::default()
        };
        let (events, truncated) = self.library.events(&query).map_err(unreadable)?;
        let events = events.into_iter().rev().map(shown_event).collect();
        Ok(Timeline {
            recorded,
            events,
            truncated,
        })
    }

    /// The events of a query, without those of the sources in `except`.
    pub(super) fn events(
        &self,
        query: &EventQuery,
        except: &[SourceId],
    ) -> Result<EventList, ViewError> {
        let wanted = record::EventQuery {
            source: query.source,
            except: except.to_owned(),
            class: query.class.clone(),
            from_ms: query.from_ms,
            to_ms: query.to_ms,
            min_length_ms: query.min_length_ms,
            limit: query.limit,
        };
        let (events, truncated) = self.library.events(&wanted).map_err(unreadable)?;
        let classes = self.library.classes().map_err(unreadable)?;
        Ok(EventList {
            events: events.into_iter().map(shown_event).collect(),
            truncated,
            classes,
        })
    }

    pub(super) fn segments(
        &self,
        source: SourceId,
        window: Window,
    ) -> Result<Vec<FileSegments>, ViewError> {
        let names = self.names(source, window)?;
        let (from, to) = ends(window);
        let found = self.playback.segments(&names, from, to);
        let found = found.map_err(unreadable)?;
        Ok(found
            .into_iter()
            .map(|it| self.shown_segments(it))
            .collect())
    }

    /// Opens a recording by its name on the page. Absent if there is none.
    pub(super) fn media(&self, source: SourceId, file: &str) -> Result<Option<Media>, ViewError> {
        let stem = file.strip_suffix(self.mark).unwrap_or(file);
        let Some(name) = RecordingName::parse(source, stem) else {
            return Ok(None);
        };
        let opened = self.playback.open(&name).map_err(unreadable)?;
        Ok(opened.map(|it| Media {
            file: it.file,
            bytes: it.bytes,
            is_closed: it.is_closed,
            modified: it.modified,
        }))
    }

    pub(super) fn scenes(&self, source: SourceId, window: Window) -> Result<SceneList, ViewError> {
        // The objects of the last frames may be in a later file.
        let delay_ms = SCENE_DELAY.as_millis() as u64;
        let until = Window {
            to_ms: window.to_ms.saturating_add(delay_ms),
            ..window
        };
        let names = self.names(source, until)?;
        let (from, to) = ends(window);
        let found = self.playback.frames(&names, from, to);
        let found = found.map_err(unreadable)?;
        let files = found.into_iter().map(|it| self.shown_frames(it)).collect();
        Ok(SceneList { files })
    }

    /// The frame that was captured at a time, with what it is decoded from.
    pub(super) fn coded_frame(
        &self,
        source: SourceId,
        at_ms: u64,
    ) -> Result<Option<CodedFrame>, ViewError> {
        let window = Window {
            from_ms: at_ms.saturating_sub(AROUND_FRAME_MS),
            to_ms: at_ms + AROUND_FRAME_MS,
        };
        let names = self.names(source, window)?;
        self.playback
            .coded_frame(&names, Duration::from_millis(at_ms))
            .map_err(unreadable)
    }

    pub(super) fn check_export(&self, wanted: &ExportWanted) -> Result<(), ViewError> {
        record::check_export(&self.export_request(wanted)).map_err(not_exported)
    }

    pub(super) fn export(
        &self,
        wanted: &ExportWanted,
        out: &mut dyn Write,
        stop: &Stop,
    ) -> Result<(), ViewError> {
        let exported = record::export_zip(&self.export_request(wanted), out, stop);
        exported.map(drop).map_err(not_exported)
    }

    fn export_request(&self, wanted: &ExportWanted) -> ExportRequest {
        let (from, until) = ends(wanted.window);
        ExportRequest {
            dir: self.dir.clone(),
            source: wanted.source,
            from,
            until,
            output: format!("{}.mp4", wanted.name).into(),
            key: None,
        }
    }

    /// The names of the recordings of a window.
    fn names(&self, source: SourceId, window: Window) -> Result<Vec<RecordingName>, ViewError> {
        let files = self
            .library
            .files(source, window.from_ms, window.to_ms)
            .map_err(unreadable)?;
        Ok(files
            .iter()
            .filter_map(|file| RecordingName::parse(source, file.path.file_stem()?.to_str()?))
            .collect())
    }

    fn shown_name(&self, name: &RecordingName) -> String {
        format!("{}{}", name.stem(), self.mark)
    }

    fn shown_segments(&self, file: record::FileSegments) -> FileSegments {
        let fragments = file.segments.iter().map(|segment| FragmentRange {
            offset: segment.offset,
            bytes: segment.bytes,
            first_tick: segment.first_tick,
            ticks: segment.ticks,
            captured_unix: segment.captured_unix,
            begins_with_key: segment.begins_with_key,
        });
        FileSegments {
            file: self.shown_name(&file.name),
            head_bytes: file.head_bytes,
            fragments: fragments.collect(),
        }
    }

    fn shown_frames(&self, file: FileFrames) -> FileScenes {
        let name = self.shown_name(&file.name);
        let frames = file.frames.into_iter().map(|frame| {
            let captured_ms = frame.captured_unix.as_nanos() as f64 / 1e6;
            FrameScene(frame.presentation_tick, captured_ms, frame.scene.map(boxes))
        });
        FileScenes {
            file: name,
            frames: frames.collect(),
        }
    }
}

fn ends(window: Window) -> (Duration, Duration) {
    let time = Duration::from_millis;
    (time(window.from_ms), time(window.to_ms))
}

fn boxes(scene: Scene) -> Vec<SceneBox> {
    let (width, height) = (
        scene.frame_size.width as f32,
        scene.frame_size.height as f32,
    );
    let shown = |object: SceneObject| {
        let [left, top, ..] = object.bbox.corners();
        SceneBox(
            object.class_name,
            object.confidence,
            left / width,
            top / height,
            object.bbox.width / width,
            object.bbox.height / height,
            object.track,
        )
    };
    scene.objects.into_iter().map(shown).collect()
}

fn shown_event(event: record::Event) -> Event {
    Event {
        source_id: event.source,
        track: event.track,
        class: event.class,
        from_ms: event.from_ms,
        to_ms: event.to_ms,
        confidence: event.confidence,
        best_ms: event.best_ms,
    }
}

fn not_exported(error: ExportError) -> ViewError {
    match error {
        ExportError::NoSource { .. } | ExportError::Nothing { .. } => {
            ViewError::NothingRecorded(error.to_string())
        }
        error => unreadable(error),
    }
}

fn unreadable(error: impl std::fmt::Display) -> ViewError {
    ViewError::Unreadable(error.to_string())
}
