//! A recorder for the tests of the page: one camera with two recordings, one that is not recorded.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::base::sync::lock;
use crate::base::{Clock, Stop};
use crate::health::Sample;

/// 2026-11-28T08:30:00.123Z.
pub(super) const STARTED_MS: u64 = 1_795_854_600_123;
/// A closed recording.
pub(super) const CLOSED: &str = "20261128T083000.123Z";
/// One that is open.
pub(super) const OPEN: &str = "20261128T083100.123Z-1";
/// How much of the open one may be served.
pub(super) const SOUND_BYTES: usize = 900;

/// Length of an export.
pub(super) const EXPORT_BYTES: usize = 300_000;

/// What exports do after their first bytes.
pub(super) enum Exporting {
    /// They go on.
    Whole,
    /// They wait for it, or for their own stop, and fail.
    Fails(Stop),
}

pub(super) struct Scripted {
    folder: tempfile::TempDir,
    /// The calls that reached it.
    asked: Mutex<Vec<String>>,
    fails: AtomicBool,
    /// Thumbnails wait for it.
    held: Mutex<Option<Stop>>,
    exporting: Mutex<Exporting>,
}

/// The content of the recordings.
pub(super) fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

impl Scripted {
    /// With a closed recording of this size.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in [(CLOSED, bytes), (OPEN, SOUND_BYTES + 100)] {
            let mut file = File::create(folder.path().join(name)).expect("a file");
            file.write_all(&content(bytes)).expect("a disk");
        }
        Arc::new(Self {
            folder,
            asked: Mutex::default(),
            fails: AtomicBool::new(false),
            held: Mutex::default(),
            exporting: Mutex::new(Exporting::Whole),
        })
    }

    /// Sets what exports do.
    pub(super) fn set_exporting(&self, exporting: Exporting) {
        *lock(&self.exporting) = exporting;
    }

    /// From now on its disk fails.
    pub(super) fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// From now on thumbnails are not made until what is returned is raised.
    pub(super) fn hold_thumbnails(&self) -> Stop {
        lock(&self.held).insert(Stop::default()).clone()
    }

    /// The calls since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.asked))
    }

    fn ask(&self, call: String, source: Option<SourceId>) -> Result<(), ViewError> {
        lock(&self.asked).push(call);
        if self.fails.load(Ordering::Relaxed) {
            let reason =
                "can't read /rec/3: Input/output error (os error 5); check the disk of /rec";
            return Err(ViewError::Unreadable(reason.to_owned()));
        }
        match source {
            Some(SourceId(3 | 4)) | None => Ok(()),
            Some(id) => Err(ViewError::NoSource {
                id,
                known: vec![SourceId(3), SourceId(4)],
            }),
        }
    }
}

fn event() -> Event {
    Event {
        source_id: SourceId(3),
        track: 17,
        class: "person".to_owned(),
        from_ms: STARTED_MS + 1000,
        to_ms: STARTED_MS + 4000,
        confidence: 0.91,
        best_ms: STARTED_MS + 2000,
    }
}

impl RecorderView for Scripted {
    fn cameras(&self) -> Result<CameraList, ViewError> {
        self.ask("cameras".to_owned(), None)?;
        let gate = Camera {
            source_id: SourceId(3),
            name: "</script>Gate".to_owned(),
            sub: Some(SourceId(4)),
            state: RecordingState::Recording,
            reason: None,
            oldest_ms: Some(STARTED_MS),
            newest_ms: Some(STARTED_MS + 120_000),
        };
        let yard = Camera {
            source_id: SourceId(4),
            name: "Yard".to_owned(),
            sub: None,
            state: RecordingState::Refused,
            reason: Some("it sends MJPEG".to_owned()),
            oldest_ms: None,
            newest_ms: None,
        };
        Ok(CameraList {
            now_ms: STARTED_MS + 120_500,
            cameras: vec![gate, yard],
            faults: Vec::new(),
        })
    }

    fn timeline(&self, source: SourceId, window: Window) -> Result<Timeline, ViewError> {
        self.ask(format!("timeline {source} {window:?}"), Some(source))?;
        Ok(Timeline {
            recorded: vec![(STARTED_MS, STARTED_MS + 120_000)],
            events: vec![event()],
            truncated: true,
        })
    }

    fn events(&self, query: &EventQuery) -> Result<EventList, ViewError> {
        self.ask(format!("{query:?}"), query.source)?;
        Ok(EventList {
            events: vec![event()],
            truncated: false,
            classes: vec!["car".to_owned(), "person".to_owned()],
        })
    }

