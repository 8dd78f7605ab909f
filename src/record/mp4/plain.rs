//! Plain MP4, for exports: one table of all frames (`moov`) before the media (`mdat`). It has no fragments and no seals.
//!
//! The tables are made before the media are copied, so that a file is written from its first byte to its last.

use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use mp4_atom::{
    Co64, Ctts, CttsEntry, Decode, ElstEntry, FourCC, Ftyp, Mvhd, Stco, Stsc, StscEntry, Stss,
    Stsz, StszSamples, Stts, SttsEntry,
};

use super::boxes::{find, write, write_box};
use super::head::{movie_header, track};
use super::parts::ReadError;
use crate::media::{Codec, CodedFormat};

/// Seconds from the epoch of MP4, 1904, to that of Unix.
const MP4_TO_UNIX_S: u64 = 2_082_844_800;
/// Length of the header of a box, and of one with a size of 64 bits.
const HEADER_BYTES: u64 = 8;
const LARGE_HEADER_BYTES: u64 = 16;
/// The largest `moov` that is read: that of some weeks.
const LARGEST_MOVIE_BYTES: u64 = 1 << 30;

/// A frame of a plain file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) struct PlainFrame {
    /// Its length in bytes.
    pub bytes: u32,
    /// Decode time in ticks since the start of the media.
    pub decode_tick: u64,
    /// Presentation time minus decode time, in ticks.
    pub offset: i32,
    /// Whether decoding can start with it.
    pub is_key: bool,
}

/// The tables of a plain file. They have 24 bytes for each frame.
#[derive(Debug)]
pub(in crate::record) struct PlainMovie {
    format: CodedFormat,
    started_unix: Duration,
    frames: Vec<PlainFrame>,
    /// Number of frames of each chunk.
    chunks: Vec<u32>,
    end_tick: u64,
    media_bytes: u64,
}

impl PlainMovie {
    /// A file without frames. `started_unix` is the capture time of the first one.
    pub(in crate::record) fn new(format: CodedFormat, started_unix: Duration) -> Self {
        Self {
            format,
            started_unix,
            frames: Vec::new(),
            chunks: Vec::new(),
            end_tick: 0,
            media_bytes: 0,
        }
    }

    /// Adds frames whose media follow one another in the file. Decode times must increase from 0, by less than 2^32. `end_tick` is
    /// the decode time of a frame that would follow.
    pub(in crate::record) fn add(&mut self, frames: &[PlainFrame], end_tick: u64) {
        self.frames.extend_from_slice(frames);
        self.chunks.push(frames.len() as u32);
        self.end_tick = end_tick;
        let bytes = frames.iter().map(|frame| u64::from(frame.bytes));
        self.media_bytes += bytes.sum::<u64>();
    }

    /// The format of all frames.
    pub(in crate::record) fn format(&self) -> &CodedFormat {
        &self.format
    }

    /// Number of frames.
    pub(in crate::record) fn frames(&self) -> u64 {
        self.frames.len() as u64
    }

    /// The time in ticks that players show, from the first frame on.
    pub(in crate::record) fn shown_ticks(&self) -> u64 {
        self.end_tick.saturating_sub(self.first_shown_tick())
    }

    /// Presentation time of the first frame. With an open group of pictures, frames that can't be decoded are shown before it.
    pub(in crate::record) fn first_shown_tick(&self) -> u64 {
        let first = self.frames.first();
        first.map_or(0, |first| {
            first.decode_tick.saturating_add_signed(first.offset.into())
        })
    }

    /// Length of the media in bytes.
    pub(in crate::record) fn media_bytes(&self) -> u64 {
        self.media_bytes
    }

