//! The state of the cycle, and which event leads where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::admission::{Admission, Known, admit};
use super::input::{Boot, Candidate, Event, Now, Policy, Received, Refusal};
use super::log_tail::LogTail;
use super::observations::{Baseline, Watch};
use super::output::{Action, StoreStep};
use super::role::ChildRole;
use crate::agent::attempts::{Attempts, Failure, Verdict};
use crate::agent::codes;
use crate::agent::document::DocumentId;
use crate::fleet::{DocumentError, DocumentHash, Phase, Reported};

/// How far the document that is tried has come.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// None is tried.
    Idle,
    /// It is being saved as the pending one.
    Saving,
    /// It waits, saved or not.
    Waiting {
        is_saved: bool,
        reason: DocumentError,
        /// After a refusal of the disk: when to try again.
        retry_at: Option<Duration>,
    },
    /// Its attempt is being recorded.
    Beginning,
    /// The roles apply it.
    Applying {
        unanswered: BTreeSet<ChildRole>,
        until: Duration,
    },
    /// It runs and must prove itself.
    Probation { watch: Watch, until: Duration },
}

/// The end of a document that is not tried any more, or was not tried at all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) generation: Option<u64>,
    pub(super) sha256: DocumentHash,
    pub(super) phase: Phase,
    pub(super) failure: Failure,
    pub(super) warnings: Vec<DocumentError>,
}

impl Outcome {
    pub(super) fn of(id: &DocumentId, phase: Phase, failure: Failure) -> Self {
        Self {
            generation: Some(id.generation),
            sha256: id.sha256.clone(),
            phase,
            failure,
            warnings: Vec::new(),
        }
    }
}

/// The good document on its way to the roles, after a start or a revert.
#[derive(Debug, Clone)]
pub(super) struct Settling {
    pub(super) until: Duration,
}

/// The cycle of a box.
#[derive(Debug)]
pub struct Cycle {
    pub(super) policy: Policy,
    pub(super) attempts: Attempts,
    pub(super) good: Option<Arc<Candidate>>,
    pub(super) previous: Option<Arc<Candidate>>,
    /// The document that the roles were last told to run.
    pub(super) running: Option<Arc<Candidate>>,
    /// The document of the last order to them: `running`, or an earlier one with the same bodies.
    pub(super) ordered: Option<DocumentId>,
    /// The document that is tried; none exactly while idle.
    pub(super) current: Option<Arc<Candidate>>,
    pub(super) stage: Stage,
    /// The newest document that came while one was tried.
    pub(super) next: Option<Arc<Candidate>>,
    /// The last end of a document.
    pub(super) outcome: Option<Outcome>,
    /// The same of one that came while another was tried.
    pub(super) deferred: Option<Outcome>,
    pub(super) settling: Option<Settling>,
    pub(super) baseline: Baseline,
    /// Other processes that hold the control sockets of roles.
    pub(super) taken: BTreeMap<ChildRole, i32>,
    pub(super) log: LogTail,
    /// Warnings about the box itself.
    pub(super) standing: Vec<DocumentError>,
    /// The disk refuses what has happened; when to try again.
    pub(super) store_trouble: Option<(DocumentError, Duration)>,
    pub(super) reported: Option<Reported>,
    pub(super) actions: Vec<Action>,
}

impl Cycle {
    /// The cycle at the start of the box. The last known good document is applied at once, without the broker. A pending
    /// document whose apply had begun has failed; another one is tried.
    pub fn boot(policy: Policy, boot: Boot, now: Now) -> (Self, Vec<Action>) {
        let mut cycle = Self {
            policy,
            attempts: boot.attempts,
            good: boot.last_known_good,
            previous: boot.previous,
            running: None,
            ordered: None,
            current: None,
            stage: Stage::Idle,
            next: None,
            outcome: None,
            deferred: None,
            settling: None,
            baseline: Baseline::default(),
            taken: BTreeMap::new(),
            log: LogTail::default(),
            standing: boot.warnings,
            store_trouble: None,
            reported: None,
            actions: Vec::new(),
        };
        if let Some(good) = &cycle.good {
            let id = good.id().clone();
            cycle.outcome = Some(Outcome::of(&id, Phase::Applied, Failure::default()));
            cycle.restore(now);
        }
        match boot.pending {
            Some(Received::Checked(pending)) => cycle.resume(pending, now),
            Some(Received::Refused(refusal)) => cycle.refuse(refusal),
            None => {}
        }
        let actions = cycle.finish(false);
        (cycle, actions)
    }

