//! Detections of one frame after another to tracks, by source: a [`Tracker`] says which detection is which object.
//!
//! One tracker a source, owned and called by whoever takes the source's results from the detector, in order of frames. No
//! threads, no clock of its own, nothing dropped: a detection goes on whether or not it has a track.

mod frame_interval;
mod lifecycle;
mod matching;
mod motion;
mod settings;
mod tracker;

pub use frame_interval::RateTooLow;
pub use settings::TrackerSettings;
pub use tracker::Tracker;
