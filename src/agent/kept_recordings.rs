//! How long recordings are kept, as the box tells its fleet.
//!
//! The report is a retained message, and links may be slow: an estimate stays until another one differs from it by over a tenth, and
//! for an hour, unless another document takes its place.

use std::path::Path;
use std::time::Duration;

use tracing::info;

use super::cycle::Candidate;
use super::document::DocumentId;
use super::kept::{estimate, warning};
use super::recording_rates::RecordingRates;
use crate::control::RecorderStatus;
use crate::fleet::{DocumentError, RecordingEstimate};

/// Shortest time between two estimates of one document.
const TELL_EVERY: Duration = Duration::from_secs(3600);

/// What the box knows and tells of its recordings.
#[derive(Debug)]
pub(super) struct KeptRecordings {
    rates: RecordingRates,
    told: Option<Told>,
}

/// The estimate that was told last.
#[derive(Debug)]
struct Told {
    document: DocumentId,
    estimate: RecordingEstimate,
    at: Duration,
}

impl KeptRecordings {
    /// With what was measured before.
    pub(super) fn open(state_dir: &Path) -> Self {
        Self {
            rates: RecordingRates::open(state_dir),
            told: None,
        }
    }

    /// Takes the status of the recorder at `now`, of a processor that runs `document`.
    pub(super) fn note(&mut self, recorder: &RecorderStatus, document: &DocumentId, now: Duration) {
        self.rates.note(recorder, document, now);
    }

    /// The estimate to publish at `now`. `None` if the document records nothing, or nothing was measured yet. Blocks for the time of
    /// two syncs when there is a new one: what it comes from is saved.
    pub(super) fn tell(
        &mut self,
        document: Option<&Candidate>,
        now: Duration,
    ) -> Option<RecordingEstimate> {
        let recorded =
            document.and_then(|document| Some((document.id(), document.recording.as_ref()?)));
        let fresh =
            recorded.and_then(|(id, demand)| Some((id, estimate(demand, self.rates.measured())?)));
        let Some((id, fresh)) = fresh else {
            self.told = None;
            return None;
        };
        if let Some(told) = &self.told
            && told.document == *id
            && !told.is_outdated(&fresh, now)
        {
            return Some(told.estimate);
        }
        info!(
            document = %id,
            cameras = fresh.cameras,
            bytes_per_day = fresh.bytes_per_day,
            kept_s = fresh.kept_s,
            "estimated how long recordings are kept"
        );
        self.rates.save();
        self.told = Some(Told {
            document: id.clone(),
            estimate: fresh,
            at: now,
        });
        Some(fresh)
    }

    /// The warning of the last estimate, if it is a short time.
    pub(super) fn warning(&self) -> Option<DocumentError> {
        self.told.as_ref().and_then(|told| warning(&told.estimate))
    }
}

impl Told {
    fn is_outdated(&self, fresh: &RecordingEstimate, now: Duration) -> bool {
        match (self.estimate.kept_s, fresh.kept_s) {
            (None, Some(_)) | (Some(_), None) => true,
            (before, after) => {
                let is_other = differs(self.estimate.bytes_per_day, fresh.bytes_per_day)
                    || before
                        .zip(after)
                        .is_some_and(|(before, after)| differs(before, after));
                is_other && now >= self.at + TELL_EVERY
            }
        }
    }
}

/// Whether two numbers differ by over a tenth of the first.
fn differs(before: u64, after: u64) -> bool {
    before.abs_diff(after) > before / 10
}

#[cfg(test)]
#[path = "kept_recordings_tests.rs"]
mod tests;
