//! The rows of recordings.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::events::{self, signed, sql_key, unsigned};
use crate::base::{Size, SourceId};
use crate::media::Codec;
use crate::record::file_key::FileKey;

/// How a recording ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// A recorder writes it.
    Open = 0,
    /// With a sound tail.
    Closed = 1,
    /// Without a tail, with damage, or the disk can't read it. Its sound part is indexed.
    Damaged = 2,
}

/// A recording. `frames` is 0 if nothing in it is sound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RecordingRow {
    pub(super) key: FileKey,
    /// The start plus the media time, in milliseconds since the Unix epoch. The capture time of the last frame would be wrong after a
    /// step of the clock within the file.
    pub(super) end_ms: u64,
    /// Length of the file, or of its sound part if it has no tail.
    pub(super) bytes: u64,
    pub(super) frames: u64,
    /// `None` if the head is damaged.
    pub(super) codec: Option<Codec>,
    pub(super) size: Size,
    pub(super) state: FileState,
    /// The id in the seals of the file.
    pub(super) file_id: u64,
    /// The byte up to which its scenes are read: the end of the head or of a fragment.
    pub(super) read_bytes: u64,
    /// The number of the last fragment that was read, 0 after the head.
    pub(super) read_sequence: u32,
    /// It is not open, and has scenes that are not read yet.
    pub(super) is_behind: bool,
}

impl RecordingRow {
    /// A row with all columns, in the order of the table: names would be looked up for each row.
    pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let codec: String = row.get(6)?;
        Ok(Self {
            key: key_of_row(row)?,
            end_ms: unsigned(row.get(3)?),
            bytes: unsigned(row.get(4)?),
            frames: unsigned(row.get(5)?),
            codec: Codec::ALL.into_iter().find(|known| known.name() == codec),
            size: Size::new(row.get(7)?, row.get(8)?),
            state: match row.get(9)? {
                0 => FileState::Open,
                1 => FileState::Closed,
                _ => FileState::Damaged,
            },
            file_id: row.get::<_, i64>(10)?.cast_unsigned(),
            read_bytes: unsigned(row.get(11)?),
            read_sequence: row.get(12)?,
            is_behind: row.get(13)?,
        })
    }
}

/// The recording of a row that begins with `source`, `start_ms` and `number`.
pub(super) fn key_of_row(row: &Row<'_>) -> rusqlite::Result<FileKey> {
    Ok(FileKey::new(
        SourceId(row.get(0)?),
        unsigned(row.get(1)?),
        row.get(2)?,
    ))
}

/// The row of a recording.
pub(super) fn find(database: &Connection, key: FileKey) -> rusqlite::Result<Option<RecordingRow>> {
    let mut query = database.prepare_cached(
        "SELECT * FROM recording WHERE source = ? AND start_ms = ? AND number = ?",
    )?;
    query
        .query_row(sql_key(key), RecordingRow::of_row)
        .optional()
}

/// Adds or replaces the row of a recording.
pub(super) fn put(database: &Connection, row: &RecordingRow) -> rusqlite::Result<()> {
    let mut insert = database.prepare_cached(
        "INSERT OR REPLACE INTO recording VALUES (:source, :start_ms, :number, :end_ms, :bytes, :frames, :codec, :width, :height,
            :state, :file_id, :read_bytes, :read_sequence, :is_behind)",
    )?;
    insert.execute(named_params! {
        ":source": row.key.source().0,
        ":start_ms": signed(row.key.start_ms()),
        ":number": row.key.number(),
        ":end_ms": signed(row.end_ms),
        ":bytes": signed(row.bytes),
        ":frames": signed(row.frames),
        ":codec": row.codec.map_or("", Codec::name),
        ":width": row.size.width,
        ":height": row.size.height,
        ":state": row.state as u8,
        ":file_id": row.file_id.cast_signed(),
        ":read_bytes": signed(row.read_bytes),
        ":read_sequence": row.read_sequence,
        ":is_behind": row.is_behind,
    })?;
    Ok(())
}

/// Removes the row of a recording with what its scenes added to events. Nothing happens if there is none.
pub(super) fn remove(database: &Connection, key: FileKey) -> rusqlite::Result<()> {
    events::forget(database, key)?;
    let mut delete = database
        .prepare_cached("DELETE FROM recording WHERE source = ? AND start_ms = ? AND number = ?")?;
    delete.execute(sql_key(key))?;
    Ok(())
}

/// Calls `each` with all recordings, and whether each is closed.
pub(super) fn for_each(
    database: &Connection,
    mut each: impl FnMut(FileKey, bool),
) -> rusqlite::Result<()> {
    let mut query = database.prepare("SELECT source, start_ms, number, state FROM recording")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let state: u8 = row.get(3)?;
        each(key_of_row(row)?, state == FileState::Closed as u8);
    }
    Ok(())
}

/// The newest recording whose scenes are not all read.
pub(super) fn newest_behind(database: &Connection) -> rusqlite::Result<Option<FileKey>> {
    let mut query = database.prepare_cached(
        "SELECT source, start_ms, number FROM recording WHERE is_behind = 1 ORDER BY start_ms DESC LIMIT 1",
    )?;
    query.query_row([], key_of_row).optional()
}
