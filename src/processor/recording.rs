//! The recording of a processor's cameras: the directories that they are recorded to, and what the sources are told of it.
//!
//! Nothing here makes a source wait: cameras, detection and the processor's start do not depend on the disk. The disk is touched
//! by the recorders' threads, and by a thread of each directory while its recorder starts.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tracing::warn;

use super::directory::Directory;
use super::pipeline::Pipeline;
use super::recorded::RecordedCamera;
use super::recording_status::{InNext, refusal, status};
use super::source::Source;
use crate::base::{Clock, SourceId, Stop};
use crate::config::{Location, RecordChoice, RecordSettings, Settings, SourceSettings};
use crate::event::RecordingState;
use crate::media::Codec;
use crate::record::{Covered, EventRule, RecordMode, RecordingReport, SourceReport};

/// Time between two looks at the recorders, whose changes are published.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for the last files when the recording ends.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// The recording of a processor. Dropping it closes the files, and waits for that for some seconds.
pub(super) struct Recording {
    settings: RecordSettings,
    directories: Directories,
    stop: Stop,
    /// Raised when the files of a directory are closed.
    ended: Vec<Stop>,
}

/// The directories of the recordings.
#[derive(Clone)]
struct Directories {
    first: Arc<Directory>,
    /// Takes over while the first one fails.
    next: Option<Arc<Directory>>,
}

/// How the recording goes at one moment.
pub(super) struct RecordingFigures {
    /// Each source that is recorded, in both directories together.
    pub(super) sources: BTreeMap<SourceId, SourceFigures>,
    /// In the first directory; `None` while it has no recorder.
    pub(super) first: Option<RecordingReport>,
    /// In the one that takes over.
    pub(super) next: Option<RecordingReport>,
}

/// How a source is recorded. The numbers count since the start of the recorders.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SourceFigures {
    /// Bytes that were written.
    pub(super) bytes: u64,
    /// Groups of pictures that both directories lack, in whole or in part.
    pub(super) dropped_groups: u64,
    /// Scenes that both lack.
    pub(super) dropped_scenes: u64,
}

/// What takes the access units and the scenes of a source, if it is recorded.
pub(super) fn recorded(
    recording: Option<&Recording>,
    source: &SourceSettings,
) -> Option<Arc<RecordedCamera>> {
    let recording = recording?;
    let mode = match source.record {
        RecordChoice::Continuous => RecordMode::Continuous {
            event_classes: source.event_classes.clone(),
        },
        RecordChoice::Events => RecordMode::Events(EventRule {
            pre_roll: recording.settings.pre_roll,
            post_roll: recording.settings.post_roll,
            classes: source.event_classes.clone(),
        }),
        RecordChoice::Off => return None,
    };
    let Directories { first, next } = recording.directories.clone();
    Some(Arc::new(RecordedCamera::new(source.id, mode, first, next)))
}

impl Recording {
    /// The recording that the settings want. If the system gives no thread for it, there is none, and the log says so.
    pub(super) fn of(settings: &Settings, pipeline: &Arc<Pipeline>) -> Option<Self> {
        let (clock, weak) = (pipeline.clock.clone(), Arc::downgrade(pipeline));
        let recorded = |source: &&SourceSettings| source.record != RecordChoice::Off;
        let cameras = settings.sources.values().filter(recorded).count();
        Self::start(settings.record.as_ref()?, cameras, &clock, weak)
            .inspect_err(|error| warn!(%error, "nothing is recorded: the system gives no thread"))
            .ok()
    }

    /// Starts the recorders, each on a thread of its own. The next one is started at once too: its retention keeps its limits, and a
    /// takeover takes no time.
    fn start(
        settings: &RecordSettings,
        cameras: usize,
        clock: &Clock,
        pipeline: Weak<Pipeline>,
    ) -> io::Result<Self> {
        let directory = |settings| Arc::new(Directory::new(settings, clock.clone()));
        let directories = Directories {
            first: directory(settings.clone()),
            next: settings.of_next().map(directory),
        };
        let mut recording = Self {
            settings: settings.clone(),
            directories: directories.clone(),
            stop: Stop::default(),
            ended: Vec::new(),
        };
        let stop = recording.stop.clone();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let told = directories.clone();
        thread("recording").spawn(move || {
            loop {
                let Some(pipeline) = pipeline.upgrade() else {
                    return;
                };
                told.tell(&pipeline);
                drop(pipeline);
                if stop.wait(LOOK_EVERY) {
                    return;
                }
            }
        })?;
        for directory in [Some(directories.first), directories.next]
            .into_iter()
            .flatten()
        {
            let (stop, ended) = (recording.stop.clone(), Stop::default());
            let has_ended = ended.clone();
            thread("recording-start").spawn(move || {
                directory.run(cameras, &stop);
                has_ended.raise();
            })?;
            recording.ended.push(ended);
        }
        Ok(recording)
    }

