//! Lists and checks the recordings in a folder. It only reads, and takes no lock: a recorder may write meanwhile.
//!
//! A mark in `.nvr-open` exists before its file, and is removed after the file is closed. So a file without a mark must be
//! complete, if the mark is looked for before the file is read. A file with a mark may end anywhere.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::DiskFault;
use super::layout::{LONGEST_CHANGE, Place, is_of_recorder};
use super::mp4::{self, FileEnding, FragmentPlace, ReadError};
use crate::base::{Size, SourceId};
use crate::media::Codec;

/// A fault of a recording or a folder, or a recording that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file or folder.
    pub path: PathBuf,
    /// The byte of the file at which the fault begins, or up to which an open file is sound.
    pub byte: Option<u64>,
    /// Its kind.
    pub kind: FindingKind,
    /// The details.
    pub reason: String,
}

/// The kind of a finding. All but [`FindingKind::Open`] are faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// The recording has a mark in `.nvr-open`: a recorder writes it, or closes it at its next start.
    Open,
    /// Bytes are not those that were written.
    Damaged,
    /// It ends without a tail and has no mark, so no recorder closes it.
    NotClosed,
    /// It is in the folder of another source.
    WrongSource,
    /// Its name or its folders are not those of its start.
    WrongName,
    /// The system refused to read it.
    Unreadable,
}

/// The sums of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckSummary {
    /// Recordings that were read.
    pub files: u64,
    /// Those of them that are open.
    pub open: u64,
    /// Files and folders with a fault.
    pub damaged: u64,
    /// Files, folders and links with other names than those of the layout. Nothing in them was read.
    pub ignored: u64,
    /// Sound frames.
    pub frames: u64,
    /// Media time of the sound frames.
    pub duration: Duration,
    /// Bytes of all recordings, sound or not.
    pub bytes: u64,
}

/// A recording in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRecording {
    /// The file.
    pub path: PathBuf,
    /// The source, by the folder.
    pub source: SourceId,
    /// The time without frames after the recording of this source before it, if that is more than a second.
    pub gap: Option<Duration>,
    /// Capture time of the first frame since the Unix epoch.
    pub started_unix: Duration,
    /// Capture time of the end of the last frame. Unknown if it is not closed.
    pub ended_unix: Option<Duration>,
    /// Media time. Unknown if it is not closed.
    pub duration: Option<Duration>,
    /// Number of frames. Unknown if it is not closed.
    pub frames: Option<u64>,
    /// The codec.
    pub codec: Codec,
    /// Size of the pictures in pixels.
    pub size: Size,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// How it ends.
    pub state: ListedState,
}

/// How a recording in a list ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedState {
    /// With a sound tail.
    Closed,
    /// It has a mark in `.nvr-open`. Its sound part is listed.
    Open,
    /// It has neither.
    NotClosed,
}

/// Reads all recordings in `dir`, or those of one source, in whole, and reports what it finds at once. Blocks.
/// It keeps the index of one file in memory, and the names in one folder.
///
/// # Errors
/// If `dir` can't be read. Below it, what can't be read is a finding.
pub fn check(
    dir: &Path,
    source: Option<SourceId>,
    report: &mut dyn FnMut(Finding),
) -> Result<CheckSummary, DiskFault> {
    let mut summary = CheckSummary::default();
    summary.ignored = walk(dir, source, &mut |found| {
        let findings = match found {
            Err(finding) => vec![finding],
            Ok((found, mut file)) => {
                let (fragments, findings) = check_file(dir, &found, &mut file);
                summary.files += 1;
                summary.open += u64::from(found.is_open);
                summary.frames += frames(&fragments);
                summary.duration += length(&fragments);
                summary.bytes += found.bytes;
                findings
            }
        };
        let is_fault = |finding: &Finding| finding.kind != FindingKind::Open;
        summary.damaged += u64::from(findings.iter().any(is_fault));
        findings.into_iter().for_each(&mut *report);
    })?;
    Ok(summary)
}

/// Lists the recordings in `dir`, or those of one source, by source and start. Blocks; only open files are read in whole.
///
/// # Errors
/// If `dir` can't be read. Below it, what can't be listed is given to `each` as a finding.
pub fn list(
    dir: &Path,
    source: Option<SourceId>,
    each: &mut dyn FnMut(Result<ListedRecording, Finding>),
) -> Result<(), DiskFault> {
    let mut before = None;
    walk(dir, source, &mut |found| {
        let mut listed = found.and_then(|(found, file)| {
            list_file(&found, file).map_err(|error| unread(&found, error))
        });
        let previous = before.take();
        if let Ok(recording) = &mut listed {
            recording.gap = previous
                .filter(|(source, _)| *source == recording.source)
                .map(|(_, ended)| recording.started_unix.saturating_sub(ended))
                .filter(|gap| *gap > LONGEST_CHANGE);
            before = recording.ended_unix.map(|ended| (recording.source, ended));
        }
        each(listed);
    })
    .map(drop)
}

