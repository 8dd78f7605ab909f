//! The wall's wiring: cameras and broker on one side, monitors and the page on the other.
//!
//! A session (`crate::media`) gives each camera its frames; the camera scales and holds them ([`crate::render`]). Events and
//! statuses come from the broker (`subscriber`, `context`). Displays are opened and opened again by `head_supervisor`. One thread a monitor
//! (`head`) lays the tiles out, has what changed composed and hands the scene to a [`crate::display::Display`]. `report`
//! tells of all this for [`crate::web::wall`] and for statuses; [`crate::role`] supervises it. Nothing here waits for a camera, a broker, a processor or a monitor to be there.

mod alarms;
mod context;
mod head;
mod head_supervisor;
mod report;
mod role;
mod run;
mod schedule;
mod snapshot;
mod subscriber;
mod viewer_picture;

pub use run::Wall;
pub use snapshot::SnapshotError;
