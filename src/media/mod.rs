//! Cameras to frames: one session a source, its decoder, its stall detection, its capture time. The only room that
//! names GStreamer and V4L2.

mod image;
mod source;
mod still;
mod test_pattern;
#[cfg(feature = "testcam")]
pub mod testcam;

pub use image::ImageSource;
pub use source::{ALIVE_INTERVAL, FrameSink, FrameSource, Health, SessionEnd, StreamFacts};
pub use test_pattern::TestPatternSource;
