//! The tail of a closed file: `mfra`, which players seek by, with the seal between its `tfra` and its `mfro`, because `mfro` must
//! be the last box of a file. The seal lists all fragments, so that a closed file can be indexed by its tail alone.
//!
//! | bytes | of each fragment |
//! |---|---|
//! | 8 | offset |
//! | 8 | bytes |
//! | 4 | sequence |
//! | 8 | first tick |
//! | 8 | ticks |
//! | 8 | capture time of the first frame in nanoseconds since the Unix epoch |
//! | 4 | frames |
//! | 1 | 1 if it begins with a key frame, else 0 |

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::time::Duration;

use mp4_atom::{Decode, FragmentInfo, Mfro, Tfra};

use super::boxes::{write, write_box};
use super::fragment::PRFT_BYTES;
use super::parts::{FragmentPlace, LARGEST_BYTES, ReadError, TRACK};
use super::seal::{BlockKind, Seal, seal, write_checksum};
use super::source::{BoxHeader, Source};
use super::times::nanoseconds;

/// Length of `mfro`.
const MFRO_BYTES: usize = 16;

/// The end of a file with these fragments. `sequence` is one more than that of the last.
pub(in crate::record) fn tail(id: u64, sequence: u32, fragments: &[FragmentPlace]) -> Vec<u8> {
    let keys = fragments.iter().filter(|place| place.begins_with_key);
    let entries = keys.map(|place| FragmentInfo {
        time: place.first_tick,
        moof_offset: place.offset + PRFT_BYTES,
        traf_number: 1,
        trun_number: 1,
        sample_delta: 1,
    });
    let random_access = Tfra {
        track_id: TRACK,
        entries: entries.collect(),
    };
    let mut out = Vec::new();
    write_box(&mut out, b"mfra", |out| {
        write(out, &random_access);
        seal(out, BlockKind::Tail, id, sequence, |out| {
            for place in fragments {
                write_place(out, place);
            }
        });
        let parent_size = (out.len() + MFRO_BYTES) as u32;
        write(out, &Mfro { parent_size });
    });
    // The size of `mfra` is known only now.
    let sealed = out.len() - MFRO_BYTES;
    write_checksum(&mut out[..sealed]);
    out
}

fn write_place(out: &mut Vec<u8>, place: &FragmentPlace) {
    out.extend(place.offset.to_be_bytes());
    out.extend(place.bytes.to_be_bytes());
    out.extend(place.sequence.to_be_bytes());
    out.extend(place.first_tick.to_be_bytes());
    out.extend(place.ticks.to_be_bytes());
    out.extend(nanoseconds(place.captured_unix).to_be_bytes());
    out.extend(place.frames.to_be_bytes());
    out.push(place.begins_with_key.into());
}

fn read_place(content: &mut &[u8]) -> mp4_atom::Result<FragmentPlace> {
    Ok(FragmentPlace {
        offset: u64::decode(content)?,
        bytes: u64::decode(content)?,
        sequence: u32::decode(content)?,
        first_tick: u64::decode(content)?,
        ticks: u64::decode(content)?,
        captured_unix: Duration::from_nanos(u64::decode(content)?),
        frames: u32::decode(content)?,
        begins_with_key: u8::decode(content)? != 0,
    })
}

/// A tail as it is read.
pub(super) struct Tail {
    pub(super) id: u64,
    pub(super) fragments: Vec<FragmentPlace>,
}

/// Reads a tail after the header of its first box, and checks its seal, with its id and sequence if they are known.
pub(super) fn tail_block<R: BufRead>(
    source: &mut Source<R>,
    first: &BoxHeader,
    expected: Option<(u64, u32)>,
) -> Result<Tail, ReadError> {
    first.expect(b"mfra")?;
    let random_access = source.required(b"tfra")?;
    let within = |found: &BoxHeader, after: u64| {
        if found.end() + after <= first.end() {
            return Ok(());
        }
        Err(ReadError::damaged(found.at, "a box is longer than `mfra`"))
    };
    within(&random_access, 0)?;
    source.skip(&random_access)?;
    let seal = source.required(b"uuid")?;
    within(&seal, MFRO_BYTES as u64)?;
    let seal = source.seal(&seal, BlockKind::Tail, expected)?;
    let end = source.required(b"mfro")?;
    let body = source.keep(&end)?;
    let size = (first.end() - first.at).to_be_bytes();
    if end.end() != first.end() || body.strip_prefix(&[0; 4]) != Some(&size[4..]) {
        return Err(ReadError::damaged(end.at, "`mfro` does not fit `mfra`"));
    }
    let fragments = places(&seal).map_err(|reason| ReadError::damaged(first.at, reason))?;
    if fragments
        .last()
        .is_some_and(|last| last.offset.checked_add(last.bytes) != Some(first.at))
    {
        return Err(ReadError::damaged(first.at, "the tail is at another place"));
    }
    Ok(Tail {
        id: seal.id,
        fragments,
    })
}

/// The fragments of a seal.
fn places(seal: &Seal) -> Result<Vec<FragmentPlace>, &'static str> {
    let mut content = seal.content.as_slice();
    let mut places = Vec::new();
    while !content.is_empty() {
        places.push(read_place(&mut content).map_err(|_| "the seal of the tail is too short")?);
    }
    Ok(places)
}

/// The fragments of a file that ends with a sound tail, by its last bytes alone; nothing if it does not. The bytes before the tail
/// are not looked at.
///
/// # Errors
/// Those of the system.
pub(in crate::record) fn closed_fragments(
    input: &mut (impl Read + Seek),
) -> io::Result<Option<(u64, Vec<FragmentPlace>)>> {
    let bytes = input.seek(SeekFrom::End(0))?;
    let Some(last_at) = bytes.checked_sub(MFRO_BYTES as u64) else {
        return Ok(None);
    };
    input.seek(SeekFrom::Start(last_at))?;
    let mut last = Vec::with_capacity(MFRO_BYTES);
    input.take(MFRO_BYTES as u64).read_to_end(&mut last)?;
    let Some(&size) = last.last_chunk::<4>() else {
        return Ok(None);
    };
    let size = u64::from(u32::from_be_bytes(size));
    let Some(at) = bytes.checked_sub(size) else {
        return Ok(None);
    };
    if last[4..8] != *b"mfro" || size > LARGEST_BYTES {
        return Ok(None);
    }
    input.seek(SeekFrom::Start(at))?;
    let mut source = Source::new(BufReader::new(input.take(size)), at);
    let read = source
        .required(b"mfra")
        .and_then(|first| tail_block(&mut source, &first, None));
    match read {
        Ok(tail) => Ok(Some((tail.id, tail.fragments))),
        Err(ReadError::Damaged { .. }) => Ok(None),
        Err(ReadError::Io(error)) => Err(error),
    }
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
