//! The list of the recordings in a folder with the space that each takes, for [`super::retention`]: made once by a walk, then kept
//! up to date by the writer.
//!
//! Only names that the layout itself makes are in it. Other files and folders, and links, are somebody else's.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::disk::{LocalDisk, RecordingDisk};
use super::error::DiskFault;
use super::layout::Place;
use crate::base::SourceId;

/// The milliseconds of a folder of an hour.
pub(super) const HOUR_MS: u64 = 3_600_000;
/// The milliseconds of a folder of a day.
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

/// What retention asks of a disk. All block; only the thread of retention calls them.
pub(super) trait SpaceDisk: RecordingDisk {
    /// The bytes that this user may still allocate in the file system of a folder.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// What a name stands for. Links are not followed.
    fn entry(&self, path: &Path) -> io::Result<Entry>;
    /// Removes a folder. `DirectoryNotEmpty` if it has anything in it.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
}

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A folder.
    Folder,
    /// A file, and the bytes of the blocks that it has: more than its size if space is reserved for it.
    File {
        /// Bytes.
        allocated_bytes: u64,
    },
    /// A link, a socket, a device.
    Other,
}

impl SpaceDisk for LocalDisk {
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(path)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(if found.is_dir() {
            Entry::Folder
        } else if found.is_file() {
            // `stat` counts in units of 512 bytes on every file system.
            let allocated_bytes = found.blocks().saturating_mul(512);
            Entry::File { allocated_bytes }
        } else {
            Entry::Other
        })
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }
}

/// A recording by its name. Recordings of all sources sort by their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileKey {
    /// Capture time of the first frame, since the Unix epoch.
    start_ms: u64,
    number: u32,
    source: SourceId,
}

impl FileKey {
    /// The recording of a source that starts at `start_ms` since the Unix epoch. `number` is 0 unless others have the same start.
    pub(super) fn new(source: SourceId, start_ms: u64, number: u32) -> Self {
        Self {
            start_ms,
            number,
            source,
        }
    }

    /// The source that it shows.
    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    /// Capture time of the first frame in milliseconds since the Unix epoch.
    pub(super) fn start_ms(&self) -> u64 {
        self.start_ms
    }

    /// Its number among recordings of the same start.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The recording at a path; `None` if the layout does not make this path.
    pub(super) fn of_path(dir: &Path, path: &Path) -> Option<Self> {
        let source = path.strip_prefix(dir).ok()?.components().next()?;
        let source = source.as_os_str().to_str()?.parse().ok()?;
        let stem = path.file_name()?.to_str()?.strip_suffix(".mp4")?;
        let key = Self::of_stem(SourceId(source), stem)?;
        (key.path(dir) == path).then_some(key)
    }

    fn of_stem(source: SourceId, stem: &str) -> Option<Self> {
        let (start, number) = stem.split_once('-').unwrap_or((stem, "0"));
        let start = DateTime::strptime("%Y%m%dT%H%M%S.%fZ", start).ok()?;
        let start = start.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Self {
            start_ms: u64::try_from(start.as_millisecond()).ok()?,
            number: number.parse().ok()?,
            source,
        })
    }

    /// The beginning of the time that a folder of a day and an hour is for.
    fn of_hour(source: SourceId, day: &str, hour: &str) -> Option<Self> {
        let day = day.replace('-', "");
        Self::of_stem(source, &format!("{day}T{hour}0000.000Z"))
    }

    fn place(&self) -> Place {
        let start = Duration::from_millis(self.start_ms);
        Place::new(self.source, start, self.number)
    }

    /// The file.
    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        self.place().path(dir)
    }

    /// The folders of its source, its day and its hour.
    pub(super) fn folders(&self, dir: &Path) -> [PathBuf; 3] {
        self.place().folders(dir)
    }
}

/// The list. It knows nothing of the disk.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// By start and number.
    sources: BTreeMap<SourceId, BTreeMap<(u64, u32), Listed>>,
    bytes: u64,
}

