//! The head of a file: the format of its frames, its id, source and start.

use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

use bytes::Bytes;
use mp4_atom::{
    Decode, Dinf, Dref, DrefEntry, Edts, Elst, ElstEntry, FourCC, Ftyp, Hdlr, Mdhd, Mvex, Mvhd,
    Stco, Stsc, Stsz, Stts, Tkhd, Trex, Url, Visual, Vmhd,
};

use super::boxes::{find, split_box, write, write_box};
use super::parts::{FileHead, ReadError, TIMESCALE, TRACK};
use super::seal::{BlockKind, Seal, UUID, seal};
use super::source::Source;
use super::times::nanoseconds;
use crate::base::{Size, SourceId};
use crate::media::{Codec, CodedFormat};

/// Length of a visual sample entry before its boxes, and where it has the width and the height.
const VISUAL_BYTES: usize = 78;
const VISUAL_SIZE_AT: usize = 24;

/// The sample entry of a codec, and the box of its configuration record.
fn names(codec: Codec) -> (&'static [u8; 4], &'static [u8; 4]) {
    match codec {
        Codec::H264 => (b"avc1", b"avcC"),
        Codec::H265 => (b"hvc1", b"hvcC"),
        // Never comes: JPEG has no configuration record.
        Codec::Mjpeg => (b"jpeg", b"free"),
    }
}

/// The head of a file: `ftyp`, `moov` and the seal 0.
pub(in crate::record) fn head(head: &FileHead) -> Vec<u8> {
    let mut out = Vec::new();
    let mut compatible_brands: Vec<FourCC> = [b"iso6", b"iso5", b"mp42"].map(FourCC::from).into();
    if head.format.codec == Codec::H264 {
        compatible_brands.push(b"avc1".into());
    }
    let file_type = Ftyp {
        // The version that has `prft`, and signed composition offsets in fragments.
        major_brand: b"iso6".into(),
        minor_version: 0,
        compatible_brands,
    };
    write(&mut out, &file_type);
    write_box(&mut out, b"moov", |out| movie(out, &head.format));
    seal(&mut out, BlockKind::Head, head.id, 0, |out| {
        out.extend(head.source.0.to_be_bytes());
        out.extend(nanoseconds(head.started_unix).to_be_bytes());
    });
    out
}

/// The body of `moov`. Its durations are 0: they are those of the fragments.
fn movie(out: &mut Vec<u8>, format: &CodedFormat) {
    let extends = Mvex {
        mehd: None,
        trex: vec![Trex {
            track_id: TRACK,
            default_sample_description_index: 1,
            ..Trex::default()
        }],
    };
    write(out, &movie_header());
    track(out, format, 0, None, |out| {
        write(out, &Stts::default());
        write(out, &Stsc::default());
        write(out, &Stsz::default());
        write(out, &Stco::default());
    });
    write(out, &extends);
}

/// The header of a movie with one track. Its duration and its time are 0.
pub(super) fn movie_header() -> Mvhd {
    Mvhd {
        timescale: TIMESCALE,
        rate: 1.into(),
        next_track_id: TRACK + 1,
        ..Mvhd::default()
    }
}

/// `trak`: frames of this format that last `ticks`, of which an edit shows a part, with these tables of samples.
pub(super) fn track(
    out: &mut Vec<u8>,
    format: &CodedFormat,
    ticks: u64,
    edit: Option<ElstEntry>,
    tables: impl FnOnce(&mut Vec<u8>),
) {
    let (width, height) = (side(format.size.width), side(format.size.height));
    let track = Tkhd {
        track_id: TRACK,
        duration: edit.as_ref().map_or(ticks, |edit| edit.segment_duration),
        enabled: true,
        in_movie: true,
        width: width.into(),
        height: height.into(),
        ..Tkhd::default()
    };
    let media = Mdhd {
        timescale: TIMESCALE,
        duration: ticks,
        language: "und".to_owned(),
        ..Mdhd::default()
    };
    let handler = Hdlr {
        handler: b"vide".into(),
        name: "video".to_owned(),
    };
    let here = Dinf {
        dref: Dref {
            entries: vec![DrefEntry::Url(Url::default())],
        },
    };
    let edits = edit.map(|edit| Edts {
        elst: Some(Elst {
            entries: vec![edit],
        }),
    });
    write_box(out, b"trak", |out| {
        write(out, &track);
        if let Some(edits) = &edits {
            write(out, edits);
        }
        write_box(out, b"mdia", |out| {
            write(out, &media);
            write(out, &handler);
            write_box(out, b"minf", |out| {
                write(out, &Vmhd::default());
                write(out, &here);
                write_box(out, b"stbl", |out| {
                    sample_description(out, format, width, height);
                    tables(out);
                });
            });
        });
    });
}

