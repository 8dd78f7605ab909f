//! Builds events and frames for the tests of this folder.

use std::sync::Arc;
use std::time::Duration;

use super::{AlignSettings, FrameTimes};
use crate::base::{BBox, CaptureClock, Size, SourceId};
use crate::config::Sync;
use crate::event::{DetectedObject, DetectionEvent, unix_time};

pub(super) const SIZE: Size = Size::new(1280, 720);
/// Some day in 2026.
pub(super) const DAY: Duration = Duration::from_secs(1_780_000_000);

pub(super) const fn millis(time: u64) -> Duration {
    Duration::from_millis(time)
}

pub(super) fn settings(sync: Sync) -> AlignSettings {
    AlignSettings {
        sync,
        ttl: Duration::from_secs(1),
        budget: None,
    }
}

pub(super) fn frame(arrival: Duration, ntp: Option<Duration>) -> FrameTimes {
    FrameTimes {
        arrival,
        ntp_ns: ntp.map(|ntp| u64::try_from(ntp.as_nanos()).expect("this century")),
        size: SIZE,
    }
}

pub(super) fn object(track: Option<u64>, left: f32) -> DetectedObject {
    DetectedObject {
        class_name: "person".into(),
        confidence: 0.9,
        bbox: BBox::from_corners(left, 200.0, left + 100.0, 400.0),
        tracker_id: track,
    }
}

/// The event of a frame that arrived at `arrival_unix` by the clock of its processor and was published `latency` later.
pub(super) fn event(
    arrival_unix: Duration,
    ntp: Option<Duration>,
    latency: Duration,
    detections: Vec<DetectedObject>,
) -> DetectionEvent {
    DetectionEvent {
        source_id: SourceId(0),
        frame_id: 0,
        timestamp: unix_time(arrival_unix),
        model_id: "scripted".into(),
        inference_time_ms: 20.0,
        detections,
        fps: Some(5.0),
        latency_ms: Some(latency.as_secs_f32() * 1e3),
        instance_id: Some(Arc::from("box-1")),
        frame_width: Some(SIZE.width),
        frame_height: Some(SIZE.height),
        ntp_ns: ntp.map(|ntp| u64::try_from(ntp.as_nanos()).expect("this century")),
        clock: Some(CaptureClock::Arrival),
    }
}
