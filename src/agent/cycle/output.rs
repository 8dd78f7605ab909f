//! What the cycle orders and reports.

use super::role::ChildRole;
use crate::agent::attempts::Failure;
use crate::agent::document::{DocumentId, StoredDocument};
use crate::fleet::Reported;

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
    /// Publish the report. The caller fills in firmware, models and keys.
    Report(Reported),
}
