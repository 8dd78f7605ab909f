//! One camera whose pictures and objects are recorded, as soon as there is a recorder.
//!
//! Access units come on the thread of the camera's session, scenes on that of the detector. Neither waits for the disk.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use crate::base::{FrameMeta, SourceId};
use crate::event::DetectedObject;
use crate::media::{CodedUnit, UnitSink};
use crate::record::{RecordMode, RecordedSource, Recorder, Scene, SceneObject};

/// One camera, recorded as soon as there is a recorder.
pub(super) struct RecordedCamera {
    id: SourceId,
    mode: RecordMode,
    recorder: Arc<ArcSwapOption<Recorder>>,
    recorded: OnceLock<Arc<RecordedSource>>,
}

impl RecordedCamera {
    /// A camera whose recorder may come later.
    pub(super) fn new(
        id: SourceId,
        mode: RecordMode,
        recorder: Arc<ArcSwapOption<Recorder>>,
    ) -> Self {
        Self {
            id,
            mode,
            recorder,
            recorded: OnceLock::new(),
        }
    }

    /// Takes the published objects of a frame. Dropped before the first access unit has reached the recorder.
    pub(super) fn scene(&self, frame: &FrameMeta, objects: &[DetectedObject]) {
        // Never begins a recording: the result may be the last one of a camera that was removed.
        if let Some(recorded) = self.recorded.get() {
            recorded.scene(scene(frame, objects));
        }
    }
}

impl UnitSink for RecordedCamera {
    fn unit(&self, unit: CodedUnit) {
        let recorded = self.recorded.get().cloned().or_else(|| {
            let recorder = self.recorder.load();
            let recorded = recorder.as_ref()?.source_in(self.id, self.mode.clone());
            Some(self.recorded.get_or_init(|| recorded).clone())
        });
        if let Some(recorded) = recorded {
            recorded.unit(unit);
        }
    }
}

/// The scene of a frame as it is recorded. Its times are those of the frame itself: the timestamp of an event has milliseconds only.
fn scene(frame: &FrameMeta, objects: &[DetectedObject]) -> Scene {
    let objects = objects.iter().map(|object| SceneObject {
        class_name: object.class_name.clone(),
        confidence: object.confidence,
        bbox: object.bbox,
        track: object.tracker_id,
    });
    Scene {
        captured_unix: frame.captured_unix,
        ntp_ns: frame.ntp_ns,
        frame_size: frame.size,
        objects: objects.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::{BBox, CaptureClock, Colorimetry, Size};

    #[test]
    fn a_scene_has_the_exact_times_of_its_frame_and_the_objects_of_its_event() {
        let bbox = BBox {
            x: 10.5,
            y: 20.0,
            width: 4.0,
            height: 8.25,
        };
        let frame = FrameMeta {
            frame_id: 9,
            size: Size::new(1920, 1080),
            colorimetry: Colorimetry::assumed(Size::new(1920, 1080)),
            pts: None,
            arrival: Duration::from_secs(5),
            captured_unix: Duration::from_nanos(1_795_854_600_123_456_789),
            clock: CaptureClock::Ntp,
            ntp_ns: Some(1_795_854_600_123_000_001),
        };
        let published = [
            DetectedObject {
                class_name: "person".into(),
                confidence: 0.75,
                bbox,
                tracker_id: Some(17),
            },
            DetectedObject {
                class_name: "car".into(),
                confidence: 0.5,
                bbox,
                tracker_id: None,
            },
        ];
        let recorded = |class_name: &str, confidence, track| SceneObject {
            class_name: class_name.into(),
            confidence,
            bbox,
            track,
        };
        let expected = Scene {
            captured_unix: Duration::from_nanos(1_795_854_600_123_456_789),
            ntp_ns: Some(1_795_854_600_123_000_001),
            frame_size: Size::new(1920, 1080),
            objects: vec![
                recorded("person", 0.75, Some(17)),
                recorded("car", 0.5, None),
            ],
        };
        assert_eq!(scene(&frame, &published), expected);
        // Analysed, and nothing found.
        assert_eq!(scene(&frame, &[]).objects, []);
    }
}
