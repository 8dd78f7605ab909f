//! The recorder of one folder: its lock, its queue and its threads.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::disk::{LocalDisk, RecordingDisk};
use super::error::{DiskFault, RecordError};
use super::folder_lock::lock_folder;
use super::index::IndexThread;
use super::layout::open_folder;
use super::mode::RecordMode;
use super::queue::{Item, Next, Queue};
use super::recovery::{Recovered, recover};
use super::report::{RecordingReport, RecordingState, SourceReport, SourceShared};
use super::retention::RetentionThread;
use super::scene::Scene;
use super::space::{Space, SpaceLimits};
use super::space_disk::SpaceDisk;
use super::writer::Writer;
use crate::base::sync::lock;
use crate::base::{BusySince, Clock, SourceId, Stop};
use crate::media::{CodedUnit, UnitSink};

/// The pause between two looks at the clock.
const TICK: Duration = Duration::from_millis(200);
/// A disk that does not answer for longer is reported.
const HUNG_AFTER: Duration = Duration::from_secs(10);
/// The time for the last files when the recorder is dropped without [`Recorder::stop`].
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// What to record, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSettings {
    /// The folder. Made if it is missing. One process at a time writes to it.
    pub dir: PathBuf,
    /// The longest time until what was written survives a loss of power, plus the length of a fragment, 2 s. Default 5 s.
    pub durable_every: Duration,
    /// The length of files: they end at the first key frame after it. Default 60 s.
    pub file_length: Duration,
    /// Bytes of all sources that may wait for the disk. Default 256 MiB: 16 sources at 4 Mbit/s for 33 s.
    pub queue_bytes: usize,
    /// Bytes of one source that may wait for the disk. Default 32 MiB.
    pub source_queue_bytes: usize,
    /// The most bytes of all recordings, at least some 10 MB for each source. Default none.
    pub budget_bytes: Option<u64>,
    /// The setting that has this budget, as remedies name it. Default `record.budget`.
    pub budget_key: &'static str,
    /// Bytes that stay free in the file system. Default 0.
    pub min_free_bytes: u64,
    /// Bytes of the newest recordings of each source that stay while another source has more. Default 0.
    pub min_per_camera_bytes: u64,
    /// Age from which recordings without events are deleted before those with events, back from the newest recording of the same
    /// source. Default 24 h.
    pub prefer_events_after: Duration,
    /// Time before an event that belongs to it. Default 10 s.
    pub pre_roll: Duration,
    /// Time after an event that belongs to it. Default 10 s.
    pub post_roll: Duration,
}

impl RecordSettings {
    /// The defaults for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            durable_every: Duration::from_secs(5),
            file_length: Duration::from_secs(60),
            queue_bytes: 256 << 20,
            source_queue_bytes: 32 << 20,
            budget_bytes: None,
            budget_key: "record.budget",
            min_free_bytes: 0,
            min_per_camera_bytes: 0,
            prefer_events_after: Duration::from_secs(24 * 3600),
            pre_roll: Duration::from_secs(10),
            post_roll: Duration::from_secs(10),
        }
    }
}

/// Records sources to one folder. Dropping it closes the files, for at most 5 s.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    sources: Mutex<BTreeMap<SourceId, Arc<RecordedSource>>>,
    /// Why those that were removed could not be recorded. They begin with it when they come back.
    failing: Mutex<BTreeMap<SourceId, RecordingState>>,
    recovered: Vec<Recovered>,
    space: Arc<Space>,
    index: Arc<IndexThread>,
    thread: Option<JoinHandle<()>>,
}

/// A source that is recorded. It takes units on the thread that receives them, and scenes on any other. It never blocks.
#[derive(Debug)]
pub struct RecordedSource {
    shared: Arc<Shared>,
    source: Arc<SourceShared>,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    clock: Clock,
    dir: PathBuf,
    /// The writer, while it does not wait for units.
    busy: BusySince,
    ended: Stop,
}

impl Recorder {
    /// Locks the folder, closes what a crash left open in it, and starts the threads that write and delete. Blocks for the recovery,
    /// which reads all files that were open: seconds after a loss of power.
    ///
    /// # Errors
    /// If another process writes to the folder, or the disk refuses it. Both may pass.
    pub fn start(settings: RecordSettings, clock: Clock) -> Result<Self, RecordError> {
        let lock = prepare(&settings.dir)?;
        Self::start_on(LocalDisk, lock, settings, clock)
    }

