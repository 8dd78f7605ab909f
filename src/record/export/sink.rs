//! Where the files of an export go: to a folder, or into an archive.

use std::io::Write;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::ExportError;
use super::manifest::FileEntry;
use super::names::file_name;
use crate::base::archive::ZipWriter;
use crate::base::{hexadecimal, unix_now};

/// Takes the files of an export, one after the other.
pub(super) trait Sink {
    /// Begins the next file. It will have at most `most_bytes`.
    ///
    /// # Errors
    /// If the name is taken, or the system refuses it.
    fn begin(&mut self, path: &Path, most_bytes: u64) -> Result<(), ExportError>;

    /// Appends to the file that was begun.
    ///
    /// # Errors
    /// Those of the system.
    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError>;

    /// Ends the last file. Only now the export is there.
    ///
    /// # Errors
    /// Those of the system. Then nothing is there.
    fn finish(self) -> Result<(), ExportError>;
}

/// A file that goes to a sink, with its hash.
pub(super) struct Entry<'a, S> {
    sink: &'a mut S,
    file: String,
    bytes: u64,
    hash: Sha256,
}

impl<'a, S: Sink> Entry<'a, S> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of [`Sink::begin`].
    pub(super) fn begin(
        sink: &'a mut S,
        path: &Path,
        most_bytes: u64,
    ) -> Result<Self, ExportError> {
        sink.begin(path, most_bytes)?;
        Ok(Self {
            sink,
            file: file_name(path),
            bytes: 0,
            hash: Sha256::new(),
        })
    }

    /// Appends.
    ///
    /// # Errors
    /// Those of [`Sink::write`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.sink.write(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Its entry in the manifest.
    pub(super) fn end(self, frames: u64) -> FileEntry {
        FileEntry {
            file: self.file,
            bytes: self.bytes,
            sha256: hexadecimal(&self.hash.finalize()),
            frames,
        }
    }
}

/// A ZIP archive that goes to an output.
pub(super) struct ZipSink<W: Write> {
    zip: ZipWriter<W>,
}

impl<W: Write> ZipSink<W> {
    /// An archive of files of this moment.
    pub(super) fn new(out: W) -> Self {
        let zip = ZipWriter::new(out, unix_now());
        Self { zip }
    }
}

impl<W: Write> Sink for ZipSink<W> {
    fn begin(&mut self, path: &Path, most_bytes: u64) -> Result<(), ExportError> {
        let begun = self.zip.begin(&file_name(path), most_bytes);
        begun.map_err(ExportError::Output)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.zip.write(bytes).map_err(ExportError::Output)
    }

    fn finish(self) -> Result<(), ExportError> {
        self.zip.finish().map_err(ExportError::Output)?;
        Ok(())
    }
}
