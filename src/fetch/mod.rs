//! Files by URL: fetched in parts if need be, checked by size and hash while they are received, and kept over a restart.
//!
//! Models come this way, for a person at a terminal and for a box of a fleet, and so does the firmware of a box. Blocking: each
//! user has a thread of its own for it.

mod download;
mod fault;
#[cfg(test)]
#[path = "../../tests/suite/support/file_server.rs"]
pub(crate) mod file_server;
mod http;

pub(crate) use download::{Host, Listing, Part, Wanted, fetch, is_file};
pub(crate) use fault::{Fault, Retry, codes};
pub(crate) use http::{Client, TimeLimits};
