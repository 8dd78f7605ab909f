//! Times and errors as the subcommands of `nvr record` print them.

use std::time::Duration;

use anyhow::anyhow;

use crate::record::DiskFault;

/// The text of a fault has that of the system's error, which would follow it again.
pub(super) fn shown_once(fault: DiskFault) -> anyhow::Error {
    anyhow!("{fault}")
}

/// Whole milliseconds.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}
