//! Heartbeats to systemd's watchdog, counters to Prometheus, both to one small page; and what guards a page.

mod connections;
mod forwarded;
mod guard;
mod metrics;
mod page;
mod watchdog;

pub use guard::Guard;
pub use metrics::{Kind, Report, Sample, encode};
pub use page::{Page, PageError, routes};
pub use watchdog::{Verdict, Watchdog, notify_ready, notify_status, notify_stopping};