/// A recording in the list.
#[derive(Debug, Clone, Copy)]
struct Listed {
    bytes: u64,
    state: ListedState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListedState {
    Open,
    Closed,
    /// The disk refused to delete it. Not again before, by the clock.
    Aside(Duration),
}

impl Stock {
    /// Adds a closed recording that a walk found, unless the list has it.
    pub(super) fn found(&mut self, key: FileKey, bytes: u64) {
        if self.listed(key).is_none() {
            self.set(key, bytes, ListedState::Closed);
        }
    }

    /// Adds a recording that is open, with the bytes that it may take without a report.
    pub(super) fn opened(&mut self, key: FileKey, bytes: u64) {
        let former = self.listed(key).map_or(0, |listed| listed.bytes);
        self.set(key, former + bytes, ListedState::Open);
    }

    /// Adds to the bytes of a recording.
    pub(super) fn grew(&mut self, key: FileKey, bytes: u64) {
        if let Some(listed) = self.listed(key) {
            self.set(key, listed.bytes + bytes, listed.state);
        }
    }

    /// From now on a recording may be deleted. `bytes` is what it takes, `None` if the disk does not tell. Returns what was counted
    /// for it before.
    pub(super) fn closed(&mut self, key: FileKey, bytes: Option<u64>) -> u64 {
        let counted = self.listed(key).map_or(0, |listed| listed.bytes);
        self.set(key, bytes.unwrap_or(counted), ListedState::Closed);
        counted
    }

    /// Notes that the disk refused to delete a recording: it is passed over until `until`.
    pub(super) fn set_aside(&mut self, key: FileKey, until: Duration) {
        if let Some(listed) = self.listed(key)
            && listed.state != ListedState::Open
        {
            self.set(key, listed.bytes, ListedState::Aside(until));
        }
    }

    /// Takes a recording out of the list.
    pub(super) fn forget(&mut self, key: FileKey) {
        let Some(files) = self.sources.get_mut(&key.source) else {
            return;
        };
        if let Some(listed) = files.remove(&(key.start_ms, key.number)) {
            self.bytes -= listed.bytes;
        }
        if files.is_empty() {
            self.sources.remove(&key.source);
        }
    }

    /// Whether a recording is open.
    pub(super) fn is_open(&self, key: FileKey) -> bool {
        self.listed(key)
            .is_some_and(|listed| listed.state == ListedState::Open)
    }

    /// The oldest recording that may be deleted at `now`, and its bytes.
    pub(super) fn oldest_closed(&self, now: Duration) -> Option<(FileKey, u64)> {
        let is_due = |listed: &Listed| match listed.state {
            ListedState::Open => false,
            ListedState::Closed => true,
            ListedState::Aside(until) => now >= until,
        };
        let of_sources = self.sources.iter().filter_map(|(&source, files)| {
            let (&(start_ms, number), listed) = files.iter().find(|(_, listed)| is_due(listed))?;
            let key = FileKey {
                start_ms,
                number,
                source,
            };
            Some((key, listed.bytes))
        });
        of_sources.min()
    }

    /// Whether the list has a recording of the source of `key` in its hour or day: the folder of that length.
    pub(super) fn has_in_folder(&self, key: FileKey, length_ms: u64) -> bool {
        let from = key.start_ms - key.start_ms % length_ms;
        let files = self.sources.get(&key.source);
        files.is_some_and(|files| {
            let inside = (from, 0)..(from + length_ms, 0);
            files.range(inside).next().is_some()
        })
    }

    /// The bytes of all recordings.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Each source with the start of its oldest recording, since the Unix epoch.
    pub(super) fn oldest(&self) -> BTreeMap<SourceId, Duration> {
        let oldest = self.sources.iter().filter_map(|(&source, files)| {
            let ((start_ms, _), _) = files.first_key_value()?;
            Some((source, Duration::from_millis(*start_ms)))
        });
        oldest.collect()
    }

    /// The number of sources with recordings.
    pub(super) fn sources(&self) -> u64 {
        self.sources.len() as u64
    }

