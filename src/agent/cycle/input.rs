//! What the cycle is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::output::StoreStep;
use super::role::ChildRole;
use crate::agent::attempts::Attempts;
use crate::agent::document::{DocumentId, StoredDocument};
use crate::agent::kept::RecordingDemand;
use crate::base::SourceId;
use crate::config::Settings;
use crate::fleet::{CheckedBodies, Desired, DocumentError, DocumentHash};

/// The time of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, by [`Clock`](crate::base::Clock).
    pub monotonic: Duration,
    /// Wall-clock time; `None` while the clock is not synchronised.
    pub wall: Option<Timestamp>,
}

/// A document that has passed its checks: signature, schema, semantics and capacity.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The received bytes and their name.
    pub document: StoredDocument,
    /// The document.
    pub desired: Desired,
    /// The hash of its role and bodies alone. Two documents with the same one configure the box alike.
    pub body: DocumentHash,
    /// The roles that it configures, each with its sources in the order of its `camera` list.
    pub roles: BTreeMap<ChildRole, Vec<SourceId>>,
    /// What its processor records; `None` if that is nothing.
    pub recording: Option<RecordingDemand>,
    /// Warnings of its checks.
    pub warnings: Vec<DocumentError>,
}

impl Candidate {
    /// A document whose bodies have passed their checks.
    pub fn new(document: StoredDocument, desired: Desired, bodies: &CheckedBodies) -> Self {
        let configured = (desired.role, &desired.processor, &desired.wall);
        let body = serde_json::to_vec(&configured).expect("invariant: it was read from JSON");
        let settings = [
            (ChildRole::Processor, &bodies.processor, &desired.processor),
            (ChildRole::Wall, &bodies.wall, &desired.wall),
        ];
        let roles = settings.into_iter().filter_map(|(role, loaded, body)| {
            let loaded = loaded.as_ref()?;
            Some((role, sources(&loaded.settings, body.as_ref())))
        });
        let processor = bodies.processor.as_ref();
        Self {
            body: DocumentHash::of(&body),
            roles: roles.collect(),
            recording: processor.and_then(|loaded| RecordingDemand::of(&loaded.settings)),
            warnings: bodies.warnings.clone(),
            document,
            desired,
        }
    }

    /// Its name.
    pub fn id(&self) -> &DocumentId {
        &self.document.id
    }
}

/// The sources of a role, first those of the body's `camera` list in its order.
fn sources(settings: &Settings, body: Option<&Value>) -> Vec<SourceId> {
    let cameras = body.and_then(|body| body.get("camera")?.as_array());
    let id = |camera: &Value| {
        u32::try_from(camera.get("id")?.as_u64()?)
            .ok()
            .map(SourceId)
    };
    let listed: Vec<SourceId> = cameras.into_iter().flatten().filter_map(id).collect();
    let is_there = |id: &SourceId| settings.sources.contains_key(id);
    let others = settings.sources.keys().filter(|id| !listed.contains(id));
    let listed_first = listed.iter().copied().filter(is_there);
    listed_first.chain(others.copied()).collect()
}

/// A document that has not passed its checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Its generation, if it could be read.
    pub generation: Option<u64>,
    /// The hash of what was received.
    pub sha256: DocumentHash,
    /// Every problem.
    pub errors: Vec<DocumentError>,
}

