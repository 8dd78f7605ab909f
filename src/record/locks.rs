//! Locks keep recordings from being deleted by retention: those of one source with frames of a time.
//!
//! A lock is a file in `{dir}/.nvr-locks`. Its name ([`super::lock_name`]) tells what is protected; its content has the reason, for
//! people. Any process that may write there makes and removes locks while a recorder runs, which deletes in another process.
//! Therefore [`lock`] holds the folder of recordings alone (`flock`) while it makes the file, and retention holds it from reading
//! the names until its deletions are done: once [`lock`] has returned, no later deletion removes what the lock protects.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::error::DiskFault;
use super::layout::locks_folder;
use super::lock_name::LockName;
use crate::base::SourceId;

/// The most locks of one folder: their names are read before each deletion.
pub const MOST_LOCKS: usize = 10_000;
/// The most characters of a reason.
pub const LONGEST_REASON: usize = 200;
/// No content of a lock is longer.
const LONGEST_CONTENT: u64 = 16 << 10;
/// The ending of a file that does not have its name yet.
const PARTIAL: &str = ".partial";

/// What is to be locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLock {
    /// The source.
    pub source: SourceId,
    /// The beginning since the Unix epoch, in whole milliseconds; parts of one are locked as well.
    pub from_unix: Duration,
    /// The end since the Unix epoch, as `from_unix`.
    pub until_unix: Duration,
    /// For people: at most [`LONGEST_REASON`] characters, no control characters.
    pub reason: String,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its name, for [`unlock`].
    pub id: String,
    /// The source.
    pub source: SourceId,
    /// The beginning since the Unix epoch.
    pub from_unix: Duration,
    /// The end since the Unix epoch.
    pub until_unix: Duration,
    /// For people. Empty if the content is damaged.
    pub reason: String,
    /// When it was made, since the Unix epoch. Unknown if the content is damaged.
    pub made_unix: Option<Duration>,
    /// What is wrong with the content. The lock protects its recordings all the same.
    pub fault: Option<String>,
}

/// Why a lock can't be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The end is not after the beginning.
    #[error("the time to lock ends at {until}, not after its beginning, {from}; give a later end")]
    Time {
        /// The beginning.
        from: Timestamp,
        /// The end.
        until: Timestamp,
    },
    /// A time that no name can have.
    #[error("a time to lock is after the year 9999; give an earlier one")]
    Calendar,
    /// The reason is too long.
    #[error("the reason has {characters} characters; give one with at most {LONGEST_REASON}")]
    LongReason {
        /// Its length.
        characters: usize,
    },
    /// The reason has line breaks or other control characters.
    #[error("the reason has control characters; give one line of text")]
    ControlCharacters,
    /// There are too many locks.
    #[error(
        "{dir} has {MOST_LOCKS} locks, the most of one folder; unlock some (nvr record unlock)"
    )]
    TooMany {
        /// The folder of recordings.
        dir: PathBuf,
    },
    /// No lock has this id.
    #[error("no lock {id} in {dir}; `nvr record locks` lists them")]
    Unknown {
        /// The id.
        id: String,
        /// The folder of recordings.
        dir: PathBuf,
    },
    /// The disk refused an operation.
    #[error("{0}")]
    Disk(#[from] DiskFault),
}

/// The file of a lock. Only `reason` and `made` are read again.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    id: String,
    source_id: SourceId,
    from: Timestamp,
    until: Timestamp,
    reason: String,
    made: Timestamp,
}

