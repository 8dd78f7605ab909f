//! The documents and attempts of a box, on flash. A power cut at any moment leaves whole documents: the old or the new ones.
//!
//! | file | contents |
//! |---|---|
//! | `pending` | the document that waits, is being applied, or is on probation |
//! | `last-known-good` | the document that the box boots with |
//! | `previous-known-good` | the one before, used where the last is damaged |
//! | `attempts`, `attempts-copy` | which documents were tried, and how that ended |
//!
//! Every change is a new file that is written, synced and renamed over the old one; then the directory is synced. The store
//! changes its memory first and brings the disk in line with it (`flash`). Where the disk is full or read-only, the memory
//! stays ahead, and [`Store::retry`] tries again. Only a new document and the beginning of an attempt depend on the disk: an
//! attempt that is not on flash may not begin.
//!
//! No threads; every method blocks on the disk. It has no identity of the box, and no secrets other than those in documents.

mod contents;
mod error;
mod files;
mod flash;
mod open;
mod record;

#[cfg(test)]
pub(in crate::agent) mod disk_model;
#[cfg(test)]
mod disk_tests;

pub use contents::Contents;
pub use error::{Finding, StoreError};
pub use files::{Directory, StoreFiles};
pub use flash::Store;
pub use record::{LONGEST_DOCUMENT, RecordError};
