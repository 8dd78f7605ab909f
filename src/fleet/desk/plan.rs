//! What a rollout would change: the documents of the file against those on the broker.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::diff::diff;
use super::next::NextDocument;
use super::view::body;
use super::{DeskError, DeviceView, Signer};
use crate::fleet::{Desired, DocumentHash, FirmwarePhase, Phase};

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
        let mut body = body(desired);
        keep_firmware(&mut body, view);
        plan.add(device, &body, view, signer, retry)?;
    }
    Ok(plan)
}

/// A fleet whose file names no firmware gets it by `nvr fleet update`; a later apply does not take it back.
fn keep_firmware(body: &mut Map<String, Value>, view: &DeviceView) {
    let retained = view
        .desired
        .as_ref()
        .and_then(|desired| desired.body.as_ref());
    if let Some(firmware) = retained.and_then(|body| body.get("firmware"))
        && !body.contains_key("firmware")
    {
        body.insert("firmware".to_owned(), firmware.clone());
    }
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
        let failed = failed_firmware(view, body);
        if let Some(failed) = &failed {
            match retry {
                true => lines.push(format!("~ again: {failed}")),
                false if lines.is_empty() => self.notes.push(format!(
                    "{device}: unchanged, but {failed}; `--retry` orders it again"
                )),
                false => {}
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
            next: signer.next_with(device, body, view, retry && failed.is_some())?,
        });
        Ok(())
    }
}

/// The firmware of the body in words, if the device has tried it in vain.
fn failed_firmware(view: &DeviceView, body: &Map<String, Value>) -> Option<String> {
    let desired = view.desired.as_ref()?;
    let firmware = &view.reported.as_ref()?.firmware;
    let is_same = desired.body.as_ref()?.get("firmware")? == body.get("firmware")?;
    let is_about_it = firmware.generation == desired.firmware_generation;
    let is_failed = matches!(
        firmware.phase,
        FirmwarePhase::Failed | FirmwarePhase::RolledBack
    );
    (is_same && is_about_it && is_failed).then(|| {
        let target = firmware.target.as_deref().unwrap_or_default();
        format!("firmware {target} is {}", firmware.phase.as_str())
    })
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
    fn firmware_has_a_generation_of_its_own_and_outlasts_an_apply_that_names_none() {
        let bare = Signer::default();
        let firmware = |version: &str| {
            let sha256 = DocumentHash::of(version.as_bytes());
            let text = json!({"url": "https://a/i", "sha256": sha256, "version": version});
            serde_json::from_value(text).ok()
        };
        let with = |confidence, version| Desired {
            firmware: firmware(version),
            ..desired(confidence)
        };
        let order = |change: &Change| {
            let read = Desired::read(&change.next.message).expect("valid");
            let firmware = read.firmware.expect("it names one");
            (read.generation, firmware.generation, firmware.version)
        };
        let first = planned(&with(0.5, "1"), DeviceView::default(), &bare, false);
        assert_eq!(order(&first.changes[0]), (1, Some(1), "1".to_owned()));
        let mut view = view_of(&first.changes[0]);
        assert_eq!(
            planned(&with(0.5, "1"), view.clone(), &bare, false).changes,
            []
        );
        // Another body alone, also from a file that names no firmware.
        for body in [with(0.6, "1"), desired(0.6)] {
            let next = planned(&body, view.clone(), &bare, false);
            assert_eq!(order(&next.changes[0]), (2, Some(1), "1".to_owned()));
        }
        let newer = planned(&with(0.5, "2"), view.clone(), &bare, false);
        assert_eq!(order(&newer.changes[0]), (2, Some(2), "2".to_owned()));
        // One that has failed is ordered again on demand only.
        let report = br#"{"schema":1,"phase":"applied","firmware":{"version":"0","phase":"failed","target":"1","generation":1}}"#;
        view.take(FleetTopic::Reported, report);
        let same = planned(&with(0.5, "1"), view.clone(), &bare, false);
        assert_eq!(
            same.notes,
            ["a: unchanged, but firmware 1 is failed; `--retry` orders it again"]
        );
        let again = planned(&with(0.5, "1"), view, &bare, true);
        assert_eq!(order(&again.changes[0]), (2, Some(2), "1".to_owned()));
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
