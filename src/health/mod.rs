//! Feeds systemd's watchdog while all stages make progress, and encodes metrics for Prometheus.

mod metrics;
mod watchdog;

pub use metrics::{Kind, MetricsSource, Sample, encode};
pub use watchdog::{Verdict, Watchdog, notify_ready, notify_status, notify_stopping};
