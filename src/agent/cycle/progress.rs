//! The steps of the document that is tried: accepted, waiting, begun, on probation, promoted or reverted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::input::{Candidate, Now};
use super::machine::{Cycle, Outcome, Stage};
use super::observations::Watch;
use super::output::{Action, StoreStep};
use super::role::ChildRole;
use super::window::{self, Opening};
use crate::agent::attempts::Failure;
use crate::agent::codes;
use crate::fleet::{DocumentError, Phase};

impl Cycle {
    /// A document that is to be tried.
    pub(super) fn accept(&mut self, document: Arc<Candidate>, now: Now) {
        let opening = window::opening(&document.desired, now.wall);
        if let Opening::Over(problem) = opening {
            return self.tell(Outcome::of(document.id(), Phase::Rejected, problem.into()));
        }
        self.deferred = None;
        match self.stage {
            Stage::Idle | Stage::Waiting { .. } => self.save(document),
            // A newer document takes the place of one on probation at once: it may be the one that takes it back.
            Stage::Probation { .. } if opening == Opening::Open => {
                self.supersede();
                self.save(document);
            }
            _ => self.next = Some(document),
        }
    }

    fn save(&mut self, document: Arc<Candidate>) {
        self.stage = Stage::Saving;
        self.store(StoreStep::SavePending(document.document.clone()));
        self.current = Some(document);
    }

    /// The document on probation goes on running until the next one is applied, but is never good.
    fn supersede(&mut self) {
        let Some(former) = self.current.take() else {
            return;
        };
        let message = "a newer document came before this one had proved itself";
        let failure = Failure::from(DocumentError::new("", codes::SUPERSEDED, message));
        self.attempts.fail(former.id(), failure.clone());
        self.store(StoreStep::Fail(former.id().clone(), failure));
    }

    /// Waits for what [`Cycle::advance`] finds to be missing.
    pub(super) fn wait(&mut self, is_saved: bool, retry_at: Option<Duration>) {
        let reason = DocumentError::new("", codes::SETTLING, "");
        self.stage = Stage::Waiting {
            is_saved,
            reason,
            retry_at,
        };
    }

    /// The disk has refused the document. The box goes on with what it has.
    pub(super) fn wait_for_disk(&mut self, is_saved: bool, problem: DocumentError, now: Now) {
        self.stage = Stage::Waiting {
            is_saved,
            reason: problem,
            retry_at: Some(now.monotonic + self.policy.store_retry),
        };
        // What was superseded must not stay.
        if self.running.is_some() && !self.runs_good() {
            self.restore(now);
        }
    }

    /// What time alone brings about.
    pub(super) fn advance(&mut self, now: Now) {
        let at = now.monotonic;
        match &self.stage {
            Stage::Waiting { .. } => match self.next.take() {
                Some(next) => self.accept(next, now),
                None => self.start_if_ready(now),
            },
            Stage::Applying { unanswered, until } if at >= *until => {
                let roles: Vec<String> = unanswered.iter().map(ToString::to_string).collect();
                let message = format!(
                    "no answer from the {} for {} s",
                    roles.join(" and the "),
                    self.policy.apply_limit.as_secs()
                );
                self.revert(vec![DocumentError::new("", codes::NO_ANSWER, message)], now);
            }
            Stage::Probation { until, .. } if at >= *until => self.end_probation(now),
            Stage::Idle => {
                if let Some(next) = self.next.take() {
                    self.accept(next, now);
                }
            }
            _ => {}
        }
        if self
            .store_trouble
            .as_ref()
            .is_some_and(|(_, retry_at)| at >= *retry_at)
        {
            if let Some((_, retry_at)) = &mut self.store_trouble {
                *retry_at = at + self.policy.store_retry;
            }
            self.store(StoreStep::Retry);
        }
    }

    fn start_if_ready(&mut self, now: Now) {
        let Some(document) = self.current.clone() else {
            return;
        };
        let Stage::Waiting {
            is_saved, retry_at, ..
        } = self.stage
        else {
            return;
        };
        let opening = window::opening(&document.desired, now.wall);
        if let Opening::Over(problem) = opening {
            self.store(StoreStep::DropPending(document.id().clone()));
            return self.end(&document, Phase::Rejected, problem.into(), Vec::new());
        }
        if document.desired.decommission && opening == Opening::Open {
            return self.decommission(&document);
        }
        if retry_at.is_some_and(|retry_at| now.monotonic < retry_at) {
            return;
        }
        if !is_saved {
            return self.save(document);
        }
        let missing = match opening {
            Opening::Wait(problem) => Some(problem),
            _ => self.settling_reason(&document, now),
        };
        match missing {
            Some(reason) => {
                self.stage = Stage::Waiting {
                    is_saved,
                    reason,
                    retry_at: None,
                };
            }
            None => {
                self.stage = Stage::Beginning;
                self.store(StoreStep::BeginAttempt(document.id().clone()));
            }
        }
    }

