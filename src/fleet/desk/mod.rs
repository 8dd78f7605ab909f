//! The operator's desk: a fleet in a file under version control, and its way to the devices through the broker.
//!
//! `fleet_file`, `layers` and `render` turn `fleet.toml` into a document for each device. `view` holds what the broker has of a
//! device, `plan` compares the two, and `rollout` decides in which stages the difference is published. These parts, and the
//! choice of the documents that a halt publishes (`take_back`), have no I/O and no clock. `session` is the connection to the
//! broker; `apply`, `halt`, `status`, `command` and `remove` use it. `journal` and `audit` are files beside `fleet.toml`:
//! a rollout goes on after a crash of the desk, and its former documents are kept for a rollback.
//!
//! No threads; one task of the caller. The link to the broker has its own task.

mod acl;
mod apply;
mod audit;
mod command;
mod diff;
mod error;
mod fleet_file;
mod fleet_reader;
mod halt;
mod journal;
mod journal_error;
mod journal_lines;
mod layers;
mod limits;
mod lint;
mod lint_problem;
mod next;
mod operation;
mod operator;
mod pause;
mod plan;
mod progress;
mod remove;
mod render;
mod retained;
mod rivals;
mod roll_back;
mod rollout;
mod run;
mod session;
mod show;
mod sighting;
mod sign;
mod simulate;
mod simulated;
mod simulated_firmware;
mod simulated_processor;
mod status;
mod status_table;
mod stopwatch;
mod take_back;
mod update;
mod view;

pub use acl::{AclUsers, mosquitto_acl};
pub use apply::{apply, resume};
pub use audit::{Act, Audit};
pub use command::{CommandRequest, command, parse_args};
pub use error::{DeskError, Exit};
pub use fleet_file::{FleetFile, Selection};
pub use fleet_reader::DeviceEntry;
pub use halt::{HaltEnd, halt};
pub use journal::{Found, Journal, JournalFolder};
pub use journal_error::JournalError;
pub use journal_lines::Entry;
pub use limits::{Amount, Limits};
pub use lint::{Linted, lint};
pub use lint_problem::{LintProblem, LintProblems};
pub use next::Signer;
pub use operation::Operation;
pub use operator::{Ask, Operator};
pub use pause::{PauseFile, PauseRequest};
pub use plan::{Change, Former, Plan, plan};
pub use remove::remove;
pub use roll_back::roll_back;
pub use rollout::{End, Outcome, Rollout, State, Step};
pub use run::ApplyEnd;
pub use session::Session;
pub use show::show;
pub use sign::sign;
pub use simulate::{SimulateOptions, simulate};
pub use status::{DeviceStatus, FleetStatus, read_status};
pub use status_table::{status_json, status_text};
pub use update::plan_update;
pub use view::{DeviceView, RetainedDocument};
