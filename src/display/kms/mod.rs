//! Shows scenes on monitors by kernel mode setting (KMS), without a window system and with atomic commits only.
//!
//! [`open_heads`] chooses cards and gives one [`KmsDisplay`] per monitor. A head reads the objects of the card (`hardware`),
//! lets the `planner` propose the roles of planes, and takes the first proposal that the kernel accepts. Damaged rows of a scene
//! are copied from cached memory into scan-out memory (`buffers`). There is one commit at a time, at the pace of the monitor and
//! of the damage.

mod blit;
mod buffers;
mod card;
mod choice;
mod connector;
mod console;
mod cvt;
mod damage;
mod edid;
mod formats;
mod geometry;
mod hardware;
mod head;
mod head_registry;
mod hotplug;
mod layer;
mod mode;
mod modeset;
mod open;
mod output;
mod pace;
mod planner;
mod properties;
mod replan;
mod report;
mod survey;
mod sysfs;
#[cfg(test)]
mod testing;

pub use console::restore_console;
pub use head::KmsDisplay;
pub use open::open_heads;
pub use report::{CardReport, ConnectorReport, PlaneReport};
pub use survey::{available, endangered, observed};
