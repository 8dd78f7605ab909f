//! HTTP: the pages of a process, and what guards them.
//!
//! `page` serves `/metrics` and `/healthz` for every role; [`wall`] is the page of a wall. Each request passes the limits of
//! `connections` and the [`Guard`]; `forwarded` makes pages work below the path of a proxy. Pages read what the roles give
//! them by traits, and know no role.

mod connections;
mod forwarded;
mod guard;
mod page;
pub mod wall;

pub use guard::Guard;
pub use page::{Page, PageError, routes};