    /// What stands before the media: `ftyp`, `moov` and the header of `mdat`.
    pub(in crate::record) fn header(&self) -> Vec<u8> {
        let mut compatible_brands: Vec<FourCC> =
            [b"iso4", b"isom", b"mp42"].map(FourCC::from).into();
        if self.format.codec == Codec::H264 {
            compatible_brands.push(b"avc1".into());
        }
        let file_type = Ftyp {
            // The version that has signed composition offsets.
            major_brand: b"iso4".into(),
            minor_version: 0,
            compatible_brands,
        };
        let mut out = Vec::new();
        write(&mut out, &file_type);
        let movie_at = out.len();
        // The offsets in `moov` depend on its length, which does not depend on their values.
        let mut has_large_offsets = false;
        self.movie(&mut out, 0, has_large_offsets);
        let end = out.len() as u64 + LARGE_HEADER_BYTES + self.media_bytes;
        if end > u64::from(u32::MAX) {
            has_large_offsets = true;
            out.truncate(movie_at);
            self.movie(&mut out, 0, has_large_offsets);
        }
        let media_header = media_header(self.media_bytes);
        let media_at = (out.len() + media_header.len()) as u64;
        out.truncate(movie_at);
        self.movie(&mut out, media_at, has_large_offsets);
        out.extend(media_header);
        out
    }

    fn movie(&self, out: &mut Vec<u8>, media_at: u64, has_large_offsets: bool) {
        let movie = Mvhd {
            // Players show it as the time of the recording.
            creation_time: self.started_unix.as_secs() + MP4_TO_UNIX_S,
            modification_time: self.started_unix.as_secs() + MP4_TO_UNIX_S,
            duration: self.shown_ticks(),
            ..movie_header()
        };
        let first = self.first_shown_tick();
        let edit = (first > 0).then(|| ElstEntry {
            segment_duration: self.shown_ticks(),
            media_time: Some(first),
            media_rate: 1.into(),
        });
        write_box(out, b"moov", |out| {
            write(out, &movie);
            track(out, &self.format, self.end_tick, edit, |out| {
                write(out, &self.durations());
                // Without reordering the offsets are left out.
                if self.frames.iter().any(|frame| frame.offset != 0) {
                    write(out, &self.offsets());
                }
                write(out, &self.key_frames());
                write(out, &self.frames_of_chunks());
                write(out, &self.sizes());
                let offsets = self.chunk_offsets(media_at);
                if has_large_offsets {
                    write(out, &Co64 { entries: offsets });
                } else {
                    let small = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
                    let entries = offsets.into_iter().map(small).collect();
                    write(out, &Stco { entries });
                }
            });
        });
    }

    fn durations(&self) -> Stts {
        let ends = self.frames.iter().skip(1).map(|frame| frame.decode_tick);
        let ends = ends.chain([self.end_tick]);
        let durations = self.frames.iter().zip(ends).map(|(frame, end)| {
            let ticks = end.saturating_sub(frame.decode_tick);
            u32::try_from(ticks).unwrap_or(u32::MAX)
        });
        let entry = |(sample_count, sample_delta)| SttsEntry {
            sample_count,
            sample_delta,
        };
        Stts {
            entries: runs(durations).into_iter().map(entry).collect(),
        }
    }

    fn offsets(&self) -> Ctts {
        let offsets = self.frames.iter().map(|frame| i64::from(frame.offset));
        let entry = |(sample_count, sample_offset)| CttsEntry {
            sample_count,
            sample_offset,
        };
        Ctts {
            entries: runs(offsets).into_iter().map(entry).collect(),
        }
    }

    fn key_frames(&self) -> Stss {
        let numbered = (1..).zip(&self.frames);
        Stss {
            entries: numbered
                .filter(|(_, frame)| frame.is_key)
                .map(|(number, _)| number)
                .collect(),
        }
    }

    fn frames_of_chunks(&self) -> Stsc {
        let mut first_chunk = 1;
        let mut entries = Vec::new();
        for (chunks, samples_per_chunk) in runs(self.chunks.iter().copied()) {
            entries.push(StscEntry {
                first_chunk,
                samples_per_chunk,
                sample_description_index: 1,
            });
            first_chunk += chunks;
        }
        Stsc { entries }
    }

    fn sizes(&self) -> Stsz {
        let sizes = self.frames.iter().map(|frame| frame.bytes).collect();
        Stsz {
            samples: StszSamples::Different { sizes },
        }
    }

