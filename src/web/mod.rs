//! HTTP pages, and what guards them.

mod connections;
mod forwarded;
mod guard;
mod page;
pub mod wall;

pub use guard::Guard;
pub use page::{Page, PageError, routes};
