//! What a rollout would change: the documents of the file against those on the broker.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::diff::diff;
use super::next::NextDocument;
use super::view::body;
use super::{DeskError, DeviceView, Signer};
use crate::fleet::{Desired, DocumentHash, Phase};

/// What a rollout would do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The devices that get a document, in the order of the file.
    pub changes: Vec<Change>,
    /// The devices whose document is on the broker already.
    pub unchanged: Vec<String>,
    /// Things that the operator should know, a line each.
    pub notes: Vec<String>,
}

/// A device that gets a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The device.
    pub device: String,
    /// The document that the broker has now; absent if none.
    pub former: Option<Former>,
    /// One line per changed value, without secrets.
    pub diff: Vec<String>,
    pub(super) next: NextDocument,
}

/// The document that a change replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Its generation, if it can be read.
    pub generation: Option<u64>,
    /// Its hash, if it can be opened.
    pub hash: Option<DocumentHash>,
    /// The message as the broker has it.
    pub message: Vec<u8>,
}

impl Change {
    /// The generation that the device gets.
    pub fn generation(&self) -> u64 {
        self.next.generation
    }

    /// The hash of the document that the device gets.
    pub fn hash(&self) -> &DocumentHash {
        &self.next.hash
    }
}

impl Plan {
    /// The plan as text, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for change in &self.changes {
            let next = change.generation();
            let from = match &change.former {
                None => "no document".to_owned(),
                Some(former) => match former.generation {
                    Some(generation) => format!("generation {generation}"),
                    None => "an unreadable document".to_owned(),
                },
            };
            lines.push(format!("{}: {from} → generation {next}", change.device));
            lines.extend(change.diff.iter().map(|line| format!("    {line}")));
        }
        lines.extend(self.notes.iter().cloned());
        lines.push(format!(
            "{} to change, {} unchanged",
            self.changes.len(),
            self.unchanged.len()
        ));
        lines
    }

    /// The plan for programs.
    pub fn to_json(&self) -> Value {
        let changes: Vec<Value> = self
            .changes
            .iter()
            .map(|change| {
                json!({
                    "device": change.device,
                    "former_generation": change.former.as_ref().and_then(|former| former.generation),
                    "former_sha256": change.former.as_ref().and_then(|former| former.hash.clone()),
                    "generation": change.generation(),
                    "sha256": change.hash(),
                    "diff": change.diff,
                })
            })
            .collect();
        json!({ "changes": changes, "unchanged": self.unchanged, "notes": self.notes })
    }
}

/// Compares the documents of the file with those on the broker. `retry` also replaces documents that a device has refused.
///
/// # Errors
/// When a document is too large with its signature.
pub fn plan(
    documents: &[(&str, &Desired)],
    views: &BTreeMap<String, DeviceView>,
    signer: &Signer,
    retry: bool,
) -> Result<Plan, DeskError> {
    let mut plan = Plan::default();
    let none = DeviceView::default();
    for (device, desired) in documents {
        let view = views.get(*device).unwrap_or(&none);
        plan.add(device, &body(desired), view, signer, retry)?;
    }
    Ok(plan)
}

impl Plan {
    /// Adds a device if its document would change.
    pub(super) fn add(
        &mut self,
        device: &str,
        body: &Map<String, Value>,
        view: &DeviceView,
        signer: &Signer,
        retry: bool,
    ) -> Result<(), DeskError> {
        let retained = view.desired.as_ref();
        let former_body = retained.and_then(|retained| retained.body.as_ref());
        let mut lines = diff(former_body.unwrap_or(&Map::new()), body);
        let is_signed = retained.is_none_or(|retained| signer.is_among(&retained.signers));
        if !is_signed {
            lines.push("~ signature: not signed with the given keys".to_owned());
        }
        if let Some(phase) = refused(view) {
            let generation = retained
                .and_then(|retained| retained.generation)
                .unwrap_or(0);
            if retry {
                lines.push(format!(
                    "~ again: generation {generation} was {}",
                    phase.as_str()
                ));
            } else if lines.is_empty() {
                self.notes.push(format!(
                    "{device}: unchanged, but the device has generation {generation} {}; `apply --retry` publishes it again",
                    phase.as_str()
                ));
            }
        }
        if lines.is_empty() && former_body == Some(body) {
            self.unchanged.push(device.to_owned());
            return Ok(());
        }
        self.changes.push(Change {
            device: device.to_owned(),
            former: retained.map(|retained| Former {
                generation: retained.generation,
                hash: retained.hash.clone(),
                message: retained.message.clone(),
            }),
            diff: lines,
            next: signer.next(device, body, view)?,
        });
        Ok(())
    }
}