/// Locks recordings in `dir`, those that are there and those that will be made. When it returns, the lock is durable, and nothing
/// that it protects is deleted any more. Blocks for the disk, and while a recorder deletes recordings: some seconds on a slow disk.
///
/// # Errors
/// If `new` is refused, there are too many locks, or the disk refuses it.
pub fn lock(dir: &Path, new: &NewLock, made_unix: Duration) -> Result<Lock, LockError> {
    let mut name = check(new)?;
    let (held, owner) = hold_alone(dir)?;
    let folder = prepare(dir, &held, &owner)?;
    let files = names(&folder)?;
    // Of a process that was killed: no other one makes a lock now.
    for partial in files.iter().filter(|file| file.ends_with(PARTIAL)) {
        let _ = fs::remove_file(folder.join(partial));
    }
    let present: Vec<_> = files
        .iter()
        .filter_map(|it| LockName::of_file(it))
        .collect();
    if present.len() >= MOST_LOCKS {
        let dir = dir.to_owned();
        return Err(LockError::TooMany { dir });
    }
    while present.contains(&name) {
        name.number = fastrand::u32(..);
    }
    let content = Content {
        id: name.to_string(),
        source_id: name.source,
        from: timestamp(Duration::from_millis(name.from_ms))?,
        until: timestamp(Duration::from_millis(name.until_ms))?,
        reason: new.reason.clone(),
        made: timestamp(made_unix)?,
    };
    let path = folder.join(name.file());
    write(&path, &content, &owner).map_err(DiskFault::of("write", &path))?;
    if let Err(error) = sync(&folder) {
        let _ = fs::remove_file(&path);
        return Err(DiskFault::of("sync", &folder)(error).into());
    }
    Ok(of_content(name, Ok(content)))
}

/// Removes a lock. When it returns, that is durable. Blocks.
///
/// # Errors
/// If no lock has this id, or the disk refuses it.
pub fn unlock(dir: &Path, id: &str) -> Result<(), LockError> {
    let unknown = || LockError::Unknown {
        id: id.to_owned(),
        dir: dir.to_owned(),
    };
    let name = LockName::of_id(id).ok_or_else(unknown)?;
    let folder = locks_folder(dir);
    let path = folder.join(name.file());
    match fs::remove_file(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown()),
        removed => removed.map_err(DiskFault::of("remove", &path))?,
    }
    Ok(sync(&folder).map_err(DiskFault::of("sync", &folder))?)
}

/// The locks in `dir` by source and time. Files with other names than those of locks are passed over. Blocks: each lock is read.
///
/// # Errors
/// If the folder can't be read. A lock that can't be read is in the list, with its fault.
pub fn locks(dir: &Path) -> Result<Vec<Lock>, DiskFault> {
    fs::metadata(dir).map_err(DiskFault::of("read", dir))?;
    let folder = locks_folder(dir);
    let files = names(&folder)?;
    let mut locks: Vec<_> = files
        .iter()
        .filter_map(|it| LockName::of_file(it))
        .collect();
    locks.sort_unstable();
    let read = locks.into_iter().filter_map(|name| {
        let content = match File::open(folder.join(name.file())) {
            // It was removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
            Ok(file) => read(file, &name),
        };
        Some(of_content(name, content))
    });
    Ok(read.collect())
}

/// Holds the folder of recordings for deletions: while it is held, no lock is made. Others may hold it so as well. `None` if a lock is
/// being made. It is held until the file is dropped.
pub(super) fn hold_for_deletions(dir: &Path) -> io::Result<Option<File>> {
    let held = File::open(dir)?;
    match flock(&held, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(held)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        // A file system without `flock`: no lock can be made there.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Some(held)),
        Err(errno) => Err(errno.into()),
    }
}

/// Holds the folder of recordings so that nothing is deleted meanwhile.
fn hold_alone(dir: &Path) -> Result<(File, Metadata), DiskFault> {
    let opened = File::open(dir).and_then(|held| Ok((held.metadata()?, held)));
    let (owner, held) = opened.map_err(DiskFault::of("open", dir))?;
    let alone = || flock(&held, FlockOperation::LockExclusive);
    rustix::io::retry_on_intr(alone).map_err(|errno| DiskFault::of("lock", dir)(errno.into()))?;
    Ok((held, owner))
}