    fn start_on<D: SpaceDisk + Clone + 'static>(
        disk: D,
        lock: File,
        settings: RecordSettings,
        clock: Clock,
    ) -> Result<Self, RecordError> {
        let RecordSettings { dir, .. } = settings;
        prepare_marks(&disk, &dir)?;
        let recovered = recover(&disk, &dir)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue_bytes, settings.source_queue_bytes),
            clock: clock.clone(),
            dir: dir.clone(),
            busy: BusySince::default(),
            ended: Stop::default(),
        });
        let no_thread = |source| RecordError::Thread {
            dir: dir.clone(),
            source,
        };
        let limits = SpaceLimits {
            dir: dir.clone(),
            budget_bytes: settings.budget_bytes,
            budget_key: settings.budget_key,
            min_free_bytes: settings.min_free_bytes,
            min_per_camera_bytes: settings.min_per_camera_bytes,
            prefer_events_after: settings.prefer_events_after,
            pre_roll: settings.pre_roll,
            post_roll: settings.post_roll,
            file_length: settings.file_length,
        };
        let retention = RetentionThread::start(disk.clone(), limits, clock.clone());
        let retention = retention.map_err(no_thread)?;
        let space = retention.space();
        let (changes, listener) = (space.changes.clone(), space.clone());
        let index = IndexThread::start(dir.clone(), changes, listener, clock.clone());
        let index = Arc::new(index.map_err(no_thread)?);
        let (durable_every, file_length) = (settings.durable_every, settings.file_length);
        let its_space = space.clone();
        let writer = Writer::new(disk, dir.clone(), its_space, durable_every, file_length);
        let (of_thread, its_index) = (shared.clone(), index.clone());
        let thread = std::thread::Builder::new().name("record".to_owned());
        let run = move || {
            write(&of_thread, writer);
            // The lock is held until the last file is closed, nothing is deleted any more, and the index is left alone.
            retention.stop();
            its_index.stop();
            drop(lock);
            of_thread.ended.raise();
        };
        let spawned = thread.spawn(run).map_err(no_thread)?;
        Ok(Self {
            shared,
            sources: Mutex::default(),
            failing: Mutex::default(),
            recovered,
            space,
            index,
            thread: Some(spawned),
        })
    }

    /// The way of units into the continuous recording of a source whose events are objects of all classes. The same for the same
    /// source, until it is removed.
    pub fn source(&self, source: SourceId) -> Arc<RecordedSource> {
        self.source_in(source, RecordMode::default())
    }

    /// The way of units into the recording of a source. The same for the same source, and in the same mode, until it is removed.
    pub fn source_in(&self, source: SourceId, mode: RecordMode) -> Arc<RecordedSource> {
        let mut sources = lock(&self.sources);
        let recorded = sources.entry(source).or_insert_with(|| {
            self.space.want_events(source, mode.event_classes());
            let shared = SourceShared::in_mode(source, mode);
            if let Some(state) = lock(&self.failing).remove(&source) {
                shared.report().state = state;
            }
            Arc::new(RecordedSource {
                shared: self.shared.clone(),
                source: Arc::new(shared),
            })
        });
        recorded.clone()
    }

    /// Ends the recording of a source. Its file is closed after the units that came before. If the disk refused it, it is still failing
    /// when it comes back, until something is durable. Does not wait.
    pub fn remove(&self, source: SourceId) {
        let removed = lock(&self.sources).remove(&source);
        if let Some(removed) = removed {
            let state = removed.source.report().state.clone();
            if matches!(state, RecordingState::Failing { .. }) {
                lock(&self.failing).insert(source, state);
            }
            self.shared.queue.remove(removed.source.clone());
        }
    }

    /// How recording goes. Does not wait for the disk.
    pub fn report(&self) -> RecordingReport {
        let sources = lock(&self.sources);
        let reports = sources.iter().map(|(id, source)| (*id, source.report()));
        RecordingReport {
            sources: reports.collect(),
            recovered: self.recovered.clone(),
            queued_bytes: self.shared.queue.bytes() as u64,
            space: self.space.report(),
            index: self.index.report(),
        }
    }

    /// Closes all files after the units in the queue. Waits for at most `limit`; true if all were closed. Otherwise the disk hangs, and
    /// the next start recovers them.
    pub fn stop(mut self, limit: Duration) -> bool {
        self.close(limit)
    }

    fn close(&mut self, limit: Duration) -> bool {
        self.shared.queue.close();
        let ended = self.shared.ended.wait(limit);
        match self.thread.take() {
            Some(thread) if ended => thread.join().is_ok(),
            Some(_) => {
                let dir = self.shared.dir.display();
                tracing::error!(%dir, "the disk does not answer; recordings stay open until the next start");
                false
            }
            None => true,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.close(DROP_LIMIT);
        }
    }
}

