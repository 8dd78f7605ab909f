//! The orders to the processor as far as they concern its model: which order an answer belongs to, and whether a model is to blame
//! for a refusal or an end. Pure.
//!
//! A model that becomes ready is swapped in by an order of its own. A processor that refuses it, or ends twice within
//! [`TRIAL`], gets the former model back. A document that is tried is judged by the cycle, unless the processor names the model.

use std::time::Duration;

use super::choice::Choice;
use super::version::Version;
use crate::agent::document::DocumentId;
use crate::fleet::DocumentError;

/// How long a new model is watched.
const TRIAL: Duration = Duration::from_secs(60);
/// Ends within the trial that condemn a model: one may have another reason, such as a lack of memory while both models are loaded.
const ENDS: u32 = 2;
/// The place that a processor names when it can't use its model.
const MODEL_PATH: &str = "processor.processor.model";

/// A refusal.
pub(in crate::agent) type Errors = Vec<DocumentError>;

/// What an answer of the processor means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent) enum Verdict {
    /// It is the cycle's.
    Pass(Result<(), Errors>),
    /// It is the cycle's, and the version of the refused attempt before is to blame for that.
    PassAndCondemn(Version, Errors),
    /// A model was swapped in.
    Swapped,
    /// A model was refused.
    Refused(Option<Version>, Errors),
    /// The document may be applied with another model: this version may be to blame.
    Doubt(Version, Errors),
}

/// The last order to the processor.
#[derive(Debug, Clone, PartialEq)]
struct Order {
    document: DocumentId,
    choice: Choice,
    kind: Kind,
    is_answered: bool,
    is_refused: bool,
    /// Until when an end counts against the model.
    trial_until: Option<Duration>,
    ends: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// The cycle has applied a document. With the version that was refused before, and why.
    Document { doubted: Option<(Version, Errors)> },
    /// A model was swapped.
    Swap,
}

/// The orders to the processor; see the module.
#[derive(Debug, Default)]
pub(in crate::agent) struct Trial {
    last: Option<Order>,
}

impl Trial {
    /// A document is applied with `choice`; `doubted` is the version with which it was refused before.
    pub(in crate::agent) fn document(
        &mut self,
        document: DocumentId,
        choice: Choice,
        doubted: Option<(Version, Errors)>,
    ) {
        self.order(document, choice, Kind::Document { doubted });
    }

    /// The model is swapped.
    pub(in crate::agent) fn swap(&mut self, document: DocumentId, choice: Choice) {
        self.order(document, choice, Kind::Swap);
    }

    fn order(&mut self, document: DocumentId, choice: Choice, kind: Kind) {
        self.last = Some(Order {
            document,
            choice,
            kind,
            is_answered: false,
            is_refused: false,
            trial_until: None,
            ends: 0,
        });
    }

    /// The processor is not to run.
    pub(in crate::agent) fn stopped(&mut self) {
        self.last = None;
    }

    /// The model of the last order.
    pub(in crate::agent) fn choice(&self) -> Option<&Choice> {
        self.last.as_ref().map(|last| &last.choice)
    }

    /// Whether the last order has its answer, so that another one may follow.
    pub(in crate::agent) fn is_settled(&self) -> bool {
        self.last.as_ref().is_none_or(|last| last.is_answered)
    }

    /// The processor has answered an order of `document`. `is_tried` while the cycle tries a document.
    pub(in crate::agent) fn answered(
        &mut self,
        document: &DocumentId,
        result: Result<(), Errors>,
        is_tried: bool,
        now: Duration,
    ) -> Verdict {
        let last = self.last.as_mut();
        let meant = last.filter(|last| last.document == *document && !last.is_answered);
        let Some(last) = meant else {
            return Verdict::Pass(result);
        };
        last.is_answered = true;
        last.is_refused = result.is_err();
        let version = last.choice.version.clone();
        match (&mut last.kind, result) {
            (Kind::Swap, Ok(())) => {
                last.trial_until = Some(now + TRIAL);
                Verdict::Swapped
            }
            (Kind::Swap, Err(errors)) => Verdict::Refused(version, errors),
            (Kind::Document { doubted }, Ok(())) => match doubted.take() {
                Some((version, errors)) => Verdict::PassAndCondemn(version, errors),
                None => Verdict::Pass(Ok(())),
            },
            (Kind::Document { doubted }, Err(errors)) => match (doubted.take(), version) {
                // It was not the model.
                (Some((_, first)), _) => Verdict::Pass(Err(first)),
                (None, Some(version)) if !is_tried || names_model(&errors) => {
                    Verdict::Doubt(version, errors)
                }
                _ => Verdict::Pass(Err(errors)),
            },
        }
    }

    /// The processor has ended unasked. Returns the version that is to blame.
    pub(in crate::agent) fn ended(&mut self, is_tried: bool, now: Duration) -> Option<Version> {
        let last = self.last.as_mut()?;
        if !std::mem::replace(&mut last.is_answered, true) {
            last.trial_until = Some(now + TRIAL);
        }
        if is_tried {
            // The cycle reverts the document.
            last.trial_until = None;
            return None;
        }
        last.trial_until.filter(|until| now < *until)?;
        last.ends += 1;
        match last.ends >= ENDS {
            true => {
                last.trial_until = None;
                last.choice.version.clone()
            }
            false => None,
        }
    }

    /// The model that runs, once it has proved itself.
    pub(in crate::agent) fn proven(&mut self, now: Duration) -> Option<&Choice> {
        let last = self.last.as_mut()?;
        if last.trial_until.is_some_and(|until| now >= until) {
            last.trial_until = None;
        }
        let is_proven = last.is_answered && !last.is_refused && last.trial_until.is_none();
        is_proven.then_some(&last.choice)
    }
}

fn names_model(errors: &Errors) -> bool {
    errors.iter().any(|error| error.path == MODEL_PATH)
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
