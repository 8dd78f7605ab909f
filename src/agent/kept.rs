//! How long the recordings of a document are kept, estimated from what was measured on this box. Pure.
//!
//! A part of the capacity check that refuses nothing: recordings that are kept for a short time are still recordings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::codes;
use crate::base::{counted, shown_bytes, time_to_fill};
use crate::config::{Location, RecordChoice, Settings};
use crate::fleet::{DocumentError, RecordingEstimate};

/// Longest time that is told: ten years. It depends on rates that nobody knows for so long.
const LONGEST_KEPT_S: u64 = 10 * 365 * DAY_S;
/// Recordings that are kept for less are a warning: nobody may look at them in time.
const SHORT_KEPT_S: u64 = DAY_S;
const DAY_S: u64 = 86_400;

/// What a document has recorded, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingDemand {
    /// Directory of the recordings.
    pub dir: PathBuf,
    /// Maximum space of the recordings in bytes, if the document has one.
    pub budget_bytes: Option<u64>,
    /// Bytes that stay free in the file system.
    pub min_free_bytes: u64,
    /// Number of cameras of which all is recorded.
    pub continuous: u32,
    /// Number of cameras of which events are recorded.
    pub events: u32,
}

impl RecordingDemand {
    /// What a processor with these settings records; `None` if that is nothing.
    pub fn of(settings: &Settings) -> Option<Self> {
        let record = settings.record.as_ref()?;
        let cameras = |mode: RecordChoice| {
            let cameras = settings.sources.values().filter(|source| {
                // Others can't be recorded.
                source.record == mode && matches!(source.stream.location, Location::Rtsp(_))
            });
            u32::try_from(cameras.count()).unwrap_or(u32::MAX)
        };
        let demand = Self {
            dir: record.dir.clone(),
            budget_bytes: record.budget_bytes,
            min_free_bytes: record.min_free_bytes,
            continuous: cameras(RecordChoice::Continuous),
            events: cameras(RecordChoice::Events),
        };
        (demand.cameras() > 0).then_some(demand)
    }

    fn cameras(&self) -> u32 {
        self.continuous.saturating_add(self.events)
    }

    /// The most bytes of its recordings; `None` while the disk of its directory is not known.
    fn room_bytes(&self, measured: &Measured) -> Option<u64> {
        let disk = measured.disk.as_ref();
        let disk = disk.filter(|disk| disk.dir == self.dir)?;
        let of_disk = disk.free_bytes.map(|free| {
            let free = free.saturating_sub(self.min_free_bytes);
            disk.recordings_bytes.saturating_add(free)
        });
        of_disk.into_iter().chain(self.budget_bytes).min()
    }
}

/// What was measured on this box. `None` is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Measured {
    /// Mean rate of a camera of which all is recorded, in bytes per day.
    pub(super) continuous_bytes_per_day: Option<u64>,
    /// Mean rate of a camera of which events are recorded, in bytes per day.
    pub(super) events_bytes_per_day: Option<u64>,
    /// The disk of the recordings.
    pub(super) disk: Option<RecordingDisk>,
}

/// The disk of the recordings, as their processor has told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordingDisk {
    /// Directory of the recordings.
    pub(super) dir: PathBuf,
    /// Space of all recordings in it.
    pub(super) recordings_bytes: u64,
    /// Bytes that are free in its file system; `None` if it does not tell.
    pub(super) free_bytes: Option<u64>,
}

/// How long the recordings of a document are kept. `None` while the rate of one of its kinds of cameras is not known: one kind says
/// nothing of the other.
pub(super) fn estimate(demand: &RecordingDemand, measured: &Measured) -> Option<RecordingEstimate> {
    let of_kind = |cameras: u32, rate: Option<u64>| match cameras {
        0 => Some(0),
        _ => Some(rate?.saturating_mul(u64::from(cameras))),
    };
    let continuous = of_kind(demand.continuous, measured.continuous_bytes_per_day)?;
    let events = of_kind(demand.events, measured.events_bytes_per_day)?;
    let bytes_per_day = continuous.saturating_add(events);
    let room = demand.room_bytes(measured);
    let kept = room.and_then(|room| time_to_fill(room, bytes_per_day));
    Some(RecordingEstimate {
        cameras: demand.cameras(),
        bytes_per_day,
        kept_s: kept.map(|kept| kept.as_secs().min(LONGEST_KEPT_S)),
    })
}

/// The warning of recordings that are kept for less than a day.
pub(super) fn warning(estimate: &RecordingEstimate) -> Option<DocumentError> {
    let kept_s = estimate.kept_s.filter(|kept| *kept < SHORT_KEPT_S)?;
    let message = format!(
        "recordings are kept for about {:.1} hours at the measured rate ({}, {} a day); raise record.budget or use a larger disk, \
         record fewer cameras, or lower their bit rate",
        kept_s as f64 / 3600.0,
        counted(estimate.cameras as usize, "camera"),
        shown_bytes(estimate.bytes_per_day),
    );
    let code = codes::SHORT_RETENTION;
    Some(DocumentError::new("processor.record", code, message))
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
