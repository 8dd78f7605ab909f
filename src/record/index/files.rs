//! What the index asks of the recording files, as a trait: tests put a set of files in memory in its place.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;

use rustix::fs::{Advice, fadvise};

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
    /// The fragment with number `sequence` at byte `at` of the file `id`, read whole.
    ///
    /// # Errors
    /// If there is none, it is not sound, or the system can't read it.
    fn fragment(&mut self, id: u64, at: u64, sequence: u32) -> Result<Part, ReadError>;
    /// The scenes of a fragment that the tail of the file `id` lists.
    ///
    /// # Errors
    /// If it is not sound, or the system can't read it. Damage of the media alone may go unnoticed.
    fn listed(&mut self, id: u64, place: &FragmentPlace) -> Result<ListedPart, ReadError>;
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

/// What the index takes of a fragment that the tail lists.
#[derive(Debug, Clone)]
pub(super) struct ListedPart {
    pub(super) scenes: Vec<Scene>,
    /// What it cost, as bytes that could be read in that time.
    pub(super) cost_bytes: u64,
}

/// What it costs not to read on: a hard disk waits for a part of a turn, about 4 ms.
const SKIP_COST_BYTES: u64 = 256 << 10;

/// The recordings in a folder of this machine.
#[derive(Debug, Clone)]
pub(super) struct LocalFiles {
    pub(super) dir: PathBuf,
}

/// A recording of this machine.
#[derive(Debug)]
pub(super) struct LocalFile {
    file: File,
    /// Something in it is not as it was written. All further fragments are read whole, because damage seldom comes alone.
    is_suspect: bool,
}

impl LocalFile {
    fn new(file: File) -> Self {
        let is_suspect = false;
        Self { file, is_suspect }
    }
}

impl RecordingFiles for LocalFiles {
    type File = LocalFile;

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

    fn open(&self, key: FileKey) -> io::Result<LocalFile> {
        let file = File::open(self.path(key))?;
        // Without it the system reads on into the media that are passed over. Advice only: an error changes nothing.
        let _ = fadvise(&file, 0, None, Advice::Random);
        Ok(LocalFile::new(file))
    }

    fn path(&self, key: FileKey) -> PathBuf {
        key.path(&self.dir)
    }
}

impl RecordingFile for LocalFile {
    fn outline(&mut self) -> Result<Outline, ReadError> {
        let file = &mut self.file;
        // Before the tail is looked for: a file that is open grows meanwhile.
        let bytes = file.metadata()?.len();
        file.rewind()?;
        let head = mp4::read_head(file)?;
        let head_bytes = head_bytes(file)?;
        let tail = mp4::closed_fragments(file)?;
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
        self.file.seek(SeekFrom::Start(at))?;
        let content = mp4::read_fragment(&mut self.file, id, sequence)?;
        let first_tick = content.frames.first().map_or(0, |frame| frame.decode_tick);
        Ok(Part {
            bytes: content.bytes,
            frames: content.frames.len() as u64,
            end_tick: first_tick.saturating_add(content.ticks),
            scenes: content.scenes,
        })
    }

    fn listed(&mut self, id: u64, place: &FragmentPlace) -> Result<ListedPart, ReadError> {
        if !self.is_suspect {
            match mp4::skim_fragment(&mut self.file, id, place) {
                Ok(skimmed) => {
                    return Ok(ListedPart {
                        scenes: skimmed.scenes,
                        cost_bytes: skimmed.read_bytes + SKIP_COST_BYTES.min(place.bytes),
                    });
                }
                Err(ReadError::Damaged { .. }) => self.is_suspect = true,
                Err(error @ ReadError::Io(_)) => return Err(error),
            }
        }
        let part = self.fragment(id, place.offset, place.sequence)?;
        Ok(ListedPart {
            scenes: part.scenes,
            cost_bytes: part.bytes,
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
