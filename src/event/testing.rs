//! Events for the tests of this room.

use proptest::prelude::*;

use super::{DetectedObject, DetectionEvent};
use crate::base::{BBox, CaptureClock, SourceId};

/// The example of the published schema, as published.
pub(super) const PUBLISHED: &str = r#"{
  "source_id": 0, "frame_id": 12345, "timestamp": "2025-10-25T10:30:00.123Z",
  "model_id": "yolov8x-640", "inference_time_ms": 45.2,
  "detections": [
    {"class_name": "person", "confidence": 0.92,
     "bbox": {"x": 100, "y": 150, "width": 80, "height": 200}, "tracker_id": 42}
  ],
  "fps": 25.3, "latency_ms": 120.5
}"#;

/// The event of [`PUBLISHED`].
pub(super) fn example() -> DetectionEvent {
    DetectionEvent {
        source_id: SourceId(0),
        frame_id: 12345,
        timestamp: "2025-10-25T10:30:00.123Z".parse().expect("a time"),
        model_id: "yolov8x-640".into(),
        inference_time_ms: 45.2,
        detections: vec![DetectedObject {
            class_name: "person".into(),
            confidence: 0.92,
            bbox: BBox {
                x: 100.0,
                y: 150.0,
                width: 80.0,
                height: 200.0,
            },
            tracker_id: Some(42),
        }],
        fps: Some(25.3),
        latency_ms: Some(120.5),
        instance_id: None,
        frame_width: None,
        frame_height: None,
        ntp_ns: None,
        clock: None,
    }
}

/// An event with every field.
pub(super) fn full_example() -> DetectionEvent {
    let mut event = example();
    event.detections.push(DetectedObject {
        class_name: "forklift".into(),
        confidence: 0.5,
        bbox: BBox {
            x: 1279.5,
            y: 0.25,
            width: 1.0,
            height: 0.5,
        },
        tracker_id: None,
    });
    DetectionEvent {
        instance_id: Some("dock-box-1".into()),
        frame_width: Some(1280),
        frame_height: Some(720),
        ntp_ns: Some(1_761_388_200_123_456_789),
        clock: Some(CaptureClock::Ntp),
        ..event
    }
}

prop_compose! {
    fn any_object()(
        class_name in "\\PC{0,12}",
        confidence in 0f32..=1.0,
        x in -1e4f32..1e4, y in -1e4f32..1e4, width in 0f32..1e4, height in 0f32..1e4,
        tracker_id: Option<u64>,
    ) -> DetectedObject {
        DetectedObject {
            class_name: class_name.into(), confidence, bbox: BBox { x, y, width, height }, tracker_id,
        }
    }
}

prop_compose! {
    /// Any event that may be published.
    pub(super) fn any_event()(
        source_id: u32, frame_id: u64,
        unix_ms in 0i64..4_102_444_800_000,
        model_id in "\\PC{0,20}", inference_time_ms in 0f32..1e5,
        detections in prop::collection::vec(any_object(), 0..8),
        fps in prop::option::of(0f32..1e3), latency_ms in prop::option::of(0f32..1e5),
        instance_id in prop::option::of("\\PC{0,20}"),
        frame_width: Option<u32>, frame_height: Option<u32>, ntp_ns: Option<u64>,
        clock in prop::option::of(prop_oneof![Just(CaptureClock::Ntp), Just(CaptureClock::Arrival)]),
    ) -> DetectionEvent {
        DetectionEvent {
            source_id: SourceId(source_id), frame_id,
            timestamp: jiff::Timestamp::from_millisecond(unix_ms).expect("within the calendar"),
            model_id: model_id.into(), inference_time_ms, detections, fps, latency_ms,
            instance_id: instance_id.map(Into::into), frame_width, frame_height, ntp_ns, clock,
        }
    }
}
