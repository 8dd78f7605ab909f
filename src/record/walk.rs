//! Finds the recordings in a folder, hour by hour, with the space that each takes.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::Path;

use super::error::DiskFault;
use super::file_key::FileKey;
use super::space_disk::{Entry, SpaceDisk};
use crate::base::SourceId;

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
        let first = FileKey::of_hour(first.source(), day, &hour);
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
