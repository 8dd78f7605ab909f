//! Files of an export while they are written.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::error::ExportError;
use super::sink::Sink;
use crate::base::{PartialFile, hexadecimal};

/// The files of an export. They get their names when all are complete. Before that, dropping them removes them.
#[derive(Default)]
pub(super) struct NewFiles {
    files: Vec<NewFile>,
}

struct NewFile {
    partial: PartialFile,
    path: PathBuf,
}

impl Sink for NewFiles {
    fn begin(&mut self, path: &Path, _: u64) -> Result<(), ExportError> {
        is_free(path)?;
        let partial = PartialFile::create(path).map_err(ExportError::of("create", path))?;
        let path = path.to_owned();
        self.files.push(NewFile { partial, path });
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        let file = self.files.last_mut();
        let file = file.ok_or_else(|| ExportError::Output(io::Error::other("no file is begun")))?;
        let written = file.partial.file().write_all(bytes);
        written.map_err(ExportError::of("write", &file.path))
    }

    /// Makes the files durable and gives them their names, in the order in which they were begun.
    fn finish(self) -> Result<(), ExportError> {
        let mut finished = Vec::new();
        let done = finish_all(self.files, &mut finished);
        if done.is_err() {
            for path in &finished {
                let _ = std::fs::remove_file(path);
            }
        }
        done
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

/// `finished` are the files that have their names.
fn finish_all(files: Vec<NewFile>, finished: &mut Vec<PathBuf>) -> Result<(), ExportError> {
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
}

/// The length and the SHA-256 of what is read, in parts: a video can be larger than memory.
///
/// # Errors
/// Those of the system.
pub(super) fn hash_of(input: &mut impl Read) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let bytes = io::copy(input, &mut hash)?;
    Ok((bytes, hexadecimal(&hash.finalize())))
}
