//! The bundle for a support call: the doctor's report with logs, settings and the answers of running roles.
//!
//! Every text passes one redaction (`redact`), which knows the secrets of this machine (`secrets`) in each form that a log or a URL may
//! give them (`secret_patterns`).

mod bundle;
mod logs;
mod redact;
mod secret_patterns;
mod secrets;

pub use bundle::{BundleError, check_target, write_bundle};
