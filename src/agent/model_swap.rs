//! The model of the processor: which one its configuration names, when another one takes its place, and what its answers mean for
//! the model.
//!
//! A document is applied whether its model is there or not: until it is, another one stands in. When it is ready, the configuration
//! is applied again, between the trials of documents. Sources that run lose no frame by that.

use tracing::{info, warn};

use super::child::{ChildEvent, Order};
use super::config_file::config;
use super::cycle::{Candidate, ChildRole};
use super::document::DocumentId;
use super::driver::{Driver, wall_time};
use super::models::{Choice, Errors, ModelEvent, Verdict, Version};
use crate::fleet::{Desired, DocumentError, ModelState, Phase};

impl Driver {
    /// The thread that fetches models has told something.
    pub(super) fn model_event(&mut self, event: ModelEvent) {
        self.models.event(event);
        self.follow_models();
        self.publish();
    }

    /// Fetches what the documents name, and swaps the model of the processor if another one is to run.
    pub(super) fn follow_models(&mut self) {
        let wanted = [self.cycle.current(), self.cycle.running()];
        let is_kept = |document: &&Candidate| !document.desired.decommission;
        let wanted: Vec<&Desired> = wanted
            .into_iter()
            .flatten()
            .filter(is_kept)
            .map(|document| &document.desired)
            .collect();
        let kept = self.cycle.documents().filter(is_kept);
        let kept = kept.map(|document| &document.desired);
        self.models.follow(&wanted, kept, wall_time());
        self.swap_model();
    }

    fn is_tried(&self) -> bool {
        matches!(self.report.phase, Phase::Applying | Phase::Probation)
    }

    /// Applies the configuration again if another model is to run. Not while a document is tried: its answers are the cycle's.
    fn swap_model(&mut self) {
        if self.is_tried() || !self.trial.is_settled() || !self.models.has_changed() {
            return;
        }
        let running = self.cycle.running().cloned();
        let Some(running) =
            running.filter(|running| running.roles.contains_key(&ChildRole::Processor))
        else {
            return;
        };
        let choice = self.models.choose(&running.desired);
        if self.trial.choice().is_none_or(|last| *last == choice) {
            return;
        }
        info!(model = %choice, "another model is to run");
        let id = running.id().clone();
        match self.order_model(&id, &running.desired, &choice) {
            true => self.trial.swap(id, choice),
            // The queue is full; at the next tick it may not be.
            false => self.models.mark_changed(),
        }
    }

    fn order_model(&self, document: &DocumentId, desired: &Desired, choice: &Choice) -> bool {
        let Some(mut config) = config(desired, ChildRole::Processor, &self.identity) else {
            return false;
        };
        self.models.put_into(&mut config, desired, choice);
        let document = document.clone();
        self.order(ChildRole::Processor, Order::Apply { document, config })
    }

    /// Judges an event of a role as far as it is about the model of the processor. Returns what is left for the cycle.
    pub(super) fn model_answer(
        &mut self,
        role: ChildRole,
        event: ChildEvent,
    ) -> Option<ChildEvent> {
        if role != ChildRole::Processor {
            return Some(event);
        }
        let at = self.clock.now();
        let is_tried = self.is_tried();
        match event {
            ChildEvent::Applied { document, result } => {
                let verdict = self.trial.answered(&document, result, is_tried, at);
                self.judge(document, verdict)
            }
            ChildEvent::Ended { how } => {
                if let Some(version) = self.trial.ended(is_tried, at) {
                    let reason = format!("it ended with {how} twice");
                    self.models.condemn(&version, &reason);
                }
                Some(ChildEvent::Ended { how })
            }
            other => Some(other),
        }
    }

    fn judge(&mut self, document: DocumentId, verdict: Verdict) -> Option<ChildEvent> {
        match verdict {
            Verdict::Pass(result) => {
                self.models.doubt(None);
                Some(ChildEvent::Applied { document, result })
            }
            Verdict::PassAndCondemn(version, errors) => {
                self.models.condemn(&version, &reasons(&errors));
                let result = Ok(());
                Some(ChildEvent::Applied { document, result })
            }
            Verdict::Swapped => None,
            Verdict::Refused(version, errors) => {
                let reason = reasons(&errors);
                match version {
                    Some(version) => self.models.condemn(&version, &reason),
                    None => warn!(reason, "the processor refuses the model that stands in"),
                }
                self.follow_models();
                self.publish();
                None
            }
            Verdict::Doubt(version, errors) => self.apply_without(document, version, errors),
        }
    }

    /// Applies a document with another model than the one that may be to blame for its refusal.
    fn apply_without(
        &mut self,
        document: DocumentId,
        version: Version,
        errors: Errors,
    ) -> Option<ChildEvent> {
        warn!(%version, reason = reasons(&errors), "a model may be unusable; trying without it");
        self.models.doubt(Some(version.clone()));
        let meant = |candidate: &&Candidate| *candidate.id() == document;
        let desired = self.cycle.documents().find(meant);
        let desired = desired.map(|candidate| candidate.desired.clone());
        if let Some(desired) = desired {
            let choice = self.models.choose(&desired);
            if self.order_model(&document, &desired, &choice) {
                let doubted = Some((version, errors));
                self.trial.document(document, choice, doubted);
                return None;
            }
        }
        self.models.doubt(None);
        let result = Err(errors);
        Some(ChildEvent::Applied { document, result })
    }

    /// Remembers the model that runs, once it has proved itself.
    pub(super) fn prove_model(&mut self) {
        let at = self.clock.now();
        if let (false, Some(choice)) = (self.is_tried(), self.trial.proven(at)) {
            self.models.runs(&choice.clone());
        }
    }

    /// The states of the models of the document that the report is about.
    pub(super) fn model_states(&self) -> Vec<ModelState> {
        let document = self.cycle.current().or_else(|| self.cycle.running());
        document.map_or_else(Vec::new, |document| self.models.states(&document.desired))
    }

    /// What is amiss with the models of the document that runs.
    pub(super) fn model_warnings(&self) -> Vec<DocumentError> {
        let running = self.cycle.running();
        running.map_or_else(Vec::new, |running| {
            self.models.warnings(&running.desired, self.trial.choice())
        })
    }
}

fn reasons(errors: &Errors) -> String {
    let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
    reasons.join("; ")
}
