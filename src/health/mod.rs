//! Heartbeats to systemd's watchdog, counters to Prometheus, both to one small page; and what guards a page.

mod metrics;
mod watchdog;

pub use metrics::{Kind, Report, Sample, encode};
pub use watchdog::{Verdict, Watchdog, notify_ready, notify_status, notify_stopping};
