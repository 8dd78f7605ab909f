//! The file of the index: opened, or made anew, with its tables.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::IndexError;
use crate::record::layout::INDEX_NAME;

/// What SQLite puts behind the name for its own files.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Tells our databases from others: `nvri`.
const APPLICATION: i64 = 0x6e76_7269;
/// The version of the tables. With another one the database is made anew.
const VERSION: i64 = 1;
/// The time for which a lock of another connection is waited for. With one writer, only a checkpoint at the end of another process
/// takes one.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// `NORMAL` syncs at checkpoints only: a loss of power may cost the last rows, which are read again from the files.
///
/// A checkpoint after 1000 pages, 4 MB, keeps the log short, and the limit cuts a log that became longer by one large transaction.
/// SQLite reads with calls of the system, not by `mmap`, so that a broken disk is an error and not a signal.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;
";

/// The length beyond which an event has a place in the index `event_long`, in milliseconds.
pub(super) const LONG_EVENT_MS: u64 = 600_000;

/// Times are in milliseconds since the Unix epoch, and numbers of 64 bits without a sign are stored as if they had one.
///
/// `recording`: a row for each file. `state` is that of [`super::rows::FileState`]. Scenes are read up to byte `read_bytes`, the
/// fragment `read_sequence`; `is_behind` if there are more in a file that is not open.
///
/// `sighting`: a time of a track in the scenes of one file. `event`: the sightings of all files, joined. A deleted file takes its
/// sightings with it, and its events are joined again from those that are left.
const TABLES: &str = "
    CREATE TABLE recording (
        source INTEGER NOT NULL,
        start_ms INTEGER NOT NULL,
        number INTEGER NOT NULL,
        end_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        frames INTEGER NOT NULL,
        codec TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        state INTEGER NOT NULL,
        file_id INTEGER NOT NULL,
        read_bytes INTEGER NOT NULL,
        read_sequence INTEGER NOT NULL,
        is_behind INTEGER NOT NULL,
        PRIMARY KEY (source, start_ms, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX recording_behind ON recording (start_ms) WHERE is_behind = 1;

    CREATE TABLE sighting (
        source INTEGER NOT NULL,
        track INTEGER NOT NULL,
        class TEXT NOT NULL,
        from_ms INTEGER NOT NULL,
        start_ms INTEGER NOT NULL,
        number INTEGER NOT NULL,
        to_ms INTEGER NOT NULL,
        confidence REAL NOT NULL,
        best_ms INTEGER NOT NULL,
        PRIMARY KEY (source, track, class, from_ms, start_ms, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sighting_of_file ON sighting (source, start_ms, number, track, class);

    CREATE TABLE event (
        source INTEGER NOT NULL,
        track INTEGER NOT NULL,
        class TEXT NOT NULL,
        from_ms INTEGER NOT NULL,
        to_ms INTEGER NOT NULL,
        confidence REAL NOT NULL,
        best_ms INTEGER NOT NULL,
        PRIMARY KEY (source, track, class, from_ms)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX event_by_time ON event (from_ms);
    CREATE INDEX event_by_source ON event (source, from_ms);
    CREATE INDEX event_by_class ON event (class, from_ms);
    CREATE INDEX event_long ON event (from_ms) WHERE to_ms - from_ms > 600000;
";

/// The database of a folder of recordings.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(INDEX_NAME)
}

/// Opens the database for writing. One that is missing, damaged or of another version is made anew.
///
/// # Errors
/// If the disk refuses it.
pub(super) fn open(dir: &Path) -> Result<Connection, IndexError> {
    let path = path(dir);
    match open_or_create(&path) {
        Err(error) if error.is_unusable() => {
            tracing::warn!(%error, "the index of the recordings is made anew");
            remove(dir)?;
            open_or_create(&path)
        }
        opened => opened,
    }
}

fn open_or_create(path: &Path) -> Result<Connection, IndexError> {
    // SQLite would make it readable for all, and gives its own files the mode of the database.
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o640);
    options.open(path).map_err(IndexError::disk("open", path))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = || {
        let mut database = Connection::open_with_flags(path, flags)?;
        database.busy_timeout(BUSY_LIMIT)?;
        let tables: i64 =
            database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        database.execute_batch(SETTINGS)?;
        if tables == 0 {
            let created = database.transaction()?;
            created.execute_batch(TABLES)?;
            created.pragma_update(None, "application_id", APPLICATION)?;
            created.pragma_update(None, "user_version", VERSION)?;
            created.commit()?;
        }
        Ok(database)
    };
    let database = opened().map_err(IndexError::of("open", path))?;
    check_version(&database, path)?;
    Ok(database)
}

/// Opens the database for reading only.
///
/// # Errors
/// If there is none, it is damaged or of another version, or the disk refuses it.
pub(super) fn open_reader(dir: &Path) -> Result<Connection, IndexError> {
    let path = path(dir);
    if !path.exists() {
        return Err(IndexError::Missing { path });
    }
    let opened = open_read_only(&path, false);
    let has_log = path.with_file_name(format!("{INDEX_NAME}-wal")).exists();
    match opened {
        // In a folder that can't be written SQLite can't make its own files. Without a log the database is complete.
        Err(error @ IndexError::Database { .. }) if !has_log => {
            open_read_only(&path, true).map_err(|_| error)
        }
        opened => opened,
    }
}

fn open_read_only(path: &Path, is_immutable: bool) -> Result<Connection, IndexError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let opened = || {
        let database = if is_immutable {
            Connection::open_with_flags(immutable_uri(path), flags)?
        } else {
            Connection::open_with_flags(path, flags - OpenFlags::SQLITE_OPEN_URI)?
        };
        database.busy_timeout(BUSY_LIMIT)?;
        // The first read finds out whether it can be read at all.
        database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(database)
    };
    let database = opened().map_err(IndexError::of("open", path))?;
    check_version(&database, path)?;
    Ok(database)
}

fn immutable_uri(path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = path.replace('%', "%25");
    let path = path.replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1")
}

fn check_version(database: &Connection, path: &Path) -> Result<(), IndexError> {
    let value = |name: &str| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = value("application_id").and_then(|id| Ok((id, value("user_version")?)));
    if found.map_err(IndexError::of("open", path))? == (APPLICATION, VERSION) {
        return Ok(());
    }
    let path = path.to_owned();
    Err(IndexError::Version { path })
}

/// Removes the database and the files that SQLite keeps beside it.
///
/// # Errors
/// If the disk refuses it.
pub(super) fn remove(dir: &Path) -> Result<(), IndexError> {
    let names = COMPANIONS.map(|companion| format!("{INDEX_NAME}{companion}"));
    // The database goes last: without it its log would be taken for that of the next one.
    for name in names.iter().map(String::as_str).chain([INDEX_NAME]) {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(IndexError::disk("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
