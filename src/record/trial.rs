//! Tries the disk while all that is recorded waits for an event: one that died is told before the event, not by its loss.

use std::path::Path;
use std::time::Duration;

use super::disk::RecordingDisk;
use super::error::DiskFault;
use super::layout::TRIAL_NAME;
use super::track::Track;

/// Time between two trials. Each is a write of some pages; more of them would wear flash memory.
const EVERY: Duration = Duration::from_secs(60);
/// What is written: a block of most file systems.
const BYTES: [u8; 4096] = [0; 4096];

/// When the disk is tried again.
#[derive(Debug, Default)]
pub(super) struct Trial {
    due: Duration,
}

impl Trial {
    /// Tries the disk of `dir` if it is due at `now` and a source waits for an event. The fault, if the disk takes nothing.
    pub(super) fn of_armed<'a, D: RecordingDisk>(
        &mut self,
        disk: &D,
        dir: &Path,
        tracks: impl IntoIterator<Item = &'a Track<D::File>>,
        now: Duration,
    ) -> Option<DiskFault>
    where
        D::File: 'a,
    {
        if now < self.due || !tracks.into_iter().any(Track::is_armed) {
            return None;
        }
        self.due = now + EVERY;
        try_disk(disk, dir).err()
    }
}

/// Writes a file durably and removes it.
fn try_disk<D: RecordingDisk>(disk: &D, dir: &Path) -> Result<(), DiskFault> {
    let path = dir.join(TRIAL_NAME);
    // One that a loss of power left. What is wrong with it shows in its creation.
    let _ = disk.remove(&path);
    let mut file = disk
        .create_new(&path)
        .map_err(DiskFault::of("create", &path))?;
    let written = disk
        .append(&mut file, &BYTES)
        .and_then(|()| disk.sync_file(&file));
    let removed = disk.remove(&path);
    written.map_err(DiskFault::of("write", &path))?;
    removed.map_err(DiskFault::of("remove", &path))
}
