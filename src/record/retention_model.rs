//! A disk in memory for the tests of retention, which checks each deletion, and the part of the writer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Retention;
use super::laws::Told;
use crate::base::sync::lock;
use crate::base::{Clock, SourceId};
use crate::record::disk::RecordingDisk;
use crate::record::file_key::FileKey;
use crate::record::layout::Place;
use crate::record::lock_name::LockName;
use crate::record::space::{Full, Space, SpaceLimits};
use crate::record::space_disk::{Entry, SpaceDisk};

pub(super) const DIR: &str = "/rec";
/// The folder of locks.
pub(super) const LOCKS: &str = "/rec/.nvr-locks";
pub(super) const MB: u64 = 1_000_000;
/// 2026-11-28T08:30:00Z.
pub(super) const START: u64 = 1_795_854_600;

/// A disk in memory that knows names, blocks and which files the writer has open. It checks each deletion.
#[derive(Clone, Default)]
pub(super) struct ModelDisk(Arc<Mutex<Model>>);

#[derive(Default)]
pub(super) struct Model {
    pub(super) names: BTreeMap<PathBuf, Entry>,
    total: u64,
    /// Bytes of other programs.
    pub(super) others: u64,
    /// Other programs wrote after the free space was asked for.
    pub(super) is_stale: bool,
    pub(super) open: BTreeSet<PathBuf>,
    /// Files that can't be deleted.
    pub(super) broken: BTreeSet<PathBuf>,
    /// Files whose deletion was refused once: they come later.
    pub(super) refused: Vec<PathBuf>,
    pub(super) deleted: Vec<PathBuf>,
    pub(super) removed_folders: Vec<PathBuf>,
    /// Files that somebody else deleted, with their bytes. Retention counts them until their turn.
    pub(super) vanished: BTreeMap<FileKey, u64>,
    /// Somebody makes a lock and has not finished.
    pub(super) is_locking: bool,
    /// Retention holds the locks.
    pub(super) is_held: bool,
    /// It has read them since.
    pub(super) has_read: bool,
    /// What retention was told about its order.
    pub(super) told: Told,
    pub(super) unsynced: BTreeSet<PathBuf>,
}

impl Model {
    pub(super) fn recordings(&self) -> impl Iterator<Item = (FileKey, &PathBuf, u64)> {
        let names = self.names.iter();
        names.filter_map(|(path, entry)| match entry {
            Entry::File { allocated_bytes } => {
                let key = FileKey::of_path(Path::new(DIR), path)?;
                Some((key, path, *allocated_bytes))
            }
            _ => None,
        })
    }

    /// Somebody else deletes a file. Retention does not notice before its turn, if it counts it as closed or open.
    pub(super) fn vanish(&mut self, path: &Path, is_counted: bool) {
        let key = FileKey::of_path(Path::new(DIR), path).expect("a recording by its name");
        let removed = self.names.remove(path);
        if let Some(Entry::File { allocated_bytes }) = removed.filter(|_| is_counted) {
            self.vanished.insert(key, allocated_bytes);
        }
    }

    pub(super) fn locks(&self) -> impl Iterator<Item = LockName> {
        let of_folder = |path: &&PathBuf| path.parent() == Some(Path::new(LOCKS));
        let files = self.names.keys().filter(of_folder);
        files.filter_map(|path| LockName::of_file(path.file_name()?.to_str()?))
    }

    pub(super) fn used(&self) -> u64 {
        self.recordings().map(|(_, _, bytes)| bytes).sum()
    }

    pub(super) fn free(&self) -> u64 {
        self.total.saturating_sub(self.used() + self.others)
    }

    pub(super) fn put(&mut self, path: &Path, entry: Entry) {
        for folder in path.ancestors().skip(1) {
            self.names.insert(folder.to_owned(), Entry::Folder);
        }
        self.names.insert(path.to_owned(), entry);
    }

    pub(super) fn add(&mut self, path: &Path, bytes: u64) {
        let key = FileKey::of_path(Path::new(DIR), path).expect("a recording by its name");
        let allocated_bytes = match self.names.get_mut(path) {
            Some(Entry::File { allocated_bytes }) => allocated_bytes,
            _ => match self.vanished.get_mut(&key) {
                Some(bytes) => bytes,
                None => return,
            },
        };
        // Whole blocks.
        *allocated_bytes = (*allocated_bytes + bytes).next_multiple_of(4096);
    }
}

impl ModelDisk {
    pub(super) fn new(total: u64) -> Self {
        let disk = Self::default();
        disk.lock().total = total;
        disk.lock().put(Path::new(DIR), Entry::Folder);
        disk
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Model> {
        lock(&self.0)
    }

    pub(super) fn file(&self, path: impl AsRef<Path>, bytes: u64) {
        let allocated_bytes = bytes;
        self.lock()
            .put(path.as_ref(), Entry::File { allocated_bytes });
    }

    pub(super) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.lock().names.contains_key(path.as_ref())
    }

