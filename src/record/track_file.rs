//! One file of a recording while it is written: marked as open, appended to, synced and closed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cut::Cut;
use super::disk::RecordingDisk;
use super::error::DiskFault;
use super::layout::{Place, open_folder};
use super::mp4::{self, FileHead, FragmentPlace};
use super::scene::Scene;
use super::space::{FileSpace, Full, OPEN_EXTRA_BYTES, STEP_BYTES, Space};
use crate::base::SourceId;
use crate::media::CodedUnit;

/// The most that the tail needs for itself, and for each fragment.
const TAIL_BYTES: u64 = 512;
const TAIL_BYTES_OF_FRAGMENT: u64 = 80;
/// Files of one source and one start: a clock that is set back to the same millisecond more often is broken.
const SAME_START: u32 = 1000;

/// An open file.
#[derive(Debug)]
pub(super) struct TrackFile<F> {
    file: F,
    place: Place,
    path: PathBuf,
    id: u64,
    base_pts_ns: u64,
    fragments: Vec<FragmentPlace>,
    written: u64,
    reserved: u64,
    /// Bytes that are durable, name included.
    durable: u64,
    /// Capture time of the newest frame.
    captured_until: Duration,
    /// The last field: a file may be deleted only after its descriptor is closed, because until then it takes space.
    space: FileSpace,
}

/// A fragment that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appended {
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// Whether the scenes are in it. They are left out if there are none, or they have no room.
    pub(super) has_scenes: bool,
}

/// Why a fragment was not written.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The disk refused it. The file may end with a part of it.
    Disk(DiskFault),
    /// There is no space for it. The file is as before.
    Full(Full),
    /// The units can't be a fragment. The file is as before.
    Units(String),
}

impl<F> TrackFile<F> {
    /// Creates the file that begins with `first`, and writes its head.
    ///
    /// Its mark is durable before the file is there. Otherwise a loss of power could leave a file that nobody closes.
    pub(super) fn create<D: RecordingDisk<File = F>>(
        disk: &D,
        dir: &Path,
        space: &Arc<Space>,
        source: SourceId,
        first: &CodedUnit,
        base_pts_ns: u64,
    ) -> Result<Self, AppendError> {
        let started_unix = first.captured_unix;
        let (place, file, space) = Self::create_empty(disk, dir, space, source, started_unix)?;
        let path = place.path(dir);
        let mut created = Self {
            file,
            path,
            place,
            id: fastrand::u64(..),
            base_pts_ns,
            fragments: Vec::new(),
            written: 0,
            reserved: 0,
            durable: 0,
            captured_until: Duration::ZERO,
            space,
        };
        let head = mp4::head(&FileHead {
            id: created.id,
            source,
            started_unix,
            format: (*first.format).clone(),
        });
        if let Err(error) = created.write(disk, &head) {
            created.remove(disk, dir);
            return Err(error);
        }
        Ok(created)
    }

    fn create_empty<D: RecordingDisk<File = F>>(
        disk: &D,
        dir: &Path,
        space: &Arc<Space>,
        source: SourceId,
        started_unix: Duration,
    ) -> Result<(Place, F, FileSpace), AppendError> {
        // Asked first, so that no file is created only to be removed again.
        let asked = space.may_write(STEP_BYTES + OPEN_EXTRA_BYTES);
        asked.map_err(AppendError::Full)?;
        for number in 0..SAME_START {
            let place = Place::new(source, started_unix, number);
            let (mark, path) = (place.mark(dir), place.path(dir));
            match disk.create_new(&mark) {
                Ok(_) => {}
                // A file of this start is open, or failed and waits for recovery.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(AppendError::Disk(DiskFault::of("create", &mark)(error))),
            }
            // After the mark: a file that is still open is not told to be closed.
            let space = space.open(&path);
            match Self::create_marked(disk, dir, &place) {
                Ok(file) => return Ok((place, file, space)),
                Err(fault) => {
                    // A mark without a file is harmless.
                    let _ = disk.remove(&mark);
                    if fault.source.kind() != ErrorKind::AlreadyExists {
                        return Err(AppendError::Disk(fault));
                    }
                }
            }
        }
        let path = Place::new(source, started_unix, 0).path(dir);
        let fault = DiskFault::of("create", &path)(ErrorKind::AlreadyExists.into());
        Err(AppendError::Disk(fault))
    }

