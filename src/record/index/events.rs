//! The rows of sightings and events. Events are always the sightings of all files of a source, joined.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use super::listener::SeenEvent;
use super::tracks::{Sighting, Sightings, TRACK_GAP_MS, TrackName, merged};
use crate::base::SourceId;
use crate::record::file_key::FileKey;

/// Adds sightings in the scenes of a file to those that it has. Returns the events that are new or longer now.
pub(super) fn add(
    database: &Connection,
    key: FileKey,
    sightings: &Sightings,
) -> rusqlite::Result<Vec<SeenEvent>> {
    let mut joined = Vec::new();
    for (name, added) in sightings.tracks() {
        let former = of_file_and_track(database, key, name)?;
        let present = merged([&former, added].concat());
        if present == former {
            continue;
        }
        let mut delete = database.prepare_cached(
            "DELETE FROM sighting WHERE source = ? AND start_ms = ? AND number = ? AND track = ? AND class = ?",
        )?;
        let (source, start_ms, number) = sql_key(key);
        let track = name.track.cast_signed();
        delete.execute(params![source, start_ms, number, track, name.class])?;
        let mut insert =
            database.prepare_cached("INSERT INTO sighting VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        for sighting in &present {
            insert.execute(params![
                source,
                track,
                name.class,
                signed(sighting.from_ms),
                start_ms,
                number,
                signed(sighting.to_ms),
                f64::from(sighting.confidence),
                signed(sighting.best_ms),
            ])?;
        }
        if let Some(span) = span_of(&present) {
            let events = join_again(database, source, name, span)?;
            joined.extend(events.iter().map(|event| SeenEvent {
                source: key.source(),
                class: name.class.clone(),
                from_ms: event.from_ms,
                to_ms: event.to_ms,
            }));
        }
    }
    Ok(joined)
}

/// Calls `each` with all events until it returns false. Returns whether it never did.
pub(super) fn for_each(
    database: &Connection,
    mut each: impl FnMut(SeenEvent) -> bool,
) -> rusqlite::Result<bool> {
    let mut query = database.prepare("SELECT source, class, from_ms, to_ms FROM event")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let goes_on = each(SeenEvent {
            source: SourceId(row.get(0)?),
            class: row.get(1)?,
            from_ms: unsigned(row.get(2)?),
            to_ms: unsigned(row.get(3)?),
        });
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes the sightings of a file.
pub(super) fn forget(database: &Connection, key: FileKey) -> rusqlite::Result<()> {
    let mut query = database.prepare_cached(
        "SELECT track, class, from_ms, to_ms, confidence, best_ms FROM sighting
            WHERE source = ? AND start_ms = ? AND number = ?",
    )?;
    let mut tracks: BTreeMap<TrackName, Vec<Sighting>> = BTreeMap::new();
    let mut rows = query.query(sql_key(key))?;
    while let Some(row) = rows.next()? {
        let name = TrackName {
            track: row.get::<_, i64>("track")?.cast_unsigned(),
            class: row.get("class")?,
        };
        tracks.entry(name).or_default().push(of_row(row)?);
    }
    if tracks.is_empty() {
        return Ok(());
    }
    let mut delete = database
        .prepare_cached("DELETE FROM sighting WHERE source = ? AND start_ms = ? AND number = ?")?;
    delete.execute(sql_key(key))?;
    for (name, sightings) in &tracks {
        if let Some(span) = span_of(sightings) {
            join_again(database, key.source().0, name, span)?;
        }
    }
    Ok(())
}

/// Makes the events of a track anew that sightings between `from_ms` and `to_ms` belong to, and returns them.
fn join_again(
    database: &Connection,
    source: u32,
    name: &TrackName,
    (from_ms, to_ms): (u64, u64),
) -> rusqlite::Result<Vec<Sighting>> {
    let track = name.track.cast_signed();
    // All events that touch the span. Others are further than the gap from it and from these, so they stay as they are.
    let mut touched = database.prepare_cached(
        "SELECT min(from_ms), max(to_ms) FROM event
            WHERE source = ? AND track = ? AND class = ? AND from_ms <= ? AND to_ms >= ?",
    )?;
    let reach = (
        signed(to_ms.saturating_add(TRACK_GAP_MS)),
        signed(from_ms.saturating_sub(TRACK_GAP_MS)),
    );
    let touched: (Option<i64>, Option<i64>) = touched.query_row(
        params![source, track, name.class, reach.0, reach.1],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let first = signed(from_ms);
    let first = touched.0.map_or(first, |touched| touched.min(first));
    let last = signed(to_ms);
    let last = touched.1.map_or(last, |touched| touched.max(last));
    let of_span = params![source, track, name.class, first, last];

    let mut delete = database.prepare_cached(
        "DELETE FROM event WHERE source = ? AND track = ? AND class = ? AND from_ms BETWEEN ? AND ?",
    )?;
    delete.execute(of_span)?;
    let mut query = database.prepare_cached(
        "SELECT from_ms, to_ms, confidence, best_ms FROM sighting
            WHERE source = ? AND track = ? AND class = ? AND from_ms BETWEEN ? AND ?",
    )?;
    let sightings: Vec<Sighting> = query
        .query_map(of_span, of_row)?
        .collect::<Result<_, _>>()?;
    let mut insert = database.prepare_cached("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    let events = merged(sightings);
    for event in &events {
        insert.execute(params![
            source,
            track,
            name.class,
            signed(event.from_ms),
            signed(event.to_ms),
            f64::from(event.confidence),
            signed(event.best_ms),
        ])?;
    }
    Ok(events)
}

fn of_file_and_track(
    database: &Connection,
    key: FileKey,
    name: &TrackName,
) -> rusqlite::Result<Vec<Sighting>> {
    let mut query = database.prepare_cached(
        "SELECT from_ms, to_ms, confidence, best_ms FROM sighting
            WHERE source = ? AND start_ms = ? AND number = ? AND track = ? AND class = ? ORDER BY from_ms",
    )?;
    let (source, start_ms, number) = sql_key(key);
    let track = name.track.cast_signed();
    let rows = query.query_map(params![source, start_ms, number, track, name.class], of_row)?;
    rows.collect()
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Sighting> {
    Ok(Sighting {
        from_ms: unsigned(row.get("from_ms")?),
        to_ms: unsigned(row.get("to_ms")?),
        confidence: row.get("confidence")?,
        best_ms: unsigned(row.get("best_ms")?),
    })
}

/// From the first to the last time of some sightings.
fn span_of(sightings: &[Sighting]) -> Option<(u64, u64)> {
    let from = sightings.iter().map(|sighting| sighting.from_ms).min()?;
    let to = sightings.iter().map(|sighting| sighting.to_ms).max()?;
    Some((from, to))
}

/// The parameters of a recording: source, start and number.
pub(super) fn sql_key(key: FileKey) -> (u32, i64, u32) {
    (key.source().0, signed(key.start_ms()), key.number())
}

/// A number for SQLite, which has no larger ones.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that [`signed`] made.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
