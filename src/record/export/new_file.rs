//! A file of an export while it is written.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::error::ExportError;
use super::manifest::FileEntry;
use super::names::file_name;
use crate::base::{PartialFile, hexadecimal};

/// A file that gets its name when all are complete. Before that, dropping it removes it.
pub(super) struct NewFile {
    partial: PartialFile,
    path: PathBuf,
    hash: Sha256,
    bytes: u64,
}

impl NewFile {
    /// Creates it under another name.
    ///
    /// # Errors
    /// If the name is taken, or the system refuses it.
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        is_free(path)?;
        let partial = PartialFile::create(path).map_err(ExportError::of("create", path))?;
        Ok(Self {
            partial,
            path: path.to_owned(),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// Appends.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        let written = self.partial.file().write_all(bytes);
        written.map_err(ExportError::of("write", &self.path))?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Its entry in the manifest.
    pub(super) fn entry(&self, frames: u64) -> FileEntry {
        FileEntry {
            file: file_name(&self.path),
            bytes: self.bytes,
            sha256: hexadecimal(&self.hash.clone().finalize()),
            frames,
        }
    }
}

/// Whether nothing has this name.
///
/// # Errors
/// If something has it.
pub(super) fn is_free(path: &Path) -> Result<(), ExportError> {
    match path.symlink_metadata() {
        Ok(_) => Err(ExportError::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

/// Makes files durable and gives them their names. Returns their paths. After an error none is left.
///
/// # Errors
/// If a name is taken meanwhile, or the system refuses it.
pub(super) fn finish_all(files: Vec<NewFile>) -> Result<Vec<PathBuf>, ExportError> {
    let mut finished = Vec::new();
    let finish = || -> Result<(), ExportError> {
        for file in files {
            let done = file.partial.finish_new();
            done.map_err(ExportError::of("create", &file.path))?;
            finished.push(file.path);
        }
        let folder = finished.first().and_then(|path| path.parent());
        let folder = match folder {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(ExportError::of("sync", folder))
    };
    let done = finish();
    if done.is_err() {
        for path in &finished {
            let _ = std::fs::remove_file(path);
        }
    }
    done.map(|()| finished)
}

/// The length and the SHA-256 of what is read, in parts: a video can be larger than memory.
///
/// # Errors
/// Those of the system.
pub(super) fn hash_of(input: &mut impl Read) -> std::io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let bytes = std::io::copy(input, &mut hash)?;
    Ok((bytes, hexadecimal(&hash.finalize())))
}
