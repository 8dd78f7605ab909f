//! What the cycle orders and reports.

use super::role::ChildRole;
use crate::agent::attempts::Failure;
use crate::agent::document::{DocumentId, StoredDocument};
use crate::agent::store::{Store, StoreError};
use crate::fleet::Reported;

/// A change of the store.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreStep {
    /// [`Store::save_pending`].
    SavePending(StoredDocument),
    /// [`Store::begin_attempt`].
    BeginAttempt(DocumentId),
    /// [`Store::promote`].
    Promote(DocumentId),
    /// [`Store::fail`].
    Fail(DocumentId, Failure),
    /// [`Store::drop_pending`].
    DropPending(DocumentId),
    /// [`Store::decommission`].
    Decommission(DocumentId),
    /// [`Store::retry`].
    Retry,
}

impl StoreStep {
    /// Changes the store. Blocks for the time of a write and a sync.
    ///
    /// # Errors
    /// Those of the store's method.
    pub(in crate::agent) fn carry_out(&self, store: &mut Store) -> Result<(), StoreError> {
        match self.clone() {
            Self::SavePending(document) => store.save_pending(document),
            Self::BeginAttempt(id) => store.begin_attempt(&id),
            Self::Promote(id) => store.promote(&id),
            Self::Fail(id, failure) => store.fail(&id, failure),
            Self::DropPending(id) => store.drop_pending(&id),
            Self::Decommission(id) => store.decommission(&id),
            Self::Retry => store.retry(),
        }
    }
}

/// An order to the caller.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a few exist at a time, and a report is the most frequent one"
)]
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
