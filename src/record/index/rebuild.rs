//! Makes the index anew from the files, for `nvr record fsck --rebuild`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::database;
use super::error::IndexError;
use super::files::LocalFiles;
use super::indexer::{Indexer, Progress};
use crate::base::Stop;
use crate::record::folder_lock::lock_folder;

/// What a rebuild found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuildSummary {
    /// Recordings in the index.
    pub recordings: u64,
    /// Those of them that are damaged, have no tail, or can't be read.
    pub damaged: u64,
    /// Events.
    pub events: u64,
    /// Bytes of all recordings.
    pub bytes: u64,
    /// What the disk last refused to read, and the remedy. It is not in the index.
    pub fault: Option<String>,
}

/// Makes the index of `dir` anew from its files. Blocks: all recordings are read. `progress` gets the number of recordings that are
/// left to be opened; after that their scenes are read.
///
/// # Errors
/// If a recorder has the folder, or the disk refuses to read a file or to write the index. A recorder goes on where it ended.
pub fn rebuild(dir: &Path, progress: &mut dyn FnMut(u64)) -> Result<RebuildSummary, IndexError> {
    let in_use = || IndexError::InUse {
        dir: dir.to_owned(),
    };
    let _lock = lock_folder(dir)?.ok_or_else(in_use)?;
    database::remove(dir)?;
    let files = LocalFiles {
        dir: dir.to_owned(),
    };
    let mut indexer = Indexer::new(dir.to_owned(), files, Arc::default(), Arc::new(()));
    let never = Stop::default();
    loop {
        let step = indexer.try_step(Duration::ZERO, &never)?;
        progress(indexer.files_to_read());
        if step != Progress::Busy {
            break;
        }
    }
    let fault = indexer.fault().map(str::to_owned);
    drop(indexer);
    let database = database::open_reader(dir)?;
    summary(&database, fault).map_err(IndexError::of("read", &database::path(dir)))
}

fn summary(database: &Connection, fault: Option<String>) -> rusqlite::Result<RebuildSummary> {
    let number = |query: &str| database.query_row(query, [], |row| row.get::<_, i64>(0));
    let of = |query: &str| Ok::<_, rusqlite::Error>(number(query)?.cast_unsigned());
    Ok(RebuildSummary {
        recordings: of("SELECT count(*) FROM recording")?,
        damaged: of("SELECT count(*) FROM recording WHERE state = 2")?,
        events: of("SELECT count(*) FROM event")?,
        bytes: of("SELECT coalesce(sum(bytes), 0) FROM recording")?,
        fault,
    })
}

#[cfg(test)]
#[path = "rebuild_tests.rs"]
mod tests;
