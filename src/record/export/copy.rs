//! Copies the planned frames, and before them the objects of the analysed ones. Each fragment is read and checked once more.
//!
//! The objects go first, for which the media need not be read. So a file that is being written is never left for another one, and a
//! recording is wanted no longer than until its frames are copied. Whether the objects are those of sound fragments is known when the
//! fragments are copied.

use std::collections::VecDeque;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::super::fragment_reader::FragmentReader;
use super::super::mp4::{FragmentPlace, FrameAt};
use super::super::scene::{self, Scene};
use super::boxes::BoxLines;
use super::error::ExportError;
use super::manifest::{FileEntry, PieceEntry, RecordingEntry};
use super::names::Names;
use super::plan::{Part, Plan, Video};
use super::progress::{ExportProgress, Watch};
use super::recording::{reason, state_name};
use super::sink::{Entry, Sink};
use crate::base::{Checksum, hexadecimal};

/// Room for the line of a frame, on the average: that of some 100 objects.
const LINE_BYTES: u64 = 16 << 10;

/// The files of videos and boxes.
pub(super) struct Copied {
    /// The videos, and what each is from.
    pub videos: Vec<(FileEntry, Vec<RecordingEntry>)>,
    /// The boxes. Its frames are those that were analysed.
    pub boxes: FileEntry,
}

/// Writes the boxes and the videos.
///
/// # Errors
/// If a recording changed, the system refuses to write, or it is stopped.
pub(super) fn copy<S: Sink>(
    plan: &Plan,
    names: &Names,
    sink: &mut S,
    watch: &mut Watch<'_>,
) -> Result<Copied, ExportError> {
    let mut copier = Copier {
        scenes: VecDeque::new(),
        done: 0,
        total: plan.media_bytes(),
        watch,
    };
    let most_bytes = plan.frames().saturating_mul(LINE_BYTES);
    let mut file = Entry::begin(sink, &names.boxes(), most_bytes)?;
    let lines = copier.boxes(plan, &mut file)?;
    let boxes = file.end(lines);
    let mut videos = Vec::new();
    for (number, video) in plan.videos.iter().enumerate() {
        let header = video.movie.header();
        let bytes = header.len() as u64 + video.movie.media_bytes();
        let mut file = Entry::begin(sink, &names.video(number), bytes)?;
        file.write(&header)?;
        let recordings = copier.video(video, &mut file)?;
        videos.push((file.end(video.movie.frames()), recordings));
    }
    Ok(Copied { videos, boxes })
}

struct Copier<'a, 'w> {
    /// The checksums of the scenes of the fragments whose frames are not copied yet.
    scenes: VecDeque<u32>,
    done: u64,
    total: u64,
    watch: &'a mut Watch<'w>,
}

impl Copier<'_, '_> {
    /// Writes the objects of all videos. Returns the number of lines.
    fn boxes<S: Sink>(&mut self, plan: &Plan, file: &mut Entry<'_, S>) -> Result<u64, ExportError> {
        let times = plan.videos.iter();
        let times = times.map(|video| (video.first_captured, video.last_captured));
        let mut lines = BoxLines::new(times.collect());
        let parts = plan.videos.iter().flat_map(|video| &video.parts);
        for part in parts.chain(&plan.after) {
            let mut reader = open(part);
            for place in &part.fragments {
                self.tell()?;
                let reader = reader.as_mut().map_err(|reason| changed(part, reason))?;
                let began = Instant::now();
                let scenes = reader.scenes(place);
                self.watch.rest(began.elapsed());
                let scenes = scenes.map_err(|error| changed(part, &reason(&error)))?;
                self.scenes.push_back(checksum(&scenes));
                file.write(&lines.of(scenes))?;
            }
            // The boxes of the fragment after the range are extras: one that can't be read has none.
            if let (Ok(reader), Some(place)) = (&mut reader, &part.after)
                && let Ok((content, _)) = reader.read(place)
            {
                file.write(&lines.of(content.scenes))?;
            }
        }
        Ok(lines.lines)
    }

    /// Writes the frames of a video.
    fn video<S: Sink>(
        &mut self,
        video: &Video,
        file: &mut Entry<'_, S>,
    ) -> Result<Vec<RecordingEntry>, ExportError> {
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

    fn part<S: Sink>(
        &mut self,
        part: &Part,
        file: &mut Entry<'_, S>,
    ) -> Result<RecordingEntry, ExportError> {
        let mut reader = open(part).map_err(|reason| changed(part, &reason))?;
        let mut pieces = Pieces::default();
        for place in &part.fragments {
            self.tell()?;
            let began = Instant::now();
            let read = reader.read(place);
            self.watch.rest(began.elapsed());
            let (content, bytes) = read.map_err(|error| changed(part, &reason(&error)))?;
            if self.scenes.pop_front() != Some(checksum(&content.scenes)) {
                return Err(changed(part, "its scenes were others before"));
            }
            let media = media(&content.frames, bytes);
            file.write(media)?;
            pieces.add(place, bytes);
            self.done += media.len() as u64;
        }
        Ok(RecordingEntry {
            name: part.found.name.clone(),
            id: format!("{:016x}", part.id),
            state: state_name(part.state).to_owned(),
            pieces: pieces.finish(),
        })
    }

    fn tell(&mut self) -> Result<(), ExportError> {
        let (done, total) = (self.done, self.total);
        self.watch.tell(ExportProgress::Writing { done, total })
    }
}

/// # Errors
/// The reason for which the recording can't be opened.
fn open(part: &Part) -> Result<FragmentReader, String> {
    let reader = FragmentReader::open(&part.found.path, part.id);
    reader.map_err(|error| error.to_string())
}

/// A checksum of scenes, by their encoding.
fn checksum(scenes: &[Scene]) -> u32 {
    Checksum::of(&scene::encode(scenes).unwrap_or_default())
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
