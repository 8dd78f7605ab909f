//! What of a source is recorded: all that it sends, or events.

use std::time::Duration;

use super::scene::Scene;

/// What of a source is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RecordMode {
    /// All that it sends.
    #[default]
    Continuous,
    /// Events only.
    Events(EventRule),
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
