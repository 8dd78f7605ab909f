//! Joins the detections of successive frames to tracks, per source: a [`Tracker`] decides which detection is which
//! object.
//!
//! There is one tracker per source. The receiver of the source's detections owns it and calls it in the order of
//! frames. There are no threads and no clock. Nothing is dropped: a detection is passed on with or without a track.

mod frame_interval;
mod lifecycle;
mod matching;
mod motion;
mod settings;
mod tracker;

pub use frame_interval::RateTooLow;
pub use settings::TrackerSettings;
pub use tracker::Tracker;
