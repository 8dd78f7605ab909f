//! The box of a fleet: the durable store of its documents, and the cycle from a received document to the last known good one.
//!
//! `store` keeps the received documents and the attempts on flash. `cycle` decides what happens with a document; it is a pure
//! state machine, and its caller carries out its actions. `preflight` and `monitors` compare a configuration with the `abilities` of
//! the box, which are measured (`rates`), read of the kernel (`outputs`), or told by the roles and the `board` file. `kept` estimates
//! how long the recordings of a document are kept, from measured `recording_rates`; `kept_recordings` tells it.
//!
//! `service` is `nvr agent`: one thread with the link to the fleet, which runs the roles as child processes (`child`). `parts`
//! makes what it needs. `reading` checks what arrives, `driver` carries out the cycle's actions, and `commands` obeys the desk. It
//! initialises neither GStreamer nor a model. `provision` gives the box its identity, and `setup` shows on its monitor that it has none;
//! `wall_notice` shows on the wall of a box that has one why another was refused. The processor may run as another user (`role_user`), with what that user may reach (`lending`). `models` fetches the
//! models that documents name, and `model_swap` gives them to the processor; `firmware` updates the system of the box, and
//! `firmware_duty` connects it with the roles. Both download with the room `fetch`.

mod abilities;
mod acts;
mod addresses;
mod attempts;
mod board;
mod child;
mod child_end;
pub mod codes;
mod commands;
mod config_file;
mod cycle;
mod document;
mod driver;
mod firmware;
mod firmware_duty;
mod identity;
mod kept;
mod kept_recordings;
mod key_store;
mod led;
mod lending;
mod model_swap;
mod models;
mod monitors;
mod observed;
mod options;
mod outputs;
mod parts;
mod preflight;
mod provision;
mod publish;
mod rates;
mod reading;
mod recording_rates;
mod refusal;
mod role_user;
mod service;
mod setup;
mod state_dir;
pub mod store;
mod subprocess;
mod wall_notice;
mod warnings;

pub use attempts::{
    ATTEMPTS_KEPT, Attempt, Attempts, Failure, LOG_LINE_BYTES, LOG_LINES, Outcome, Verdict,
};
pub use child_end::{PARENT_VARIABLE, end_with_agent};
pub use cycle::{
    Action, Boot, Candidate, ChildRole, Cycle, Event, Now, Policy, Received, Refusal, StoreStep,
};
pub use document::{DocumentId, StoredDocument};
pub use firmware::{
    FirmwareStatus, LocalError, LocalOptions, confirm as confirm_firmware,
    read_status as read_firmware_status, roll_back as roll_back_firmware,
};
pub use identity::{DEVICE_FILE, DeviceFileError, Identity, read_identity};
pub use kept::RecordingDemand;
pub use options::{AgentError, AgentOptions};
pub use preflight::{Capacity, Demand, Preflight, preflight};
pub use provision::{
    PROVISION_FILE, ProvisionError, ProvisionOptions, Provisioned, provision, run as run_provision,
};
pub use role_user::RoleUserError;
pub use service::run;
