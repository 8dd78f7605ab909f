//! Which boxes belong on which frame: between the events of the bus and the scenes that are rendered.
//!
//! One [`Aligner`] a source. It is told of every decoded frame and of every event, and says what to draw on a frame when
//! that is shown, and for how long frames are to be held back so that their boxes have arrived by then. Pure: no threads,
//! no clock, no broker; what it keeps is bounded (`events`, `frames`), and what is thinned or refused is counted in
//! [`AlignStats`].
//!
//! An event finds its frame by a *key*: the RTCP NTP time, where the two sessions' NTP times fit each other (`clocks`),
//! else the time at which the event's frame would have arrived here by the fastest of recent ways. Between two events boxes
//! go on straight lines along their tracks (`interpolate`); the delay grows and shrinks slowly (`delay`).

mod aligner;
mod clocks;
mod delay;
mod events;
mod frames;
mod interpolate;
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
    /// When its access unit arrived, by [`crate::base::Clock`].
    pub arrival: Duration,
    /// Its RTCP NTP time as Unix nanoseconds, where known: a key, right or wrong as a clock.
    pub ntp_ns: Option<u64>,
    /// The picture's size; boxes of events that do not name theirs are measured in it.
    pub size: Size,
}

/// What an operator can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlignSettings {
    /// On which frames boxes are drawn.
    pub sync: Sync,
    /// How long boxes are shown that nothing confirms.
    pub ttl: Duration,
    /// How long video is held back; measured where absent. At most 1 s either way.
    pub budget: Option<Duration>,
}

/// What to draw on one frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Drawing {
    /// In no particular order.
    pub boxes: Vec<DrawnBox>,
    /// How they were found to belong there.
    pub basis: Basis,
}

/// One box.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnBox {
    /// Left, top, right and bottom edges as fractions of the picture, 0–1; it has an extent.
    pub corners: [f32; 4],
    /// What it is said to be.
    pub class_name: Arc<str>,
    /// Score, 0–1.
    pub confidence: f32,
    /// Its track.
    pub tracker_id: Option<u64>,
    /// Whether it is a guess beyond the newest event.
    pub dashed: bool,
}

/// How boxes were found to belong on a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Basis {
    /// They do not: they are the newest there are.
    Latest,
    /// By NTP time.
    Matched,
    /// By clocks of arrival.
    Estimated,
    /// There is no event for this frame.
    #[default]
    Nothing,
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod pattern_tests;

#[cfg(test)]
mod robust_tests;
