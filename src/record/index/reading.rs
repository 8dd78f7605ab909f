//! Reads a recording, or what was added to it, into its row and its events.
//!
//! The row says up to which byte the file is read. So reading can end after any fragment, and goes on there after a restart, if the
//! file is still the same: its id is, and there is a fragment that begins at that byte. Otherwise it is read from its start.

use std::io::{self, ErrorKind};

use rusqlite::Connection;

use super::events;
use super::files::{Outline, Part, RecordingFile, RecordingFiles};
use super::listener::SeenEvent;
use super::rows::{self, FileState, RecordingRow};
use super::tracks::Sightings;
use crate::base::Size;
use crate::record::error::DiskFault;
use crate::record::file_key::FileKey;
use crate::record::mp4::{FragmentPlace, ReadError};

/// How reading a recording went.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The limit ended it.
    pub(super) has_more: bool,
    /// What reading fragments cost, as bytes that could be read in that time.
    pub(super) cost_bytes: u64,
    /// Events that are new or longer now.
    pub(super) seen: Vec<SeenEvent>,
    /// What the disk refused to read last.
    pub(super) fault: Option<DiskFault>,
}

/// Brings the row of a recording up to date. Reads scenes until they cost at least `limit_bytes`, or none is left. A file that is not
/// there has no row.
///
/// # Errors
/// Those of the database only.
pub(super) fn read<F: RecordingFiles>(
    database: &Connection,
    files: &F,
    key: FileKey,
    is_open: bool,
    limit_bytes: u64,
) -> rusqlite::Result<Outcome> {
    let fault = |error| Some(DiskFault::of("read", &files.path(key))(error));
    let refused = |error| {
        if !is_open {
            put_unreadable(database, key)?;
        }
        let fault = fault(error);
        Ok(Outcome {
            fault,
            ..Outcome::default()
        })
    };
    let mut file = match files.open(key) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return rows::remove(database, key).map(|()| Outcome::default());
        }
        Err(error) => return refused(error),
    };
    let outline = match file.outline() {
        Ok(outline) => outline,
        Err(ReadError::Io(error)) => return refused(error),
        // It is being created.
        Err(ReadError::Damaged { .. }) if is_open => return Ok(Outcome::default()),
        Err(ReadError::Damaged { .. }) => {
            rows::remove(database, key)?;
            rows::put(database, &RecordingRow::unsound(key))?;
            return Ok(Outcome::default());
        }
    };
    let former = rows::find(database, key)?;
    let former = former.filter(|former| former.goes_on_in(&outline));
    let mut row = match &former {
        Some(former) => former.clone(),
        None => {
            rows::remove(database, key)?;
            RecordingRow::new(key, &outline)
        }
    };
    row.state = match (&outline.fragments, is_open) {
        (Some(_), _) => FileState::Closed,
        (None, true) => FileState::Open,
        (None, false) => FileState::Damaged,
    };
    if let Some(fragments) = &outline.fragments {
        row.set_closed(fragments, outline.bytes);
    }
    let mut sightings = Sightings::default();
    let (read, failed) = read_scenes(&mut file, &mut row, &outline, limit_bytes, &mut sightings);
    // An open file is followed in any case.
    row.is_behind = read.has_more && row.state != FileState::Open;
    let seen = events::add(database, key, &sightings)?;
    if former.as_ref() != Some(&row) {
        rows::put(database, &row)?;
    }
    Ok(Outcome {
        seen,
        fault: failed.and_then(fault),
        ..read
    })
}

