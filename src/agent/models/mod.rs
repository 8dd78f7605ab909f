//! Models by URL: a document names them, the box fetches and installs them, and its processor takes them over.
//!
//! | file | |
//! |---|---|
//! | `version`, `places` | a version of a model, and where its files are |
//! | `schedule`, `worker` | what is fetched next, and the thread that does it |
//! | `install` | from the file to an installed model |
//! | `library` | the installed versions and their age |
//! | `choice`, `shelf` | which model a processor runs while its own one is missing |
//! | `trial` | whether a new model works |
//! | `keeper` | the agent's side |
//!
//! Only models that came in this way are removed again.

mod choice;
mod fault;
mod install;
mod keeper;
mod library;
mod places;
mod schedule;
mod shelf;
mod trial;
mod version;
mod worker;

pub(super) use choice::Choice;
pub(super) use keeper::{ModelOptions, Models};
pub(super) use trial::{Errors, Trial, Verdict};
pub(super) use version::Version;
pub(super) use worker::ModelEvent;
