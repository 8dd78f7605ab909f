//! Makes durable what the writer wrote, for all files together.
//!
//! The content of all files is synced first, then each folder with a new name once: that of the file, and those above it. Only then
//! is a file declared durable. Folders that were there before the process count as new: the process that made them may have been
//! killed before it synced them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::RecordingDisk;
use super::error::DiskFault;
use super::report::{RecordingState, SourceShared};
use super::track::Track;
use super::track_file::TrackFile;
use super::writer::Writer;

/// Folders of which the writer remembers that their names are durable: those of 64 sources and two days. Forgetting costs a sync.
const KNOWN_FOLDERS: usize = 4096;

/// The folders of one sync: those that are durable, and those that failed.
#[derive(Default)]
struct Folders {
    synced: BTreeSet<PathBuf>,
    failed: BTreeMap<PathBuf, DiskFault>,
}

impl<D: RecordingDisk> Writer<D> {
    /// Makes all that was written durable, and declares it. A file that fails is given up.
    pub(super) fn sync(&mut self, now: Duration) {
        // A folder that was removed and made again has a new name.
        if self.space.take_removed_folders() {
            self.known_folders.clear();
        }
        let mut tracks = std::mem::take(&mut self.tracks);
        let mut closing = std::mem::take(&mut self.closing);
        closing.retain(|(shared, file)| match file.sync(&self.disk) {
            Ok(()) => true,
            Err(fault) => {
                give_up(shared, file, &fault, now);
                false
            }
        });
        for track in tracks.values_mut() {
            let unsynced = track.file.as_ref().filter(|file| !file.is_durable());
            if let Some(Err(fault)) = unsynced.map(|file| file.sync(&self.disk)) {
                lose_file(&self.disk, track, &fault, now);
            }
        }
        let open = tracks.values().filter_map(|track| track.file.as_ref());
        let files = closing.iter().map(|(_, file)| file).chain(open);
        let folders = self.sync_folders(files);
        for (shared, mut file) in closing {
            match folders.fault_of(&self.needed(&file)) {
                Some(fault) => give_up(&shared, &file, fault, now),
                None => {
                    self.declare(&shared, &mut file);
                    file.remove_mark(&self.disk, &self.dir);
                }
            }
        }
        for track in tracks.values_mut() {
            let unsynced = track.file.as_mut().filter(|file| !file.is_durable());
            let Some(file) = unsynced else { continue };
            match folders.fault_of(&self.needed(file)) {
                Some(fault) => lose_file(&self.disk, track, fault, now),
                None => {
                    self.declare(&track.shared, file);
                    track.backoff.succeeded();
                    track.retry_at = Duration::ZERO;
                    track.shared.report().state = RecordingState::Recording;
                }
            }
        }
        if self.known_folders.len() > KNOWN_FOLDERS {
            self.known_folders.clear();
        }
        self.tracks = tracks;
    }

    /// Syncs each folder that the names of these files need.
    fn sync_folders<'a>(&self, files: impl Iterator<Item = &'a TrackFile<D::File>>) -> Folders
    where
        D::File: 'a,
    {
        let mut folders = Folders::default();
        for folder in files.flat_map(|file| self.needed(file)) {
            if folders.synced.contains(&folder) || folders.failed.contains_key(&folder) {
                continue;
            }
            match self.disk.sync_folder(&folder) {
                Ok(()) => {
                    folders.synced.insert(folder);
                }
                Err(error) => {
                    let fault = DiskFault::of("sync", &folder)(error);
                    folders.failed.insert(folder, fault);
                }
            }
        }
        folders
    }

    /// The folders that must be synced before the name of the file is durable.
    fn needed(&self, file: &TrackFile<D::File>) -> Vec<PathBuf> {
        if file.has_durable_name() {
            return Vec::new();
        }
        let folders = file.folders(&self.dir);
        let unknown = folders
            .iter()
            .filter(|&folder| !self.known_folders.contains(folder));
        let parents = unknown.filter_map(|folder| folder.parent().map(Path::to_owned));
        let mut needed: Vec<PathBuf> = parents.collect();
        needed.extend(folders.last().cloned());
        needed
    }

    fn declare(&mut self, shared: &SourceShared, file: &mut TrackFile<D::File>) {
        file.set_durable();
        self.known_folders.extend(file.folders(&self.dir));
        shared.report().durable_until = Some(file.captured_until());
        #[cfg(test)]
        self.declared.push((file.path().to_owned(), file.written()));
    }
}

impl Folders {
    fn fault_of(&self, needed: &[PathBuf]) -> Option<&DiskFault> {
        needed.iter().find_map(|folder| self.failed.get(folder))
    }
}

/// Gives up a file that was to be closed. Its mark stays.
fn give_up<F>(shared: &SourceShared, file: &TrackFile<F>, fault: &DiskFault, now: Duration) {
    let source = shared.source.0;
    tracing::warn!(source, %fault, "a recording could not be closed; the next start recovers it");
    let mut report = shared.report();
    report.dropped_groups += file.groups_at_risk();
    report.fail(fault.to_string(), now);
}

/// Gives up the open file. A sync that failed is not repeated: the system may have dropped what it could not write.
fn lose_file<D: RecordingDisk>(
    disk: &D,
    track: &mut Track<D::File>,
    fault: &DiskFault,
    now: Duration,
) {
    if let Some(mut file) = track.file.take() {
        track.shared.dropped(file.groups_at_risk().max(1));
        // Its content stays as it is, but what is reserved behind it would push out good recordings, each time that one is tried.
        let _ = file.undo(disk);
    }
    track.fail(fault, now);
}
