//! Reads recordings for a viewer: byte ranges for a playlist, files, the objects of each frame, and the coded units of one frame.
//!
//! It reads the tail of a file that is closed, and all of one that is open; of that, only what was added since the last time. It
//! looks for no marks: a file with a sound tail is closed, and of any other file only the sound part is told and served. So a torn
//! end never reaches a viewer. What was read is kept within [`CACHE_BYTES`] (`cache`), because a viewer who seeks asks for the same
//! files again. All functions block on the disk, take no lock of the recorder, and may run at once on several threads.
//!
//! The caller knows which files are in a window. A file that is gone, because retention deleted it meanwhile, is passed over.

mod cache;
mod coded_frame;
mod contents;
mod frames;
mod name;
mod scenes;
mod segments;
#[cfg(test)]
mod testing;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::slice;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tracing::warn;

use self::cache::{Cache, Stamp};
use self::contents::Contents;
use super::error::DiskFault;
use super::mp4::ReadError;
use crate::base::sync::lock;
use crate::media::CodedFrame;

pub use self::frames::{FileFrames, SCENE_DELAY, ShownFrame};
pub use self::name::RecordingName;
pub use self::segments::{FileSegments, Segment};

/// The most that the contents of files take in memory: those of some 4000 files of a minute.
const CACHE_BYTES: usize = 16 << 20;

/// Reads the recordings in a folder. Share it: it keeps what it read.
#[derive(Debug)]
pub struct Playback {
    dir: PathBuf,
    cache: Mutex<Cache>,
}

/// A recording that is open for reading.
#[derive(Debug)]
pub struct OpenedRecording {
    /// The file, at any position.
    pub file: File,
    /// Length of its sound part in bytes. What follows is not to be served.
    pub bytes: u64,
    /// Whether it is complete. Then it changes no more.
    pub is_closed: bool,
    /// When it was last written, by the clock of the file system.
    pub modified: Option<SystemTime>,
}

/// A file with its contents.
struct Opened {
    file: File,
    contents: Arc<Contents>,
    modified: Option<SystemTime>,
}

impl Playback {
    /// Of the recordings in `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            cache: Mutex::new(Cache::new(CACHE_BYTES)),
        }
    }

    /// The parts of `files`, in their order, that show what was captured from `from` to before `to`, as times since the Unix epoch.
    /// Files without such a part are left out. See [`FileSegments`] for where a part begins and ends.
    ///
    /// # Errors
    /// If files can't be read and none can. Otherwise those that can't are passed over, with a warning in the log.
    pub fn segments(
        &self,
        files: &[RecordingName],
        from: Duration,
        to: Duration,
    ) -> Result<Vec<FileSegments>, DiskFault> {
        self.of_each(files, |name, opened| {
            Ok(FileSegments::of(name, &opened.contents, from, to))
        })
    }

    /// The frames of `files` that were captured from `from` to before `to`, as times since the Unix epoch, with their objects. A time
    /// over 120 s after `from` counts as that. `files` are those of one source, up to [`SCENE_DELAY`] after `to`,
    /// because the objects of a frame may be in a later file.
    ///
    /// # Errors
    /// As [`Playback::segments`].
    pub fn frames(
        &self,
        files: &[RecordingName],
        from: Duration,
        to: Duration,
    ) -> Result<Vec<FileFrames>, DiskFault> {
        let window = frames::Window::new(from, to);
        let read = self.of_each(files, |name, opened| {
            frames::read(name, &mut opened.file, &opened.contents, &window)
        })?;
        Ok(frames::with_scenes(read, &window))
    }

    /// The frame that was captured nearest to a time since the Unix epoch, with all that it is decoded from. Nothing if none was
    /// captured within half the usual time between two frames. If it needs over 32 MiB or 600 frames, it is the key frame
    /// before it. `files` are those of one source, from 1 s before the time to 1 s after it.
    ///
    /// # Errors
    /// As [`Playback::segments`].
    pub fn coded_frame(
        &self,
        files: &[RecordingName],
        captured_unix: Duration,
    ) -> Result<Option<CodedFrame>, DiskFault> {
        let near = self.of_each(files, |name, opened| {
            coded_frame::near(name, &opened.file, &opened.contents, captured_unix)
        })?;
        let Some(place) = coded_frame::nearest(near, captured_unix) else {
            return Ok(None);
        };
        let read = self.of_each(slice::from_ref(&place.name), |_, opened| {
            coded_frame::read(&mut opened.file, &opened.contents, &place)
        })?;
        Ok(read.into_iter().next())
    }

    /// Opens a recording. Nothing, if there is no such file, or nothing sound in it.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn open(&self, name: &RecordingName) -> Result<Option<OpenedRecording>, DiskFault> {
        let opened = match self.opened(name) {
            Ok(opened) => opened,
            Err(ReadError::Damaged { .. }) => None,
            Err(ReadError::Io(error)) => return Err(self.fault(name, error)),
        };
        Ok(opened.map(|opened| OpenedRecording {
            bytes: opened.contents.sound_bytes,
            is_closed: opened.contents.is_closed,
            modified: opened.modified,
            file: opened.file,
        }))
    }

    /// What `of` makes of each file that is there.
    fn of_each<T>(
        &self,
        files: &[RecordingName],
        mut of: impl FnMut(&RecordingName, &mut Opened) -> Result<Option<T>, ReadError>,
    ) -> Result<Vec<T>, DiskFault> {
        let mut made = Vec::new();
        let mut first_fault = None;
        for name in files {
            let opened = self.opened(name);
            match opened
                .and_then(|opened| opened.map_or(Ok(None), |mut opened| of(name, &mut opened)))
            {
                Ok(one) => made.extend(one),
                Err(ReadError::Damaged { at, reason }) => {
                    warn!(source_id = %name.source(), file = name.stem(), at, reason, "a recording can't be played");
                }
                Err(ReadError::Io(error)) => {
                    warn!(source_id = %name.source(), file = name.stem(), %error, "a recording can't be read");
                    first_fault.get_or_insert_with(|| self.fault(name, error));
                }
            }
        }
        match first_fault {
            Some(fault) if made.is_empty() => Err(fault),
            _ => Ok(made),
        }
    }

    /// Opens a file and reads what is not in memory.
    fn opened(&self, name: &RecordingName) -> Result<Option<Opened>, ReadError> {
        let mut file = match File::open(name.path(&self.dir)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        let stamp = Stamp::of(&metadata);
        let kept = lock(&self.cache).get(name);
        let contents = match kept {
            Some((of, contents)) if of == stamp => contents,
            // Files only grow, until they are closed.
            kept => {
                let before = kept.filter(|(of, _)| of.is_before(&stamp));
                let before = before.as_ref().map(|(_, contents)| &**contents);
                let contents = Arc::new(Contents::read(&mut file, before)?);
                lock(&self.cache).put(name, stamp, contents.clone());
                contents
            }
        };
        Ok(Some(Opened {
            file,
            contents,
            modified: metadata.modified().ok(),
        }))
    }

    fn fault(&self, name: &RecordingName, error: io::Error) -> DiskFault {
        DiskFault::of("read", &name.path(&self.dir))(error)
    }
}

#[cfg(test)]
#[path = "playback_tests.rs"]
mod tests;
