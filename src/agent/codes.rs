//! The codes of the problems that a box reports, besides those of the checks of its documents.

pub use crate::fleet::codes::{
    BASE_MISMATCH, EXPIRED, FAILED_BEFORE, OLD_GENERATION, SAME_GENERATION,
};

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
/// Another process holds the control socket of a role.
pub const SOCKET_TAKEN: &str = "socket-taken";
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
/// Recordings are kept for less than a day.
pub const SHORT_RETENTION: &str = "short-retention";
/// The document names an output for a monitor that the box does not have.
pub const NO_OUTPUT: &str = "no-output";
/// No monitor is connected to an output that the document names.
pub const NO_MONITOR: &str = "no-monitor";
/// The board file can't be used.
pub const BOARD_FILE: &str = "board-file";
/// Another device uses the id of this box.
pub const TWIN: &str = "twin";