    /// Creates the file after its mark, with its folders.
    fn create_marked<D: RecordingDisk<File = F>>(
        disk: &D,
        dir: &Path,
        place: &Place,
    ) -> Result<F, DiskFault> {
        let marks = open_folder(dir);
        let synced = disk.sync_folder(&marks);
        synced.map_err(DiskFault::of("sync", &marks))?;
        match Self::create_in_folders(disk, dir, place) {
            // Retention removed an empty folder that it took for unused just before.
            Err(fault) if fault.source.kind() == ErrorKind::NotFound => {
                Self::create_in_folders(disk, dir, place)
            }
            created => created,
        }
    }

    fn create_in_folders<D: RecordingDisk<File = F>>(
        disk: &D,
        dir: &Path,
        place: &Place,
    ) -> Result<F, DiskFault> {
        for folder in place.folders(dir) {
            let made = disk.make_folder(&folder);
            made.map_err(DiskFault::of("create", &folder))?;
        }
        let path = place.path(dir);
        let created = disk.create_new(&path);
        created.map_err(DiskFault::of("create", &path))
    }

    /// Appends a fragment with one write.
    pub(super) fn append<D: RecordingDisk<File = F>>(
        &mut self,
        disk: &D,
        cut: &Cut,
        scenes: &[Scene],
    ) -> Result<Appended, AppendError> {
        let sequence = self.next_sequence();
        let first = cut.units.first();
        let first = first.ok_or_else(|| AppendError::Units("it is empty".to_owned()))?;
        let fragment = mp4::fragment_with_scenes(
            self.id,
            sequence,
            self.base_pts_ns,
            &cut.units,
            cut.next_pts_ns,
            scenes,
        )
        .map_err(|error| AppendError::Units(error.to_string()))?;
        let place = FragmentPlace {
            offset: self.written,
            bytes: fragment.bytes.len() as u64,
            sequence,
            first_tick: fragment.first_tick,
            ticks: fragment.ticks,
            captured_unix: first.captured_unix,
            // Of a few bytes each at least, in a box of bounded size.
            frames: u32::try_from(cut.units.len()).unwrap_or(u32::MAX),
            begins_with_key: first.is_key,
        };
        let appended = Appended {
            bytes: place.bytes,
            has_scenes: fragment.has_scenes,
        };
        self.write(disk, &fragment.bytes)?;
        self.fragments.push(place);
        let captured = cut.units.iter().map(|unit| unit.captured_unix);
        self.captured_until = captured.max().unwrap_or(self.captured_until);
        Ok(appended)
    }

    /// Writes the tail, for which the reserved space has room, and gives back the rest. The file is closed once it is synced.
    pub(super) fn close<D: RecordingDisk<File = F>>(&mut self, disk: &D) -> Result<(), DiskFault> {
        let tail = mp4::tail(self.id, self.next_sequence(), &self.fragments);
        self.put(disk, &tail)?;
        // The file is sound without it, and a disk that refuses it will refuse the sync as well.
        let _ = disk.truncate(&self.file, self.written);
        Ok(())
    }

    /// After a failed write: cuts off what it left, and gives back the reserved space.
    pub(super) fn undo<D: RecordingDisk<File = F>>(&mut self, disk: &D) -> Result<(), DiskFault> {
        let truncated = disk.truncate(&self.file, self.written);
        truncated.map_err(DiskFault::of("truncate", &self.path))
    }

    /// Makes the content durable.
    pub(super) fn sync<D: RecordingDisk<File = F>>(&self, disk: &D) -> Result<(), DiskFault> {
        let synced = disk.sync_file(&self.file);
        synced.map_err(DiskFault::of("sync", &self.path))
    }

