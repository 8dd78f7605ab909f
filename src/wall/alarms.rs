//! Chooses the focus camera of a head from the classes in the events of its cameras.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::SourceId;
use crate::config::WallSettings;
use crate::render::Camera;
use crate::render::layout::FocusChoice;

/// The alarms of a head.
pub(super) struct Alarms {
    choice: FocusChoice,
    /// Arrival time of the newest event of each camera that was processed.
    observed: BTreeMap<SourceId, Duration>,
}

impl Alarms {
    pub(super) fn new(wall: &WallSettings) -> Self {
        Self {
            choice: FocusChoice::new(wall.alarm_classes.clone(), wall.alarm_hold),
            observed: BTreeMap::new(),
        }
    }

    pub(super) fn set(&mut self, wall: &WallSettings) {
        self.choice.set(wall.alarm_classes.clone(), wall.alarm_hold);
    }

    /// The camera to be promoted at `now`. Processes the events that arrived since the last call.
    pub(super) fn promoted(
        &mut self,
        shown: &[SourceId],
        cameras: &BTreeMap<SourceId, Arc<Camera>>,
        now: Duration,
    ) -> Option<SourceId> {
        for id in shown {
            let newest = cameras.get(id).and_then(|camera| camera.last_event());
            let Some((at, event)) = newest else {
                continue;
            };
            if self.observed.insert(*id, at) != Some(at) {
                let classes = event.detections.iter().map(|found| &*found.class_name);
                self.choice.observe(now, *id, classes);
            }
        }
        self.choice.promoted(now)
    }
}
