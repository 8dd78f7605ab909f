//! The wall role: connects cameras and broker with monitors and the page.
//!
//! A session (`crate::media`) delivers the frames of each camera, which scales and delays them ([`crate::render`]). Events and
//! statuses come from the broker (`subscriber`, `context`). `head_supervisor` opens the displays and opens them again after
//! failures. One thread per monitor (`head`) arranges the tiles, composes the changes and passes the scene to a
//! [`crate::display::Display`]. `report` gives the state to [`crate::web::wall`] and to statuses. [`crate::role`] supervises the
//! wall. Nothing here waits for a camera, a broker, a processor or a monitor to be present.

mod alarm_classes;
mod alarms;
mod context;
mod division;
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
