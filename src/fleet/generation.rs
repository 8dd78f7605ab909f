//! The order of desired documents: which received document is new to a device.

use super::{Desired, DocumentError, DocumentHash, codes};

/// A document that a device has met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Its generation.
    pub generation: u64,
    /// Its hash.
    pub hash: DocumentHash,
    /// Who sent it, for messages: the id of the key that signed it, or the operator's name. Absent if unknown.
    pub by: Option<String>,
}

/// What a device knows of the documents before the received one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The document in force: applied, or in probation.
    pub applied: Option<Stamp>,
    /// The last document that failed: rejected by the role, or reverted.
    pub failed: Option<Stamp>,
    /// Documents that were in force earlier, in any order; may be empty.
    pub replaced: Vec<Stamp>,
}

/// How a received document stands to the known ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generation {
    /// It is to be applied.
    Newer,
    /// It is the document in force.
    Same,
    /// Conflict: its generation is taken by a document with another hash.
    SameGenerationOtherHash(Stamp),
    /// Its generation is below that of this document. It is ignored.
    Older(Stamp),
    /// Conflict: it replaces a document that this one, which is in force, has already replaced.
    BaseMismatch(Stamp),
    /// It has failed before and is not tried again.
    AlreadyFailed,
}

impl Known {
    /// Places a received document with the hash `hash`.
    ///
    /// A `base` is compared with the document in force and the failed one. An unknown base is accepted if generations were
    /// left out in between: the device was offline while an earlier document was replaced.
    pub fn place(&self, desired: &Desired, hash: &DocumentHash) -> Generation {
        let generation = desired.generation;
        let is_it = |stamp: &&Stamp| stamp.generation == generation && stamp.hash == *hash;
        if self.applied.as_ref().is_some_and(|stamp| is_it(&stamp)) {
            return Generation::Same;
        }
        if self.failed.as_ref().is_some_and(|stamp| is_it(&stamp)) {
            return Generation::AlreadyFailed;
        }
        let known = || self.applied.iter().chain(&self.failed);
        if let Some(other) = known().find(|stamp| stamp.generation == generation) {
            return Generation::SameGenerationOtherHash(other.clone());
        }
        if let Some(newer) = known()
            .filter(|stamp| stamp.generation > generation)
            .max_by_key(|stamp| stamp.generation)
        {
            return Generation::Older(newer.clone());
        }
        match (&self.applied, &desired.base) {
            (Some(applied), Some(base)) if !known().any(|stamp| stamp.hash == *base) => {
                let follows =
                    known().any(|stamp| stamp.generation.checked_add(1) == Some(generation));
                let is_replaced = self.replaced.iter().any(|stamp| stamp.hash == *base);
                if follows || is_replaced {
                    Generation::BaseMismatch(applied.clone())
                } else {
                    Generation::Newer
                }
            }
            _ => Generation::Newer,
        }
    }
}

impl Generation {
    /// Whether the document conflicts with one in force.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::SameGenerationOtherHash(_) | Self::BaseMismatch(_)
        )
    }

    /// The error or warning that a device reports; absent for a document that is new or in force.
    pub fn problem(&self, desired: &Desired) -> Option<DocumentError> {
        let generation = desired.generation;
        let sender = |stamp: &Stamp| match &stamp.by {
            Some(by) => format!(" by {by}"),
            None => String::new(),
        };
        let (path, code, message) = match self {
            Self::Newer | Self::Same => return None,
            Self::SameGenerationOtherHash(taken) => (
                "generation",
                codes::SAME_GENERATION,
                format!(
                    "generation {generation} is taken by the document {}{}; publish a higher generation",
                    taken.hash.short(),
                    sender(taken)
                ),
            ),
            Self::Older(newer) => (
                "generation",
                codes::OLD_GENERATION,
                format!(
                    "generation {generation} is below {}, which this device has; to go back, publish the old body with a higher generation",
                    newer.generation
                ),
            ),
            Self::BaseMismatch(applied) => {
                let base = desired.base.as_ref().map_or("none", DocumentHash::short);
                (
                    "base",
                    codes::BASE_MISMATCH,
                    format!(
                        "replaces the document {base}, but that was replaced by generation {} ({}{}); read the present document and apply again",
                        applied.generation,
                        applied.hash.short(),
                        sender(applied)
                    ),
                )
            }
            Self::AlreadyFailed => (
                "generation",
                codes::FAILED_BEFORE,
                format!(
                    "generation {generation} has failed on this device and is not tried again; publish a higher generation"
                ),
            ),
        };
        Some(DocumentError::new(path, code, message))
    }
}

#[cfg(test)]
#[path = "generation_tests.rs"]
mod tests;