    fn chunk_offsets(&self, media_at: u64) -> Vec<u64> {
        let mut frames = self.frames.iter();
        let mut at = media_at;
        let offsets = self.chunks.iter().map(|&count| {
            let offset = at;
            let chunk = frames.by_ref().take(count as usize);
            at += chunk.map(|frame| u64::from(frame.bytes)).sum::<u64>();
            offset
        });
        offsets.collect()
    }
}

/// The header of `mdat`.
fn media_header(media_bytes: u64) -> Vec<u8> {
    match u32::try_from(media_bytes + HEADER_BYTES) {
        Ok(size) => [&size.to_be_bytes()[..], b"mdat"].concat(),
        Err(_) => {
            let size = media_bytes + LARGE_HEADER_BYTES;
            [&1_u32.to_be_bytes()[..], b"mdat", &size.to_be_bytes()].concat()
        }
    }
}

/// Equal values that follow one another: their number and the value.
fn runs<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<(u32, T)> {
    let mut runs: Vec<(u32, T)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    runs
}

/// The number of frames of a plain file, whose sizes must add up to the media that are there. Blocks; the media are not read.
///
/// # Errors
/// If it has no such tables or media, or the system can't read it.
pub(in crate::record) fn count_plain_frames(
    input: &mut (impl Read + Seek),
) -> Result<u64, ReadError> {
    let (mut sizes, mut media_bytes) = (None, None);
    let end = input.seek(SeekFrom::End(0))?;
    let mut at = 0;
    while at < end {
        let (kind, header_bytes, bytes) = box_at(input, at)?;
        if bytes < header_bytes || bytes > end - at {
            let reason = format!("`{}` has {bytes} bytes", kind.escape_ascii());
            return Err(ReadError::damaged(at, reason));
        }
        match &kind {
            b"moov" if bytes <= LARGEST_MOVIE_BYTES => {
                let mut body = Vec::new();
                input.take(bytes - header_bytes).read_to_end(&mut body)?;
                sizes = sizes_of(&body);
            }
            b"mdat" => media_bytes = Some(bytes - header_bytes),
            _ => {}
        }
        at += bytes;
    }
    let sizes = sizes.ok_or_else(|| ReadError::damaged(0, "`moov` with sizes is missing"))?;
    let listed: u64 = sizes.iter().copied().map(u64::from).sum();
    match media_bytes {
        Some(bytes) if bytes == listed => Ok(sizes.len() as u64),
        found => {
            let found = found.unwrap_or(0);
            let reason = format!("`moov` is for {listed} bytes, `mdat` has {found}");
            Err(ReadError::damaged(0, reason))
        }
    }
}

/// The kind of a box, the length of its header and its whole length. The input stands after the header then.
fn box_at(input: &mut (impl Read + Seek), at: u64) -> io::Result<([u8; 4], u64, u64)> {
    input.seek(SeekFrom::Start(at))?;
    let (mut size, mut kind, mut large) = ([0; 4], [0; 4], [0; 8]);
    input.read_exact(&mut size)?;
    input.read_exact(&mut kind)?;
    match u32::from_be_bytes(size) {
        1 => {
            input.read_exact(&mut large)?;
            Ok((kind, LARGE_HEADER_BYTES, u64::from_be_bytes(large)))
        }
        size => Ok((kind, HEADER_BYTES, size.into())),
    }
}

/// The sizes of the frames of the first track of a `moov`.
pub(super) fn sizes_of(movie: &[u8]) -> Option<Vec<u32>> {
    let path: [&[u8; 4]; 5] = [b"trak", b"mdia", b"minf", b"stbl", b"stsz"];
    let sizes = path
        .iter()
        .try_fold(movie, |boxes, kind| find(boxes, kind))?;
    // After the version and the common size, which is 0.
    let mut count = sizes.get(8..12)?;
    let count = usize::try_from(u32::decode(&mut count).ok()?).ok()?;
    let (sizes, rest) = sizes.get(12..)?.as_chunks::<4>();
    (sizes.len() == count && rest.is_empty())
        .then(|| sizes.iter().copied().map(u32::from_be_bytes).collect())
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
