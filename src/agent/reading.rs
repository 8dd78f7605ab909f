//! The checks of a received document, in the order of the protocol: size and signature, schema, then the bodies by the checks of
//! the local configuration.

use std::sync::Arc;

use jiff::Timestamp;

use super::abilities::Abilities;
use super::cycle::{Candidate, ChildRole, Received, Refusal};
use super::document::{DocumentId, StoredDocument};
use super::monitors;
use super::preflight::{Demand, preflight};
use crate::fleet::{
    BodySources, CheckedBodies, Desired, DocumentError, DocumentErrors, DocumentHash, KeyId,
    Keyring, Opened, PayloadType, codes, open,
};

/// The checks of a box.
pub(super) struct Reader {
    /// The id of the box.
    pub(super) device: String,
    /// The options and the environment of the roles.
    pub(super) bodies: BodySources,
    /// What the box can do, as far as it is known.
    pub(super) abilities: Abilities,
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
        self.opened(message, &opened, keys, at, false)
    }

    /// Checks a stored document with the firmware of today. Its signature was verified when it came: a key that was revoked
    /// since must not take the box its last known good document. Nor must its capacity: it was measured since, or a card is not
    /// ready yet.
    pub(super) fn stored(&self, stored: &StoredDocument) -> Received {
        let none = Keyring::default();
        let checked = open(&stored.bytes, PayloadType::Desired, &none)
            .map_err(|errors| refusal(None, stored.id.sha256.clone(), errors))
            .and_then(|opened| self.opened(&stored.bytes, &opened, &none, stored.received, true));
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
        is_stored: bool,
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
        let overcommit = desired.overcommit || is_stored;
        let mut candidate = Candidate::new(document, desired, &bodies);
        let demands = demands(&candidate, &bodies);
        let processor = bodies.processor.as_ref().map(|loaded| &loaded.settings);
        let capacity = self.abilities.capacity(processor);
        let mut found = preflight(&demands, &capacity, overcommit);
        let (outputs, heads) = (&self.abilities.known().outputs, self.abilities.heads());
        let of_monitors = monitors::check(&demands, outputs, heads, overcommit);
        found.errors.extend(of_monitors.errors);
        found.warnings.extend(of_monitors.warnings);
        DocumentErrors::or(found.errors, ()).map_err(refuse)?;
        candidate.warnings.extend(found.warnings);
        Ok((Arc::new(candidate), changed))
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

fn demands<'a>(candidate: &'a Candidate, bodies: &'a CheckedBodies) -> Vec<Demand<'a>> {
    let loaded = [
        (ChildRole::Processor, &bodies.processor),
        (ChildRole::Wall, &bodies.wall),
    ];
    let demand = |(role, loaded): (ChildRole, &'a Option<crate::config::Loaded>)| {
        Some(Demand {
            role,
            settings: &loaded.as_ref()?.settings,
            cameras: candidate.roles.get(&role)?,
        })
    };
    loaded.into_iter().filter_map(demand).collect()
}

/// A stored document as it was written.
pub(super) fn desired_of(stored: &StoredDocument) -> Result<Desired, DocumentErrors> {
    let opened = open(&stored.bytes, PayloadType::Desired, &Keyring::default())?;
    Desired::read(&opened.payload)
}

fn refusal(generation: Option<u64>, sha256: DocumentHash, errors: DocumentErrors) -> Refusal {
    Refusal {
        generation,
        sha256,
        errors: errors.into_vec(),
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
