//! The box of a fleet: the durable store of its documents, and the cycle from a received document to the last known good one.
//!
//! `store` keeps the received documents and the attempts on flash. `cycle` decides what happens with a document; it is a pure
//! state machine, and its caller carries out its actions. `preflight` compares a configuration with the capacity of the box.
//! No threads.

mod attempts;
pub mod codes;
mod cycle;
mod document;
mod preflight;
pub mod store;

pub use attempts::{
    ATTEMPTS_KEPT, Attempt, Attempts, Failure, LOG_LINE_BYTES, LOG_LINES, Outcome, Verdict,
};
pub use cycle::{
    Action, Boot, Candidate, ChildRole, Cycle, Event, Now, Policy, Received, Refusal, StoreStep,
};
pub use document::{DocumentId, StoredDocument};
pub use preflight::{Capacity, Demand, Preflight, preflight};