/// Reads fragments on from the place in the row. Returns how far, and the last error of the system.
fn read_scenes(
    file: &mut impl RecordingFile,
    row: &mut RecordingRow,
    outline: &Outline,
    limit_bytes: u64,
    sightings: &mut Sightings,
) -> (Outcome, Option<io::Error>) {
    let (mut cost_bytes, mut failed) = (0, None);
    let mut places = outline.fragments.as_ref().map(|fragments| {
        let index = fragments.partition_point(|place| place.offset < row.read_bytes);
        fragments[index..].iter()
    });
    let has_more = loop {
        if places
            .as_ref()
            .is_some_and(|places| places.as_slice().is_empty())
        {
            break false;
        }
        if cost_bytes >= limit_bytes {
            break true;
        }
        if let Some(place) = places.as_mut().and_then(Iterator::next) {
            match file.listed(outline.id, place) {
                Ok(part) => {
                    part.scenes.iter().for_each(|scene| sightings.add(scene));
                    cost_bytes += part.cost_bytes;
                }
                // The tail says where the next one begins. The scenes of this one are lost.
                Err(error) => failed = of_system(error).or(failed),
            }
            row.pass(place);
            continue;
        }
        let sequence = row.read_sequence.saturating_add(1);
        match file.fragment(outline.id, row.read_bytes, sequence) {
            Ok(part) => {
                part.scenes.iter().for_each(|scene| sightings.add(scene));
                cost_bytes += part.bytes;
                row.add(&part, sequence);
            }
            // The end of the sound part: for an open file, as far as it is written.
            Err(error) => {
                failed = of_system(error).or(failed);
                break false;
            }
        }
    };
    let outcome = Outcome {
        has_more,
        cost_bytes,
        ..Outcome::default()
    };
    (outcome, failed)
}

/// Notes that the system can't read a recording that has a row. The next start tries it again, as all that are not closed.
fn put_unreadable(database: &Connection, key: FileKey) -> rusqlite::Result<()> {
    match rows::find(database, key)? {
        Some(row) => {
            let row = RecordingRow {
                state: FileState::Damaged,
                is_behind: false,
                ..row
            };
            rows::put(database, &row)
        }
        None => Ok(()),
    }
}

fn of_system(error: ReadError) -> Option<io::Error> {
    match error {
        ReadError::Io(error) => Some(error),
        ReadError::Damaged { .. } => None,
    }
}

impl RecordingRow {
    /// A recording of which only the head is read.
    fn new(key: FileKey, outline: &Outline) -> Self {
        Self {
            key,
            end_ms: key.start_ms(),
            bytes: outline.head_bytes,
            frames: 0,
            codec: Some(outline.codec),
            size: outline.size,
            state: FileState::Open,
            file_id: outline.id,
            read_bytes: outline.head_bytes,
            read_sequence: 0,
            is_behind: false,
        }
    }

    /// A recording whose head is damaged.
    fn unsound(key: FileKey) -> Self {
        Self {
            key,
            end_ms: key.start_ms(),
            bytes: 0,
            frames: 0,
            codec: None,
            size: Size::new(0, 0),
            state: FileState::Damaged,
            file_id: 0,
            read_bytes: 0,
            read_sequence: 0,
            is_behind: false,
        }
    }

    /// Whether the file is the one that the row is of, and can be read on where the row ends.
    fn goes_on_in(&self, outline: &Outline) -> bool {
        let is_same = self.file_id == outline.id && self.codec.is_some();
        is_same
            && match &outline.fragments {
                Some(fragments) => {
                    let mut starts = fragments.iter().map(|place| place.offset);
                    self.read_bytes == end_of(fragments, outline)
                        || starts.any(|start| start == self.read_bytes)
                }
                None => self.state != FileState::Closed && self.read_bytes <= outline.bytes,
            }
    }

    fn set_closed(&mut self, fragments: &[FragmentPlace], bytes: u64) {
        let frames = fragments.iter().map(|place| u64::from(place.frames));
        self.frames = frames.sum();
        self.bytes = bytes;
        let end_tick = fragments.last();
        let end_tick = end_tick.map_or(0, |last| last.first_tick.saturating_add(last.ticks));
        self.set_end(end_tick);
    }

    fn set_end(&mut self, end_tick: u64) {
        // 90 ticks a millisecond.
        self.end_ms = self.key.start_ms().saturating_add(end_tick / 90);
    }

    /// Goes on behind a fragment of a file without a tail.
    fn add(&mut self, part: &Part, sequence: u32) {
        self.read_bytes += part.bytes;
        self.read_sequence = sequence;
        self.bytes = self.read_bytes;
        self.frames += part.frames;
        self.set_end(part.end_tick);
    }

    /// Goes on behind a fragment that the tail lists.
    fn pass(&mut self, place: &FragmentPlace) {
        self.read_bytes = place.offset.saturating_add(place.bytes);
        self.read_sequence = place.sequence;
    }
}

fn end_of(fragments: &[FragmentPlace], outline: &Outline) -> u64 {
    fragments.last().map_or(outline.head_bytes, |last| {
        last.offset.saturating_add(last.bytes)
    })
}

#[cfg(test)]
#[path = "reading_law_tests.rs"]
mod tests;