    /// The attempt is on flash: the document is applied.
    pub(super) fn begin(&mut self, now: Now) {
        let Some(document) = self.current.clone() else {
            return;
        };
        self.attempts.begin(document.id());
        self.log.clear();
        let is_good_body = |good: &Arc<Candidate>| good.body == document.body;
        let runs = self.running.as_ref().map(|running| running.id());
        let good = self.good.as_ref();
        if good.is_some_and(is_good_body) && runs == good.map(|good| good.id()) {
            // Nothing changes on the box, so there is nothing to prove.
            return self.promote(document, Vec::new());
        }
        self.order(&document);
        self.stage = Stage::Applying {
            unanswered: document.roles.keys().copied().collect(),
            until: now.monotonic + self.policy.apply_limit,
        };
        self.start_probation_if_applied(now);
    }

    /// Tells all roles to run `document`, those that it does not have to end.
    pub(super) fn order(&mut self, document: &Arc<Candidate>) {
        for role in [ChildRole::Processor, ChildRole::Wall] {
            let runs = |running: &Arc<Candidate>| running.roles.contains_key(&role);
            if !document.roles.contains_key(&role) && self.running.as_ref().is_some_and(runs) {
                self.actions.push(Action::Stop { role });
            }
        }
        for role in document.roles.keys().copied() {
            let document = document.document.clone();
            self.actions.push(Action::Apply { role, document });
        }
        self.ordered = Some(document.id().clone());
        self.running = Some(Arc::clone(document));
    }

    pub(super) fn start_probation_if_applied(&mut self, now: Now) {
        let Stage::Applying { unanswered, .. } = &self.stage else {
            return;
        };
        if let (true, Some(document)) = (unanswered.is_empty(), &self.current) {
            self.stage = Stage::Probation {
                watch: Watch::default(),
                until: now.monotonic + document.desired.probation.limit.0,
            };
            if let Some(next) = self.next.take() {
                self.accept(next, now);
            }
        }
    }

    fn end_probation(&mut self, now: Now) {
        let (Stage::Probation { watch, until }, Some(document)) = (&self.stage, &self.current)
        else {
            return;
        };
        let found = watch.findings(*until, document, &self.baseline, &self.taken);
        if found.errors.is_empty() {
            let document = Arc::clone(document);
            self.promote(document, found.warnings);
        } else {
            self.revert(found.errors, now);
        }
    }

    fn promote(&mut self, document: Arc<Candidate>, found: Vec<DocumentError>) {
        self.attempts.promote(document.id());
        self.store(StoreStep::Promote(document.id().clone()));
        self.running = Some(Arc::clone(&document));
        let former = self.good.replace(Arc::clone(&document));
        self.previous = former.or(self.previous.take());
        self.standing
            .retain(|problem| problem.code != codes::FELL_BACK);
        let warnings = [document.warnings.clone(), found].concat();
        self.end(&document, Phase::Applied, Failure::default(), warnings);
    }

    /// The document that is tried has failed: the last known good one comes back.
    pub(super) fn revert(&mut self, errors: Vec<DocumentError>, now: Now) {
        let Some(document) = self.current.clone() else {
            return;
        };
        let log = self.log.lines();
        let mut failure = Failure { errors, log };
        self.note_missing_document(&mut failure);
        self.attempts.fail(document.id(), failure.clone());
        self.store(StoreStep::Fail(document.id().clone(), failure.clone()));
        self.end(&document, Phase::Reverted, failure, Vec::new());
        self.restore(now);
    }

    /// A box without a good document has nothing to return to, and says so.
    pub(super) fn note_missing_document(&self, failure: &mut Failure) {
        if self.good.is_none() {
            let message = "this box has no earlier document to return to, so it runs none; publish a newer generation";
            failure
                .errors
                .push(DocumentError::new("", codes::NO_DOCUMENT, message));
        }
    }

    fn decommission(&mut self, document: &Arc<Candidate>) {
        self.stop_all();
        self.good = None;
        self.previous = None;
        self.baseline = Default::default();
        self.settling = None;
        self.attempts.erase(document.id());
        self.store(StoreStep::Decommission(document.id().clone()));
        self.end(document, Phase::Applied, Failure::default(), Vec::new());
    }

    /// The current document is not tried any more.
    fn end(
        &mut self,
        document: &Candidate,
        phase: Phase,
        failure: Failure,
        warnings: Vec<DocumentError>,
    ) {
        self.stage = Stage::Idle;
        self.current = None;
        let outcome = Outcome {
            warnings,
            ..Outcome::of(document.id(), phase, failure)
        };
        // What came meanwhile and is newer, or contradicts it, is told now.
        let deferred = self.deferred.take();
        let is_newer = |other: &Outcome| {
            other
                .generation
                .is_none_or(|other| other >= document.id().generation)
        };
        let newer = deferred.filter(is_newer);
        self.outcome = Some(newer.unwrap_or(outcome));
    }

    /// The roles that have not answered yet, while a document is applied.
    pub(super) fn unanswered(&mut self) -> Option<&mut BTreeSet<ChildRole>> {
        match &mut self.stage {
            Stage::Applying { unanswered, .. } => Some(unanswered),
            _ => None,
        }
    }
}