    fn segments(&self, source: SourceId, window: Window) -> Result<Vec<FileSegments>, ViewError> {
        self.ask(format!("segments {source} {window:?}"), Some(source))?;
        if source != SourceId(3) || window.from_ms >= STARTED_MS + 120_000 {
            return Ok(Vec::new());
        }
        Ok(vec![FileSegments {
            file: CLOSED.to_owned(),
            head_bytes: 700,
            fragments: vec![FragmentRange {
                offset: 700,
                bytes: 5000,
                first_tick: 0,
                ticks: 180_000,
                captured_unix: Duration::from_millis(STARTED_MS),
                begins_with_key: true,
            }],
        }])
    }

    fn media(&self, source: SourceId, file: &str) -> Result<Option<Media>, ViewError> {
        self.ask(format!("media {source} {file}"), Some(source))?;
        let Ok(opened) = File::open(self.folder.path().join(file)) else {
            return Ok(None);
        };
        let metadata = opened.metadata().expect("a file");
        let is_closed = file == CLOSED;
        Ok(Some(Media {
            bytes: if is_closed {
                metadata.len()
            } else {
                SOUND_BYTES as u64
            },
            is_closed,
            modified: metadata.modified().ok(),
            file: opened,
        }))
    }

    fn scenes(&self, source: SourceId, window: Window) -> Result<SceneList, ViewError> {
        self.ask(format!("scenes {source} {window:?}"), Some(source))?;
        let person = SceneBox("person".into(), 0.91, 0.25, 0.5, 0.125, 0.25, Some(17));
        let car = SceneBox("car".into(), 0.5, 0.0, 0.0, 1.0, 1.0, None);
        let frames = vec![
            FrameScene(0, 1_795_854_600_123.25, Some(vec![person, car])),
            FrameScene(3600, 1_795_854_600_163.5, None),
            FrameScene(7200, 1_795_854_600_203.0, Some(Vec::new())),
        ];
        Ok(SceneList {
            files: vec![FileScenes {
                file: CLOSED.to_owned(),
                frames,
            }],
        })
    }

    fn thumbnail(
        &self,
        source: SourceId,
        at_ms: u64,
        width: u32,
    ) -> Result<Option<Bytes>, ViewError> {
        self.ask(format!("thumbnail {source} {at_ms} {width}"), Some(source))?;
        let held = lock(&self.held).clone();
        if let Some(held) = held {
            held.wait(Duration::from_secs(30));
        }
        let is_there = (STARTED_MS..STARTED_MS + 120_000).contains(&at_ms);
        Ok(is_there.then(|| format!("{source} {at_ms} {width}").into()))
    }

    fn check_export(&self, wanted: &ExportWanted) -> Result<(), ViewError> {
        self.ask(format!("check {wanted:?}"), Some(wanted.source))?;
        if wanted.window.from_ms < STARTED_MS + 120_000 {
            return Ok(());
        }
        let reason = "nothing of source 3 was recorded then";
        Err(ViewError::NothingRecorded(reason.to_owned()))
    }

    fn export(
        &self,
        wanted: &ExportWanted,
        out: &mut dyn Write,
        stop: &Stop,
    ) -> Result<(), ViewError> {
        self.check_export(wanted)?;
        let gone = |error: std::io::Error| ViewError::Unreadable(error.to_string());
        let content = content(EXPORT_BYTES);
        let (first, rest) = content.split_at(EXPORT_BYTES / 2);
        out.write_all(first).map_err(gone)?;
        let go = match &*lock(&self.exporting) {
            Exporting::Whole => None,
            Exporting::Fails(go) => Some(go.clone()),
        };
        if let Some(go) = go {
            while !go.wait(Duration::from_millis(5)) {
                if stop.is_raised() {
                    lock(&self.asked).push("stopped".to_owned());
                    return Err(ViewError::Unreadable("it was stopped".to_owned()));
                }
            }
            return Err(ViewError::Unreadable("a recording was deleted".to_owned()));
        }
        out.write_all(rest).map_err(gone)
    }
}

impl MetricsSource for Scripted {
    fn samples(&self) -> Vec<Sample> {
        Vec::new()
    }
}

/// The page of `view` at a free port of this machine.
pub(super) async fn page(view: &Arc<Scripted>, token: Option<&str>) -> Page {
    serve(
        ([127, 0, 0, 1], 0).into(),
        token.map(Secret::new),
        &["nvr.example".to_owned()],
        view.clone(),
        view.clone(),
        Heartbeats::new(Clock::system()),
    )
    .await
    .expect("a free port")
}
