//! Whether a document that has passed its checks is tried: generations, conflicts, and documents that have failed before.

use super::input::Candidate;
use crate::agent::attempts::{Attempts, Failure, Verdict};
use crate::agent::codes;
use crate::agent::document::DocumentId;
use crate::fleet::{DocumentError, Phase};

/// The documents of the box.
pub(super) struct Known<'a> {
    pub(super) good: Option<&'a Candidate>,
    /// The good one before.
    pub(super) previous: Option<&'a Candidate>,
    /// The one that is saved, waits, is applied or is on probation.
    pub(super) current: Option<&'a Candidate>,
    /// The newest one that came meanwhile.
    pub(super) next: Option<&'a Candidate>,
    pub(super) attempts: &'a Attempts,
    /// Maximum number of attempts.
    pub(super) limit: u32,
}

/// What becomes of a document.
#[derive(Debug, PartialEq)]
pub(super) enum Admission {
    /// It is tried.
    Try,
    /// It is the one that is being tried, or that comes next.
    UnderWay,
    /// It is the last known good one.
    IsGood,
    /// It has erased the box before.
    IsErased,
    /// It is not tried.
    Refuse(Phase, Failure),
}

/// The admission of a document.
pub(super) fn admit(document: &Candidate, known: &Known<'_>) -> Admission {
    let id = document.id();
    let is = |other: Option<&Candidate>| other.is_some_and(|other| other.id() == id);
    if is(known.current) || is(known.next) {
        return Admission::UnderWay;
    }
    if is(known.good) {
        return Admission::IsGood;
    }
    for other in [known.current, known.next, known.good]
        .into_iter()
        .flatten()
    {
        if let Some(refused) = against(id, other) {
            return refused;
        }
    }
    if document.desired.decommission && known.good.is_none() && known.attempts.is_good(id) {
        return Admission::IsErased;
    }
    match known.attempts.verdict(id, known.limit) {
        Verdict::Failed(failure) => return failed_before(id, failure),
        // The box keeps the ids of documents that failed, and not their publishers.
        Verdict::Conflict(other) => return same_generation(id, &other, None),
        Verdict::Old(newest) => return old(id, newest),
        Verdict::New => {}
    }
    if let Some(refused) = wrong_base(document, known) {
        return refused;
    }
    Admission::Try
}

fn against(id: &DocumentId, other: &Candidate) -> Option<Admission> {
    let (theirs, by) = (other.id(), other.desired.by.as_deref());
    match id.generation.cmp(&theirs.generation) {
        std::cmp::Ordering::Less => Some(old(id, theirs.generation)),
        std::cmp::Ordering::Equal => Some(same_generation(id, theirs, by)),
        std::cmp::Ordering::Greater => None,
    }
}

fn old(id: &DocumentId, newest: u64) -> Admission {
    let message = format!(
        "{id} is not above generation {newest}, which this box had before; publish it again as generation {} or higher",
        newest.saturating_add(1)
    );
    refuse(
        Phase::Rejected,
        "generation",
        codes::OLD_GENERATION,
        message,
    )
}

/// The publisher of another document in the words of a message; empty if it names none.
fn published(by: Option<&str>) -> String {
    by.map_or_else(String::new, |by| format!(", published by {by}"))
}

fn same_generation(id: &DocumentId, other: &DocumentId, by: Option<&str>) -> Admission {
    let message = format!(
        "{id} has the generation of another document of this box ({}{}); publish it as generation {} or higher",
        other.sha256.short(),
        published(by),
        id.generation.saturating_add(1)
    );
    refuse(
        Phase::Conflict,
        "generation",
        codes::SAME_GENERATION,
        message,
    )
}

fn failed_before(id: &DocumentId, failure: Failure) -> Admission {
    if failure.errors.is_empty() {
        let message = format!("{id} has failed on this box before; publish a newer generation");
        return refuse(Phase::Reverted, "", codes::FAILED_BEFORE, message);
    }
    Admission::Refuse(Phase::Reverted, failure)
}

/// Whether the document replaces another one than that of the box.
///
/// A box without a document has nothing to replace: a new box in the place of a broken one takes any base. A box that was offline
/// has missed documents, so an unknown base contradicts only the document whose generation follows directly. A document that was
/// good before may come again after damage, whatever has taken its place.
fn wrong_base(document: &Candidate, known: &Known<'_>) -> Option<Admission> {
    let (base, good) = (document.desired.base.as_ref()?, known.good?);
    let documents = [Some(good), known.current, known.next];
    let documents = documents.into_iter().flatten().map(Candidate::id);
    let ids: Vec<&DocumentId> = documents.chain(known.attempts.ids()).collect();
    if ids.iter().any(|id| id.sha256 == *base) || known.attempts.is_good(document.id()) {
        return None;
    }
    let generation = document.id().generation;
    let follows = ids
        .iter()
        .any(|id| id.generation.checked_add(1) == Some(generation));
    let is_replaced = known
        .previous
        .is_some_and(|previous| previous.id().sha256 == *base);
    if !follows && !is_replaced {
        return None;
    }
    let message = format!(
        "it replaces document {}, and this box has {}{}; read the present document and publish the change again",
        base.short(),
        good.id(),
        published(good.desired.by.as_deref())
    );
    Some(refuse(
        Phase::Conflict,
        "base",
        codes::BASE_MISMATCH,
        message,
    ))
}

fn refuse(phase: Phase, path: &str, code: &'static str, message: String) -> Admission {
    Admission::Refuse(phase, DocumentError::new(path, code, message).into())
}
