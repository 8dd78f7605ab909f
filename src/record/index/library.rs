//! The read side of the index: what was recorded when, and which objects were seen.
//!
//! Each query takes its whole answer out of the database before it returns, so that no read transaction outlives it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::database::{self, LONG_EVENT_MS};
use super::error::IndexError;
use super::events::{signed, unsigned};
use super::rows::{FileState, RecordingRow};
use crate::base::sync::lock;
use crate::base::{Size, SourceId};
use crate::media::Codec;
use crate::record::layout::LONGEST_CHANGE;

/// Connections that are kept for later queries.
const KEPT: usize = 4;
/// No file is longer: its media times have 31 bits, 6.6 h.
const LONGEST_FILE_MS: u64 = 24_000_000;

/// Times that are in order by their starts, of which those that are at most a second apart become one.
pub fn joined_times(times: impl IntoIterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let longest_change_ms = LONGEST_CHANGE.as_millis() as u64;
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start_ms, end_ms) in times {
        match joined.last_mut() {
            Some((_, end)) if start_ms <= end.saturating_add(longest_change_ms) => {
                *end = end_ms.max(*end);
            }
            _ => joined.push((start_ms, end_ms)),
        }
    }
    joined
}

/// The index of a folder of recordings, for reading. All calls block, for some milliseconds if the disk is not busy. A recorder may
/// write meanwhile, and its rows show in the next query.
#[derive(Debug)]
pub struct Library {
    dir: PathBuf,
    /// Each with the file that it has open: an index that was made anew is another file.
    connections: Mutex<Vec<((u64, u64), Connection)>>,
}

/// The recordings of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceSpan {
    /// The source.
    pub source: SourceId,
    /// Start of the oldest recording, in milliseconds since the Unix epoch.
    pub oldest_ms: u64,
    /// End of the newest recording, in milliseconds since the Unix epoch.
    pub newest_ms: u64,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFile {
    /// The file. It may be deleted at any time.
    pub path: PathBuf,
    /// The source.
    pub source: SourceId,
    /// Capture time of the first frame, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// The start plus the media time, in milliseconds since the Unix epoch.
    pub end_ms: u64,
    /// Length of the file in bytes, or of its sound part if it is not closed.
    pub bytes: u64,
    /// Number of frames.
    pub frames: u64,
    /// The codec.
    pub codec: Codec,
    /// Size of the pictures in pixels.
    pub size: Size,
    /// How it ends.
    pub state: FileState,
}

/// One track of one object. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The source.
    pub source: SourceId,
    /// The number of the track in its run of the processor.
    pub track: u64,
    /// The class of the object.
    pub class: String,
    /// Capture time of the first frame with it.
    pub from_ms: u64,
    /// Capture time of the last frame with it so far.
    pub to_ms: u64,
    /// The highest confidence, 0–1.
    pub confidence: f32,
    /// Capture time of the first frame with that confidence.
    pub best_ms: u64,
}

/// Which events to find. The default is none: its limit is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Of this source only.
    pub source: Option<SourceId>,
    /// Not of these sources.
    pub except: Vec<SourceId>,
    /// Of this class only.
    pub class: Option<String>,
    /// Not over before, in milliseconds since the Unix epoch.
    pub from_ms: Option<u64>,
    /// Not begun after, in milliseconds since the Unix epoch.
    pub to_ms: Option<u64>,
    /// At least this long, in milliseconds.
    pub min_length_ms: u64,
    /// The most events of the answer.
    pub limit: usize,
}

