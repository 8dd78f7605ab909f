//! The processor's wiring: sources, detector, trackers and publisher. [`crate::role`] supervises it.

mod change;
mod claims;
mod classes;
mod detector;
mod outlet;
mod publish;
mod rate;
mod report;
mod role;
mod run;
mod source;
mod upgrade;

pub use run::Processor;
