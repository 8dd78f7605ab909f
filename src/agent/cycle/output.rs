//! What the cycle orders and reports.

use serde::Serialize;

use super::role::ChildRole;
use crate::agent::attempts::Failure;
use crate::agent::document::{DocumentId, StoredDocument};
use crate::agent::hash::DocumentHash;
use crate::agent::problem::Problem;

/// A change of the store.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreStep {
    /// [`Store::save_pending`](crate::agent::store::Store::save_pending).
    SavePending(StoredDocument),
    /// [`Store::begin_attempt`](crate::agent::store::Store::begin_attempt).
    BeginAttempt(DocumentId),
    /// [`Store::promote`](crate::agent::store::Store::promote).
    Promote(DocumentId),
    /// [`Store::fail`](crate::agent::store::Store::fail).
    Fail(DocumentId, Failure),
    /// [`Store::drop_pending`](crate::agent::store::Store::drop_pending).
    DropPending(DocumentId),
    /// [`Store::decommission`](crate::agent::store::Store::decommission).
    Decommission(DocumentId),
    /// [`Store::retry`](crate::agent::store::Store::retry).
    Retry,
}

/// An order to the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Change the store, and answer with [`Event::Stored`](super::Event::Stored).
    Store(StoreStep),
    /// Have a role apply its body of a document. Start its process if it is not running. If the process is restarted later, it
    /// gets this document again, until the next order for this role.
    Apply {
        /// The role.
        role: ChildRole,
        /// The document.
        document: StoredDocument,
    },
    /// End the process of a role.
    Stop {
        /// The role.
        role: ChildRole,
    },
    /// Publish the report.
    Report(Report),
}

/// The phase of a document on the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It waits: for its window, for the clock, for the disk, or for the present sources.
    Waiting,
    /// The roles apply it.
    Applying,
    /// It runs and must prove itself.
    Probation,
    /// It is the last known good document.
    Applied,
    /// It was refused before it was applied.
    Rejected,
    /// It contradicts another document.
    Conflict,
    /// It was applied, has failed, and was taken back.
    Reverted,
}

/// What the box says of its documents, for `reported`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The generation of the document that this is about; `None` if it could not be read, or there is none.
    pub generation: Option<u64>,
    /// Its hash.
    pub sha256: Option<DocumentHash>,
    /// The generation that runs.
    pub applied: Option<u64>,
    /// The generation of the last known good document.
    pub last_known_good: Option<u64>,
    /// Its phase.
    pub phase: Phase,
    /// Why it is not applied.
    pub errors: Vec<Problem>,
    /// What else is amiss.
    pub warnings: Vec<Problem>,
    /// The last log lines before a revert.
    pub log: Vec<String>,
}
