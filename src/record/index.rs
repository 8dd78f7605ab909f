//! The index: what the recording files say, in an SQLite database in their folder, so that nobody has to read the files in order to
//! find a time or an object. It is a cache: if it is missing, damaged or of another version, it is made again from the files.
//!
//! The recorder notes which files it opens, closes and deletes ([`changes`]), and never waits for the index. The thread
//! `record-index` ([`indexer`]) reads the files ([`files`], [`reading`]) and keeps the rows equal to them ([`rows`], [`events`]).
//! At start it compares the names of all files with the rows and reads those that are missing, the newest first: the head and the
//! tail of all of them, then their scenes. Files that are open are read on as they grow.
//!
//! It tells retention which events there are ([`listener`]).
//!
//! Only that thread writes. [`Library`] reads, from any thread or process. It never keeps a transaction open after a query: a reader
//! that does keeps SQLite from reusing its log, which then grows without limit.
//!
//! A disk that is full, read-only or broken stops the thread only: it reports the fault and tries again, and queries answer from
//! the rows that are there.

mod changes;
mod database;
mod error;
mod events;
mod files;
mod indexer;
mod library;
mod listener;
mod reading;
mod rebuild;
mod rows;
mod thread;
mod tracks;

#[cfg(test)]
mod testing;

pub(super) use changes::Changes;
pub use error::IndexError;
pub use library::{Event, EventQuery, Library, RecordedFile, SourceSpan, joined_times};
pub(super) use listener::{EventListener, SeenEvent};
pub use rebuild::{RebuildSummary, rebuild};
pub use rows::FileState;
pub use thread::IndexReport;
pub(super) use thread::IndexThread;
pub use tracks::TRACK_GAP_MS;
