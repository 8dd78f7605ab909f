//! The good document on the roles: after a start and after a revert. Also what the roles answer, and the report.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::input::{Candidate, Now};
use super::machine::{Cycle, Settling, Stage};
use super::output::Action;
use super::role::ChildRole;
use crate::agent::codes;
use crate::agent::document::DocumentId;
use crate::fleet::{DocumentError, Phase, Reported, SCHEMA};

impl Cycle {
    /// Applies the last known good document to all roles, or ends them if there is none.
    pub(super) fn restore(&mut self, now: Now) {
        let Some(good) = self.good.clone() else {
            return self.stop_all();
        };
        self.order(&good);
        self.settling = Some(Settling {
            until: now.monotonic + self.policy.settle_limit,
        });
    }

    pub(super) fn stop_all(&mut self) {
        let running = self.running.take();
        self.ordered = None;
        let roles = running.iter().flat_map(|running| running.roles.keys());
        for role in roles.copied().collect::<BTreeSet<ChildRole>>() {
            self.actions.push(Action::Stop { role });
        }
    }

    /// Why a new document must wait for the sources of the present one; `None` if it need not.
    pub(super) fn settling_reason(
        &mut self,
        document: &Candidate,
        now: Now,
    ) -> Option<DocumentError> {
        let settling = self.settling.as_ref()?;
        let running = self.running.as_ref()?;
        let is_over = now.monotonic >= settling.until || self.baseline.has_all(running);
        if is_over {
            self.settling = None;
        }
        if is_over || running.body == document.body {
            return None;
        }
        let message = "waits until the sources of the present document flow, to compare with";
        Some(DocumentError::new("", codes::SETTLING, message))
    }

    /// A role has answered an apply.
    pub(super) fn applied(
        &mut self,
        document: &DocumentId,
        role: ChildRole,
        result: Result<(), Vec<DocumentError>>,
        now: Now,
    ) {
        let is_current = self
            .current
            .as_ref()
            .is_some_and(|current| current.id() == document);
        if is_current {
            let Some(unanswered) = self.unanswered() else {
                return;
            };
            match result {
                Ok(()) => {
                    unanswered.remove(&role);
                    self.start_probation_if_applied(now);
                }
                Err(errors) => self.revert(or_refused(role, errors), now),
            }
        } else if let Err(errors) = result {
            self.good_was_refused(document, role, errors, now);
        }
    }

    /// After the rollback of an image the firmware may be older than the last known good document.
    fn good_was_refused(
        &mut self,
        document: &DocumentId,
        role: ChildRole,
        errors: Vec<DocumentError>,
        now: Now,
    ) {
        let runs = |candidate: &&Arc<Candidate>| candidate.id() == document;
        if self.running.as_ref().filter(runs).is_none() || self.good.as_ref().filter(runs).is_none()
        {
            return;
        }
        let reasons = or_refused(role, errors);
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        let reasons = reasons.join("; ");
        let other = self
            .previous
            .clone()
            .filter(|previous| previous.id() != document);
        let message = match &other {
            Some(other) => {
                format!(
                    "the {role} refused {document}, so {} is used: {reasons}",
                    other.id()
                )
            }
            None => format!(
                "the {role} refused {document}, and there is no earlier document: {reasons}"
            ),
        };
        self.standing
            .push(DocumentError::new("", codes::FELL_BACK, message));
        if let Some(other) = other {
            self.order(&other);
            self.settling = Some(Settling {
                until: now.monotonic + self.policy.settle_limit,
            });
        }
    }

    /// A role's process has ended. Outside of a trial its supervisor starts it again.
    pub(super) fn crashed(&mut self, role: ChildRole, how: &str, now: Now) {
        let is_tried = matches!(self.stage, Stage::Applying { .. } | Stage::Probation { .. });
        let has_role = |current: &Arc<Candidate>| current.roles.contains_key(&role);
        if is_tried && self.current.as_ref().is_some_and(has_role) {
            let message = format!("the {role} ended with {how} while the document was tried");
            self.revert(
                vec![DocumentError::new(
                    role.to_string(),
                    codes::CRASHED,
                    message,
                )],
                now,
            );
        }
    }

    /// The report of the present state.
    pub(super) fn present_report(&self) -> Reported {
        let mut report = Reported {
            schema: SCHEMA,
            last_known_good: self.good.as_ref().map(|good| good.id().generation),
            warnings: self.standing.clone(),
            ..Reported::default()
        };
        let is_applying = matches!(self.stage, Stage::Applying { .. });
        let running = if is_applying {
            &self.good
        } else {
            &self.running
        };
        let running = running.as_ref();
        report.applied = running.map(|running| running.id().generation);
        report.applied_sha256 = running.map(|running| running.id().sha256.clone());
        report.warnings.extend(
            self.store_trouble
                .iter()
                .map(|(problem, _)| problem.clone()),
        );
        let is_waiting = matches!(self.stage, Stage::Waiting { .. });
        match (&self.current, &self.deferred) {
            (Some(current), None) => self.report_current(current, &mut report),
            (Some(current), Some(_)) if !is_waiting => self.report_current(current, &mut report),
            (_, deferred) => {
                let outcome = deferred.as_ref().or(self.outcome.as_ref());
                let Some(outcome) = outcome else {
                    let message = "this box has no document yet";
                    report
                        .warnings
                        .push(DocumentError::new("", codes::NO_DOCUMENT, message));
                    return report;
                };
                report.generation = outcome.generation;
                report.sha256 = Some(outcome.sha256.clone());
                report.phase = outcome.phase;
                report.errors = outcome.failure.errors.clone();
                report.log = outcome.failure.log.clone();
                report.warnings.extend(outcome.warnings.iter().cloned());
            }
        }
        report
    }

    fn report_current(&self, current: &Candidate, report: &mut Reported) {
        report.generation = Some(current.id().generation);
        report.sha256 = Some(current.id().sha256.clone());
        report.warnings.extend(current.warnings.iter().cloned());
        report.phase = match &self.stage {
            Stage::Applying { .. } => Phase::Applying,
            Stage::Probation { .. } => Phase::Probation,
            Stage::Waiting {
                reason, retry_at, ..
            } => {
                let list = match retry_at {
                    Some(_) => &mut report.errors,
                    None => &mut report.warnings,
                };
                list.push(reason.clone());
                Phase::Waiting
            }
            Stage::Idle | Stage::Saving | Stage::Beginning => Phase::Waiting,
        };
    }
}

fn or_refused(role: ChildRole, errors: Vec<DocumentError>) -> Vec<DocumentError> {
    if errors.is_empty() {
        let message = format!("the {role} refused the document without a reason");
        return vec![DocumentError::new(
            role.to_string(),
            codes::REFUSED,
            message,
        )];
    }
    errors
}
