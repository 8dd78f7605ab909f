//! The checks of a received document, in the order of the protocol: size and signature, schema, then the bodies by the checks of
//! the local configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::cycle::{
    Candidate, ChildRole, OnDeadNewSource, ProbationRule, Received, Refusal, Window,
};
use super::document::{DocumentId, StoredDocument};
use super::hash::DocumentHash;
use super::problem::Problem;
use crate::base::SourceId;
use crate::config::Loaded;
use crate::fleet::{
    self, BodySources, CheckedBodies, Desired, DocumentError, DocumentErrors, KeyId, Keyring,
    Opened, PayloadType, codes, open,
};

/// The checks of a box.
pub(super) struct Reader {
    /// The id of the box.
    pub(super) device: String,
    /// The options and the environment of the roles.
    pub(super) bodies: BodySources,
}

/// A document that has passed its checks, with the keys that the box trusts from then on, if it changes them.
pub(super) type Checked = (Arc<Candidate>, Option<Keyring>);

impl Reader {
    /// Checks a received message.
    pub(super) fn received(
        &self,
        message: &[u8],
        keys: &Keyring,
        at: Option<Timestamp>,
    ) -> Result<Checked, Refusal> {
        let opened = open(message, PayloadType::Desired, keys)
            .map_err(|errors| refusal(None, DocumentHash::of(message), errors))?;
        self.opened(message, &opened, keys, at)
    }

    /// Checks a stored document with the firmware of today. Its signature was verified when it came: a key that was revoked
    /// since must not take the box its last known good document.
    pub(super) fn stored(&self, stored: &StoredDocument) -> Received {
        let none = Keyring::default();
        let checked = open(&stored.bytes, PayloadType::Desired, &none)
            .map_err(|errors| refusal(None, stored.id.sha256.clone(), errors))
            .and_then(|opened| self.opened(&stored.bytes, &opened, &none, stored.received));
        match checked {
            Ok((candidate, _)) => Received::Checked(candidate),
            Err(refusal) => Received::Refused(refusal),
        }
    }

    fn opened(
        &self,
        message: &[u8],
        opened: &Opened,
        keys: &Keyring,
        at: Option<Timestamp>,
    ) -> Result<Checked, Refusal> {
        let sha256 = DocumentHash::of(&opened.payload);
        let refuse = |errors| refusal(opened.generation(), sha256.clone(), errors);
        let desired = Desired::read(&opened.payload).map_err(refuse)?;
        let changed = self.changed_keys(&desired, keys, &opened.signers);
        let changed = changed.map_err(refuse)?;
        let bodies = self.bodies.check(&desired).map_err(refuse)?;
        let document = StoredDocument {
            id: DocumentId {
                generation: desired.generation,
                sha256: sha256.clone(),
            },
            received: at,
            bytes: Arc::from(message),
        };
        Ok((Arc::new(candidate(document, &desired, &bodies)), changed))
    }

    fn changed_keys(
        &self,
        desired: &Desired,
        keys: &Keyring,
        signers: &[KeyId],
    ) -> Result<Option<Keyring>, DocumentErrors> {
        let meant = desired.device.as_ref();
        if let Some(meant) = meant.filter(|meant| **meant != self.device) {
            let message = format!("the document is for {meant}, this is {}", self.device);
            return Err(DocumentError::new("device", codes::WRONG_DEVICE, message).into());
        }
        match &desired.keys {
            Some(change) => keys.changed(change, signers),
            None => Ok(None),
        }
    }
}

/// A stored document as it was written.
pub(super) fn desired_of(stored: &StoredDocument) -> Result<Desired, DocumentErrors> {
    let opened = open(&stored.bytes, PayloadType::Desired, &Keyring::default())?;
    Desired::read(&opened.payload)
}

fn candidate(document: StoredDocument, desired: &Desired, bodies: &CheckedBodies) -> Candidate {
    let mut roles = BTreeMap::new();
    let of = |loaded: &Option<Loaded>| loaded.as_ref().map(sources);
    roles.extend(of(&bodies.processor).map(|sources| (ChildRole::Processor, sources)));
    roles.extend(of(&bodies.wall).map(|sources| (ChildRole::Wall, sources)));
    let body = serde_json::to_vec(&(&desired.role, &desired.processor, &desired.wall));
    let body = body.expect("invariant: a parsed document has string keys");
    let base = desired.base.as_ref();
    Candidate {
        document,
        base: base.and_then(|base| base.as_str().parse().ok()),
        body: DocumentHash::of(&body),
        roles,
        window: Window {
            not_before: desired.not_before,
            not_after: desired.not_after,
        },
        decommission: desired.decommission,
        probation: ProbationRule {
            limit: desired.probation.limit.0,
            on_dead_new_source: match desired.probation.on_dead_new_source {
                fleet::OnDeadNewSource::Keep => OnDeadNewSource::Keep,
                fleet::OnDeadNewSource::Revert => OnDeadNewSource::Revert,
            },
        },
        warnings: bodies.warnings.iter().cloned().map(problem).collect(),
    }
}

/// The sources in the order of the list `camera`, which the paths of problems count.
fn sources(loaded: &Loaded) -> Vec<SourceId> {
    let cameras = loaded.raw.camera.iter().flatten();
    let ids = cameras.filter_map(|camera| u32::try_from(camera.id?).ok());
    let listed: Vec<SourceId> = ids.map(SourceId).collect();
    match listed.is_empty() {
        true => loaded.settings.sources.keys().copied().collect(),
        false => listed,
    }
}

fn refusal(generation: Option<u64>, sha256: DocumentHash, errors: DocumentErrors) -> Refusal {
    Refusal {
        generation,
        sha256,
        errors: errors.into_vec().into_iter().map(problem).collect(),
    }
}

/// A problem of a document as one of the box.
fn problem(error: DocumentError) -> Problem {
    let DocumentError {
        path,
        code,
        message,
    } = error;
    Problem {
        path,
        code,
        message,
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
