//! Reads a whole file and checks every seal.

use std::io::{BufRead, BufReader, Read};

use super::fragment::fragment_block;
use super::head::head_block;
use super::parts::{FileEnding, FragmentContent, FragmentPlace, ReadError, Reading};
use super::source::Source;
use super::tail::tail_block;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// Reads a whole file and checks every seal. The media are never in memory; of other boxes the largest is, at most
/// [`super::parts::LARGEST_BYTES`].
///
/// # Errors
/// If the head is not sound, or the system can't read the file. Damage after the head is in [`Reading::ending`].
pub(in crate::record) fn read(input: &mut impl Read) -> Result<Reading, ReadError> {
    let mut source = Source::new(BufReader::with_capacity(BUFFER_BYTES, input), 0);
    let head = head_block(&mut source)?;
    let mut reading = Reading {
        head,
        fragments: Vec::new(),
        sound_bytes: source.at,
        ending: FileEnding::Open,
    };
    loop {
        match read_block(&mut source, &mut reading) {
            Ok(true) => {}
            Ok(false) => return Ok(reading),
            Err(ReadError::Damaged { at, reason }) => {
                reading.ending = FileEnding::Damaged { at, reason };
                return Ok(reading);
            }
            Err(error @ ReadError::Io(_)) => return Err(error),
        }
    }
}

/// Reads one fragment and checks its seal, for the file of this id and its number there. `input` stands at its first byte; how far it
/// is read is not defined. The media are not kept.
///
/// # Errors
/// If the fragment is not sound, or the system can't read it. Bytes in errors count from the fragment's first one.
pub(in crate::record) fn read_fragment(
    input: &mut impl Read,
    id: u64,
    sequence: u32,
) -> Result<FragmentContent, ReadError> {
    let mut source = Source::new(BufReader::with_capacity(BUFFER_BYTES, input), 0);
    let first = source.required(b"prft")?;
    let fragment = fragment_block(&mut source, &first, Some((id, sequence)))?;
    Ok(FragmentContent {
        frames: fragment.frames,
        ticks: fragment.ticks,
        bytes: source.at,
        scenes: fragment.scenes,
    })
}

/// Reads a fragment or the tail. False if there is none.
fn read_block<R: BufRead>(
    source: &mut Source<R>,
    reading: &mut Reading,
) -> Result<bool, ReadError> {
    let Some(first) = source.next_box()? else {
        return Ok(false);
    };
    if reading.ending == FileEnding::Closed {
        return Err(ReadError::damaged(
            first.at,
            "bytes follow the end of a closed file",
        ));
    }
    let sequence = reading.fragments.last().map_or(0, |last| last.sequence);
    let expected = Some((reading.head.id, sequence.wrapping_add(1)));
    if first.is(b"mfra") {
        let tail = tail_block(source, &first, expected)?;
        if tail.fragments != reading.fragments {
            let reason = "the tail lists other fragments than those of the file";
            return Err(ReadError::damaged(first.at, reason));
        }
        reading.ending = FileEnding::Closed;
    } else {
        let fragment = fragment_block(source, &first, expected)?;
        let [frame, ..] = fragment.frames.as_slice() else {
            return Err(ReadError::damaged(first.at, "a fragment without frames"));
        };
        reading.fragments.push(FragmentPlace {
            offset: first.at,
            bytes: source.at - first.at,
            sequence: sequence.wrapping_add(1),
            first_tick: frame.decode_tick,
            ticks: fragment.ticks,
            captured_unix: frame.captured_unix,
            frames: fragment.frames.len() as u32,
            begins_with_key: frame.is_key,
        });
    }
    reading.sound_bytes = source.at;
    Ok(true)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
