//! The recordings of a processor for its page: what the index, the files and the sources say.
//!
//! All calls block on the disk; the page makes them on tokio's blocking pool.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::pipeline::Pipeline;
use super::run::Processor;
use super::source::Source;
use crate::base::{SourceId, Stop, unix_now};
use crate::event;
use crate::media::jpeg_of_width;
use crate::record::{
    self, ExportError, ExportRequest, FileFrames, IndexError, Library, Playback, RecordingName,
    SCENE_DELAY, Scene, SceneObject,
};
use crate::web::recorder::{
    Camera, CameraList, Event, EventList, EventQuery, ExportWanted, FileScenes, FileSegments,
    FragmentRange, FrameScene, Media, RecorderView, RecordingState, SceneBox, SceneList, Timeline,
    ViewError, Window,
};

/// The most events of a timeline.
const TIMELINE_EVENTS: usize = 2000;
/// The frame nearest to a time is looked for in the recordings of this time before and after it.
const AROUND_FRAME_MS: u64 = 1000;

/// The recordings in one directory.
pub(super) struct Recordings {
    dir: PathBuf,
    pipeline: Weak<Pipeline>,
    library: Library,
    playback: Playback,
}

impl Recordings {
    pub(super) fn new(processor: &Processor, dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            pipeline: Arc::downgrade(&processor.pipeline),
            library: Library::new(dir),
            playback: Playback::new(dir.to_owned()),
        }
    }

    /// The names of the recordings of a window.
    fn names(&self, source: SourceId, window: Window) -> Result<Vec<RecordingName>, ViewError> {
        self.check(source)?;
        let files = self
            .library
            .files(source, window.from_ms, window.to_ms)
            .map_err(unreadable)?;
        Ok(files
            .iter()
            .filter_map(|file| RecordingName::parse(source, file.path.file_stem()?.to_str()?))
            .collect())
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

    /// Refuses a camera that is neither configured nor recorded.
    fn check(&self, source: SourceId) -> Result<(), ViewError> {
        let cameras = self.cameras()?.cameras;
        let known: Vec<SourceId> = cameras.iter().map(|camera| camera.source_id).collect();
        if known.contains(&source) {
            return Ok(());
        }
        Err(ViewError::NoSource { id: source, known })
    }
}

impl RecorderView for Recordings {
    fn cameras(&self) -> Result<CameraList, ViewError> {
        let mut cameras = BTreeMap::new();
        if let Some(pipeline) = self.pipeline.upgrade() {
            let sources = pipeline.sources.load();
            cameras.extend(
                sources
                    .values()
                    .map(|source| (source.id, configured(source))),
            );
        }
        let spans = match self.library.sources() {
            // The recorder has just begun, or could never start: the states of the cameras say so.
            Err(IndexError::Missing { .. }) => Vec::new(),
            spans => spans.map_err(unreadable)?,
        };
        for span in spans {
            let id = span.source;
            let camera = cameras.entry(id).or_insert_with(|| former(id));
            camera.oldest_ms = Some(span.oldest_ms);
            camera.newest_ms = Some(span.newest_ms);
        }
        Ok(CameraList {
            now_ms: u64::try_from(unix_now().as_millis()).unwrap_or(u64::MAX),
            cameras: cameras.into_values().collect(),
        })
    }

