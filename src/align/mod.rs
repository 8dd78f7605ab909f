//! Finds the boxes that belong to a frame. It connects the events from the broker with the rendered scenes.
//!
//! There is one [`Aligner`] per source. It receives the times of every decoded frame and every event, gives the boxes of a frame
//! when the frame is shown, and determines the delay of frames so that their boxes have arrived by then. No threads, no clock,
//! no broker. Its memory is bounded (`events`, `frames`); events that are refused are counted in [`AlignStats`].
//!
//! An event is matched to its frame by a *key*: the RTCP NTP time if the NTP times of the two sessions fit (`event_clock`),
//! otherwise the time at which the event's frame would have arrived here with the shortest recent delay. Between two events
//! boxes move on straight lines along their tracks (`interpolate`). The delay changes slowly (`delay`).

mod aligner;
mod clocks;
mod delay;
mod event_clock;
mod events;
mod frames;
mod interpolate;
mod measurements;
mod stats;

use std::sync::Arc;
use std::time::Duration;

use crate::base::Size;
use crate::config::Sync;

pub use aligner::Aligner;
pub use stats::AlignStats;

/// Times of one frame that the wall decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTimes {
    /// Arrival time of its access unit, by [`crate::base::Clock`].
    pub arrival: Duration,
    /// Its RTCP NTP time as Unix nanoseconds, if known. It is used as a key; the camera's clock may be wrong.
    pub ntp_ns: Option<u64>,
    /// The size of the picture. It is also used for the boxes of events without a frame size.
    pub size: Size,
}

/// The settings of an aligner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlignSettings {
    /// The frames on which boxes are drawn.
    pub sync: Sync,
    /// How long boxes are shown without a newer event.
    pub ttl: Duration,
    /// The delay of video, measured if `None`. At most 1 s in both cases.
    pub budget: Option<Duration>,
}

/// The boxes of one frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Drawing {
    /// The boxes, in no particular order.
    pub boxes: Vec<DrawnBox>,
    /// How they were matched to the frame.
    pub basis: Basis,
}

/// One box.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnBox {
    /// Left, top, right and bottom edges as fractions of the picture, 0–1. Width and height are positive.
    pub corners: [f32; 4],
    /// Class of the object.
    pub class_name: Arc<str>,
    /// Confidence, 0–1.
    pub confidence: f32,
    /// Number of its track.
    pub tracker_id: Option<u64>,
    /// Whether its position is extrapolated beyond the newest event.
    pub dashed: bool,
}

/// How boxes were matched to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Basis {
    /// Not at all: they are the newest boxes.
    Latest,
    /// By NTP time.
    Matched,
    /// By arrival time.
    Estimated,
    /// No event belongs to this frame.
    #[default]
    Nothing,
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod pattern_tests;

#[cfg(test)]
mod robust_tests;
