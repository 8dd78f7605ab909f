//! The wall: cameras on monitors, each box on the very frame that it was found in, and tiles that say what they know.
//!
//! Each camera's decoder thread scales its frames to tile size (`picture`) and keeps them for as long as their boxes may
//! take to arrive (`camera`, [`crate::align`]). One thread a monitor (`head`) decides which camera is where ([`crate::render::layout`]), what
//! each tile looks like now (`state`, `look`), composes what changed (`composer`, `dress`, [`crate::render::paint`]) and hands the scene to
//! a [`crate::display::Display`]. Events and statuses come from the broker (`ear`); [`crate::web::wall`] shows the same scenes from afar. Nothing
//! here waits for a camera, a broker, a processor or a monitor to be there.

mod ear;
mod head;
mod hours;
mod report;
mod run;
mod screens;
mod shared;
mod supervise;

pub use run::{Change, StartError, Wall};
pub use supervise::{RunError, SnapshotError, run, serve};
