//! Unpacks a tar archive from another machine. Only plain files and folders below the target are written; everything else is
//! refused with the name of the entry.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::EntryType;

use crate::base::{Stop, free_bytes, shown_bytes};

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// A tar archive.
    Tar,
    /// A compressed tar archive.
    TarGz,
    /// Another file.
    Other,
}

impl ArchiveKind {
    /// The kind of the file at `path`.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut head = Vec::new();
        File::open(path)?.take(512).read_to_end(&mut head)?;
        Ok(match head.get(257..262) {
            _ if head.starts_with(&[0x1f, 0x8b]) => Self::TarGz,
            Some(b"ustar") => Self::Tar,
            _ => Self::Other,
        })
    }
}

/// What an archive may contain.
#[derive(Debug, Clone, Copy)]
pub struct UnpackLimits {
    /// Maximum number of entries.
    pub entries: usize,
    /// Maximum length of all files together in bytes.
    pub bytes: u64,
    /// Space in bytes that must be free on the disk after each file.
    pub spare_bytes: u64,
}

/// Why an archive was not unpacked. What was written until then stays in the target.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive is damaged or can't be read.
    #[error("the archive can't be read: {0}; pack it again")]
    Archive(io::Error),
    /// An entry that is not accepted.
    #[error("the archive has the entry `{name}`, {reason}")]
    Entry {
        /// The entry.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file can't be written.
    #[error("can't write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The disk is too full.
    #[error("`{name}` has {}, and the disk has {} free; free some", shown_bytes(*bytes), shown_bytes(*free))]
    Space {
        /// The entry.
        name: String,
        /// Its length.
        bytes: u64,
        /// The free space.
        free: u64,
    },
    /// `stop` was raised.
    #[error("the unpacking was stopped")]
    Stopped,
}

/// Unpacks the tar archive `archive`, compressed if `kind` says so, into the folder `into`. Every file is on the disk when it
/// returns. Blocks for as long as the disk takes; ends early when `stop` is raised.
///
/// # Errors
/// The first entry that is not accepted, or what the system refuses.
pub fn unpack(
    archive: &Path,
    kind: ArchiveKind,
    into: &Path,
    limits: UnpackLimits,
    stop: &Stop,
) -> Result<(), UnpackError> {
    let file = BufReader::new(File::open(archive).map_err(UnpackError::Archive)?);
    let reader: Box<dyn Read> = match kind {
        ArchiveKind::TarGz => Box::new(GzDecoder::new(file)),
        ArchiveKind::Tar | ArchiveKind::Other => Box::new(file),
    };
    let mut archive = tar::Archive::new(reader);
    let mut left = limits.bytes;
    let entries = archive.entries().map_err(UnpackError::Archive)?;
    for (index, entry) in entries.enumerate() {
        let mut entry = entry.map_err(UnpackError::Archive)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refuse = |reason: String| UnpackError::Entry {
            name: name.clone(),
            reason,
        };
        if index >= limits.entries {
            let message = format!("which is one more than the limit of {}", limits.entries);
            return Err(refuse(message));
        }
        let path = plain(&name).map_err(|reason| refuse(reason.to_owned()))?;
        let path = into.join(path);
        match entry.header().entry_type() {
            EntryType::XGlobalHeader => continue,
            EntryType::Directory => {
                make(&path)?;
                continue;
            }
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Symlink | EntryType::Link => {
                return Err(refuse("a link; pack the files themselves".to_owned()));
            }
            _ => return Err(refuse("which is no plain file; pack files only".to_owned())),
        }
        let bytes = entry.size();
        left = left.checked_sub(bytes).ok_or_else(|| {
            refuse(format!(
                "with which its files have more than {}, the limit",
                shown_bytes(limits.bytes)
            ))
        })?;
        if let Some(free) = free_bytes(into)
            && free < bytes.saturating_add(limits.spare_bytes)
        {
            return Err(UnpackError::Space { name, bytes, free });
        }
        write(&mut entry, &path, stop)?;
    }
    Ok(())
}

/// The path of an entry, if it stays below the target.
fn plain(name: &str) -> Result<PathBuf, &'static str> {
    if name.chars().any(|c| c.is_control() || c == '\u{fffd}') {
        return Err("whose name is not plain text");
    }
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("whose path leads upwards"),
            Component::RootDir | Component::Prefix(_) => return Err("whose path is absolute"),
        }
    }
    Ok(path)
}

fn make(folder: &Path) -> Result<(), UnpackError> {
    fs::create_dir_all(folder).map_err(|source| UnpackError::Write {
        path: folder.to_owned(),
        source,
    })
}

fn write(entry: &mut impl Read, path: &Path, stop: &Stop) -> Result<(), UnpackError> {
    path.parent().map_or(Ok(()), make)?;
    let refused = |source| UnpackError::Write {
        path: path.to_owned(),
        source,
    };
    // A second entry of the same name, or one in the place of a folder, is an error of the archive.
    let mut file = File::create_new(path).map_err(refused)?;
    let mut piece = vec![0; 64 * 1024];
    loop {
        if stop.is_raised() {
            return Err(UnpackError::Stopped);
        }
        match entry.read(&mut piece).map_err(UnpackError::Archive)? {
            0 => break,
            length => file.write_all(&piece[..length]).map_err(refused)?,
        }
    }
    file.sync_all().map_err(refused)
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
