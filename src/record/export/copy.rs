//! Copies the planned frames into new files. Each fragment is read and checked once more.

use sha2::{Digest as _, Sha256};

use super::super::fragment_reader::FragmentReader;
use super::super::mp4::{FragmentPlace, FrameAt};
use super::boxes::BoxLines;
use super::error::ExportError;
use super::manifest::{PieceEntry, RecordingEntry};
use super::names::Names;
use super::new_file::NewFile;
use super::plan::{Part, Plan, Video};
use super::progress::{ExportProgress, Watch};
use super::recording::{reason, state_name};
use crate::base::hexadecimal;

/// The files of videos and boxes.
pub(super) struct Copied {
    /// The videos, and what each is from.
    pub videos: Vec<(NewFile, Vec<RecordingEntry>)>,
    /// The boxes.
    pub boxes: NewFile,
    /// The number of analysed frames.
    pub analysed: u64,
}

/// Writes the videos and their boxes.
///
/// # Errors
/// If a recording changed, the system refuses to write, or it is stopped.
pub(super) fn copy(
    plan: &Plan,
    names: &Names,
    watch: &mut Watch<'_>,
) -> Result<Copied, ExportError> {
    let times = plan.videos.iter();
    let times = times.map(|video| (video.first_captured, video.last_captured));
    let mut copier = Copier {
        boxes: NewFile::create(&names.boxes())?,
        lines: BoxLines::new(times.collect()),
        done: 0,
        total: plan.media_bytes(),
        watch,
    };
    let mut videos = Vec::new();
    for (number, video) in plan.videos.iter().enumerate() {
        let mut file = NewFile::create(&names.video(number))?;
        let recordings = copier.video(video, &mut file)?;
        videos.push((file, recordings));
    }
    if let Some(part) = &plan.after {
        copier.boxes_after(part)?;
    }
    Ok(Copied {
        videos,
        boxes: copier.boxes,
        analysed: copier.lines.lines,
    })
}

struct Copier<'a, 'w> {
    boxes: NewFile,
    lines: BoxLines,
    done: u64,
    total: u64,
    watch: &'a mut Watch<'w>,
}

impl Copier<'_, '_> {
    fn video(
        &mut self,
        video: &Video,
        file: &mut NewFile,
    ) -> Result<Vec<RecordingEntry>, ExportError> {
        file.write(&video.movie.header())?;
        let before = self.done;
        let mut recordings = Vec::new();
        for part in &video.parts {
            recordings.push(self.part(part, file)?);
        }
        if self.done - before != video.movie.media_bytes() {
            // Each fragment has an id, a number and a checksum, so this needs a forger.
            return Err(changed(&video.parts[0], "its frames have other sizes"));
        }
        Ok(recordings)
    }

    fn part(&mut self, part: &Part, file: &mut NewFile) -> Result<RecordingEntry, ExportError> {
        let reader = FragmentReader::open(&part.found.path, part.id);
        let mut reader = reader.map_err(|error| changed(part, &error.to_string()))?;
        let mut pieces = Pieces::default();
        for place in &part.fragments {
            self.watch.tell(ExportProgress::Writing {
                done: self.done,
                total: self.total,
            })?;
            let read = reader.read(place);
            let (content, bytes) = read.map_err(|error| changed(part, &reason(&error)))?;
            let media = media(&content.frames, bytes);
            file.write(media)?;
            pieces.add(place, bytes);
            self.done += media.len() as u64;
            self.boxes.write(&self.lines.of(content.scenes))?;
        }
        self.boxes_after(part)?;
        Ok(RecordingEntry {
            name: part.found.name.clone(),
            id: format!("{:016x}", part.id),
            state: state_name(part.state).to_owned(),
            pieces: pieces.finish(),
        })
    }

    /// Takes the boxes of the fragment after the range. They are extras: a fragment that can't be read has none.
    fn boxes_after(&mut self, part: &Part) -> Result<(), ExportError> {
        let Some(place) = &part.after else {
            return Ok(());
        };
        let reader = FragmentReader::open(&part.found.path, part.id);
        if let Ok(mut reader) = reader
            && let Ok((content, _)) = reader.read(place)
        {
            self.boxes.write(&self.lines.of(content.scenes))?;
        }
        Ok(())
    }
}

/// The media of frames, which follow one another in their fragment.
fn media<'a>(frames: &[FrameAt], fragment: &'a [u8]) -> &'a [u8] {
    let start = frames.first().map_or(0, |first| first.offset);
    let end = frames
        .last()
        .map_or(0, |last| last.offset + u64::from(last.bytes));
    let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
    fragment.get(range).unwrap_or_default()
}

fn changed(part: &Part, reason: &str) -> ExportError {
    ExportError::Changed {
        path: part.found.path.clone(),
        reason: reason.to_owned(),
    }
}

/// Fragments that follow one another, with their hash.
#[derive(Default)]
struct Pieces {
    done: Vec<PieceEntry>,
    hash: Sha256,
}

impl Pieces {
    fn add(&mut self, place: &FragmentPlace, bytes: &[u8]) {
        match self.done.last_mut() {
            Some(piece) if piece.offset + piece.bytes == place.offset => {
                piece.bytes += place.bytes;
                piece.fragments += 1;
            }
            _ => {
                self.end();
                self.done.push(PieceEntry {
                    offset: place.offset,
                    bytes: place.bytes,
                    fragments: 1,
                    sha256: String::new(),
                });
            }
        }
        self.hash.update(bytes);
    }

    fn end(&mut self) {
        let hash = self.hash.finalize_reset();
        if let Some(piece) = self.done.last_mut() {
            piece.sha256 = hexadecimal(&hash);
        }
    }

    fn finish(mut self) -> Vec<PieceEntry> {
        self.end();
        self.done
    }
}