/// The sound fragments of a file, and the findings by its bytes and by its name.
fn check_file(
    dir: &Path,
    found: &Found,
    input: &mut impl Read,
) -> (Vec<FragmentPlace>, Vec<Finding>) {
    // This parses the frames of each fragment as well.
    let reading = match mp4::read(input) {
        Ok(reading) => reading,
        Err(error) => return (Vec::new(), vec![unread(found, error)]),
    };
    let sound_bytes = Some(reading.sound_bytes);
    let mut findings = Vec::new();
    match reading.ending {
        ending if found.is_open => {
            let mut reason = format!("sound fragments: {}", reading.fragments.len());
            if let FileEnding::Damaged { reason: after, .. } = ending {
                reason = format!("{reason}; {after}");
            }
            findings.push(finding(&found.path, sound_bytes, FindingKind::Open, reason));
        }
        FileEnding::Closed => {}
        FileEnding::Open => {
            let reason =
                "it has no tail, and no mark in .nvr-open, so no recorder closes it".to_owned();
            findings.push(finding(
                &found.path,
                sound_bytes,
                FindingKind::NotClosed,
                reason,
            ));
        }
        FileEnding::Damaged { at, reason } => {
            findings.push(finding(&found.path, Some(at), FindingKind::Damaged, reason));
        }
    }
    let folder = found.place.source();
    if reading.head.source != folder {
        let reason = format!("it is of source {}, not {folder}", reading.head.source);
        findings.push(finding(&found.path, None, FindingKind::WrongSource, reason));
    }
    let path = Place::new(folder, reading.head.started_unix, found.number).path(dir);
    if path != found.path {
        let name = path.strip_prefix(dir).unwrap_or(&path).display();
        let reason = format!("by its start its name is {name}");
        findings.push(finding(&found.path, None, FindingKind::WrongName, reason));
    }
    (reading.fragments, findings)
}

/// A recording without its gap.
pub(super) fn list_file(found: &Found, mut file: File) -> Result<ListedRecording, ReadError> {
    let (head, fragments, state) = if found.is_open {
        let reading = mp4::read(&mut file)?;
        (reading.head, Some(reading.fragments), ListedState::Open)
    } else {
        let head = mp4::read_head(&mut file)?;
        let tail = mp4::closed_fragments(&mut file)?;
        match tail.filter(|(id, _)| *id == head.id) {
            Some((_, fragments)) => (head, Some(fragments), ListedState::Closed),
            None => (head, None, ListedState::NotClosed),
        }
    };
    let end = |last: &FragmentPlace| last.captured_unix + time(last.ticks);
    let ended = |fragments: &[_]| fragments.last().map_or(head.started_unix, end);
    Ok(ListedRecording {
        path: found.path.clone(),
        source: found.place.source(),
        gap: None,
        started_unix: head.started_unix,
        ended_unix: fragments.as_deref().map(ended),
        duration: fragments.as_deref().map(length),
        frames: fragments.as_deref().map(frames),
        codec: head.format.codec,
        size: head.format.size,
        bytes: found.bytes,
        state,
    })
}

fn frames(fragments: &[FragmentPlace]) -> u64 {
    fragments.iter().map(|place| u64::from(place.frames)).sum()
}

/// Media time from the start of a file to the end of its last fragment.
fn length(fragments: &[FragmentPlace]) -> Duration {
    fragments.last().map_or(Duration::ZERO, |last| {
        time(last.first_tick.saturating_add(last.ticks))
    })
}

fn time(ticks: u64) -> Duration {
    // A tick is 100 000/9 ns.
    Duration::from_nanos(ticks.saturating_mul(100_000) / 9)
}

/// A file with the name of a recording, in the folders of an hour, which may be another hour.
pub(super) struct Found {
    place: Place,
    number: u32,
    path: PathBuf,
    is_open: bool,
    pub bytes: u64,
}