impl Library {
    /// The index of a folder of recordings. Nothing is read before the first query.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            connections: Mutex::default(),
        }
    }

    /// The sources that have recordings, with their oldest and newest times.
    ///
    /// # Errors
    /// If there is no index, or it can't be read.
    pub fn sources(&self) -> Result<Vec<SourceSpan>, IndexError> {
        self.query(|database| {
            let mut sources = Vec::new();
            let mut next =
                database.prepare_cached("SELECT min(source) FROM recording WHERE source >= ?")?;
            let mut from = Some(0_u32);
            while let Some(least) = from {
                let Some(source) = next.query_row([least], |row| row.get::<_, Option<u32>>(0))?
                else {
                    break;
                };
                sources.extend(span(database, SourceId(source))?);
                from = source.checked_add(1);
            }
            Ok(sources)
        })
    }

    /// The times between `from_ms` and `to_ms` that are recorded, in order. Recordings that follow one another within a second count
    /// as one. Times are in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// If there is no index, or it can't be read.
    pub fn recorded(
        &self,
        source: SourceId,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<Vec<(u64, u64)>, IndexError> {
        let times = self.query(|database| {
            let mut query = database.prepare_cached(
                "SELECT start_ms, end_ms FROM recording
                    WHERE source = ? AND start_ms >= ? AND start_ms < ? AND end_ms > ? AND frames > 0
                    ORDER BY start_ms, number",
            )?;
            let times = query.query_map(window(source, from_ms, to_ms), |row| {
                Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)))
            })?;
            times.collect::<Result<Vec<_>, _>>()
        })?;
        let inside = |(start_ms, end_ms): (u64, u64)| (start_ms.max(from_ms), end_ms.min(to_ms));
        Ok(joined_times(times.into_iter().map(inside)))
    }

    /// The recordings that have a part between `from_ms` and `to_ms`, by start, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// If there is no index, or it can't be read.
    pub fn files(
        &self,
        source: SourceId,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<Vec<RecordedFile>, IndexError> {
        self.query(|database| {
            let mut query = database.prepare_cached(
                "SELECT * FROM recording
                    WHERE source = ? AND start_ms >= ? AND start_ms < ? AND end_ms > ? AND frames > 0
                    ORDER BY start_ms, number",
            )?;
            let window = window(source, from_ms, to_ms);
            let rows = query.query_map(window, RecordingRow::of_row)?;
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            Ok(rows.iter().filter_map(|row| self.file(row)).collect())
        })
    }

    /// The events of a query, the newest start first, and whether there are more than its limit. Events that ended before the
    /// source's oldest recording are left out.
    ///
    /// # Errors
    /// If there is no index, or it can't be read.
    pub fn events(&self, query: &EventQuery) -> Result<(Vec<Event>, bool), IndexError> {
        let wanted = query.limit.saturating_add(1);
        let mut events = self.query(|database| {
            let Some(from_ms) = query.from_ms else {
                return select(database, query, &[], wanted);
            };
            // An index on the start finds what began at most `LONG_EVENT_MS` before; few events are longer, and have an index.
            let near = from_ms.saturating_sub(LONG_EVENT_MS);
            let over_after = ("to_ms >= ?", from_ms);
            let near_only = [over_after, ("from_ms >= ?", near)];
            let mut events = select(database, query, &near_only, wanted)?;
            if events.len() < wanted {
                let long_only = [over_after, ("from_ms < ?", near)];
                let long = EventQuery {
                    min_length_ms: query.min_length_ms.max(LONG_EVENT_MS + 1),
                    ..query.clone()
                };
                events.extend(select(database, &long, &long_only, wanted - events.len())?);
            }
            Ok(events)
        })?;
        let is_truncated = events.len() > query.limit;
        events.truncate(query.limit);
        Ok((events, is_truncated))
    }

    /// The classes of all events, in order.
    ///
    /// # Errors
    /// If there is no index, or it can't be read.
    pub fn classes(&self) -> Result<Vec<String>, IndexError> {
        self.query(|database| {
            // One look into the index for each class, instead of one for each event.
            let mut next =
                database.prepare_cached("SELECT min(class) FROM event WHERE class > ?")?;
            let mut after =
                |class: &str| next.query_row([class], |row| row.get::<_, Option<String>>(0));
            let mut classes = Vec::new();
            let mut found = after("")?;
            while let Some(class) = found {
                found = after(&class)?;
                classes.push(class);
            }
            Ok(classes)
        })
    }

    fn file(&self, row: &RecordingRow) -> Option<RecordedFile> {
        Some(RecordedFile {
            path: row.key.path(&self.dir),
            source: row.key.source(),
            start_ms: row.key.start_ms(),
            end_ms: row.end_ms,
            bytes: row.bytes,
            frames: row.frames,
            codec: row.codec?,
            size: row.size,
            state: row.state,
        })
    }

    fn query<T>(
        &self,
        query: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, IndexError> {
        let path = database::path(&self.dir);
        let file = identity(&path);
        let kept = {
            let mut connections = lock(&self.connections);
            connections.retain(|(of, _)| Some(*of) == file);
            connections.pop()
        };
        let database = match kept {
            Some((_, database)) => database,
            None => database::open_reader(&self.dir)?,
        };
        let answer = query(&database).map_err(IndexError::of("read", &path))?;
        let mut connections = lock(&self.connections);
        if let Some(file) = file.filter(|_| connections.len() < KEPT) {
            connections.push((file, database));
        }
        Ok(answer)
    }
}

/// The device and the number of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// The parameters of a query for recordings.
fn window(source: SourceId, from_ms: u64, to_ms: u64) -> (u32, i64, i64, i64) {
    let earliest = from_ms.saturating_sub(LONGEST_FILE_MS);
    (source.0, signed(earliest), signed(to_ms), signed(from_ms))
}

fn span(database: &Connection, source: SourceId) -> rusqlite::Result<Option<SourceSpan>> {
    let mut query = database.prepare_cached(
        "SELECT
            (SELECT start_ms FROM recording WHERE source = ?1 AND frames > 0 ORDER BY start_ms LIMIT 1),
            (SELECT end_ms FROM recording WHERE source = ?1 AND frames > 0 ORDER BY start_ms DESC, number DESC LIMIT 1)",
    )?;
    query.query_row(params![source.0], |row| {
        let oldest: Option<i64> = row.get(0)?;
        let newest: Option<i64> = row.get(1)?;
        Ok(oldest.zip(newest).map(|(oldest, newest)| SourceSpan {
            source,
            oldest_ms: unsigned(oldest),
            newest_ms: unsigned(newest),
        }))
    })
}

/// The newest events of a query that fulfil further conditions, each with its number.
fn select(
    database: &Connection,
    query: &EventQuery,
    further: &[(&str, u64)],
    limit: usize,
) -> rusqlite::Result<Vec<Event>> {
    let mut text = String::from(
        "SELECT source, track, class, from_ms, to_ms, confidence, best_ms FROM event
            WHERE to_ms >= coalesce((SELECT min(start_ms) FROM recording WHERE recording.source = ",
    );
    let mut values: Vec<Value> = Vec::new();
    match query.source {
        // SQLite looks this one up once, the other one for each row.
        Some(source) => {
            text.push('?');
            values.push(source.0.into());
        }
        None => text.push_str("event.source"),
    }
    text.push_str("), 0)");
    let mut also = |condition: &str, value: Option<Value>| {
        text.push_str(" AND ");
        text.push_str(condition);
        values.extend(value);
    };
    if let Some(source) = query.source {
        also("source = ?", Some(source.0.into()));
    }
    for source in &query.except {
        also("source <> ?", Some(source.0.into()));
    }
    if let Some(class) = &query.class {
        also("class = ?", Some(class.clone().into()));
    }
    if let Some(to_ms) = query.to_ms {
        also("from_ms <= ?", Some(signed(to_ms).into()));
    }
    for (condition, value) in further {
        also(condition, Some(signed(*value).into()));
    }
    if query.min_length_ms > 0 {
        also(
            "to_ms - from_ms >= ?",
            Some(signed(query.min_length_ms).into()),
        );
    }
    if query.min_length_ms > LONG_EVENT_MS {
        // The condition of the index of long events, in its words.
        also("to_ms - from_ms > 600000", None);
    }
    text.push_str(" ORDER BY from_ms DESC, source DESC, track DESC, class DESC LIMIT ?");
    values.push(signed(limit as u64).into());
    let mut query = database.prepare_cached(&text)?;
    let events = query.query_map(params_from_iter(values), event)?;
    events.collect()
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        source: SourceId(row.get(0)?),
        track: row.get::<_, i64>(1)?.cast_unsigned(),
        class: row.get(2)?,
        from_ms: unsigned(row.get(3)?),
        to_ms: unsigned(row.get(4)?),
        confidence: row.get(5)?,
        best_ms: unsigned(row.get(6)?),
    })
}

#[cfg(test)]
#[path = "library_tests.rs"]
mod tests;
