//! The wall: cameras on monitors, each box on the very frame that it was found in, and tiles that say what they know.
//!
//! Each camera's decoder thread scales its frames to tile size (`picture`) and keeps them for as long as their boxes may
//! take to arrive (`camera`, [`crate::align`]). One thread a monitor (`head`) decides which camera is where ([`layout`]), what
//! each tile looks like now (`state`, `look`), composes what changed (`composer`, `dress`, [`paint`]) and hands the scene to
//! a [`Display`]. Events and statuses come from the broker (`ear`); the [`page`] shows the same scenes from afar. Nothing
//! here waits for a camera, a broker, a processor or a monitor to be there.

mod camera;
mod canvas;
mod composer;
pub mod display;
mod dress;
mod ear;
mod head;
mod hours;
pub mod layout;
mod look;
pub mod page;
pub mod paint;
mod picture;
mod rect;
mod report;
mod run;
mod scale;
mod scene;
mod screens;
mod shared;
mod state;
mod supervise;
pub mod view;

pub use canvas::{Canvas, Color};
pub use display::{Display, DisplayError, Wait};
pub use picture::{PictureError, Placement, TilePicture, TileScaler};
pub use rect::Rect;
pub use run::{Change, StartError, Wall};
pub use scene::{Outlook, Scene};
pub use state::{Analysis, Condition, Reason, Video};
pub use supervise::{RunError, SnapshotError, run, serve};