/// The finding for a file without a sound head, or that the system can't read.
fn unread(found: &Found, error: ReadError) -> Finding {
    match error {
        ReadError::Io(error) => unreadable(&found.path, &error),
        ReadError::Damaged { at, reason } => {
            let (kind, state) = match found.is_open {
                true => (FindingKind::Open, "its head is not sound: "),
                false => (FindingKind::Damaged, ""),
            };
            finding(&found.path, Some(at), kind, format!("{state}{reason}"))
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    finding(path, None, FindingKind::Unreadable, error.to_string())
}

fn finding(path: &Path, byte: Option<u64>, kind: FindingKind, reason: String) -> Finding {
    Finding {
        path: path.to_owned(),
        byte,
        kind,
        reason,
    }
}

/// Nothing in the place of `NotFound`: retention removes files and folders meanwhile.
fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Takes each file, opened, or the finding of a file or folder that can't be read.
type Visit<'a> = &'a mut dyn FnMut(Result<(Found, File), Finding>);

/// Visits the files of the layout by source, folders and start, and returns the number of other names. Links are not followed.
fn walk(dir: &Path, only: Option<SourceId>, visit: Visit<'_>) -> Result<u64, DiskFault> {
    fs::read_dir(dir).map_err(DiskFault::of("read", dir))?;
    let mut others = 0;
    let mut sources = names(dir, &mut others, visit, |name, kind| {
        let source = name.parse().map(SourceId).ok();
        let source = source.filter(|source| kind.is_dir() && source.to_string() == name);
        (source.is_some() || is_of_recorder(name)).then_some(source)
    });
    sources.retain(|source| only.is_none() || *source == only);
    sources.sort_unstable();
    for source in sources.into_iter().flatten() {
        let folder = dir.join(source.to_string());
        for day in folders(&folder, "0000-00-00", &mut others, visit) {
            for hour in folders(&day, "00", &mut others, visit) {
                let mut files = names(&hour, &mut others, visit, |name, kind| {
                    let stem = name.strip_suffix(".mp4").filter(|_| kind.is_file())?;
                    let (start, number) = stem.split_once('-').unwrap_or((stem, "0"));
                    let place = Place::of_mark(&format!("{source}_{stem}"))?;
                    let number = number.parse::<u32>().ok()?;
                    Some((start.to_owned(), number, place, hour.join(name)))
                });
                files.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
                for (_, number, place, path) in files {
                    if let Some(opened) = open(dir, place, number, &path).transpose() {
                        visit(opened.map_err(|error| unreadable(&path, &error)));
                    }
                }
            }
        }
    }
    Ok(others)
}

type Opened = io::Result<Option<(Found, File)>>;

/// Looks for the mark of a file, then opens it. Nothing if it was removed since.
pub(super) fn open(dir: &Path, place: Place, number: u32, path: &Path) -> Opened {
    // A file at another path is not the one of the mark.
    let is_open =
        place.path(dir) == path && existing(fs::symlink_metadata(place.mark(dir)))?.is_some();
    let Some(file) = existing(File::open(path))? else {
        return Ok(None);
    };
    let found = Found {
        place,
        number,
        path: path.to_owned(),
        is_open,
        bytes: file.metadata()?.len(),
    };
    Ok(Some((found, file)))
}

/// The folders in a folder whose names have this form, in order. A 0 in it stands for any digit.
fn folders(parent: &Path, form: &str, others: &mut u64, visit: Visit<'_>) -> Vec<PathBuf> {
    let mut folders = names(parent, others, visit, |name, kind| {
        let digits_as_0 = name.replace(|letter: char| letter.is_ascii_digit(), "0");
        (kind.is_dir() && digits_as_0 == form).then(|| parent.join(name))
    });
    folders.sort_unstable();
    folders
}

/// What `of` makes of the names in a folder. Those of which it makes nothing are counted.
fn names<T>(
    folder: &Path,
    others: &mut u64,
    visit: Visit<'_>,
    of: impl Fn(&str, FileType) -> Option<T>,
) -> Vec<T> {
    let mut names = Vec::new();
    let entries = existing(fs::read_dir(folder)).map(|entries| entries.into_iter().flatten());
    let mut take = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        if let Some(kind) = existing(entry.file_type())? {
            let name = entry.file_name();
            match name.to_str().and_then(|name| of(name, kind)) {
                Some(name) => names.push(name),
                None => *others += 1,
            }
        }
        Ok(())
    };
    let read = entries.and_then(|mut entries| entries.try_for_each(&mut take));
    if let Err(error) = read {
        visit(Err(unreadable(folder, &error)));
    }
    names
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
