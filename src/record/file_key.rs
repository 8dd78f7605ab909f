//! The name of a recording as a key: its source, its start and its number. Only names that the layout itself makes are keys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layout::{Place, stamp_ms};
use crate::base::SourceId;

/// The milliseconds of a folder of an hour.
pub(super) const HOUR_MS: u64 = 3_600_000;
/// The milliseconds of a folder of a day.
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

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

    /// Capture time of the first frame in milliseconds since the Unix epoch.
    pub(super) fn start_ms(&self) -> u64 {
        self.start_ms
    }

    /// Its number among recordings of the same start.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Its place among the recordings of its source: start and number.
    pub(super) fn at(&self) -> (u64, u32) {
        (self.start_ms, self.number)
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
        Some(Self {
            start_ms: stamp_ms(start)?,
            number: number.parse().ok()?,
            source,
        })
    }

    /// The beginning of the time that a folder of a day and an hour is for.
    pub(super) fn of_hour(source: SourceId, day: &str, hour: &str) -> Option<Self> {
        let day = day.replace('-', "");
        Self::of_stem(source, &format!("{day}T{hour}0000.000Z"))
    }

    /// Where it lies.
    pub(super) fn place(&self) -> Place {
        let start = Duration::from_millis(self.start_ms);
        Place::new(self.source, start, self.number)
    }

    /// The source.
    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    /// Capture time of the first frame since the Unix epoch, in whole milliseconds.
    pub(super) fn start_unix(&self) -> Duration {
        Duration::from_millis(self.start_ms)
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