fn check(new: &NewLock) -> Result<LockName, LockError> {
    let (from, until) = (timestamp(new.from_unix)?, timestamp(new.until_unix)?);
    if from >= until {
        return Err(LockError::Time { from, until });
    }
    let characters = new.reason.chars().count();
    if characters > LONGEST_REASON {
        return Err(LockError::LongReason { characters });
    }
    if new.reason.contains(char::is_control) {
        return Err(LockError::ControlCharacters);
    }
    let ms = |ns: u128| u64::try_from(ns / 1_000_000).map_err(|_| LockError::Calendar);
    Ok(LockName {
        source: new.source,
        from_ms: ms(new.from_unix.as_nanos())?,
        until_ms: ms(new.until_unix.as_nanos().next_multiple_of(1_000_000))?,
        number: fastrand::u32(..),
    })
}

fn timestamp(unix: Duration) -> Result<Timestamp, LockError> {
    let ms = i64::try_from(unix.as_millis()).ok();
    let time = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    // Room for the part of a millisecond.
    let time = time.filter(|time| *time < Timestamp::MAX - jiff::SignedDuration::from_secs(1));
    time.ok_or(LockError::Calendar)
}

/// Makes the folder of locks, durably.
fn prepare(dir: &Path, held: &File, owner: &Metadata) -> Result<PathBuf, DiskFault> {
    let folder = locks_folder(dir);
    match DirBuilder::new().mode(0o750).create(&folder) {
        Ok(()) => {
            let given = File::open(&folder).and_then(|made| give(&made, owner));
            if let Err(error) = given {
                // A folder that the recorder can't read would stop all deletions.
                let _ = fs::remove_dir(&folder);
                return Err(DiskFault::of("create", &folder)(error));
            }
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(DiskFault::of("create", &folder)(error)),
    }
    held.sync_all().map_err(DiskFault::of("sync", dir))?;
    Ok(folder)
}

/// Gives a file or folder that another user made, most often root, to the user of the recordings.
fn give(made: &File, owner: &Metadata) -> io::Result<()> {
    if made.metadata()?.uid() == owner.uid() {
        return Ok(());
    }
    fchown(made, Some(owner.uid()), Some(owner.gid()))
}

/// The names in the folder of locks. None if there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>, DiskFault> {
    let read = fs::read_dir(folder).and_then(|entries| {
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    });
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(DiskFault::of("read", folder)),
    }
}

/// Writes a file that has its name only when its content is durable.
fn write(path: &Path, content: &Content, owner: &Metadata) -> io::Result<()> {
    let mut partial = path.to_owned().into_os_string();
    partial.push(PARTIAL);
    let partial = PathBuf::from(partial);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(&partial)?;
    let written = give(&file, owner)
        .and_then(|()| Ok(serde_json::to_vec(content)?))
        .and_then(|bytes| file.write_all(&bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| name_new(&partial, path));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

/// Renames a file. It replaces none.
fn name_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems can't do that. Nobody else makes a lock now, and no lock has this name.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn read(file: File, name: &LockName) -> Result<Content, String> {
    let mut text = String::new();
    let mut file = file.take(LONGEST_CONTENT);
    file.read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    let content: Content = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if content.id != name.to_string() {
        return Err(format!("it is of the lock {}", content.id));
    }
    Ok(content)
}

fn of_content(name: LockName, content: Result<Content, String>) -> Lock {
    let (reason, made_unix, fault) = match content {
        Ok(content) => {
            let made_ms = u64::try_from(content.made.as_millisecond()).ok();
            (content.reason, made_ms.map(Duration::from_millis), None)
        }
        Err(error) => {
            let fault = format!(
                "its content can't be read ({error}); it still protects its recordings; make a new lock of this time, then unlock this one"
            );
            (String::new(), None, Some(fault))
        }
    };
    Lock {
        id: name.to_string(),
        source: name.source,
        from_unix: Duration::from_millis(name.from_ms),
        until_unix: Duration::from_millis(name.until_ms),
        reason,
        made_unix,
        fault,
    }
}

#[cfg(test)]
#[path = "locks_tests.rs"]
mod tests;
