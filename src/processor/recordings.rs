//! The recordings of a processor for its page: what the indexes, the files and the sources say. Those of two directories are shown as one.
//!
//! All calls block on the disk; the page makes them on tokio's blocking pool.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::archive::{Archive, TIMELINE_EVENTS};
use super::disk_calls::Running;
use super::pipeline::Pipeline;
use super::run::Processor;
use super::source::Source;
use super::union;
use crate::base::{SourceId, Stop, unix_now};
use crate::event;
use crate::media::jpeg_of_width;
use crate::record::SourceSpan;
use crate::web::recorder::{
    Camera, CameraList, EventList, EventQuery, ExportWanted, FileSegments, IN_NEXT, Media,
    RecorderView, RecordingState, SceneList, Timeline, ViewError, Window,
};

/// The longest wait for one of two directories: half of what the page waits for an answer.
const LIMIT: Duration = Duration::from_secs(15);
/// The same for a thumbnail, which is decoded in the rest of its time.
const THUMBNAIL_LIMIT: Duration = Duration::from_secs(5);

/// The recordings in one directory, or in two.
pub(super) struct Recordings {
    pipeline: Weak<Pipeline>,
    /// The preferred one first.
    archives: Vec<Arc<Archive>>,
}

impl Recordings {
    /// Those in at most two directories, the preferred one first.
    pub(super) fn new(processor: &Processor, dirs: &[PathBuf]) -> Self {
        let archives = dirs.iter().zip(["", IN_NEXT]);
        Self {
            pipeline: Arc::downgrade(&processor.pipeline),
            archives: archives
                .map(|(dir, mark)| Arc::new(Archive::new(dir, mark)))
                .collect(),
        }
    }

