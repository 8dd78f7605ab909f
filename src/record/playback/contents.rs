//! The fragments of a file, by its tail or by reading it.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use super::super::mp4::{self, FragmentPlace, ReadError};
use crate::record::mp4::time_of_ticks;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    /// The id in its seals.
    pub(super) id: u64,
    /// Whether it ends with a tail.
    pub(super) is_closed: bool,
    /// Length of its sound part in bytes: all of a closed file.
    pub(super) sound_bytes: u64,
    /// Its fragments, in order.
    pub(super) fragments: Vec<FragmentPlace>,
}

impl Contents {
    /// Reads a file, `before` being what it held before it grew. Of a closed one only the tail is read; of others the fragments that
    /// `before` does not have, whole.
    ///
    /// # Errors
    /// If an open file has no sound head, or the system can't read it.
    pub(super) fn read(
        file: &mut (impl Read + Seek),
        before: Option<&Self>,
    ) -> Result<Self, ReadError> {
        if let Some((id, fragments)) = mp4::closed_fragments(file)? {
            return Ok(Self {
                id,
                is_closed: true,
                sound_bytes: file.seek(SeekFrom::End(0))?,
                fragments,
            });
        }
        if let Some(before) = before.filter(|before| !before.is_closed) {
            let mut contents = before.clone();
            contents.extend(file)?;
            return Ok(contents);
        }
        file.seek(SeekFrom::Start(0))?;
        let reading = mp4::read(file)?;
        Ok(Self {
            id: reading.head.id,
            is_closed: false,
            sound_bytes: reading.sound_bytes,
            fragments: reading.fragments,
        })
    }

    /// Reads on from the end of the sound part, up to the first fragment that is not whole yet.
    fn extend(&mut self, file: &mut (impl Read + Seek)) -> Result<(), ReadError> {
        loop {
            let sequence = self.fragments.last().map_or(1, |last| last.sequence + 1);
            // Each time: the reader takes more from the file than it needs.
            file.seek(SeekFrom::Start(self.sound_bytes))?;
            let fragment = match mp4::read_fragment(file, self.id, sequence) {
                Ok(fragment) => fragment,
                Err(ReadError::Damaged { .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
            let Some(first) = fragment.frames.first() else {
                return Ok(());
            };
            self.fragments.push(FragmentPlace {
                offset: self.sound_bytes,
                bytes: fragment.bytes,
                sequence,
                first_tick: first.decode_tick,
                ticks: fragment.ticks,
                captured_unix: first.captured_unix,
                frames: u32::try_from(fragment.frames.len()).unwrap_or(u32::MAX),
                begins_with_key: first.is_key,
            });
            self.sound_bytes += fragment.bytes;
        }
    }

    /// Length of the head in bytes: where the first fragment begins.
    pub(super) fn head_bytes(&self) -> u64 {
        let first = self.fragments.first();
        first.map_or(self.sound_bytes, |first| first.offset)
    }

    /// What it takes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.fragments.capacity() * size_of::<FragmentPlace>()
    }
}

/// Capture time of the end of a fragment, by the durations of its frames.
pub(super) fn end(place: &FragmentPlace) -> Duration {
    place.captured_unix + time_of_ticks(place.ticks)
}
