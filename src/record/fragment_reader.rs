//! Reads fragments of a recording: whole, or their scenes alone.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::mp4::{self, FragmentContent, FragmentPlace, ReadError};
use super::scene::Scene;

/// Reads fragments of a recording.
#[derive(Debug)]
pub(super) struct FragmentReader {
    file: File,
    id: u64,
    bytes: Vec<u8>,
}

impl FragmentReader {
    /// Those of an open file with this id.
    pub(super) fn new(file: File, id: u64) -> Self {
        let bytes = Vec::new();
        Self { file, id, bytes }
    }

    /// Opens the recording with this id again.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn open(path: &Path, id: u64) -> io::Result<Self> {
        Ok(Self::new(File::open(path)?, id))
    }

    /// Reads a fragment and checks it. Returns its bytes as well.
    ///
    /// # Errors
    /// If it is not sound, or the system can't read it.
    pub(super) fn read(
        &mut self,
        place: &FragmentPlace,
    ) -> Result<(FragmentContent, &[u8]), ReadError> {
        let damaged = |reason: String| ReadError::Damaged {
            at: place.offset,
            reason,
        };
        self.bytes.clear();
        self.file.seek(SeekFrom::Start(place.offset))?;
        let mut input = (&self.file).take(place.bytes);
        input.read_to_end(&mut self.bytes)?;
        if self.bytes.len() as u64 != place.bytes {
            return Err(damaged("the file ends within a fragment".to_owned()));
        }
        match mp4::read_fragment(&mut self.bytes.as_slice(), self.id, place.sequence) {
            Ok(content) if content.bytes == place.bytes && !content.frames.is_empty() => {
                Ok((content, &self.bytes))
            }
            Ok(_) => Err(damaged("the tail lists another fragment".to_owned())),
            Err(ReadError::Damaged { reason, .. }) => Err(damaged(reason)),
            Err(error @ ReadError::Io(_)) => Err(error),
        }
    }

    /// Reads the scenes of a fragment: without its media, if all is as it is listed, and otherwise by its checksum.
    ///
    /// # Errors
    /// If it is not sound, or the system can't read it.
    pub(super) fn scenes(&mut self, place: &FragmentPlace) -> Result<Vec<Scene>, ReadError> {
        match mp4::skim_fragment(&mut self.file, self.id, place) {
            Ok(skimmed) => Ok(skimmed.scenes),
            Err(ReadError::Damaged { .. }) => self.read(place).map(|(content, _)| content.scenes),
            Err(error @ ReadError::Io(_)) => Err(error),
        }
    }
}
