//! What the state of a role says of the box: its health, its abilities, and how long its recordings are kept.

use super::child::Observation;
use super::cycle::ChildRole;
use super::document::DocumentId;
use super::driver::Driver;

impl Driver {
    /// A role that runs `document` has told its state.
    pub(super) fn note_state(
        &mut self,
        role: ChildRole,
        document: Option<&DocumentId>,
        observation: &Observation,
    ) {
        let now = self.clock.now();
        self.firmware.health.observe(role, observation, now);
        if let (Some(document), Some(recorder)) = (document, &observation.recorder) {
            self.recordings.note(recorder, document, now);
        }
        let (detector, planes) = (&observation.detector, &observation.planes);
        let abilities = &mut self.reader.abilities;
        if abilities.observed(detector.as_ref(), planes.as_ref(), now) {
            self.publish_capabilities();
        }
    }
}