    /// Removes the file and its mark, as far as the disk permits. Only for files with nothing in them.
    pub(super) fn remove<D: RecordingDisk<File = F>>(self, disk: &D, dir: &Path) {
        let [_, _, hour] = self.folders(dir);
        // The mark goes last, and durably so. What stays is found and removed by recovery.
        let removed = disk.remove(&self.path);
        if removed.is_ok() && disk.sync_folder(&hour).is_ok() {
            self.remove_mark(disk, dir);
        }
    }

    /// Ends the mark of a file that is closed and durable. If it stays, recovery finds the file closed.
    pub(super) fn remove_mark<D: RecordingDisk<File = F>>(&self, disk: &D, dir: &Path) {
        let _ = disk.remove(&self.place.mark(dir));
    }

    /// The folders whose names lead to the file.
    pub(super) fn folders(&self, dir: &Path) -> [PathBuf; 3] {
        self.place.folders(dir)
    }

    /// The file.
    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    #[cfg(test)]
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Capture time of its newest frame.
    pub(super) fn captured_until(&self) -> Duration {
        self.captured_until
    }

    /// Whether it has no fragment.
    pub(super) fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// Whether all that was written is durable.
    pub(super) fn is_durable(&self) -> bool {
        self.durable == self.written
    }

    /// Whether its name is durable.
    pub(super) fn has_durable_name(&self) -> bool {
        self.durable > 0
    }

    /// Notes that all that was written is durable, name included.
    pub(super) fn set_durable(&mut self) {
        self.durable = self.written;
    }

    /// The number of groups that begin in what is not durable.
    pub(super) fn groups_at_risk(&self) -> u64 {
        let at_risk =
            |place: &&FragmentPlace| place.begins_with_key && place.offset >= self.durable;
        self.fragments.iter().filter(at_risk).count() as u64
    }

    /// Appends after it reserved space for `bytes` and the tail.
    fn write<D: RecordingDisk<File = F>>(
        &mut self,
        disk: &D,
        bytes: &[u8],
    ) -> Result<(), AppendError> {
        let end = self.written + bytes.len() as u64;
        let end = end + tail_room(self.fragments.len() + 1);
        if end > self.reserved {
            let more = (end - self.reserved).max(STEP_BYTES);
            self.space.may_write(more).map_err(AppendError::Full)?;
            let reserved = disk.reserve(&self.file, self.reserved, more);
            let reserved = reserved.map_err(DiskFault::of("reserve space for", &self.path));
            reserved.map_err(AppendError::Disk)?;
            self.space.grew(more);
            self.reserved += more;
        }
        self.put(disk, bytes).map_err(AppendError::Disk)
    }

    fn put<D: RecordingDisk<File = F>>(&mut self, disk: &D, bytes: &[u8]) -> Result<(), DiskFault> {
        let appended = disk.append(&mut self.file, bytes);
        appended.map_err(DiskFault::of("write", &self.path))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn next_sequence(&self) -> u32 {
        u32::try_from(self.fragments.len() + 1).unwrap_or(u32::MAX)
    }
}

/// Room for the tail of a file with so many fragments.
fn tail_room(fragments: usize) -> u64 {
    TAIL_BYTES + TAIL_BYTES_OF_FRAGMENT * fragments as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_has_room() {
        let place = FragmentPlace {
            offset: 1 << 40,
            bytes: 1 << 20,
            sequence: 1,
            first_tick: 1 << 40,
            ticks: 1 << 20,
            captured_unix: Duration::from_millis(1_795_854_600_123),
            frames: 50,
            begins_with_key: true,
        };
        for fragments in [0, 1, 2, 100, 20_000] {
            let tail = mp4::tail(1, u32::MAX, &vec![place.clone(); fragments]);
            assert!(tail.len() as u64 <= tail_room(fragments), "{fragments}");
        }
    }
}