    fn timeline(&self, source: SourceId, window: Window) -> Result<Timeline, ViewError> {
        self.check(source)?;
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

    fn events(&self, query: &EventQuery) -> Result<EventList, ViewError> {
        if let Some(source) = query.source {
            self.check(source)?;
        }
        let wanted = record::EventQuery {
            source: query.source,
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

    fn segments(&self, source: SourceId, window: Window) -> Result<Vec<FileSegments>, ViewError> {
        let names = self.names(source, window)?;
        let (from, to) = ends(window);
        let found = self.playback.segments(&names, from, to);
        let found = found.map_err(unreadable)?;
        Ok(found.into_iter().map(shown_segments).collect())
    }

    fn media(&self, source: SourceId, file: &str) -> Result<Option<Media>, ViewError> {
        let Some(name) = RecordingName::parse(source, file) else {
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

    fn scenes(&self, source: SourceId, window: Window) -> Result<SceneList, ViewError> {
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
        let files = found.into_iter().map(shown_frames).collect();
        Ok(SceneList { files })
    }

    fn thumbnail(
        &self,
        source: SourceId,
        at_ms: u64,
        width: u32,
    ) -> Result<Option<Bytes>, ViewError> {
        let window = Window {
            from_ms: at_ms.saturating_sub(AROUND_FRAME_MS),
            to_ms: at_ms + AROUND_FRAME_MS,
        };
        let names = self.names(source, window)?;
        let coded = self
            .playback
            .coded_frame(&names, Duration::from_millis(at_ms))
            .map_err(unreadable)?;
        let Some(coded) = coded else {
            return Ok(None);
        };
        let frame = coded.decode(width).map_err(undecodable)?;
        let jpeg = jpeg_of_width(&frame, width).map_err(undecodable)?;
        Ok(Some(jpeg.into()))
    }

    fn check_export(&self, wanted: &ExportWanted) -> Result<(), ViewError> {
        self.check(wanted.source)?;
        record::check_export(&self.export_request(wanted)).map_err(not_exported)
    }

    fn export(
        &self,
        wanted: &ExportWanted,
        out: &mut dyn Write,
        stop: &Stop,
    ) -> Result<(), ViewError> {
        self.check(wanted.source)?;
        let exported = record::export_zip(&self.export_request(wanted), out, stop);
        exported.map(drop).map_err(not_exported)
    }
}

/// A camera of the configuration.
fn configured(source: &Source) -> Camera {
    let status = source.recording();
    Camera {
        name: source
            .settings()
            .name
            .clone()
            .unwrap_or_else(|| usual_name(source.id)),
        state: state(status.as_ref().and_then(|status| status.state)),
        reason: status.and_then(|status| status.reason),
        ..former(source.id)
    }
}

/// A camera that was removed from the configuration. Its recordings stay.
fn former(id: SourceId) -> Camera {
    Camera {
        source_id: id,
        name: usual_name(id),
        state: RecordingState::Off,
        reason: None,
        oldest_ms: None,
        newest_ms: None,
    }
}

fn usual_name(id: SourceId) -> String {
    format!("Camera {id}")
}

fn ends(window: Window) -> (Duration, Duration) {
    let time = Duration::from_millis;
    (time(window.from_ms), time(window.to_ms))
}

fn shown_segments(file: record::FileSegments) -> FileSegments {
    let fragments = file.segments.iter().map(|segment| FragmentRange {
        offset: segment.offset,
        bytes: segment.bytes,
        first_tick: segment.first_tick,
        ticks: segment.ticks,
        captured_unix: segment.captured_unix,
        begins_with_key: segment.begins_with_key,
    });
    FileSegments {
        file: file.name.stem().to_owned(),
        head_bytes: file.head_bytes,
        fragments: fragments.collect(),
    }
}

fn shown_frames(file: FileFrames) -> FileScenes {
    let frames = file.frames.into_iter().map(|frame| {
        let captured_ms = frame.captured_unix.as_nanos() as f64 / 1e6;
        FrameScene(frame.presentation_tick, captured_ms, frame.scene.map(boxes))
    });
    FileScenes {
        file: file.name.stem().to_owned(),
        frames: frames.collect(),
    }
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

fn state(state: Option<event::RecordingState>) -> RecordingState {
    match state {
        None => RecordingState::Off,
        Some(event::RecordingState::Recording) => RecordingState::Recording,
        Some(event::RecordingState::Armed) => RecordingState::Armed,
        Some(event::RecordingState::Waiting) => RecordingState::Waiting,
        Some(event::RecordingState::Failing) => RecordingState::Failing,
        Some(event::RecordingState::Refused) => RecordingState::Refused,
    }
}

fn unreadable(error: impl std::fmt::Display) -> ViewError {
    ViewError::Unreadable(error.to_string())
}

fn not_exported(error: ExportError) -> ViewError {
    match error {
        ExportError::NoSource { .. } | ExportError::Nothing { .. } => {
            ViewError::NothingRecorded(error.to_string())
        }
        error => ViewError::Unreadable(error.to_string()),
    }
}

fn undecodable(error: impl std::fmt::Display) -> ViewError {
    ViewError::Undecodable(error.to_string())
}
