//! The recordings that a lock protects, for the person who makes it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::{self, ListedState};
use super::error::DiskFault;
use super::file_key::{DAY_MS, FileKey};
use super::layout::LONGEST_CHANGE;
use super::layout::stamp;
use super::locks::Lock;

/// What a camera sends is in its open file after this time at the latest, unless the disk is slow: the longest fragment has 10 s.
const WRITTEN_AFTER: Duration = Duration::from_secs(15);

/// The recordings of the source of a lock with frames of its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockCoverage {
    /// Recordings.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them whose end is not known, because they are damaged. They count as if they lasted until the next one.
    pub unknown_ends: u64,
    /// Times of over 1 s without frames, from and until, since the Unix epoch. What is not recorded yet is no gap.
    pub gaps: Vec<(Duration, Duration)>,
}

/// Finds what a lock covers at `now_unix`. Blocks: the beginning and the end of each recording in it are read.
///
/// # Errors
/// If a folder can't be read.
pub fn lock_coverage(
    dir: &Path,
    lock: &Lock,
    now_unix: Duration,
) -> Result<LockCoverage, DiskFault> {
    fs::metadata(dir).map_err(DiskFault::of("read", dir))?;
    let files = files(dir, lock)?;
    let mut after = files.keys().skip(1).copied();
    let mut coverage = LockCoverage::default();
    let mut recorded = Vec::new();
    for (key, path) in &files {
        let next_unix = after.next().map_or(now_unix, |next| next.start_unix());
        let start_unix = key.start_unix();
        if start_unix >= lock.until_unix {
            break;
        }
        let Some((end_unix, bytes)) = end(dir, key, path, now_unix) else {
            continue;
        };
        let until_unix = end_unix.unwrap_or(next_unix);
        if until_unix <= lock.from_unix {
            continue;
        }
        coverage.files += 1;
        coverage.bytes += bytes;
        coverage.unknown_ends += u64::from(end_unix.is_none());
        recorded.push((start_unix, until_unix));
    }
    let until_unix = lock.until_unix.min(now_unix);
    coverage.gaps = gaps(&recorded, lock.from_unix, until_unix);
    Ok(coverage)
}

/// The files that may have frames of the time of a lock, and the first one after them.
fn files(dir: &Path, lock: &Lock) -> Result<BTreeMap<FileKey, PathBuf>, DiskFault> {
    let of_source = dir.join(lock.source.to_string());
    let day = |unix: Duration| {
        let ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        let stamp = stamp(ms);
        format!("{}-{}-{}", &stamp[0..4], &stamp[4..6], &stamp[6..8])
    };
    // A recording is shorter than a day.
    let a_day = Duration::from_millis(DAY_MS);
    let days = day(lock.from_unix.saturating_sub(a_day))..=day(lock.until_unix + a_day);
    let mut files = BTreeMap::new();
    for of_day in names(&of_source)? {
        if !days.contains(&of_day) {
            continue;
        }
        let of_day = of_source.join(of_day);
        for of_hour in names(&of_day)? {
            let of_hour = of_day.join(of_hour);
            for file in names(&of_hour)? {
                let path = of_hour.join(file);
                files.extend(FileKey::of_path(dir, &path).map(|key| (key, path)));
            }
        }
    }
    Ok(files)
}

/// The end of a recording since the Unix epoch, if it is known, and its bytes. Nothing if it is gone.
fn end(
    dir: &Path,
    key: &FileKey,
    path: &Path,
    now_unix: Duration,
) -> Option<(Option<Duration>, u64)> {
    let Ok(opened) = check::open(dir, key.place(), 0, path) else {
        return Some((None, 0));
    };
    let (found, file) = opened?;
    let bytes = found.bytes;
    let listed = check::list_file(&found, file).ok();
    let end_unix = listed.and_then(|listed| {
        let ended_unix = listed.ended_unix?;
        let is_written = listed.state == ListedState::Open && ended_unix + WRITTEN_AFTER > now_unix;
        Some(if is_written { now_unix } else { ended_unix })
    });
    Some((end_unix, bytes))
}

/// The names in a folder, none if it is gone or none.
fn names(folder: &Path) -> Result<Vec<String>, DiskFault> {
    let read = fs::read_dir(folder).and_then(|entries| {
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    });
    match read {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        read => read.map_err(DiskFault::of("read", folder)),
    }
}

/// The parts of a time that are in none of `recorded`, which are in the order of their starts.
fn gaps(
    recorded: &[(Duration, Duration)],
    from: Duration,
    until: Duration,
) -> Vec<(Duration, Duration)> {
    let (mut gaps, mut covered) = (Vec::new(), from);
    for &(start, end) in recorded.iter().chain([&(until, until)]) {
        if start > covered + LONGEST_CHANGE {
            gaps.push((covered, start));
        }
        covered = covered.max(end);
    }
    gaps
}

#[cfg(test)]
#[path = "lock_coverage_tests.rs"]
mod tests;
