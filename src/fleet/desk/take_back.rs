//! What a halt publishes: for each device of a rollout whose retained document is ours and not applied, the former body with a
//! new generation.

use std::collections::BTreeMap;

use super::journal::Entry;
use super::next::NextDocument;
use super::{DeskError, DeviceView, Journal, RetainedDocument, Signer};

/// A document that takes back one of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TakeBack {
    pub(super) device: String,
    pub(super) document: TakeBackDocument,
}

/// The message of a take-back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TakeBackDocument {
    /// The former body with a new generation.
    Body(NextDocument),
    /// The former message as it was, because its body can't be read.
    Message(Vec<u8>),
    /// Nothing: there was no document before. The device keeps what it has.
    Nothing,
}

impl TakeBackDocument {
    /// The bytes to be retained; empty clears.
    pub(super) fn message(&self) -> &[u8] {
        match self {
            Self::Body(next) => &next.message,
            Self::Message(message) => message,
            Self::Nothing => &[],
        }
    }
}

/// The take-backs of a rollout. `rivals` are documents that others published for a device before ours replaced them; they are
/// restored instead of the former ones.
pub(super) fn take_backs(
    journal: &Journal,
    views: &BTreeMap<String, DeviceView>,
    rivals: &BTreeMap<String, RetainedDocument>,
    signer: &Signer,
    revert_applied: bool,
) -> Result<Vec<TakeBack>, DeskError> {
    let none = DeviceView::default();
    let mut found = Vec::new();
    for entry in journal.entries() {
        let view = views.get(&entry.device).unwrap_or(&none);
        if !is_due(journal, entry, view, revert_applied) {
            continue;
        }
        let former = rivals
            .get(&entry.device)
            .cloned()
            .or_else(|| entry.former());
        let document = match former {
            None => TakeBackDocument::Nothing,
            Some(RetainedDocument {
                body: Some(body), ..
            }) => {
                let mut above = view.clone();
                // Also where the broker has lost the document: the device may have it.
                if above.desired.is_none() {
                    above.desired = Some(RetainedDocument::new(entry.message().to_vec()));
                }
                check_key(entry, signer)?;
                TakeBackDocument::Body(signer.next(&entry.device, &body, &above)?)
            }
            Some(former) => TakeBackDocument::Message(former.message),
        };
        let device = entry.device.clone();
        found.push(TakeBack { device, document });
    }
    Ok(found)
}

fn is_due(journal: &Journal, entry: &Entry, view: &DeviceView, revert_applied: bool) -> bool {
    let is_ours = match &view.desired {
        Some(retained) => retained.hash.as_ref() == Some(&entry.hash),
        // A broker without persistence lost it.
        None => journal.is_published(&entry.device) && entry.former().is_some(),
    };
    // An installation that has begun can't be taken back; one that failed is not worth keeping.
    let firmware = entry.ordered_firmware();
    let has_taken = firmware.is_none_or(|generation| view.has_begun_firmware(generation));
    is_ours && (revert_applied || !(view.has_applied(&entry.hash) && has_taken))
}

/// A fleet with keys refuses what is not signed.
fn check_key(entry: &Entry, signer: &Signer) -> Result<(), DeskError> {
    let was_signed = !RetainedDocument::new(entry.message().to_vec())
        .signers
        .is_empty();
    if was_signed && signer.is_empty() {
        let message = format!(
            "the document of {} was signed, and so must be what takes it back; name the key with --key",
            entry.device
        );
        return Err(DeskError::Usage(message));
    }
    Ok(())
}