/// The phase of the retained document if the device has refused it.
fn refused(view: &DeviceView) -> Option<Phase> {
    let hash = view.desired.as_ref()?.hash.as_ref()?;
    let report = view.reported.as_ref()?;
    let is_about_it = report.sha256.as_ref() == Some(hash);
    let is_refused = matches!(
        report.phase,
        Phase::Rejected | Phase::Reverted | Phase::Conflict
    );
    (is_about_it && is_refused).then_some(report.phase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::FleetTopic;
    use crate::fleet::{DeviceRole, PrivateKey};

    fn desired(confidence: f64) -> Desired {
        let body = json!({ "processor": { "confidence": confidence } });
        Desired {
            processor: Some(body),
            ..Desired::new(1, DeviceRole::Processor)
        }
    }

    fn view_of(change: &Change) -> DeviceView {
        let mut view = DeviceView::default();
        view.take(FleetTopic::Desired, &change.next.message);
        view
    }

    fn planned(desired: &Desired, view: DeviceView, signer: &Signer, retry: bool) -> Plan {
        let views = BTreeMap::from([("a".to_owned(), view)]);
        plan(&[("a", desired)], &views, signer, retry).expect("small")
    }

    #[test]
    fn what_is_on_the_broker_is_not_published_again() {
        let bare = Signer::default();
        let first = planned(&desired(0.5), DeviceView::default(), &bare, false);
        assert_eq!(first.lines()[0], "a: no document → generation 1");
        let view = view_of(&first.changes[0]);
        let same = planned(&desired(0.5), view.clone(), &bare, false);
        assert_eq!(
            (same.changes.len(), same.unchanged),
            (0, vec!["a".to_owned()])
        );
        let changed = planned(&desired(0.6), view, &bare, false);
        assert_eq!(
            changed.lines(),
            [
                "a: generation 1 → generation 2",
                "    ~ processor.processor.confidence: 0.5 → 0.6",
                "1 to change, 0 unchanged",
            ]
        );
        let base = Desired::read(&changed.changes[0].next.message)
            .expect("valid")
            .base;
        assert_eq!(base.as_ref(), Some(first.changes[0].hash()));
    }

    #[test]
    fn a_missing_signature_is_a_change() {
        let first = planned(
            &desired(0.5),
            DeviceView::default(),
            &Signer::default(),
            false,
        );
        let signer = Signer::new(vec![PrivateKey::from_seed([1; 32]).expect("a key")]);
        let signed = planned(&desired(0.5), view_of(&first.changes[0]), &signer, false);
        assert_eq!(
            signed.changes[0].diff,
            ["~ signature: not signed with the given keys"]
        );
        let again = planned(&desired(0.5), view_of(&signed.changes[0]), &signer, false);
        assert_eq!(again.changes.len(), 0);
    }

    #[test]
    fn a_refused_document_is_told_and_published_again_on_demand() {
        let bare = Signer::default();
        let first = planned(&desired(0.5), DeviceView::default(), &bare, false);
        let mut view = view_of(&first.changes[0]);
        let hash = first.changes[0].hash();
        let report =
            format!(r#"{{"schema":1,"generation":1,"sha256":"{hash}","phase":"reverted"}}"#);
        view.take(FleetTopic::Reported, report.as_bytes());
        let same = planned(&desired(0.5), view.clone(), &bare, false);
        assert_eq!(
            same.notes,
            [
                "a: unchanged, but the device has generation 1 reverted; `apply --retry` publishes it again"
            ]
        );
        let again = planned(&desired(0.5), view, &bare, true);
        assert_eq!(again.changes[0].generation(), 2);
    }
}