    /// What each directory answers. With two, both are asked at once, and each for a bounded time.
    fn each<T: Send + 'static>(
        &self,
        limit: Duration,
        ask: impl Fn(&Archive) -> Result<T, ViewError> + Clone + Send + 'static,
    ) -> Vec<Result<T, ViewError>> {
        if let [only] = self.archives.as_slice() {
            return vec![ask(only)];
        }
        let running: Vec<Result<Running<T>, ViewError>> = self
            .archives
            .iter()
            .map(|archive| begin(archive, limit, ask.clone()))
            .collect();
        let answers = running.into_iter();
        answers.map(|it| it.and_then(Running::answer)).collect()
    }

    /// The sources that have recordings, and why those of a directory are missing.
    fn spans(&self) -> Result<(Vec<SourceSpan>, Vec<String>), ViewError> {
        let mut faults = Vec::new();
        let answers = self.each(LIMIT, Archive::spans);
        let answers = answers.into_iter().inspect(|answer| {
            faults.extend(answer.as_ref().err().map(ToString::to_string));
        });
        let spans = union::joined(answers, |first, next| [first, next].concat());
        Ok((spans?, faults))
    }

    /// The preferred one of the directories from which a time can be exported.
    fn exporting(&self, wanted: &ExportWanted) -> Result<&Archive, ViewError> {
        self.check(wanted.source)?;
        let asked = wanted.clone();
        let answers = self.each(LIMIT, move |archive| archive.check_export(&asked));
        let archives = answers.into_iter().zip(&self.archives);
        let able = archives.map(|(answer, archive)| answer.map(|()| archive));
        union::joined(able, |first, _| first).map(Arc::as_ref)
    }

    /// The sources that are main streams beside the sub-stream of their camera.
    fn main_streams(&self) -> Vec<SourceId> {
        let Some(pipeline) = self.pipeline.upgrade() else {
            return Vec::new();
        };
        let sources = pipeline.sources.load();
        let mains = sources
            .values()
            .filter(|source| source.settings().is_only_recorded());
        mains.map(|source| source.id).collect()
    }

    /// Refuses a camera that is neither configured nor recorded.
    fn check(&self, source: SourceId) -> Result<(), ViewError> {
        let pipeline = self.pipeline.upgrade();
        if pipeline.is_some_and(|pipeline| pipeline.sources.load().contains_key(&source)) {
            return Ok(());
        }
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
        let (spans, faults) = self.spans()?;
        for span in spans {
            let id = span.source;
            let camera = cameras.entry(id).or_insert_with(|| former(id));
            let (oldest, newest) = (camera.oldest_ms, camera.newest_ms);
            camera.oldest_ms = Some(oldest.map_or(span.oldest_ms, |at| at.min(span.oldest_ms)));
            camera.newest_ms = Some(newest.map_or(span.newest_ms, |at| at.max(span.newest_ms)));
        }
        Ok(CameraList {
            now_ms: u64::try_from(unix_now().as_millis()).unwrap_or(u64::MAX),
            cameras: cameras.into_values().collect(),
            faults,
        })
    }

    fn timeline(&self, source: SourceId, window: Window) -> Result<Timeline, ViewError> {
        self.check(source)?;
        let answers = self.each(LIMIT, move |archive| archive.timeline(source, window));
        union::joined(answers, |first, next| {
            union::timelines(first, next, TIMELINE_EVENTS)
        })
    }

    fn events(&self, query: &EventQuery) -> Result<EventList, ViewError> {
        if let Some(source) = query.source {
            self.check(source)?;
        }
        // A main stream beside its sub-stream has the same events.
        let doubled = match query.source {
            Some(_) => Vec::new(),
            None => self.main_streams(),
        };
        let wanted = query.clone();
        let answers = self.each(LIMIT, move |archive| archive.events(&wanted, &doubled));
        union::joined(answers, |first, next| {
            union::event_lists(first, next, query.limit)
        })
    }

    fn segments(&self, source: SourceId, window: Window) -> Result<Vec<FileSegments>, ViewError> {
        self.check(source)?;
        let answers = self.each(LIMIT, move |archive| archive.segments(source, window));
        union::joined(answers, union::segments)
    }

    fn media(&self, source: SourceId, file: &str) -> Result<Option<Media>, ViewError> {
        let of_next = usize::from(file.ends_with(IN_NEXT));
        let Some(archive) = self.archives.get(of_next) else {
            return Ok(None);
        };
        if self.archives.len() == 1 {
            return archive.media(source, file);
        }
        let file = file.to_owned();
        let opened = begin(archive, LIMIT, move |archive| archive.media(source, &file));
        opened?.answer()
    }

    fn scenes(&self, source: SourceId, window: Window) -> Result<SceneList, ViewError> {
        self.check(source)?;
        let answers = self.each(LIMIT, move |archive| archive.scenes(source, window));
        union::joined(answers, union::scene_lists)
    }

    fn thumbnail(
        &self,
        source: SourceId,
        at_ms: u64,
        width: u32,
    ) -> Result<Option<Bytes>, ViewError> {
        self.check(source)?;
        let find = move |archive: &Archive| archive.coded_frame(source, at_ms);
        let coded = union::joined(self.each(THUMBNAIL_LIMIT, find), Option::or)?;
        let Some(coded) = coded else {
            return Ok(None);
        };
        let frame = coded.decode(width).map_err(undecodable)?;
        let jpeg = jpeg_of_width(&frame, width).map_err(undecodable)?;
        Ok(Some(jpeg.into()))
    }

    fn check_export(&self, wanted: &ExportWanted) -> Result<(), ViewError> {
        self.exporting(wanted).map(drop)
    }

    fn export(
        &self,
        wanted: &ExportWanted,
        out: &mut dyn Write,
        stop: &Stop,
    ) -> Result<(), ViewError> {
        self.exporting(wanted)?.export(wanted, out, stop)
    }
}

/// Asks a directory on a thread of its own.
fn begin<T: Send + 'static>(
    archive: &Arc<Archive>,
    limit: Duration,
    ask: impl FnOnce(&Archive) -> Result<T, ViewError> + Send + 'static,
) -> Result<Running<T>, ViewError> {
    let asked = archive.clone();
    archive.calls.begin(limit, move || ask(&asked))
}

/// A camera of the configuration.
fn configured(source: &Source) -> Camera {
    let (status, settings) = (source.recording(), source.settings());
    let name = settings.name.clone();
    Camera {
        name: name.unwrap_or_else(|| usual_name(source.id)),
        sub: settings.sub,
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
        sub: None,
        state: RecordingState::Off,
        reason: None,
        oldest_ms: None,
        newest_ms: None,
    }
}

fn usual_name(id: SourceId) -> String {
    format!("Camera {id}")
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

fn undecodable(error: impl std::fmt::Display) -> ViewError {
    ViewError::Undecodable(error.to_string())
}
