//! One problem of a document or of the box, as `reported` publishes it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The codes of this room: stable words for programs.
pub mod codes {
    /// Its apply had begun when the box or its agent went down.
    pub const INTERRUPTED: &str = "interrupted";
    /// A role's process ended while the document was applied or on probation.
    pub const CRASHED: &str = "crashed";
    /// A role did not answer the apply in time.
    pub const NO_ANSWER: &str = "no-answer";
    /// A role refused the document without a reason.
    pub const REFUSED: &str = "refused";
    /// A newer document came before this one had proved itself.
    pub const SUPERSEDED: &str = "superseded";
    /// A source flowed before and does not flow any more.
    pub const SOURCE_LOST: &str = "source-lost";
    /// A new source does not flow.
    pub const NEW_SOURCE_DEAD: &str = "new-source-dead";
    /// The picture of the wall does not move.
    pub const STILL_PICTURE: &str = "still-picture";
    /// A role did not report its state during probation.
    pub const NO_STATUS: &str = "no-status";
    /// The document has failed on this box before.
    pub const FAILED_BEFORE: &str = "failed-before";
    /// A generation that is not above the newest one of this box.
    pub const OLD_GENERATION: &str = "old-generation";
    /// The same generation with another content.
    pub const SAME_GENERATION: &str = "same-generation";
    /// The document replaces another one than that of this box.
    pub const BASE_MISMATCH: &str = "base-mismatch";
    /// `not_after` has passed.
    pub const EXPIRED: &str = "expired";
    /// `not_before` has not come yet.
    pub const NOT_YET: &str = "not-yet";
    /// A time window waits for the clock to be synchronised.
    pub const CLOCK_NOT_SYNCHRONISED: &str = "clock-not-synchronised";
    /// The present sources are still starting: without them there is nothing to compare with.
    pub const SETTLING: &str = "settling";
    /// The box has no document to return to.
    pub const NO_DOCUMENT: &str = "no-document";
    /// The last known good document is damaged or refused; the one before it is used.
    pub const FELL_BACK: &str = "fell-back";
    /// The store is damaged, full or can't be written.
    pub const STORE: &str = "store";
    /// The document needs more than the box has.
    pub const OVER_CAPACITY: &str = "over-capacity";
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The place, such as `processor.camera[2].uri`; empty for the whole document.
    #[serde(default)]
    pub path: String,
    /// A stable word for programs, one of [`codes`] or of the checks of documents.
    pub code: Cow<'static, str>,
    /// The fault and its remedy. Contains no secrets.
    #[serde(default)]
    pub message: String,
}

impl Problem {
    /// A problem at `path`; empty for the whole document.
    pub fn new(path: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}