impl RecordedSource {
    /// How it is recorded. Does not wait for the disk.
    pub fn report(&self) -> SourceReport {
        let mut report = self.source.report().clone();
        report.queued_groups = self.shared.queue.groups(self.source.source);
        let is_well = matches!(
            report.state,
            RecordingState::Recording | RecordingState::Armed | RecordingState::Waiting
        );
        if let Some(hung) = self.shared.hung().filter(|_| is_well) {
            report.state = hung;
        }
        report
    }

    /// Closes its file after the units that came before. The next key frame begins another one. Does not wait.
    pub fn pause(&self) {
        self.shared.queue.pause(self.source.clone());
    }

    /// Takes the objects of a frame whose unit came before. They are in the next fragment of the source that is written, which may be
    /// one of the next file. Those that come after the last fragment are lost. Where events are recorded, one with a wanted object begins
    /// an event or prolongs it.
    pub fn scene(&self, scene: Scene) {
        self.shared.queue.push_scene(&self.source, scene);
    }
}

impl Shared {
    /// The state of sources whose writer does not come back from the disk.
    fn hung(&self) -> Option<RecordingState> {
        let since = self.busy.for_longer_than(HUNG_AFTER, self.clock.now())?;
        Some(RecordingState::Failing {
            since,
            // Without the time: each other text would be published.
            reason: format!(
                "the disk of {} does not answer; check it",
                self.dir.display()
            ),
        })
    }
}

impl UnitSink for RecordedSource {
    fn unit(&self, unit: CodedUnit) {
        self.shared.queue.push(&self.source, unit);
    }
}

/// The writer's thread: until the queue is closed and empty.
fn write<D: RecordingDisk>(shared: &Shared, mut writer: Writer<D>) {
    let mut tick_due = Duration::ZERO;
    loop {
        shared.busy.end();
        let next = shared.queue.next(TICK);
        let now = shared.clock.now();
        shared.busy.begin(now);
        match next {
            Next::Item(Item::Unit {
                source,
                unit,
                after_gap,
            }) => writer.unit(&source, unit, after_gap, now),
            Next::Item(Item::Scene { source, scene }) => writer.scene(&source, scene, now),
            Next::Item(Item::Ended(source)) => writer.end(&source, now),
            Next::Nothing => {}
            Next::Closed => return writer.finish(now),
        }
        if now >= tick_due {
            writer.tick(now);
            tick_due = now + TICK;
        }
    }
}

/// Makes the folder and locks it.
fn prepare(dir: &Path) -> Result<File, RecordError> {
    let made = DirBuilder::new().recursive(true).mode(0o750).create(dir);
    made.map_err(DiskFault::of("create", dir))?;
    lock_folder(dir)?.ok_or_else(|| RecordError::InUse {
        dir: dir.to_owned(),
    })
}

/// Makes the folder of marks, and its name and that of `dir` durable.
pub(super) fn prepare_marks<D: RecordingDisk>(disk: &D, dir: &Path) -> Result<(), DiskFault> {
    let marks = open_folder(dir);
    let made = disk.make_folder(&marks);
    made.map_err(DiskFault::of("create", &marks))?;
    disk.sync_folder(dir).map_err(DiskFault::of("sync", dir))?;
    match dir.parent() {
        // The parent may belong to another user, who made `dir` long ago.
        Some(parent) if parent != Path::new("") => {
            let _ = disk.sync_folder(parent);
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
#[path = "recorder_event_tests.rs"]
mod event_tests;
#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
