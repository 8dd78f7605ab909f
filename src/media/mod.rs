//! Cameras to frames: one session a source, its decoder, its stall detection, its capture time. The only room that
//! names GStreamer and V4L2.

mod source;
#[cfg(feature = "testcam")]
pub mod testcam;

pub use source::{ALIVE_INTERVAL, FrameSink, FrameSource, Health, SessionEnd, StreamFacts};