/// `stsd`. The configuration record goes in as it came, bit by bit.
fn sample_description(out: &mut Vec<u8>, format: &CodedFormat, width: u16, height: u16) {
    let visual = Visual {
        data_reference_index: 1,
        width,
        height,
        ..Visual::default()
    };
    let (entry, record) = names(format.codec);
    write_box(out, b"stsd", |out| {
        out.extend([0; 4]);
        out.extend(1_u32.to_be_bytes());
        write_box(out, entry, |out| {
            write(out, &visual);
            write_box(out, record, |out| out.extend_from_slice(&format.record));
        });
    });
}

fn side(pixels: u32) -> u16 {
    u16::try_from(pixels).unwrap_or(u16::MAX)
}

/// The head of a file, by its first bytes alone.
///
/// # Errors
/// If it is not sound, or the system can't read it.
pub(in crate::record) fn read_head(input: &mut impl Read) -> Result<FileHead, ReadError> {
    head_block(&mut Source::new(BufReader::new(input), 0))
}

/// Reads the head and checks its seal.
pub(super) fn head_block<R: BufRead>(source: &mut Source<R>) -> Result<FileHead, ReadError> {
    let missing = || ReadError::damaged(0, "the file is empty");
    let file_type = source.next_box()?.ok_or_else(missing)?;
    file_type.expect(b"ftyp")?;
    source.skip(&file_type)?;
    let movie = source.required(b"moov")?;
    let body = source.keep(&movie)?;
    let seal = source.required(b"uuid")?;
    let seal = source.seal(&seal, BlockKind::Head, None)?;
    file_head(&body, &seal).map_err(|reason| ReadError::damaged(movie.at, reason))
}

/// Whether a file begins with a block that is whole by its seal, also one of another version of the format, or of a codec that this
/// program does not know.
///
/// # Errors
/// If the system can't read it.
pub(in crate::record) fn begins_sealed(input: &mut impl Read) -> io::Result<bool> {
    match first_seal(&mut Source::new(BufReader::new(input), 0)) {
        Ok(body) => Ok(body.is_some_and(|body| body.starts_with(&UUID))),
        Err(ReadError::Io(error)) => Err(error),
        Err(ReadError::Damaged { .. }) => Ok(false),
    }
}

fn first_seal<R: BufRead>(source: &mut Source<R>) -> Result<Option<Vec<u8>>, ReadError> {
    while let Some(found) = source.next_box()? {
        if found.is(b"uuid") {
            return source.sealed(&found, Vec::new()).map(Some);
        }
        source.skip(&found)?;
    }
    Ok(None)
}

fn file_head(movie: &[u8], seal: &Seal) -> Result<FileHead, &'static str> {
    let mut content = seal.content.as_slice();
    let mut fields = || -> mp4_atom::Result<_> {
        let source = SourceId(u32::decode(&mut content)?);
        let started_unix = Duration::from_nanos(u64::decode(&mut content)?);
        Ok((source, started_unix))
    };
    let (source, started_unix) = fields().map_err(|_| "the seal of the head is too short")?;
    Ok(FileHead {
        id: seal.id,
        source,
        started_unix,
        format: coded_format(movie).ok_or("`moov` has no H.264 or H.265 track")?,
    })
}

/// The format of the first track of a `moov`.
fn coded_format(movie: &[u8]) -> Option<CodedFormat> {
    let path: [&[u8; 4]; 5] = [b"trak", b"mdia", b"minf", b"stbl", b"stsd"];
    let description = path
        .iter()
        .try_fold(movie, |boxes, kind| find(boxes, kind))?;
    let (entry, body, _) = split_box(description.get(8..)?)?;
    let codec = Codec::ALL
        .into_iter()
        .find(|&codec| names(codec).0 == entry)?;
    let (visual, boxes) = body.split_at_checked(VISUAL_BYTES)?;
    let mut sides = visual.get(VISUAL_SIZE_AT..)?;
    let width = u16::decode(&mut sides).ok()?;
    let height = u16::decode(&mut sides).ok()?;
    Some(CodedFormat {
        codec,
        record: Bytes::copy_from_slice(find(boxes, names(codec).1)?),
        size: Size::new(width.into(), height.into()),
    })
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
