//! Finds the recordings of a time by their names. Only the folders of the days and hours that matter are read.

use std::fs::{self, FileType};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::file_key::FileKey;
use super::error::ExportError;
use crate::base::SourceId;

/// A file is at most this long: 6.6 h if no key frame comes.
const LONGEST_FILE: Duration = Duration::from_secs(7 * 3600);

/// A recording, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The file.
    pub path: PathBuf,
    /// Its mark while it is open.
    pub mark: PathBuf,
    /// Its name in the folder of recordings, such as `3/2026-11-28/08/20261128T083000.123Z.mp4`.
    pub name: String,
    /// Capture time of its first frame in whole milliseconds since the Unix epoch.
    pub started_unix: Duration,
    number: u32,
}

/// The recordings of a source that start at most 7 h before `from` and at `until` at the latest, and the first one after them, by
/// their start.
///
/// # Errors
/// If there are none of this source, or a folder can't be read.
pub(super) fn find(
    dir: &Path,
    source: SourceId,
    from: Duration,
    until: Duration,
) -> Result<Vec<Found>, ExportError> {
    let folder = source_folder(dir, source)?;
    let earliest = from.saturating_sub(LONGEST_FILE);
    let (first, last) = (hour_name(earliest), hour_name(until));
    let mut found = Vec::new();
    for (hour, path) in hours(&folder)? {
        if hour < first {
            continue;
        }
        // The file after the last one may be in a later hour: it has boxes of the last frames.
        let is_after = found
            .last()
            .is_some_and(|one: &Found| one.started_unix > until);
        if hour > last && (is_after || found.is_empty()) {
            break;
        }
        found.extend(files(dir, &path)?);
    }
    found.retain(|one| one.started_unix >= earliest);
    let in_time = found.partition_point(|one| one.started_unix <= until);
    found.truncate(in_time + 1);
    Ok(found)
}

/// The oldest and the newest recording of a source; nothing if it has none.
///
/// # Errors
/// If a folder can't be read.
pub(super) fn ends(dir: &Path, source: SourceId) -> Result<Option<(Found, Found)>, ExportError> {
    let hours = hours(&source_folder(dir, source)?)?;
    let mut oldest = None;
    for (_, path) in &hours {
        oldest = files(dir, path)?.into_iter().next();
        if oldest.is_some() {
            break;
        }
    }
    let mut newest = None;
    for (_, path) in hours.iter().rev() {
        newest = files(dir, path)?.pop();
        if newest.is_some() {
            break;
        }
    }
    Ok(oldest.zip(newest))
}

/// The error that names the sources that there are.
pub(super) fn no_source(dir: &Path, source: SourceId) -> Result<ExportError, ExportError> {
    let mut there: Vec<u32> = names(dir, FileType::is_dir)?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    there.sort_unstable();
    let there: Vec<String> = there.iter().map(u32::to_string).collect();
    Ok(ExportError::NoSource {
        source_id: source,
        dir: dir.to_owned(),
        there: match there.as_slice() {
            [] => "it has no recordings at all".to_owned(),
            _ => format!("it has sources {}", there.join(", ")),
        },
    })
}

fn source_folder(dir: &Path, source: SourceId) -> Result<PathBuf, ExportError> {
    let folder = dir.join(source.to_string());
    match fs::metadata(&folder) {
        Ok(found) if found.is_dir() => Ok(folder),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(ExportError::of("read", &folder)(error))
        }
        _ => Err(no_source(dir, source)?),
    }
}

/// The hour of a time, such as `2026-11-28/08`. Names sort by time.
fn hour_name(unix: Duration) -> String {
    let seconds = i64::try_from(unix.as_secs()).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%Y-%m-%d/%H").to_string()
}

/// The folders of hours of a source with their names, in order.
fn hours(folder: &Path) -> Result<Vec<(String, PathBuf)>, ExportError> {
    let mut hours = Vec::new();
    for day in folders(folder, "0000-00-00")? {
        for hour in folders(&folder.join(&day), "00")? {
            let path = folder.join(&day).join(&hour);
            hours.push((format!("{day}/{hour}"), path));
        }
    }
    Ok(hours)
}

/// The names of this form of folders, in order. A 0 in it stands for any digit.
fn folders(parent: &Path, form: &str) -> Result<Vec<String>, ExportError> {
    let mut names = names(parent, FileType::is_dir)?;
    names.retain(|name| name.replace(|letter: char| letter.is_ascii_digit(), "0") == form);
    names.sort_unstable();
    Ok(names)
}

/// The recordings in the folder of an hour, in order.
fn files(dir: &Path, hour: &Path) -> Result<Vec<Found>, ExportError> {
    let names = names(hour, FileType::is_file)?;
    let mut files: Vec<Found> = names
        .iter()
        .filter_map(|name| of_path(dir, &hour.join(name)))
        .collect();
    files.sort_by_key(|one| (one.started_unix, one.number));
    Ok(files)
}

fn of_path(dir: &Path, path: &Path) -> Option<Found> {
    let key = FileKey::of_path(dir, path)?;
    Some(Found {
        path: path.to_owned(),
        mark: key.place().mark(dir),
        name: path.strip_prefix(dir).ok()?.to_str()?.to_owned(),
        started_unix: key.start_unix(),
        number: key.number(),
    })
}

/// The names in a folder, of one kind. A folder that is gone has none: retention removes folders meanwhile.
fn names(folder: &Path, is_kind: fn(&FileType) -> bool) -> Result<Vec<String>, ExportError> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if is_kind(&entry.file_type()?) {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        Ok(names)
    };
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(ExportError::of("read", folder)),
    }
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
