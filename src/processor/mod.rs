//! The processor's wiring: sources, detector, trackers and publisher. [`crate::role`] supervises it.

mod archive;
mod change;
mod claims;
mod classes;
mod demand;
mod detector;
mod directory;
mod disk_calls;
mod parts;
mod pausing;
mod picture;
mod pipeline;
mod publish;
mod rate;
mod recorded;
mod recorder_status;
mod recording;
mod recording_status;
mod recordings;
mod report;
mod role;
mod run;
mod running;
mod sink;
mod source;
mod union;
mod upgrade;

pub use run::Processor;
