//! What recordings a folder has and at which rate they grow, from the names and sizes of the files alone. It only reads and takes no
//! lock: a recorder may write meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::disk::{LocalDisk, RecordingDisk};
use super::error::DiskFault;
use super::layout::{Place, open_folder};
use super::space_disk::{Entry, SpaceDisk};
use super::walk::{Found, walk};
use crate::base::{SourceId, time_to_fill};

/// The rate is that of this time.
const RATE_OVER: Duration = Duration::from_secs(3600);
const HOUR: Duration = Duration::from_secs(3600);
const DAY_S: u64 = 86_400;

/// The recordings in a folder.
#[derive(Debug, Default)]
pub struct Usage {
    /// Those of each source.
    pub sources: BTreeMap<SourceId, SourceUsage>,
    /// Recordings that are open: a recorder writes them, or closes them at its next start.
    pub open: u64,
    /// Files and folders that can't be read. They are not counted.
    pub faults: Vec<DiskFault>,
}

/// The recordings of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUsage {
    /// Number of files.
    pub files: u64,
    /// Space in the file system, with what is reserved for open ones.
    pub bytes: u64,
    /// Days in UTC with a recording.
    pub days: u64,
    /// Start of the oldest recording, since the Unix epoch.
    pub oldest_unix: Duration,
    /// Start of the newest recording.
    pub newest_unix: Duration,
    /// Mean rate of the hour before the newest recording of all sources, with gaps. `None` without two recordings in it.
    pub bytes_per_second: Option<u64>,
}

impl Usage {
    /// The space of all recordings.
    pub fn bytes(&self) -> u64 {
        self.sources.values().map(|source| source.bytes).sum()
    }

    /// The number of all recordings.
    pub fn files(&self) -> u64 {
        self.sources.values().map(|source| source.files).sum()
    }

    /// The rate of all sources. `None` if none has a rate.
    pub fn bytes_per_day(&self) -> Option<u64> {
        per_day(self.sources.values().filter_map(|it| it.bytes_per_second))
    }

    /// How long recordings are kept at this rate: until the budget or the free space beyond `min_free_bytes` is full. It is the mean:
    /// those with events are kept longer, others shorter. `None` without a rate or a limit.
    pub fn kept(
        &self,
        free_bytes: Option<u64>,
        budget_bytes: Option<u64>,
        min_free_bytes: u64,
    ) -> Option<Duration> {
        let used = self.bytes();
        let of_free = free_bytes.map(|free| used + free.saturating_sub(min_free_bytes));
        let room = of_free.into_iter().chain(budget_bytes).min()?;
        time_to_fill(room, self.bytes_per_day()?)
    }
}

/// Counts the recordings in `dir`. `now_unix` is the time since the Unix epoch; recordings from the future have no rate. Blocks: it
/// asks the size of each file.
///
/// # Errors
/// If `dir` can't be read.
pub fn usage(dir: &Path, now_unix: Duration) -> Result<Usage, DiskFault> {
    fs::read_dir(dir).map_err(DiskFault::of("read", dir))?;
    let mut usage = Usage::default();
    let mut days: BTreeMap<SourceId, BTreeSet<u64>> = BTreeMap::new();
    let _ = walk(&LocalDisk, dir, &mut |found| {
        match found {
            Found::Fault(fault) => usage.faults.push(fault),
            Found::Empty(_) => {}
            Found::Hour(files) => {
                for (key, bytes) in files {
                    let named = of_path(dir, &key.path(dir));
                    if let Some((source, start)) = named {
                        let day = start.as_secs() / DAY_S;
                        days.entry(source).or_default().insert(day);
                        usage.add(source, start, bytes);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    });
    let starts = usage.sources.values().map(|source| source.newest_unix);
    let until = starts.filter(|start| *start <= now_unix).max();
    let rates = until.map(|until| recent_rates(dir, until));
    let rates = rates.unwrap_or_default();
    for (id, of_source) in &mut usage.sources {
        of_source.days = days.get(id).map_or(0, |days| days.len() as u64);
        of_source.bytes_per_second = rates.get(id).copied();
    }
    let marks = LocalDisk.list(&open_folder(dir)).unwrap_or_default();
    let marks = marks.iter().filter_map(|mark| Place::of_mark(mark));
    usage.open = marks.filter(|place| place.path(dir).exists()).count() as u64;
    Ok(usage)
}

/// The mean rate of each source in bytes per second over the hour before `until_unix`, of those with two recordings in it. Blocks: it
/// reads the folders of two hours.
pub fn recent_rates(dir: &Path, until_unix: Duration) -> BTreeMap<SourceId, u64> {
    let names = LocalDisk.list(dir).unwrap_or_default();
    let sources = names.iter().filter_map(|name| name.parse().ok());
    let rates = sources.filter_map(|id| {
        let id = SourceId(id);
        Some((id, rate(dir, id, until_unix)?))
    });
    rates.collect()
}

/// The sum of rates in bytes per second, as bytes per day. `None` if there is none.
pub fn per_day(rates: impl Iterator<Item = u64>) -> Option<u64> {
    rates
        .reduce(u64::saturating_add)
        .map(|sum| sum.saturating_mul(DAY_S))
}

impl Usage {
    fn add(&mut self, source: SourceId, start: Duration, bytes: u64) {
        let of_source = self.sources.entry(source).or_insert(SourceUsage {
            files: 0,
            bytes: 0,
            days: 0,
            oldest_unix: start,
            newest_unix: start,
            bytes_per_second: None,
        });
        of_source.files += 1;
        of_source.bytes += bytes;
        of_source.oldest_unix = of_source.oldest_unix.min(start);
        of_source.newest_unix = of_source.newest_unix.max(start);
    }
}

/// The last recording counts as the end alone: its name does not tell its length.
fn rate(dir: &Path, source: SourceId, until: Duration) -> Option<u64> {
    let since = until.saturating_sub(RATE_OVER);
    let mut files = BTreeMap::new();
    for hour in [since, since + HOUR] {
        let [_, _, folder] = Place::new(source, hour, 0).folders(dir);
        for name in LocalDisk.list(&folder).unwrap_or_default() {
            let path = folder.join(name);
            let start = of_path(dir, &path).map(|(_, start)| start);
            let start = start.filter(|start| (since..=until).contains(start));
            if let (Some(start), Ok(Entry::File { allocated_bytes })) =
                (start, LocalDisk.entry(&path))
            {
                *files.entry(start).or_insert(0) += allocated_bytes;
            }
        }
    }
    let (last, _) = files.pop_last()?;
    let (first, _) = files.first_key_value()?;
    let millis = (last - *first).as_millis();
    let bytes: u64 = files.values().sum();
    u64::try_from(u128::from(bytes) * 1000 / millis.max(1)).ok()
}

/// The source and the start of the recording at a path of the layout.
fn of_path(dir: &Path, path: &Path) -> Option<(SourceId, Duration)> {
    let source = path.strip_prefix(dir).ok()?.components().next()?;
    let source = SourceId(source.as_os_str().to_str()?.parse().ok()?);
    let stem = path.file_name()?.to_str()?.strip_suffix(".mp4")?;
    let place = Place::of_mark(&format!("{source}_{stem}"))?;
    let start = stem.split('-').next()?;
    let start = DateTime::strptime("%Y%m%dT%H%M%S.%fZ", start).ok()?;
    let start = start.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let start_ms = u64::try_from(start.as_millisecond()).ok()?;
    (place.path(dir) == path).then(|| (source, Duration::from_millis(start_ms)))
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
