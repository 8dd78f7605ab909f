//! Firmware by URL: a document names an image, the box writes it to its other slot, restarts, and keeps it only if it is healthy.
//!
//! | file | |
//! |---|---|
//! | `settings` | the commands of the image's maker, `firmware.toml` |
//! | `record` | what must outlast a restart, and what is reported |
//! | `updater`, `obtain`, `restart`, `judge` | which step follows: a pure state machine. From an order to the installation, after a start of the box, and on trial |
//! | `health` | whether the new slot is as good as the former one. Pure |
//! | `reach` | whether a camera answers at all |
//! | `command` | runs one command with a time limit |
//! | `worker` | the threads that fetch, install and probe |
//! | `keeper` | the agent's side |
//! | `local` | `nvr firmware`, for units and people |
//!
//! Every step is on disk before it begins. A power cut at any moment leads to one of the two slots, and the box knows which and why.

mod command;
mod health;
mod judge;
mod keeper;
mod local;
mod obtain;
mod reach;
mod record;
mod restart;
mod settings;
mod updater;
mod worker;

#[cfg(test)]
mod test_box;
#[cfg(test)]
mod updater_tests;

pub(super) use keeper::{Circumstances, FirmwareOptions, Keeper};
pub use local::{FirmwareStatus, LocalError, LocalOptions, confirm, read_status, roll_back};
pub(super) use worker::FirmwareEvent;
