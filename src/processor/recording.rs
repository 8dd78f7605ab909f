//! The recording of a processor's cameras: starts the recorder, tries again while it can't start, and tells the sources how they
//! are recorded.
//!
//! Nothing here makes a source wait: cameras, detection and the processor's start do not depend on the disk. The disk is touched
//! by the recorder's threads, and by the thread of this file while the recorder starts.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tracing::{info, warn};

use super::pipeline::Pipeline;
use super::recorded::RecordedCamera;
use super::source::Source;
use crate::base::{Backoff, Clock, SourceId, Stop};
use crate::config::{Location, RecordChoice, RecordSettings, Settings, SourceSettings};
use crate::event::{RecordingState, RecordingStatus};
use crate::media::Codec;
use crate::record::{self, EventRule, Medium, RecordMode, Recorder, RecordingReport};

/// Time between two looks at the recorder, whose changes are published.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// First and longest wait before a recorder that can't start is started again.
const RETRY_WAITS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Longest wait for the last files when the recording ends.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// The recording of one directory. Dropping it closes the files, and waits for that for some seconds.
pub(super) struct Recording {
    settings: RecordSettings,
    shared: Arc<Shared>,
    stop: Stop,
    ended: Stop,
}

/// What the thread of the recording and its owner share.
#[derive(Default)]
struct Shared {
    /// The cameras have it too.
    recorder: Arc<ArcSwapOption<Recorder>>,
    /// Why there is no recorder.
    refused: ArcSwapOption<String>,
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
    let recorder = recording.shared.recorder.clone();
    Some(Arc::new(RecordedCamera::new(source.id, mode, recorder)))
}

impl Recording {
    /// The recording that the settings want. If the system gives no thread for it, there is none, and the log says so.
    pub(super) fn of(settings: &Settings, pipeline: &Arc<Pipeline>) -> Option<Self> {
        let (clock, weak) = (pipeline.clock.clone(), Arc::downgrade(pipeline));
        let recorded = |source: &&SourceSettings| source.record != RecordChoice::Off;
        let cameras = settings.sources.values().filter(recorded).count();
        Self::start(settings.record.as_ref()?, cameras, clock, weak)
            .inspect_err(|error| warn!(%error, "nothing is recorded: the system gives no thread"))
            .ok()
    }

    /// Starts the recorder on a thread of its own.
    fn start(
        settings: &RecordSettings,
        cameras: usize,
        clock: Clock,
        pipeline: Weak<Pipeline>,
    ) -> io::Result<Self> {
        let recording = Self {
            settings: settings.clone(),
            shared: Arc::default(),
            stop: Stop::default(),
            ended: Stop::default(),
        };
        let (shared, stop, ended) = (
            recording.shared.clone(),
            recording.stop.clone(),
            recording.ended.clone(),
        );
        let settings = settings.clone();
        let thread = std::thread::Builder::new().name("recording".to_owned());
        thread.spawn(move || {
            let start = || start(&settings, cameras, &clock);
            shared.run(start, &clock, &pipeline, &stop);
            // Closes the files.
            shared.recorder.store(None);
            ended.raise();
        })?;
        Ok(recording)
    }

    /// Closes the file of a camera that is not recorded any more.
    pub(super) fn remove(&self, id: SourceId) {
        if let Some(recorder) = &*self.shared.recorder.load() {
            recorder.remove(id);
        }
    }

    /// How the recording goes; `None` while there is no recorder.
    pub(super) fn report(&self) -> Option<RecordingReport> {
        let recorder = self.shared.recorder.load();
        recorder.as_ref().map(|recorder| recorder.report())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.raise();
        if !self.ended.wait(CLOSE_LIMIT) {
            warn!("the disk of the recordings does not answer; they are closed at the next start");
        }
    }
}

impl Shared {
    fn run(
        &self,
        start: impl Fn() -> Result<Recorder, String>,
        clock: &Clock,
        pipeline: &Weak<Pipeline>,
        stop: &Stop,
    ) {
        let mut backoff = Backoff::new(RETRY_WAITS.0, RETRY_WAITS.1);
        let mut retry_at = Duration::ZERO;
        loop {
            if self.recorder.load().is_none() && clock.now() >= retry_at {
                match start() {
                    Ok(recorder) => {
                        self.recorder.store(Some(Arc::new(recorder)));
                        self.refused.store(None);
                    }
                    Err(error) => {
                        let wait = backoff.next_wait();
                        warn!(error, wait_ms = wait.as_millis(), "nothing is recorded");
                        retry_at = clock.now() + wait;
                        self.refused.store(Some(Arc::new(error)));
                    }
                }
            }
            let Some(pipeline) = pipeline.upgrade() else {
                return;
            };
            self.tell(&pipeline);
            drop(pipeline);
            if stop.wait(LOOK_EVERY) {
                return;
            }
        }
    }

    /// Tells each source how it is recorded.
    fn tell(&self, pipeline: &Pipeline) {
        let report = self.recorder.load().as_ref().map(|it| it.report());
        for source in pipeline.sources.load().values() {
            source.set_recording(self.status(source, report.as_ref()));
        }
    }

    fn status(&self, source: &Source, report: Option<&RecordingReport>) -> Option<RecordingStatus> {
        if source.settings().record == RecordChoice::Off {
            return None;
        }
        let because = |state, reason: String| RecordingStatus {
            state: Some(state),
            reason: Some(reason),
        };
        let is = |state| RecordingStatus {
            state: Some(state),
            reason: None,
        };
        if let Some(reason) = not_recordable(source) {
            return Some(because(RecordingState::Refused, reason));
        }
        if let Some(reason) = &*self.refused.load() {
            return Some(because(RecordingState::Failing, reason.to_string()));
        }
        let recorded = report.and_then(|report| report.sources.get(&source.id));
        Some(match recorded.map(|recorded| &recorded.state) {
            None | Some(record::RecordingState::Waiting) => is(RecordingState::Waiting),
            Some(record::RecordingState::Recording) => is(RecordingState::Recording),
            Some(record::RecordingState::Armed) => is(RecordingState::Armed),
            Some(record::RecordingState::Failing { reason, .. }) => {
                because(RecordingState::Failing, reason.clone())
            }
            Some(record::RecordingState::NotRecordable { reason }) => {
                because(RecordingState::Refused, reason.clone())
            }
        })
    }
}

/// Starts the recorder for so many cameras, unless it would wear the medium out. Blocks.
fn start(settings: &RecordSettings, cameras: usize, clock: &Clock) -> Result<Recorder, String> {
    let medium = Medium::of(&settings.dir);
    if let Some(reason) = record::refuse_medium(&medium, cameras, settings.accept_wear) {
        return Err(reason);
    }
    let recorder = Recorder::start(wanted(settings), clock.clone());
    let recorder = recorder.map_err(|error| error.to_string())?;
    info!(dir = %settings.dir.display(), %medium, "recording");
    Ok(recorder)
}

fn wanted(settings: &RecordSettings) -> record::RecordSettings {
    record::RecordSettings {
        durable_every: settings.durable_every,
        file_length: settings.file_length,
        budget_bytes: settings.budget_bytes,
        min_free_bytes: settings.min_free_bytes,
        min_per_camera_bytes: settings.min_per_camera_bytes,
        prefer_events_after: settings.prefer_events_after,
        pre_roll: settings.pre_roll,
        post_roll: settings.post_roll,
        ..record::RecordSettings::new(&settings.dir)
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
