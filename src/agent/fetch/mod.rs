//! Files by URL: fetched in parts if need be, checked by size and hash while they are received, and kept over a restart.
//!
//! The models and the firmware of the box come this way. Blocking: each user has a thread of its own for it.

mod download;
mod fault;
#[cfg(test)]
#[path = "../../../tests/suite/support/file_server.rs"]
pub(super) mod file_server;
mod http;

pub(super) use download::{Host, Part, Wanted, fetch, is_file};
#[cfg(test)]
pub(super) use fault::codes;
pub(super) use fault::{Fault, Retry};
pub(super) use http::{Client, TimeLimits};