    /// Makes a lock, from and until so many seconds after [`START`].
    pub(super) fn make_lock(&self, source: u32, from: u64, until: u64) -> PathBuf {
        let name = LockName {
            source: SourceId(source),
            from_ms: (START + from) * 1000,
            until_ms: (START + until) * 1000,
            number: 0,
        };
        let path = Path::new(LOCKS).join(name.file());
        self.file(&path, 300);
        path
    }
}

impl RecordingDisk for ModelDisk {
    type File = ();
    type Reader = io::Empty;

    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn create_new(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn open(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn read(&self, _: &Path) -> io::Result<io::Empty> {
        Err(ErrorKind::Unsupported.into())
    }
    fn reserve(&self, (): &(), _: u64, _: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn append(&self, (): &mut (), _: &[u8]) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn truncate(&self, (): &(), _: u64) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn sync_file(&self, (): &()) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn size(&self, _: &Path) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut model = self.lock();
        model.unsynced.remove(path);
        match model.names.get(path) {
            Some(_) => Ok(()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut model = self.lock();
        model.has_read |= model.is_held && path == Path::new(LOCKS);
        if path == Path::new(LOCKS) && model.broken.contains(path) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let inside = model
            .names
            .keys()
            .filter(|name| name.parent() == Some(path));
        let names = inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        Ok(names.collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut model = self.lock();
        let key = FileKey::of_path(Path::new(DIR), path).expect("a recording by its name");
        assert!(!model.open.contains(path), "{path:?} is open");
        if !matches!(model.names.get(path), Some(Entry::File { .. })) {
            model.vanished.remove(&key);
            model.forget_past_events(key.source());
            return Err(ErrorKind::NotFound.into());
        }
        model.check(key);
        if model.broken.contains(path) {
            model.refused.push(path.to_owned());
            return Err(ErrorKind::PermissionDenied.into());
        }
        model.names.remove(path);
        model.forget_past_events(key.source());
        model.deleted.push(path.to_owned());
        model.unsynced.extend(path.parent().map(Path::to_owned));
        Ok(())
    }
}

/// What keeps locks from being made.
pub(super) struct LockHold(ModelDisk);

impl Drop for LockHold {
    fn drop(&mut self) {
        let mut model = self.0.lock();
        (model.is_held, model.has_read) = (false, false);
    }
}

impl SpaceDisk for ModelDisk {
    type LockHold = LockHold;

    fn hold_locks(&self, _: &Path) -> io::Result<Option<LockHold>> {
        let mut model = self.lock();
        if model.is_locking {
            return Ok(None);
        }
        (model.is_held, model.has_read) = (true, false);
        Ok(Some(LockHold(self.clone())))
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let mut model = self.lock();
        model.is_stale = false;
        Ok(model.free())
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let entry = self.lock().names.get(path).copied();
        entry.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        if !self.list(path)?.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        let mut model = self.lock();
        assert!(!model.unsynced.contains(path), "{path:?} is not synced");
        model.names.remove(path).ok_or(ErrorKind::NotFound)?;
        model.removed_folders.push(path.to_owned());
        model.unsynced.extend(path.parent().map(Path::to_owned));
        Ok(())
    }
}

/// The path of a recording that starts so many seconds after [`START`].
pub(super) fn path(source: u32, second: u64, number: u32) -> PathBuf {
    let start = Duration::from_secs(START + second);
    Place::new(SourceId(source), start, number).path(Path::new(DIR))
}

pub(super) fn retention(
    disk: &ModelDisk,
    budget: Option<u64>,
    min_free: u64,
) -> (Retention<ModelDisk>, Clock) {
    let limits = SpaceLimits {
        budget_bytes: budget,
        min_free_bytes: min_free,
        ..SpaceLimits::none(DIR)
    };
    retention_by(disk, limits)
}

/// Files of the default length.
pub(super) fn retention_by(disk: &ModelDisk, limits: SpaceLimits) -> (Retention<ModelDisk>, Clock) {
    let clock = Clock::by_hand();
    disk.lock().told = Told::of(&limits);
    (Retention::new(disk.clone(), limits, clock.clone()), clock)
}

/// The writer's part: opens, asks, allocates, tells. The error if it was refused.
pub(super) fn write(disk: &ModelDisk, space: &Space, path: &Path, bytes: u64) -> Result<(), Full> {
    let is_new = !disk.lock().open.contains(path);
    if is_new {
        space.opened(path);
        let key = FileKey::of_path(Path::new(DIR), path);
        disk.lock().told.unread.extend(key);
    }
    match space.may_write(bytes) {
        Err(full) => {
            if is_new {
                space.closed(path);
            }
            Err(full)
        }
        Ok(()) => {
            if is_new {
                disk.file(path, 0);
                // A block for the list of blocks.
                disk.lock().add(path, 4096);
                disk.lock().open.insert(path.to_owned());
            }
            disk.lock().add(path, bytes);
            space.grew(path, bytes);
            Ok(())
        }
    }
}

pub(super) fn close(disk: &ModelDisk, space: &Space, path: &Path) {
    let key = FileKey::of_path(Path::new(DIR), path).expect("a recording by its name");
    disk.lock().open.remove(path);
    disk.lock().vanished.remove(&key);
    space.closed(path);
}
