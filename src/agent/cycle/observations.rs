//! What the roles tell of their sources and pictures, before and during a probation.
//!
//! A document is compared with the state before it, not with perfection: a source that was dead before may stay dead.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::input::Candidate;
use super::role::ChildRole;
use crate::agent::codes;
use crate::base::SourceId;
use crate::fleet::{DocumentError, OnDeadNewSource};

/// A source that has flowed within this time before the end of the probation flows: one reconnect of a camera must not revert a
/// document. Of a short probation, half of it.
const RECENT: Duration = Duration::from_secs(10);

type Source = (ChildRole, SourceId);

/// What flowed before the document that is tried.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Baseline {
    flowing: BTreeSet<Source>,
    /// All sources that a role ran, flowing or not.
    known: BTreeSet<Source>,
    picture: bool,
}

impl Baseline {
    /// Takes over the state of a role that runs a proven document.
    pub(super) fn observe(
        &mut self,
        role: ChildRole,
        flows: &BTreeMap<SourceId, bool>,
        picture: Option<bool>,
    ) {
        self.flowing.retain(|(of, _)| *of != role);
        self.known.retain(|(of, _)| *of != role);
        for (source, flows) in flows {
            self.known.insert((role, *source));
            if *flows {
                self.flowing.insert((role, *source));
            }
        }
        if role == ChildRole::Wall {
            self.picture = picture == Some(true);
        }
    }

    /// Whether every source of `document` flows.
    pub(super) fn has_all(&self, document: &Candidate) -> bool {
        sources(document).all(|(_, source)| self.flowing.contains(&source))
    }
}

/// The sources of a document, each with its index in the role's list.
fn sources(document: &Candidate) -> impl Iterator<Item = (usize, Source)> {
    document.roles.iter().flat_map(|(role, sources)| {
        let sources = sources.iter().enumerate();
        sources.map(|(index, source)| (index, (*role, *source)))
    })
}

/// The observations during a probation.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    seen: BTreeMap<ChildRole, Duration>,
    flowed: BTreeMap<Source, Duration>,
    has_picture: bool,
    moved: Option<Duration>,
}

/// The end of a probation.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<DocumentError>,
    pub(super) warnings: Vec<DocumentError>,
}

/// Why the state of a role is not known.
fn silent(role: ChildRole, taken_by: Option<&i32>) -> DocumentError {
    let (code, message) = match taken_by {
        Some(process) => (
            codes::SOCKET_TAKEN,
            format!(
                "process {process}, which this agent has not started, holds the control socket of the {role}, so the state of the \
                 {role} is not known; end that process, or give it another --instance-id"
            ),
        ),
        None => (
            codes::NO_STATUS,
            format!("the {role} has not told its state since the document was applied"),
        ),
    };
    DocumentError::new(role.to_string(), code, message)
}

impl Watch {
    pub(super) fn observe(
        &mut self,
        at: Duration,
        role: ChildRole,
        flows: &BTreeMap<SourceId, bool>,
        picture: Option<bool>,
    ) {
        self.seen.insert(role, at);
        for (source, flows) in flows {
            if *flows {
                self.flowed.insert((role, *source), at);
            }
        }
        if role == ChildRole::Wall {
            self.has_picture = picture.is_some();
            if picture == Some(true) {
                self.moved = Some(at);
            }
        }
    }

    /// The verdict at the end. `taken` has the processes that hold the control sockets of roles in their place.
    pub(super) fn findings(
        &self,
        end: Duration,
        document: &Candidate,
        before: &Baseline,
        taken: &BTreeMap<ChildRole, i32>,
    ) -> Findings {
        let limit = document.desired.probation.limit.0;
        let recent = end.saturating_sub(RECENT.min(limit / 2));
        let is_recent = |at: Option<&Duration>| at.is_some_and(|at| *at >= recent);
        let mut findings = Findings::default();
        for role in document.roles.keys() {
            if !is_recent(self.seen.get(role)) {
                findings.errors.push(silent(*role, taken.get(role)));
            }
        }
        if !findings.errors.is_empty() {
            return findings;
        }
        for (index, (role, source)) in sources(document) {
            if is_recent(self.flowed.get(&(role, source))) {
                continue;
            }
            let path = format!("{role}.camera[{index}]");
            if before.flowing.contains(&(role, source)) {
                let message = format!(
                    "source {source} of the {role} flowed before this document and does not now, {} s after the apply",
                    limit.as_secs()
                );
                findings
                    .errors
                    .push(DocumentError::new(path, codes::SOURCE_LOST, message));
            } else if !before.known.contains(&(role, source)) {
                let message = format!(
                    "the new source {source} of the {role} has no frames; check its address and login"
                );
                let problem = DocumentError::new(path, codes::NEW_SOURCE_DEAD, message);
                match document.desired.probation.on_dead_new_source {
                    OnDeadNewSource::Keep => findings.warnings.push(problem),
                    OnDeadNewSource::Revert => findings.errors.push(problem),
                }
            }
        }
        findings
            .errors
            .extend(self.still_picture(recent, document, before));
        findings
    }

    /// The picture must move if it moved before, or if a source of the wall flows.
    fn still_picture(
        &self,
        recent: Duration,
        document: &Candidate,
        before: &Baseline,
    ) -> Option<DocumentError> {
        let is_wall = document.roles.contains_key(&ChildRole::Wall);
        let mut flowed = self.flowed.iter();
        let flows = flowed.any(|((role, _), at)| *role == ChildRole::Wall && *at >= recent);
        let must_move = is_wall && self.has_picture && (before.picture || flows);
        let moves = self.moved.is_some_and(|at| at >= recent);
        (must_move && !moves).then(|| {
            let message = "the picture of the wall does not move";
            DocumentError::new("wall", codes::STILL_PICTURE, message)
        })
    }
}
