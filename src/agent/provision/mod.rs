//! First-boot provisioning: a file on the data partition, the boot partition or a USB stick gives the box its identity, its network
//! and its time, once. docs/provisioning.md describes it.
//!
//! `take` takes a file over. `run` is `nvr provision`, which looks for the file (`search`, `stick`) and gives the settings of the system
//! (`network`) to systemd (`system`), and restarts what reads them (`services`).

mod network;
mod run;
mod search;
mod services;
mod stick;
mod system;
mod take;

pub use self::run::{ProvisionOptions, run};
pub(super) use self::run::{first_problems, problems};
pub use self::search::PROVISION_FILE;
pub use self::take::{ProvisionError, Provisioned, provision};
