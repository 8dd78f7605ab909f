//! One directory of recordings: starts its recorder, and tries again while it can't start.
//!
//! Each directory has a thread for that, so that a disk that does not answer delays neither the other directory nor the statuses.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use tracing::{info, warn};

use crate::base::{Backoff, BusySince, Clock, SourceId, Stop};
use crate::config::RecordSettings;
use crate::record::{self, Medium, Recorder, RecordingReport, RecordingState};

/// First and longest wait before a recorder that can't start is started again.
const RETRY_WAITS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// A start that takes longer is told, and the next directory takes over. After a loss of power it may read some files whole.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A directory of recordings. Its recorder may come later.
pub(super) struct Directory {
    settings: RecordSettings,
    clock: Clock,
    recorder: ArcSwapOption<Recorder>,
    /// Why there is no recorder.
    refused: ArcSwapOption<String>,
    starting: BusySince,
}

impl Directory {
    /// A directory by its own settings, whose recorder is not started yet.
    pub(super) fn new(settings: RecordSettings, clock: Clock) -> Self {
        Self {
            settings,
            clock,
            recorder: ArcSwapOption::empty(),
            refused: ArcSwapOption::empty(),
            starting: BusySince::default(),
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.settings.dir
    }

    /// Starts the recorder for so many cameras, again and again until it runs, and closes its files when `stop` is raised. Blocks until
    /// then.
    pub(super) fn run(&self, cameras: usize, stop: &Stop) {
        self.run_with(|| start(&self.settings, cameras, &self.clock), stop);
    }

    fn run_with(&self, start: impl Fn() -> Result<Recorder, String>, stop: &Stop) {
        let mut backoff = Backoff::new(RETRY_WAITS.0, RETRY_WAITS.1);
        let mut wait = Duration::ZERO;
        while !stop.wait(wait) {
            if self.recorder.load().is_some() {
                continue;
            }
            self.starting.begin(self.clock.now());
            match start() {
                Ok(recorder) => {
                    wait = RETRY_WAITS.1;
                    self.recorder.store(Some(Arc::new(recorder)));
                    self.refused.store(None);
                }
                Err(error) => {
                    wait = backoff.next_wait();
                    let dir = self.path().display();
                    warn!(%dir, error, wait_ms = wait.as_millis(), "nothing is recorded to this directory");
                    self.refused.store(Some(Arc::new(error)));
                }
            }
            self.starting.end();
        }
        // Closes the files.
        self.recorder.store(None);
    }

    /// Its recorder, once it runs.
    pub(super) fn recorder(&self) -> Guard<Option<Arc<Recorder>>> {
        self.recorder.load()
    }

    /// Why its recorder does not run. Nothing while it is being started for the first time, and that takes no longer than usual.
    pub(super) fn refusal(&self) -> Option<Arc<String>> {
        if self.recorder.load().is_some() {
            return None;
        }
        let refused = self.refused.load_full();
        refused.or_else(|| self.is_late().then(|| Arc::new(self.late())))
    }

    fn is_late(&self) -> bool {
        let since = self.starting.for_longer_than(START_LIMIT, self.clock.now());
        since.is_some()
    }

    fn late(&self) -> String {
        format!(
            "the recorder of {} does not start within {} s: it closes recordings after a loss of power, or the disk does not \
             answer; check it if this lasts",
            self.path().display(),
            START_LIMIT.as_secs()
        )
    }

    /// How the recording goes; `None` while there is no recorder.
    pub(super) fn report(&self) -> Option<RecordingReport> {
        self.recorder.load().as_ref().map(|it| it.report())
    }

    /// The state of a camera, by a report.
    pub(super) fn state(&self, id: SourceId, report: Option<&RecordingReport>) -> RecordingState {
        if let Some(reason) = self.refusal() {
            return RecordingState::Failing {
                since: Duration::ZERO,
                reason: reason.to_string(),
            };
        }
        let source = report.and_then(|report| report.sources.get(&id));
        source.map_or(RecordingState::Waiting, |source| source.state.clone())
    }

    /// Closes the file of a camera that is not recorded any more.
    pub(super) fn remove(&self, id: SourceId) {
        if let Some(recorder) = &*self.recorder.load() {
            recorder.remove(id);
        }
    }
}

/// Starts the recorder for so many cameras, unless it would wear the medium out. Blocks.
fn start(settings: &RecordSettings, cameras: usize, clock: &Clock) -> Result<Recorder, String> {
    let medium = Medium::of(&settings.dir);
    let refusal = record::refuse_medium(
        &medium,
        settings.place.dir_key(),
        cameras,
        settings.accept_wear,
    );
    if let Some(reason) = refusal {
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
        budget_key: settings.place.budget_key(),
        min_free_bytes: settings.min_free_bytes,
        min_per_camera_bytes: settings.min_per_camera_bytes,
        prefer_events_after: settings.prefer_events_after,
        pre_roll: settings.pre_roll,
        post_roll: settings.post_roll,
        ..record::RecordSettings::new(&settings.dir)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::RecordPlace;

    /// The settings of a directory without limits.
    pub(in crate::processor) fn settings(dir: &Path) -> RecordSettings {
        RecordSettings {
            dir: dir.to_owned(),
            budget_bytes: None,
            min_free_bytes: 0,
            min_per_camera_bytes: 0,
            prefer_events_after: Duration::ZERO,
            durable_every: Duration::from_secs(1),
            file_length: Duration::from_secs(60),
            pre_roll: Duration::ZERO,
            post_roll: Duration::ZERO,
            accept_wear: true,
            place: RecordPlace::First,
            next: None,
        }
    }

    #[test]
    fn a_start_that_takes_long_is_told_until_it_has_succeeded() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path());
        let clock = Clock::by_hand();
        let directory = Arc::new(Directory::new(settings.clone(), clock.clone()));
        let (reached, released, stop) = (Stop::default(), Stop::default(), Stop::default());
        let limit = Duration::from_secs(60);
        let thread = {
            let (directory, clock) = (directory.clone(), clock.clone());
            let (reached, released, stop) = (reached.clone(), released.clone(), stop.clone());
            std::thread::spawn(move || {
                let start = || {
                    reached.raise();
                    released.wait(limit);
                    start(&settings, 1, &clock)
                };
                directory.run_with(start, &stop);
            })
        };
        assert!(reached.wait(limit));
        let of = || directory.state(SourceId(7), None);
        assert_eq!(of(), RecordingState::Waiting);
        clock.advance(START_LIMIT);
        let reason = format!(
            "the recorder of {} does not start within 10 s: it closes recordings after a loss of power, or the disk does not \
             answer; check it if this lasts",
            folder.path().display()
        );
        let since = Duration::ZERO;
        assert_eq!(of(), RecordingState::Failing { since, reason });
        released.raise();
        for _ in 0..12_000 {
            if directory.refusal().is_none() {
                break;
            }
            Stop::default().wait(Duration::from_millis(5));
        }
        assert!(directory.recorder().is_some());
        assert_eq!(of(), RecordingState::Waiting);
        stop.raise();
        thread.join().expect("it ends");
        assert!(directory.recorder().is_none());
    }
}
