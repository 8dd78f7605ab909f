//! What is wrong with the box itself, whatever its document says, and with the room for its recordings.

use super::codes;
use super::driver::Driver;
use crate::fleet::DocumentError;

/// The code of a role that ends again and again.
const CRASH_LOOP: &str = "crash-loop";

impl Driver {
    /// The problems of its files, its roles, its id and its recordings.
    pub(super) fn warnings(&self) -> Vec<DocumentError> {
        let mut warnings = self.reader.abilities.warnings.clone();
        for (role, child) in &self.children {
            let condition = child.condition.borrow();
            if let Some(how) = &condition.crash_loop {
                let message = format!(
                    "the {role} ends again and again, the last time with {how}; it is started again once per minute"
                );
                warnings.push(DocumentError::new(role.to_string(), CRASH_LOOP, message));
            }
            if let Some(process) = condition.taken_by {
                let message = format!(
                    "process {process} is a {role} with the id {} and was not started by this agent; end it, or give it another --instance-id",
                    self.identity.device
                );
                warnings.push(DocumentError::new(
                    role.to_string(),
                    codes::SOCKET_TAKEN,
                    message,
                ));
            }
        }
        let twin = self.link.twin().map(|twin| {
            let order = if twin.is_first { "before" } else { "after" };
            let message = format!(
                "another device has the id {} (session {}, started {order} this one at {}); give each its own id",
                self.identity.device, twin.session, twin.since
            );
            DocumentError::new("device", codes::TWIN, message)
        });
        warnings.extend(twin);
        warnings.extend(self.recordings.warning());
        warnings
    }
}