    /// Takes an event and returns what is to be done, in order.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let is_connected = event == Event::Connected;
        match event {
            Event::Received(Received::Checked(document)) => self.receive(document, now),
            Event::Received(Received::Refused(refusal)) => self.refuse(refusal),
            Event::Emptied | Event::Connected => {}
            Event::Stored { step, result } => self.stored(&step, result, now),
            Event::Applied {
                document,
                role,
                result,
            } => self.applied(&document, role, result, now),
            Event::Crashed { role, how } => self.crashed(role, &how, now),
            // A role that has not taken over the last order yet tells of the document before.
            Event::Observed { document, .. } if document != self.ordered => {}
            Event::Observed {
                role,
                flows,
                picture,
                ..
            } => {
                if let Stage::Probation { watch, .. } = &mut self.stage {
                    watch.observe(now.monotonic, role, &flows, picture);
                } else if self.runs_good() {
                    self.baseline.observe(role, &flows, picture);
                }
            }
            Event::Logged(lines) => lines.iter().for_each(|line| self.log.push(line)),
            Event::Tick => {}
        }
        self.advance(now);
        self.finish(is_connected)
    }

    /// Takes the processes that hold the control sockets of roles in their place, by their ids.
    pub fn note_taken(&mut self, taken: BTreeMap<ChildRole, i32>) {
        self.taken = taken;
    }

    /// The report of the present state.
    pub fn report(&self) -> Reported {
        self.present_report()
    }

    /// The document that the roles are to run.
    pub fn running(&self) -> Option<&Candidate> {
        self.running.as_deref()
    }

    /// The document that is tried, or waits to be.
    pub fn current(&self) -> Option<&Candidate> {
        self.current.as_deref()
    }

    /// All documents of the box.
    pub fn documents(&self) -> impl Iterator<Item = &Candidate> {
        let documents = [
            &self.current,
            &self.running,
            &self.next,
            &self.good,
            &self.previous,
        ];
        documents
            .into_iter()
            .filter_map(|document| document.as_deref())
    }

    /// Whether the roles run the last known good document, or the one that stands in for it.
    pub(super) fn runs_good(&self) -> bool {
        let tried = matches!(self.stage, Stage::Applying { .. } | Stage::Probation { .. });
        let running = self.running.as_ref().map(|running| running.id());
        let good = [&self.good, &self.previous].into_iter().flatten();
        !tried && running.is_some() && good.map(|good| good.id()).any(|id| running == Some(id))
    }

    /// A pending document that was found at the start.
    fn resume(&mut self, pending: Arc<Candidate>, now: Now) {
        let id = pending.id().clone();
        match self.attempts.verdict(&id, self.policy.attempts) {
            Verdict::New => {
                self.current = Some(pending);
                self.wait(true, None);
                self.advance(now);
            }
            _ => {
                let message = format!(
                    "{id} was being applied when this box or its agent went down; it is not tried again"
                );
                let mut failure =
                    Failure::from(DocumentError::new("", codes::INTERRUPTED, message));
                self.note_missing_document(&mut failure);
                self.attempts.fail(&id, failure.clone());
                self.outcome = Some(Outcome::of(&id, Phase::Reverted, failure.clone()));
                self.store(StoreStep::Fail(id, failure));
            }
        }
    }

    fn receive(&mut self, document: Arc<Candidate>, now: Now) {
        let known = Known {
            good: self.good.as_deref(),
            previous: self.previous.as_deref(),
            current: self.current.as_deref(),
            next: self.next.as_deref(),
            attempts: &self.attempts,
            limit: self.policy.attempts,
        };
        let id = document.id().clone();
        match admit(&document, &known) {
            Admission::Try => self.accept(document, now),
            Admission::UnderWay => self.deferred = None,
            Admission::IsGood | Admission::IsErased => {
                let is_told = |outcome: &Outcome| {
                    outcome.phase == Phase::Applied && outcome.generation == Some(id.generation)
                };
                if !self.outcome.as_ref().is_some_and(is_told) {
                    self.tell(Outcome::of(&id, Phase::Applied, Failure::default()));
                }
            }
            Admission::Refuse(phase, failure) => self.tell(Outcome::of(&id, phase, failure)),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.tell(Outcome {
            generation: refusal.generation,
            sha256: refusal.sha256,
            phase: Phase::Rejected,
            failure: Failure {
                errors: refusal.errors,
                log: Vec::new(),
            },
            warnings: Vec::new(),
        });
    }

    /// The end of a document that is not tried.
    pub(super) fn tell(&mut self, outcome: Outcome) {
        if self.current.is_some() {
            self.deferred = Some(outcome);
        } else {
            self.outcome = Some(outcome);
        }
    }

    /// The store has answered.
    fn stored(&mut self, step: &StoreStep, result: Result<(), DocumentError>, now: Now) {
        if result.is_ok() {
            // The store brings everything on flash before it answers.
            self.store_trouble = None;
        }
        let current = self.current.as_ref().map(|current| current.id().clone());
        match (step, &self.stage) {
            (StoreStep::SavePending(saved), Stage::Saving)
                if current.as_ref() == Some(&saved.id) =>
            {
                match result {
                    Ok(()) => self.wait(true, None),
                    Err(problem) => self.wait_for_disk(false, problem, now),
                }
            }
            (StoreStep::BeginAttempt(id), Stage::Beginning) if current.as_ref() == Some(id) => {
                match result {
                    Ok(()) => self.begin(now),
                    Err(problem) => self.wait_for_disk(true, problem, now),
                }
            }
            (StoreStep::SavePending(_) | StoreStep::BeginAttempt(_), _) => {}
            _ => {
                let retry_at = now.monotonic + self.policy.store_retry;
                self.store_trouble = result.err().map(|problem| (problem, retry_at));
            }
        }
    }

    /// Orders a change of the store.
    pub(super) fn store(&mut self, step: StoreStep) {
        self.actions.push(Action::Store(step));
    }

    /// Returns the actions, with the report if it has changed or `is_wanted`.
    fn finish(&mut self, is_wanted: bool) -> Vec<Action> {
        let is_passing = matches!(self.stage, Stage::Saving | Stage::Beginning);
        let report = self.present_report();
        let has_changed = !is_passing && self.reported.as_ref() != Some(&report);
        if has_changed || is_wanted {
            self.actions.push(Action::Report(report.clone()));
            self.reported = Some(report);
        }
        std::mem::take(&mut self.actions)
    }
}
