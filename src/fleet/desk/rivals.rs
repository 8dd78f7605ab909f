//! Documents of others among those of a rollout.

use super::journal::Entry;
use super::{DeviceView, RetainedDocument};
use crate::fleet::DocumentHash;

/// A message on the topic of a device, if it is a document of another desk.
pub(super) fn foreign(message: &[u8], entry: &Entry) -> Option<RetainedDocument> {
    if message.is_empty() {
        return None;
    }
    let retained = RetainedDocument::new(message.to_vec());
    let is_former = entry
        .former()
        .is_some_and(|former| former.hash == retained.hash);
    let is_ours = retained.hash.as_ref() == Some(&entry.hash);
    (!is_former && !is_ours).then_some(retained)
}

/// Whether another document than the one of the plan is on the broker now.
pub(super) fn is_replaced(view: &DeviceView, entry: &Entry) -> bool {
    let retained = view.desired.as_ref();
    retained.is_some_and(|retained| foreign(&retained.message, entry).is_some())
}

/// Names the document that took the place of ours; absent if it is ours.
pub(super) fn rival(theirs: &RetainedDocument, ours: &DocumentHash) -> Option<String> {
    let hash = theirs.hash.as_ref().filter(|hash| *hash != ours)?;
    let generation = theirs.generation.map(|number| number.to_string());
    let generation = generation.unwrap_or_else(|| "?".to_owned());
    let signers: Vec<&str> = theirs.signers.iter().map(|key| key.as_str()).collect();
    let signed = match signers.is_empty() {
        true => "not signed".to_owned(),
        false => format!("signed by key {}", signers.join(", ")),
    };
    let published = theirs.by.as_ref().map(|by| format!(", published by {by}"));
    Some(format!(
        "generation {generation} ({}, {signed}{})",
        hash.short(),
        published.unwrap_or_default()
    ))
}
