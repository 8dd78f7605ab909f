//! HTTP: the pages of a process, with their limits and access checks.
//!
//! `page` serves `/metrics` and `/healthz` for every role; [`wall`] is the page of a wall, [`recorder`] that of the recordings of a
//! processor. Each request passes the limits of `connections` and the [`Guard`]; `forwarded` makes pages work below the path of a
//! proxy. Pages get their data through traits and do not depend on roles.

mod connections;
mod forwarded;
mod guard;
mod page;
mod policy;
pub mod recorder;
#[cfg(test)]
mod testing;
pub mod wall;

pub use guard::Guard;
pub use page::{Page, PageError, routes};
