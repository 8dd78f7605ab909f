//! What the store holds, and which of its files are behind it.

use crate::agent::attempts::Attempts;
use crate::agent::document::StoredDocument;

/// The file into which every record is written before it is renamed.
pub(super) const NEW: &str = "new";
pub(super) const PENDING: &str = "pending";
pub(super) const LAST_KNOWN_GOOD: &str = "last-known-good";
pub(super) const PREVIOUS: &str = "previous-known-good";
pub(super) const ATTEMPTS: &str = "attempts";
pub(super) const ATTEMPTS_COPY: &str = "attempts-copy";

/// What the store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The document that waits, is being applied, or is on probation.
    pub pending: Option<StoredDocument>,
    /// The document that the box boots with.
    pub last_known_good: Option<StoredDocument>,
    /// The last known good document before that.
    pub previous: Option<StoredDocument>,
    /// The memory of attempts.
    pub attempts: Attempts,
}

/// The files that may differ from the contents in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stale {
    pub(super) pending: bool,
    pub(super) last_known_good: bool,
    pub(super) previous: bool,
    pub(super) attempts: bool,
    pub(super) attempts_copy: bool,
}

impl Stale {
    pub(super) fn any(self) -> bool {
        self != Self::default()
    }

    pub(super) fn any_document(self) -> bool {
        self.pending || self.last_known_good || self.previous
    }

    pub(super) fn mark_attempts(&mut self) {
        self.attempts = true;
        self.attempts_copy = true;
    }

    pub(super) fn mark_documents(&mut self) {
        self.pending = true;
        self.last_known_good = true;
        self.previous = true;
    }
}

impl Contents {
    /// The pending document takes the place of the last known good one.
    pub(super) fn promote(&mut self, stale: &mut Stale) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        self.attempts.promote(&pending.id);
        stale.pending = true;
        stale.mark_attempts();
        let good = self.last_known_good.as_ref();
        if good.is_some_and(|good| good.id == pending.id) {
            return;
        }
        let former = self.last_known_good.replace(pending);
        stale.last_known_good = true;
        if former.is_some() {
            self.previous = former;
            stale.previous = true;
        }
    }

    /// Drops the pending document.
    pub(super) fn drop_pending(&mut self, stale: &mut Stale) {
        stale.pending |= self.pending.take().is_some();
    }

    /// Drops all documents.
    pub(super) fn drop_documents(&mut self, stale: &mut Stale) {
        self.pending = None;
        self.last_known_good = None;
        self.previous = None;
        stale.mark_documents();
    }
}
