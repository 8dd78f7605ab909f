//! Recovery at start: each file that was open is cut at its last sound fragment and closed.
//!
//! A mark in `.nvr-open` names each file that was not closed for sure ([`super::layout`]). Such a file is read in whole even if it
//! ends with a tail: after a loss of power the tail may be on the disk, and what was written before it not. The mark is removed
//! last, so a recovery that is interrupted begins again. After a return to an older version of this program, a file that only the newer
//! one understands is left to it.

use std::path::{Path, PathBuf};

use super::disk::RecordingDisk;
use super::error::DiskFault;
use super::layout::{Place, open_folder};
use super::mp4::{self, FileEnding, ReadError, Reading};
use crate::base::SourceId;

/// A file that a start found open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The file.
    pub path: PathBuf,
    /// Its source, by its name.
    pub source: SourceId,
    /// What was done with it.
    pub outcome: RecoveryOutcome,
}

/// What recovery did with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryOutcome {
    /// It was sound to its end. It is closed now.
    Closed {
        /// Its sound bytes.
        bytes: u64,
    },
    /// Its end was damaged and is cut off. It is closed now.
    Cut {
        /// The sound bytes that it keeps.
        kept_bytes: u64,
        /// The bytes that were cut off.
        cut_bytes: u64,
        /// The damage.
        reason: String,
    },
    /// Nothing in it was sound. It is removed.
    Removed {
        /// Its bytes.
        bytes: u64,
        /// The damage.
        reason: String,
    },
    /// It was written by another version of this program, which can read it. It is left as it is, with its mark, for that version.
    Left {
        /// Its bytes.
        bytes: u64,
        /// What this version does not understand.
        reason: String,
    },
    /// The disk refused it. The next start tries again.
    Failed {
        /// The system's words and the remedy.
        reason: String,
    },
}

/// Closes all files that were open. Blocks; it reads these files in whole.
///
/// # Errors
/// If the folder of marks can't be read. An error of one file is in its outcome.
pub(super) fn recover<D: RecordingDisk>(disk: &D, dir: &Path) -> Result<Vec<Recovered>, DiskFault> {
    let marks = open_folder(dir);
    let mut names = disk.list(&marks).map_err(DiskFault::of("read", &marks))?;
    names.sort_unstable();
    let mut recovered = Vec::new();
    for place in names.iter().filter_map(|name| Place::of_mark(name)) {
        let path = place.path(dir);
        let outcome = match recover_file(disk, dir, &place, &path) {
            Ok(None) => continue,
            Ok(Some(outcome)) => outcome,
            Err(fault) => RecoveryOutcome::Failed {
                reason: fault.to_string(),
            },
        };
        outcome.log(&path);
        recovered.push(Recovered {
            source: place.source(),
            path,
            outcome,
        });
    }
    Ok(recovered)
}

/// Recovers one file and removes its mark. Nothing, if there is no such file.
fn recover_file<D: RecordingDisk>(
    disk: &D,
    dir: &Path,
    place: &Place,
    path: &Path,
) -> Result<Option<RecoveryOutcome>, DiskFault> {
    let outcome = match disk.read(path) {
        // The loss of power came before the name was on the disk.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(DiskFault::of("read", path)(error)),
        Ok(mut reader) => {
            let bytes = disk.size(path).map_err(DiskFault::of("read", path))?;
            let outcome = match mp4::read(&mut reader) {
                Err(ReadError::Io(error)) => return Err(DiskFault::of("read", path)(error)),
                Err(ReadError::Damaged { at, reason }) => {
                    let reason = format!("byte {at}: {reason}");
                    if begins_sealed(disk, path)? {
                        return Ok(Some(RecoveryOutcome::Left { bytes, reason }));
                    }
                    remove(disk, path, bytes, reason)?
                }
                Ok(reading) if reading.fragments.is_empty() => {
                    remove(disk, path, bytes, "it has no sound fragment".to_owned())?
                }
                Ok(reading) => close(disk, path, bytes, reading)?,
            };
            // The file itself may have been unsynced, after a crash without a loss of power.
            let [_, _, hour] = place.folders(dir);
            let synced = disk.sync_folder(&hour);
            synced.map_err(DiskFault::of("sync", &hour))?;
            Some(outcome)
        }
    };
    let mark = place.mark(dir);
    let removed = disk.remove(&mark);
    removed.map_err(DiskFault::of("remove", &mark))?;
    Ok(outcome)
}

/// Whether the file is sound as far as this can be told without knowing what is in it.
fn begins_sealed<D: RecordingDisk>(disk: &D, path: &Path) -> Result<bool, DiskFault> {
    let mut reader = disk.read(path).map_err(DiskFault::of("read", path))?;
    mp4::begins_sealed(&mut reader).map_err(DiskFault::of("read", path))
}

fn remove<D: RecordingDisk>(
    disk: &D,
    path: &Path,
    bytes: u64,
    reason: String,
) -> Result<RecoveryOutcome, DiskFault> {
    disk.remove(path).map_err(DiskFault::of("remove", path))?;
    Ok(RecoveryOutcome::Removed { bytes, reason })
}

/// Cuts the file after its last sound fragment and closes it, unless it is closed.
fn close<D: RecordingDisk>(
    disk: &D,
    path: &Path,
    bytes: u64,
    reading: Reading,
) -> Result<RecoveryOutcome, DiskFault> {
    let mut file = disk.open(path).map_err(DiskFault::of("open", path))?;
    let last = reading.fragments.last();
    let end = last.map_or(reading.sound_bytes, |last| last.offset + last.bytes);
    let sequence = last.map_or(1, |last| last.sequence.saturating_add(1));
    let is_closed = reading.ending == FileEnding::Closed;
    let outcome = match reading.ending {
        FileEnding::Closed => RecoveryOutcome::Closed { bytes },
        FileEnding::Open => RecoveryOutcome::Closed { bytes: end },
        FileEnding::Damaged { at, reason } => RecoveryOutcome::Cut {
            kept_bytes: end,
            cut_bytes: bytes.saturating_sub(end),
            reason: format!("byte {at}: {reason}"),
        },
    };
    // Also gives back the space that was reserved beyond the end.
    let cut = disk.truncate(&file, if is_closed { bytes } else { end });
    cut.map_err(DiskFault::of("truncate", path))?;
    if !is_closed {
        let tail = mp4::tail(reading.head.id, sequence, &reading.fragments);
        let written = disk.append(&mut file, &tail);
        written.map_err(DiskFault::of("write", path))?;
    }
    let synced = disk.sync_file(&file);
    synced.map_err(DiskFault::of("sync", path))?;
    Ok(outcome)
}

impl RecoveryOutcome {
    fn log(&self, path: &Path) {
        let path = path.display();
        match self {
            Self::Closed { bytes } => {
                tracing::info!(%path, bytes, "a recording that was open is closed");
            }
            Self::Cut {
                kept_bytes,
                cut_bytes,
                reason,
            } => {
                tracing::warn!(%path, kept_bytes, cut_bytes, reason, "the damaged end of a recording is cut off");
            }
            Self::Removed { bytes, reason } => {
                tracing::warn!(%path, bytes, reason, "a recording with nothing sound in it is removed");
            }
            Self::Left { bytes, reason } => {
                tracing::warn!(%path, bytes, reason, "a recording of another version of this program is left for that version to close");
            }
            Self::Failed { reason } => {
                tracing::error!(%path, reason, "a recording can't be closed");
            }
        }
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
