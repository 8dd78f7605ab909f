//! The processor: sources, detector, trackers and publisher, wired together and kept running.

mod change;
mod claims;
mod classes;
mod outlet;
mod publish;
mod rate;
mod report;
mod run;
mod source;
mod supervise;
mod upgrade;

pub use change::Change;
pub use run::{Processor, StartError};
pub use supervise::{RunError, run};