    fn listed(&self, key: FileKey) -> Option<Listed> {
        let files = self.sources.get(&key.source)?;
        files.get(&(key.start_ms, key.number)).copied()
    }

    fn set(&mut self, key: FileKey, bytes: u64, state: ListedState) {
        let files = self.sources.entry(key.source).or_default();
        let former = files.insert((key.start_ms, key.number), Listed { bytes, state });
        self.bytes = self.bytes + bytes - former.map_or(0, |former| former.bytes);
    }
}

/// What a walk comes by.
#[derive(Debug)]
pub(super) enum Found {
    /// The recordings of one hour, with the bytes that each takes.
    Hour(Vec<(FileKey, u64)>),
    /// The folder of this hour, or of its day, is empty.
    Empty(FileKey),
    /// A folder or file that can't be read. It is passed over.
    Fault(DiskFault),
}

/// Walks over all recordings of a folder, until `step` breaks. Blocks: a stat for each file.
pub(super) fn walk<D: SpaceDisk>(
    disk: &D,
    dir: &Path,
    step: &mut impl FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // `dir` alone may be a link.
    for name in sound(disk.list(dir), dir, step)?.unwrap_or_default() {
        let Some(source) = name.parse().ok().map(SourceId) else {
            continue;
        };
        let of_source = dir.join(&name);
        for day in names(disk, &of_source, step)?.unwrap_or_default() {
            let of_day = of_source.join(&day);
            let first = FileKey::of_hour(source, &day, "00");
            if let Some(first) = first.filter(|first| first.folders(dir)[1] == of_day) {
                walk_day(disk, dir, (&of_day, &day), first, step)?;
            }
        }
    }
    ControlFlow::Continue(())
}

fn walk_day<D: SpaceDisk>(
    disk: &D,
    dir: &Path,
    (of_day, day): (&Path, &str),
    first: FileKey,
    step: &mut impl FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some(hours) = names(disk, of_day, step)? else {
        return ControlFlow::Continue(());
    };
    if hours.is_empty() {
        return step(Found::Empty(first));
    }
    for hour in hours {
        let of_hour = of_day.join(&hour);
        let first = FileKey::of_hour(first.source, day, &hour);
        if let Some(first) = first.filter(|first| first.folders(dir)[2] == of_hour) {
            walk_hour(disk, dir, &of_hour, first, step)?;
        }
    }
    ControlFlow::Continue(())
}

fn walk_hour<D: SpaceDisk>(
    disk: &D,
    dir: &Path,
    of_hour: &Path,
    first: FileKey,
    step: &mut impl FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some(files) = names(disk, of_hour, step)? else {
        return ControlFlow::Continue(());
    };
    if files.is_empty() {
        return step(Found::Empty(first));
    }
    let mut recordings = Vec::new();
    for path in files.iter().map(|name| of_hour.join(name)) {
        let Some(key) = FileKey::of_path(dir, &path) else {
            continue;
        };
        let entry = sound(disk.entry(&path), &path, step)?;
        if let Some(Entry::File { allocated_bytes }) = entry {
            recordings.push((key, allocated_bytes));
        }
    }
    step(Found::Hour(recordings))
}

/// The names in a folder. `None` if it is no folder, is gone, or can't be read.
fn names<D: SpaceDisk>(
    disk: &D,
    path: &Path,
    step: &mut impl FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<(), Option<Vec<String>>> {
    match sound(disk.entry(path), path, step)? {
        Some(Entry::Folder) => sound(disk.list(path), path, step),
        _ => ControlFlow::Continue(None),
    }
}

/// Hands an error of the disk to `step`, unless the file or folder is gone.
fn sound<T>(
    read: io::Result<T>,
    path: &Path,
    step: &mut impl FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<(), Option<T>> {
    match read {
        Ok(read) => ControlFlow::Continue(Some(read)),
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                step(Found::Fault(DiskFault::of("read", path)(error)))?;
            }
            ControlFlow::Continue(None)
        }
    }
}
