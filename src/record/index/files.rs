//! What the index asks of the recording files, as a trait: tests put a set of files in memory in its place.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::base::{Size, Stop};
use crate::media::Codec;
use crate::record::disk::LocalDisk;
use crate::record::file_key::FileKey;
use crate::record::mp4::{self, FragmentPlace, ReadError};
use crate::record::scene::Scene;
use crate::record::walk::{Found, walk};

/// All recordings of a folder. All calls block.
pub(super) trait RecordingFiles: Send {
    /// A file that is open for reading.
    type File: RecordingFile;

    /// The names of all recordings; nothing if `stop` is raised meanwhile.
    fn list(&self, stop: &Stop) -> Option<Listing>;
    /// Opens a recording. `NotFound` if it was deleted, or is not created yet.
    fn open(&self, key: FileKey) -> io::Result<Self::File>;
    /// Its path, for messages.
    fn path(&self, key: FileKey) -> PathBuf;
}

/// The recordings that a folder has.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In any order.
    pub(super) keys: Vec<FileKey>,
    /// A file or folder that can't be read: there may be more recordings.
    pub(super) fault: Option<String>,
}

/// One recording.
pub(super) trait RecordingFile {
    /// Its head and its tail.
    ///
    /// # Errors
    /// If the head is not sound, or the system can't read the file.
    fn outline(&mut self) -> Result<Outline, ReadError>;
    /// The fragment with number `sequence` at byte `at` of the file `id`.
    ///
    /// # Errors
    /// If there is none, it is not sound, or the system can't read it.
    fn fragment(&mut self, id: u64, at: u64, sequence: u32) -> Result<Part, ReadError>;
}

/// What the head and the tail of a file say.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    pub(super) id: u64,
    pub(super) codec: Codec,
    pub(super) size: Size,
    /// Length of the file.
    pub(super) bytes: u64,
    /// Length of its head.
    pub(super) head_bytes: u64,
    /// All fragments, by the tail. `None` if there is no sound tail.
    pub(super) fragments: Option<Vec<FragmentPlace>>,
}

/// What the index takes of a fragment.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Length of the fragment with its seal.
    pub(super) bytes: u64,
    pub(super) frames: u64,
    /// Media time from the start of the file to the end of its last frame.
    pub(super) end_tick: u64,
    pub(super) scenes: Vec<Scene>,
}

/// The recordings in a folder of this machine.
#[derive(Debug, Clone)]
pub(super) struct LocalFiles {
    pub(super) dir: PathBuf,
}

impl RecordingFiles for LocalFiles {
    type File = File;

    fn list(&self, stop: &Stop) -> Option<Listing> {
        let mut listing = Listing::default();
        let mut step = |found| {
            match found {
                Found::Hour(files) => listing.keys.extend(files.into_iter().map(|(key, _)| key)),
                Found::Empty(_) => {}
                Found::Fault(fault) => listing.fault = Some(fault.to_string()),
            }
            match stop.is_raised() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let walked = walk(&LocalDisk, &self.dir, &mut step);
        walked.is_continue().then_some(listing)
    }

    fn open(&self, key: FileKey) -> io::Result<File> {
        File::open(self.path(key))
    }

    fn path(&self, key: FileKey) -> PathBuf {
        key.path(&self.dir)
    }
}

impl RecordingFile for File {
    fn outline(&mut self) -> Result<Outline, ReadError> {
        // Before the tail is looked for: a file that is open grows meanwhile.
        let bytes = self.metadata()?.len();
        self.rewind()?;
        let head = mp4::read_head(self)?;
        let head_bytes = head_bytes(self)?;
        let tail = mp4::closed_fragments(self)?;
        let fragments = tail.filter(|(id, _)| *id == head.id);
        Ok(Outline {
            id: head.id,
            codec: head.format.codec,
            size: head.format.size,
            bytes,
            head_bytes,
            fragments: fragments.map(|(_, fragments)| fragments),
        })
    }

    fn fragment(&mut self, id: u64, at: u64, sequence: u32) -> Result<Part, ReadError> {
        self.seek(SeekFrom::Start(at))?;
        let content = mp4::read_fragment(self, id, sequence)?;
        let first_tick = content.frames.first().map_or(0, |frame| frame.decode_tick);
        Ok(Part {
            bytes: content.bytes,
            frames: content.frames.len() as u64,
            end_tick: first_tick.saturating_add(content.ticks),
            scenes: content.scenes,
        })
    }
}

/// The length of a head that is sound: `ftyp`, `moov` and its seal.
fn head_bytes(file: &mut File) -> io::Result<u64> {
    let mut at = 0;
    for _ in 0..3 {
        file.seek(SeekFrom::Start(at))?;
        let mut size = [0; 4];
        file.read_exact(&mut size)?;
        at += u64::from(u32::from_be_bytes(size));
    }
    Ok(at)
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
