//! One camera whose pictures and objects are recorded, as soon as there is a recorder, and to which of two directories.
//!
//! Access units come on the thread of the camera's session, scenes on that of the detector. Neither waits for the disk. The choice is
//! made at key frames; units and scenes are shared by both directories, not copied.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::directory::Directory;
use crate::base::sync::lock;
use crate::base::{FrameMeta, SourceId};
use crate::event::DetectedObject;
use crate::media::{CodedUnit, UnitSink};
use crate::record::{
    Covered, RecordMode, RecordedSource, Scene, SceneObject, SourceReport, Takeover,
};

/// One camera, recorded as soon as there is a recorder.
pub(super) struct RecordedCamera {
    id: SourceId,
    mode: RecordMode,
    first: Way,
    next: Option<NextWay>,
}

/// The way into a directory.
struct Way {
    directory: Arc<Directory>,
    recorded: OnceLock<Arc<RecordedSource>>,
}

/// The way into the directory that takes over.
struct NextWay {
    way: Way,
    /// Whether it takes what comes.
    is_open: AtomicBool,
    /// Decides that at key frames. Nobody holds it while a disk works.
    takeover: Mutex<Takeover>,
}

impl RecordedCamera {
    /// A camera whose recorders may come later. `next` takes over while `first` fails.
    pub(super) fn new(
        id: SourceId,
        mode: RecordMode,
        first: Arc<Directory>,
        next: Option<Arc<Directory>>,
    ) -> Self {
        let next = next.map(|directory| NextWay {
            way: Way::to(directory),
            is_open: AtomicBool::new(false),
            takeover: Mutex::default(),
        });
        Self {
            id,
            mode,
            first: Way::to(first),
            next,
        }
    }

    /// Takes the published objects of a frame. Dropped before the first access unit has reached the recorder.
    pub(super) fn scene(&self, frame: &FrameMeta, objects: &[DetectedObject]) {
        // Never begins a recording: the result may be the last one of a camera that was removed.
        let next = self.next.as_ref().filter(|next| next.is_open());
        let first = self.first.recorded.get();
        let next = next.and_then(|next| next.way.recorded.get());
        let ways = [first, next].into_iter().flatten();
        for recorded in ways {
            recorded.scene(scene(frame, objects));
        }
    }

    /// Whether the next directory takes what comes.
    pub(super) fn is_in_next(&self) -> bool {
        self.next.as_ref().is_some_and(NextWay::is_open)
    }

    /// What the first directory dropped while the next one took it. `first` is the recording in the first directory now.
    pub(super) fn covered(&self, first: Option<&SourceReport>) -> Covered {
        let next = self.next.as_ref();
        next.map_or(Covered::default(), |next| {
            lock(&next.takeover).covered(first)
        })
    }
}

impl UnitSink for RecordedCamera {
    fn unit(&self, unit: CodedUnit) {
        let first = self.first.source(self.id, &self.mode);
        let Some(next) = &self.next else {
            if let Some(first) = first {
                first.unit(unit);
            }
            return;
        };
        if unit.is_key {
            next.choose(unit.captured_unix, &self.first.directory, first.as_deref());
        }
        if next.is_open()
            && let Some(recorded) = next.way.source(self.id, &self.mode)
        {
            recorded.unit(unit.clone());
        }
        if let Some(first) = first {
            first.unit(unit);
        }
    }
}

impl Way {
    fn to(directory: Arc<Directory>) -> Self {
        Self {
            directory,
            recorded: OnceLock::new(),
        }
    }

    /// The recording of the camera, if the recorder runs.
    fn source(&self, id: SourceId, mode: &RecordMode) -> Option<Arc<RecordedSource>> {
        self.recorded.get().cloned().or_else(|| {
            let recorder = self.directory.recorder();
            let recorded = recorder.as_ref()?.source_in(id, mode.clone());
            Some(self.recorded.get_or_init(|| recorded).clone())
        })
    }
}

impl NextWay {
    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Decides at a key frame, before it goes to the first directory.
    fn choose(
        &self,
        captured_unix: Duration,
        directory: &Directory,
        first: Option<&RecordedSource>,
    ) {
        if first.is_none() && directory.refusal().is_none() {
            // It is starting.
            return;
        }
        let first = first.map(RecordedSource::report);
        let was_open = self.is_open();
        let is_open = lock(&self.takeover).key_frame(captured_unix, first.as_ref());
        self.is_open.store(is_open, Ordering::Release);
        if was_open
            && !is_open
            && let Some(recorded) = self.way.recorded.get()
        {
            recorded.pause();
        }
    }
}

/// The scene of a frame as it is recorded. Its times are those of the frame itself: the timestamp of an event has milliseconds only.
fn scene(frame: &FrameMeta, objects: &[DetectedObject]) -> Scene {
    let objects = objects.iter().map(|object| SceneObject {
        class_name: object.class_name.clone(),
        confidence: object.confidence,
        bbox: object.bbox,
        track: object.tracker_id,
    });
    Scene {
        captured_unix: frame.captured_unix,
        ntp_ns: frame.ntp_ns,
        frame_size: frame.size,
        objects: objects.collect(),
    }
}

#[cfg(test)]
#[path = "recorded_tests.rs"]
mod tests;