    /// Closes the files of a camera that is not recorded any more.
    pub(super) fn remove(&self, id: SourceId) {
        for directory in self.directories.all() {
            directory.remove(id);
        }
    }

    /// How the recording goes. `sources` are those of the processor.
    pub(super) fn figures(&self, sources: &BTreeMap<SourceId, Arc<Source>>) -> RecordingFigures {
        let first = self.directories.first.report();
        let next = self.directories.next.as_ref();
        let next = next.and_then(|next| next.report());
        let mut together: BTreeMap<SourceId, SourceFigures> = BTreeMap::new();
        for report in [&first, &next].into_iter().flatten() {
            for (id, source) in &report.sources {
                together.entry(*id).or_default().add(source);
            }
        }
        for (id, figures) in &mut together {
            let recorded = sources.get(id).and_then(|source| source.recorded());
            let first = first.as_ref().and_then(|first| first.sources.get(id));
            if let Some(recorded) = recorded {
                figures.remove(recorded.covered(first));
            }
        }
        RecordingFigures {
            sources: together,
            first,
            next,
        }
    }
}

impl SourceFigures {
    /// Adds what a directory counted.
    fn add(&mut self, of: &SourceReport) {
        self.bytes += of.bytes;
        self.dropped_groups += of.dropped_groups;
        self.dropped_scenes += of.dropped_scenes;
    }

    /// Takes away what only one of the directories lacks.
    fn remove(&mut self, covered: Covered) {
        self.dropped_groups = self.dropped_groups.saturating_sub(covered.groups);
        self.dropped_scenes = self.dropped_scenes.saturating_sub(covered.scenes);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.raise();
        let deadline = Instant::now() + CLOSE_LIMIT;
        for (ended, directory) in self.ended.iter().zip(self.directories.all()) {
            if !ended.wait(deadline.saturating_duration_since(Instant::now())) {
                let dir = directory.path().display();
                warn!(%dir, "the disk of the recordings does not answer; they are closed at the next start");
            }
        }
    }
}

impl Directories {
    fn all(&self) -> impl Iterator<Item = &Arc<Directory>> {
        [Some(&self.first), self.next.as_ref()]
            .into_iter()
            .flatten()
    }

    /// Tells each source how it is recorded.
    fn tell(&self, pipeline: &Pipeline) {
        let first = self.first.report();
        let next = self.next.as_ref();
        let next = next.map(|next| (next, next.report()));
        for source in pipeline.sources.load().values() {
            if source.settings().record == RecordChoice::Off {
                source.set_recording(None);
                continue;
            }
            let status = match not_recordable(source) {
                Some(reason) => refusal(RecordingState::Refused, reason),
                None => {
                    let next = next.as_ref().map(|(next, report)| InNext {
                        dir: next.path(),
                        runs: report.is_some(),
                        state: next.state(source.id, report.as_ref()),
                        is_open: source.is_in_next(),
                    });
                    status(self.first.state(source.id, first.as_ref()), next)
                }
            };
            source.set_recording(Some(status));
        }
    }
}

/// Why a source can't be recorded at all.
fn not_recordable(source: &Source) -> Option<String> {
    let settings = source.settings();
    if !matches!(settings.stream.location, Location::Rtsp(_)) {
        return Some(format!(
            "only RTSP cameras are recorded, and this is {}; set record = \"off\" for it",
            settings.stream.location
        ));
    }
    let sends_jpeg = source
        .snapshot()
        .is_some_and(|snapshot| snapshot.facts.codec == Codec::Mjpeg.name());
    sends_jpeg.then(|| {
        "the camera sends MJPEG, which is not recorded; set it to H.264 or H.265".to_owned()
    })
}
