//! What of a source is recorded: all that it sends, or events.

use std::time::Duration;

use super::scene::Scene;

/// What of a source is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordMode {
    /// All that it sends.
    Continuous {
        /// The classes whose objects are events. `None` means all. Recordings with events are kept longer.
        event_classes: Option<Vec<String>>,
    },
    /// Events only.
    Events(EventRule),
}

impl RecordMode {
    /// The classes whose objects are events. `None` means all.
    pub(super) fn event_classes(&self) -> Option<&[String]> {
        match self {
            Self::Continuous { event_classes } => event_classes.as_deref(),
            Self::Events(rule) => rule.classes.as_deref(),
        }
    }
}

impl Default for RecordMode {
    /// All that it sends, and all classes.
    fn default() -> Self {
        Self::Continuous {
            event_classes: None,
        }
    }
}

/// What an event is, and how much is recorded around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRule {
    /// Time before the frame that begins an event. The recording begins with the key frame at or before it.
    pub pre_roll: Duration,
    /// Time after the last frame of an event. The recording ends before the first key frame after it.
    pub post_roll: Duration,
    /// The classes whose objects are events. `None` means all.
    pub classes: Option<Vec<String>>,
}

impl EventRule {
    /// Whether a scene has an object of a wanted class.
    pub(super) fn wants(&self, scene: &Scene) -> bool {
        match &self.classes {
            None => !scene.objects.is_empty(),
            Some(classes) => scene
                .objects
                .iter()
                .any(|object| classes.iter().any(|class| **class == *object.class_name)),
        }
    }
}
