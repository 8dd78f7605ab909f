//! The rates at which cameras are recorded on this box, kept over restarts, and the room that their disk has.
//!
//! A processor tells how many bytes it has written since its recorder started, and how many cameras it records now. Bytes by the
//! time of all these cameras is the mean rate of a camera, whichever of them were away meanwhile. The agent never touches the disk
//! of the recordings: it may hang.
//!
//! The mean is that of at most a day, because cameras send more by day than by night, or the other way round, and events come when
//! people do. It begins again with each document, which may record other streams. Until the new one is long enough, the former
//! one counts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::DocumentId;
use super::kept::{Measured, RecordingDisk};
use super::state_dir;
use crate::control::{RecordedCameras, RecorderStatus};

/// What the file has, in the log.
const MEASURED: &str = "the measured rates of recordings";
/// The name of the file.
const RATES_FILE: &str = "recording-rates.json";
/// Shortest time of a mean of cameras of which all is recorded: the bit rates of scenes differ.
const CONTINUOUS_AFTER: Duration = Duration::from_secs(600);
/// Shortest time of a mean of cameras of which events are recorded.
const EVENTS_AFTER: Duration = Duration::from_secs(3600);
/// A mean over so long counts half from then on.
const LONGEST_MEAN: Duration = Duration::from_secs(86_400);
/// Statuses come every 5 s or faster. What was written between two that are farther apart may be of another run.
const LONGEST_STEP: Duration = Duration::from_secs(60);
const DAY_MS: u128 = 86_400_000;

/// The rates of this box.
#[derive(Debug)]
pub(super) struct RecordingRates {
    path: PathBuf,
    measured: Measured,
    /// As it is in the file.
    saved: Measured,
    continuous: Mean,
    events: Mean,
    last: Option<Last>,
}

/// The last status.
#[derive(Debug)]
struct Last {
    document: DocumentId,
    recorder: RecorderStatus,
    at: Duration,
}

/// What cameras have written.
#[derive(Debug, Default)]
struct Mean {
    /// For so long at least one of them was recorded.
    lasted: Duration,
    /// The sum of the times for which each was recorded.
    of_cameras: Duration,
    bytes: u64,
}

impl RecordingRates {
    /// Those that were measured before.
    pub(super) fn open(state_dir: &Path) -> Self {
        let path = state_dir.join(RATES_FILE);
        let saved: Measured = state_dir::read_json(&path, MEASURED);
        Self {
            path,
            measured: saved.clone(),
            saved,
            continuous: Mean::default(),
            events: Mean::default(),
            last: None,
        }
    }

    /// What is known.
    pub(super) fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Takes the status of the recorder at `now`, of a processor that runs `document`.
    pub(super) fn note(&mut self, recorder: &RecorderStatus, document: &DocumentId, now: Duration) {
        let last = self.last.replace(Last {
            document: document.clone(),
            recorder: recorder.clone(),
            at: now,
        });
        if let Some(recordings_bytes) = recorder.recordings_bytes {
            self.measured.disk = Some(RecordingDisk {
                dir: PathBuf::from(&recorder.dir),
                recordings_bytes,
                free_bytes: recorder.free_bytes,
            });
        }
        let Some(last) = last.filter(|last| last.document == *document) else {
            (self.continuous, self.events) = (Mean::default(), Mean::default());
            return;
        };
        let step = now.saturating_sub(last.at);
        if step > LONGEST_STEP {
            return;
        }
        let before = &last.recorder;
        let take = |mean: &mut Mean, before, after, long_enough, rate: &mut Option<u64>| {
            mean.add(before, after, step);
            *rate = mean.per_day(long_enough).or(*rate);
        };
        take(
            &mut self.continuous,
            before.continuous,
            recorder.continuous,
            CONTINUOUS_AFTER,
            &mut self.measured.continuous_bytes_per_day,
        );
        take(
            &mut self.events,
            before.events,
            recorder.events,
            EVENTS_AFTER,
            &mut self.measured.events_bytes_per_day,
        );
    }

    /// Saves what is known. Blocks for the time of two syncs, unless it is saved already.
    pub(super) fn save(&mut self) {
        if self.saved == self.measured {
            return;
        }
        state_dir::save_json(&self.path, &self.measured, MEASURED);
        self.saved = self.measured.clone();
    }
}

impl Mean {
    /// Adds what was written in the time `step` between two statuses.
    fn add(&mut self, before: RecordedCameras, after: RecordedCameras, step: Duration) {
        // Another recorder, or one camera less.
        let Some(bytes) = after.bytes.checked_sub(before.bytes) else {
            return;
        };
        let cameras = before.cameras.min(after.cameras);
        if cameras == 0 {
            return;
        }
        self.lasted += step;
        self.of_cameras = self.of_cameras.saturating_add(step.saturating_mul(cameras));
        self.bytes = self.bytes.saturating_add(bytes);
        if self.lasted >= LONGEST_MEAN {
            self.lasted /= 2;
            self.of_cameras /= 2;
            self.bytes /= 2;
        }
    }

    /// The rate of a camera in bytes per day, once it was recorded for `long_enough`.
    fn per_day(&self, long_enough: Duration) -> Option<u64> {
        let per_day = (u128::from(self.bytes) * DAY_MS).checked_div(self.of_cameras.as_millis())?;
        (self.lasted >= long_enough).then(|| u64::try_from(per_day).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
#[path = "recording_rates_tests.rs"]
mod tests;
