//! What the cycle is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::output::StoreStep;
use super::role::ChildRole;
use super::window::Window;
use crate::agent::attempts::Attempts;
use crate::agent::document::{DocumentId, StoredDocument};
use crate::agent::hash::DocumentHash;
use crate::agent::problem::Problem;
use crate::base::SourceId;

/// The time of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, by [`Clock`](crate::base::Clock).
    pub monotonic: Duration,
    /// Wall-clock time; `None` while the clock is not synchronised.
    pub wall: Option<Timestamp>,
}

/// What happens with a document whose new source does not flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDeadNewSource {
    /// The document is kept, and the source is reported as a warning.
    #[default]
    Keep,
    /// The document is reverted.
    Revert,
}

/// How a document must prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbationRule {
    /// Length of the probation; 60 s by default.
    pub limit: Duration,
    /// What happens if a new source does not flow; the document is kept by default.
    pub on_dead_new_source: OnDeadNewSource,
}

impl Default for ProbationRule {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(60),
            on_dead_new_source: OnDeadNewSource::Keep,
        }
    }
}

/// A document that has passed its checks: signature, schema, semantics and capacity.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The received bytes and their name.
    pub document: StoredDocument,
    /// The hash of the document that it replaces, where it names one.
    pub base: Option<DocumentHash>,
    /// The hash of its role and bodies alone. Two documents with the same one configure the box alike.
    pub body: DocumentHash,
    /// The roles that it configures, each with its sources in the order of its `camera` list.
    pub roles: BTreeMap<ChildRole, Vec<SourceId>>,
    /// When it may be applied.
    pub window: Window,
    /// Whether it erases all documents.
    pub decommission: bool,
    /// How it must prove itself.
    pub probation: ProbationRule,
    /// Warnings of its checks.
    pub warnings: Vec<Problem>,
}

impl Candidate {
    /// Its name.
    pub fn id(&self) -> &DocumentId {
        &self.document.id
    }
}

/// A document that has not passed its checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Its generation, if it could be read.
    pub generation: Option<u64>,
    /// The hash of what was received.
    pub sha256: DocumentHash,
    /// Every problem.
    pub errors: Vec<Problem>,
}

/// A document with the result of its checks.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// It has passed them.
    Checked(Arc<Candidate>),
    /// It has not.
    Refused(Refusal),
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The desired document came from the broker: a new one, or the retained one again.
    Received(Received),
    /// The retained desired document is empty. The box keeps what it has.
    Emptied,
    /// The answer to [`Action::Store`](super::Action::Store).
    Stored {
        /// The step.
        step: StoreStep,
        /// Whether it is on flash; else why not.
        result: Result<(), Problem>,
    },
    /// The answer to [`Action::Apply`](super::Action::Apply).
    Applied {
        /// The document.
        document: DocumentId,
        /// The role that answered.
        role: ChildRole,
        /// The reasons of a refusal.
        result: Result<(), Vec<Problem>>,
    },
    /// The process of a role ended unasked.
    Crashed {
        /// The role.
        role: ChildRole,
        /// How it ended: `signal 11`, `exit status 1`.
        how: String,
    },
    /// A role told its state. Expected every one or two seconds.
    Observed {
        /// The role.
        role: ChildRole,
        /// Its sources, and whether frames of each flow.
        flows: BTreeMap<SourceId, bool>,
        /// Whether the picture of a wall has changed since the last time; `None` without a monitor, and of a processor.
        picture: Option<bool>,
    },
    /// Log lines of a role, without secrets. The last twenty go into the report of a revert.
    Logged(Vec<String>),
    /// The broker is connected: the report is published again.
    Connected,
    /// Time has passed.
    Tick,
}

/// What the store had at the start. The caller has checked the documents again, with the firmware of today.
#[derive(Debug, Clone, Default)]
pub struct Boot {
    /// The last known good document.
    pub last_known_good: Option<Arc<Candidate>>,
    /// The one before.
    pub previous: Option<Arc<Candidate>>,
    /// The pending document.
    pub pending: Option<Received>,
    /// The memory of attempts.
    pub attempts: Attempts,
    /// What the store found amiss, and documents that this firmware can't read.
    pub warnings: Vec<Problem>,
}

/// Limits of the cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Maximum number of attempts with one document; 1 by default.
    pub attempts: u32,
    /// Maximum time of the roles to answer an apply; 25 s by default. With a probation of 60 s a document that fails is reverted
    /// within 90 s.
    pub apply_limit: Duration,
    /// Maximum time to wait for the present sources to flow after a start, before a new document is tried; 20 s by default.
    pub settle_limit: Duration,
    /// Time between two attempts to write to a disk that refuses; 60 s by default.
    pub store_retry: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 1,
            apply_limit: Duration::from_secs(25),
            settle_limit: Duration::from_secs(20),
            store_retry: Duration::from_secs(60),
        }
    }
}
