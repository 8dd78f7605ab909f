//! The box of a fleet: the durable store of its documents, and the cycle from a received document to the last known good one.
//!
//! `store` keeps the received documents and the attempts on flash. `cycle` decides what happens with a document; it is a pure
//! state machine, and its caller carries out its actions. `preflight` compares a configuration with the capacity of the box.
//!
//! `service` is `nvr agent`: one thread with the link to the fleet, which runs the roles as child processes (`child`). `reading`
//! checks what arrives, `driver` carries out the cycle's actions, and `commands` obeys the desk. It initialises neither GStreamer
//! nor a model.

mod acts;
mod attempts;
mod child;
mod child_end;
pub mod codes;
mod commands;
mod config_file;
mod cycle;
mod document;
mod driver;
mod identity;
mod key_store;
mod preflight;
mod provision;
mod publish;
mod reading;
mod refusal;
mod service;
mod state_dir;
pub mod store;

pub use attempts::{
    ATTEMPTS_KEPT, Attempt, Attempts, Failure, LOG_LINE_BYTES, LOG_LINES, Outcome, Verdict,
};
pub use child_end::{PARENT_VARIABLE, end_with_agent};
pub use cycle::{
    Action, Boot, Candidate, ChildRole, Cycle, Event, Now, Policy, Received, Refusal, StoreStep,
};
pub use document::{DocumentId, StoredDocument};
pub use identity::{DEVICE_FILE, Identity, IdentityError, read_identity};
pub use preflight::{Capacity, Demand, Preflight, preflight};
pub use provision::{ProvisionError, provision};
pub use service::{AgentError, AgentOptions, run};
