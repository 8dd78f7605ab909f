//! Monitors by the kernel's mode setting (KMS): no window system, atomic commits only.
//!
//! [`open_heads`] chooses cards and gives one [`KmsDisplay`] a monitor. A head reads what the hardware has (`hardware`),
//! has the `planner` propose which plane carries what, and takes the first arrangement that the kernel accepts. Scenes are
//! copied by damaged rows from cached memory into scan-out memory (`buffers`), one commit at a time, paced by the
//! monitor and by damage.

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
mod hotplug;
mod import;
mod layer;
mod mode;
mod modeset;
mod open;
mod output;
mod pace;
mod planner;
mod properties;
mod survey;
mod udmabuf;

pub use console::restore_console;
pub use head::KmsDisplay;
pub use open::open_heads;
pub use survey::{CardReport, ConnectorReport, PlaneReport, available};
pub use udmabuf::grey_ramp;
