//! Heartbeats to systemd's watchdog, and figures in the form that Prometheus reads.

mod metrics;
mod watchdog;

pub use metrics::{Kind, Report, Sample, encode};
pub use watchdog::{Verdict, Watchdog, notify_ready, notify_status, notify_stopping};