/// A document with the result of its checks.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// It has passed them.
    Checked(Arc<Candidate>),
    /// It has not.
    Refused(Refusal),
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The desired document came from the broker: a new one, or the retained one again.
    Received(Received),
    /// The retained desired document is empty. The box keeps what it has.
    Emptied,
    /// The answer to [`Action::Store`](super::Action::Store).
    Stored {
        /// The step.
        step: StoreStep,
        /// Whether it is on flash; else why not.
        result: Result<(), DocumentError>,
    },
    /// The answer to [`Action::Apply`](super::Action::Apply).
    Applied {
        /// The document.
        document: DocumentId,
        /// The role that answered.
        role: ChildRole,
        /// The reasons of a refusal.
        result: Result<(), Vec<DocumentError>>,
    },
    /// The process of a role ended unasked.
    Crashed {
        /// The role.
        role: ChildRole,
        /// How it ended: `signal 15`, `exit code 1`.
        how: String,
    },
    /// A role told its state. Expected every one or two seconds.
    Observed {
        /// The document that the role ran by then. None while it takes over another one: its state counts for neither.
        document: Option<DocumentId>,
        /// The role.
        role: ChildRole,
        /// Its sources, and whether frames of each flow.
        flows: BTreeMap<SourceId, bool>,
        /// Whether the picture of a wall has changed since the last time; `None` without a monitor, and of a processor.
        picture: Option<bool>,
    },
    /// Log lines of a role, without secrets. The last twenty go into the report of a revert.
    Logged(Vec<String>),
    /// The broker is connected: the report is published again.
    Connected,
    /// Time has passed.
    Tick,
}

/// What the store had at the start. The caller has checked the documents again, with the firmware of today.
#[derive(Debug, Clone, Default)]
pub struct Boot {
    /// The last known good document.
    pub last_known_good: Option<Arc<Candidate>>,
    /// The one before.
    pub previous: Option<Arc<Candidate>>,
    /// The pending document.
    pub pending: Option<Received>,
    /// The memory of attempts.
    pub attempts: Attempts,
    /// What the store found amiss, and documents that this firmware can't read.
    pub warnings: Vec<DocumentError>,
}

/// Limits of the cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Maximum number of attempts with one document; 1 by default.
    pub attempts: u32,
    /// Maximum time of the roles to answer an apply; 75 s by default: TensorRT loads for half a minute on a small board. A role
    /// that ends is reverted at once.
    pub apply_limit: Duration,
    /// Maximum time to wait for the present sources to flow after a start, before a new document is tried; 20 s by default.
    pub settle_limit: Duration,
    /// Time between two attempts to write to a disk that refuses; 60 s by default.
    pub store_retry: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 1,
            apply_limit: Duration::from_secs(75),
            settle_limit: Duration::from_secs(20),
            store_retry: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::{BodySources, DeviceRole};

    fn candidate(generation: u64, role: DeviceRole, sources: &[u32]) -> Candidate {
        let camera = |id: &u32| json!({"id": id, "uri": format!("rtsp://10.0.0.1/{id}")});
        let cameras: Vec<Value> = sources.iter().map(camera).collect();
        let body = Some(json!({ "camera": cameras }));
        let desired = Desired {
            processor: body.clone().filter(|_| role.has_processor()),
            wall: body.filter(|_| role.has_wall()),
            ..Desired::new(generation, role)
        };
        let bytes = desired.to_json();
        let document = StoredDocument {
            id: DocumentId {
                generation,
                sha256: DocumentHash::of(&bytes),
            },
            received: None,
            bytes: bytes.into(),
        };
        let bodies = BodySources::of_desk().check(&desired).expect("a good body");
        Candidate::new(document, desired, &bodies)
    }

    #[test]
    fn a_candidate_has_the_sources_in_the_order_of_the_document() {
        let both = candidate(17, DeviceRole::Both, &[7, 3, 5]);
        let sources = [7, 3, 5].map(SourceId).to_vec();
        let expected = [
            (ChildRole::Processor, sources.clone()),
            (ChildRole::Wall, sources),
        ];
        assert_eq!(both.roles, expected.into());
        let wall = candidate(17, DeviceRole::Wall, &[1]);
        assert_eq!(wall.roles, [(ChildRole::Wall, vec![SourceId(1)])].into());
    }

    #[test]
    fn only_the_role_and_the_bodies_make_the_hash_of_the_body() {
        let body = |generation, role, sources| candidate(generation, role, sources).body;
        let former = body(17, DeviceRole::Processor, &[1, 2]);
        assert_eq!(body(18, DeviceRole::Processor, &[1, 2]), former);
        assert_ne!(body(17, DeviceRole::Processor, &[2, 1]), former);
        assert_ne!(body(17, DeviceRole::Wall, &[1, 2]), former);
    }
}
