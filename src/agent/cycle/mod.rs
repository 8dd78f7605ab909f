//! The way of a document on the box: received → saved → applied → on probation → last known good, or reverted.
//!
//! [`Cycle`] is a pure state machine. It has no clock, no threads and no I/O: [`Cycle::handle`] takes an event and the time and
//! returns actions, which the caller carries out in order. The caller answers each [`Action::Store`] with [`Event::Stored`], and
//! each [`Action::Apply`] with [`Event::Applied`]; it sends [`Event::Tick`] about once per second.
//!
//! | stage | ends with |
//! |---|---|
//! | saving | the document is the pending one on flash |
//! | waiting | its window is open, the clock is known, and the present sources have started |
//! | beginning | the attempt is on flash |
//! | applying | every role has answered; a refusal, a crash or silence reverts |
//! | probation | its time is over; a crash reverts at once |
//!
//! What runs is either the last known good document or the one that is tried: both roles always get the same document.

mod admission;
mod input;
mod log_tail;
mod machine;
mod observations;
mod output;
mod progress;
mod restore;
mod role;
mod window;

#[cfg(test)]
mod admission_tests;
#[cfg(test)]
mod boot_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod probation_tests;
#[cfg(test)]
mod test_box;
#[cfg(test)]
mod waiting_tests;

pub use input::{Boot, Candidate, Event, Now, Policy, Received, Refusal};
pub use machine::Cycle;
pub use output::{Action, StoreStep};
pub use role::ChildRole;
