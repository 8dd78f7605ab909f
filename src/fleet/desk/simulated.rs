//! A simulated device: it obeys the rules of the documents in memory and runs nothing.

use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use super::simulated_firmware::Behaviour;
use super::simulated_firmware::SimulatedFirmware;
use crate::base::SourceId;
use crate::config::SourceSettings;
use crate::fleet::{
    BodySources, Command, Desired, DocumentError, DocumentErrors, DocumentHash, Firmware,
    FirmwareOrder, Generation, Keyring, Known, PayloadType, Phase, Reported, Response, Stamp, Verb,
    codes, open,
};

/// A device and its documents.
#[derive(Debug)]
pub(super) struct Simulated {
    id: String,
    known: Known,
    report: Reported,
    trial: Option<Trial>,
    behaviour: Behaviour,
    sources: Sources,
    firmware: SimulatedFirmware,
}

/// Sources that a processor analyses.
pub(super) type Sources = BTreeMap<SourceId, SourceSettings>;

#[derive(Debug)]
struct Trial {
    until: Duration,
    stamp: Stamp,
    is_good: bool,
    sources: Sources,
}

impl Simulated {
    pub(super) fn new(id: &str, behaviour: Behaviour) -> Self {
        let firmware = Firmware {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Firmware::default()
        };
        Self {
            id: id.to_owned(),
            known: Known::default(),
            report: Reported::new(firmware),
            trial: None,
            behaviour,
            sources: Sources::new(),
            firmware: SimulatedFirmware::default(),
        }
    }

    /// The sources of the applied document.
    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The report for its topic.
    pub(super) fn report(&self) -> &Reported {
        &self.report
    }

    /// The time of the next change, if one is due.
    pub(super) fn due(&self) -> Option<Duration> {
        let trial = self.trial.as_ref().map(|trial| trial.until);
        [trial, self.firmware.due()].into_iter().flatten().min()
    }

    /// Takes a desired document, and the firmware that it names. True if the report has changed.
    pub(super) fn desired(&mut self, message: &[u8], sources: &BodySources, now: Duration) -> bool {
        let opened = open(message, PayloadType::Desired, &Keyring::default()).ok();
        let order =
            opened.and_then(|opened| FirmwareOrder::read(&opened.payload, &self.id).ok()?);
        let is_ordered = order.is_some_and(|order| {
            let report = &mut self.report.firmware;
            self.firmware.order(&order, &self.behaviour, report, now)
        });
        self.document(message, sources, now) || is_ordered
    }

    /// Takes a document without its firmware. True if the report has changed.
    fn document(&mut self, message: &[u8], sources: &BodySources, now: Duration) -> bool {
        if message.is_empty() {
            return false;
        }
        let opened = match open(message, PayloadType::Desired, &Keyring::default()) {
            Ok(opened) => opened,
            Err(errors) => return self.refuse(Phase::Rejected, None, None, errors),
        };
        let (generation, hash) = (opened.generation(), opened.hash.clone());
        let read = Desired::read(&opened.payload).and_then(|desired| self.meant(desired));
        let desired = match read {
            Ok(desired) => desired,
            Err(errors) => return self.refuse(Phase::Rejected, generation, Some(hash), errors),
        };
        let trial = self.trial.as_ref().map(|trial| &trial.stamp);
        if trial.is_some_and(|stamp| stamp.hash == hash && Some(stamp.generation) == generation) {
            return false;
        }
        let place = self.known.place(&desired, &hash);
        match place {
            Generation::Same | Generation::AlreadyFailed => return false,
            Generation::Newer => {}
            _ => {
                let phase = match place.is_conflict() {
                    true => Phase::Conflict,
                    false => Phase::Rejected,
                };
                let problem = place.problem(&desired).map(DocumentErrors::from);
                return problem
                    .is_some_and(|errors| self.refuse(phase, generation, Some(hash), errors));
            }
        }
        let stamp = Stamp {
            generation: desired.generation,
            hash: hash.clone(),
            by: desired.by.clone(),
        };
        let bodies = match sources.check(&desired) {
            Ok(bodies) => bodies,
            Err(errors) => {
                self.known.failed = Some(stamp);
                return self.refuse(Phase::Rejected, generation, Some(hash), errors);
            }
        };
        let processor = bodies.processor.map(|loaded| loaded.settings.sources);
        let bodies_alone = Desired {
            firmware: None,
            ..desired.clone()
        };
        let text = String::from_utf8_lossy(&bodies_alone.to_json()).into_owned();
        let fails = |wanted: &String| text.contains(wanted.as_str());
        self.trial = Some(Trial {
            until: now + self.behaviour.apply_time,
            is_good: !self.behaviour.reverts.as_ref().is_some_and(fails),
            stamp,
            sources: processor.unwrap_or_default(),
        });
        self.say(Phase::Probation, generation, Some(hash), Vec::new());
        true
    }

    fn meant(&self, desired: Desired) -> Result<Desired, DocumentErrors> {
        match desired
            .device
            .as_deref()
            .filter(|device| *device != self.id)
        {
            None => Ok(desired),
            Some(other) => {
                let message = format!("the document is for {other}, this is {}", self.id);
                Err(DocumentError::new("device", codes::WRONG_DEVICE, message).into())
            }
        }
    }

    /// Ends a trial whose time is over. True if the report has changed.
    pub(super) fn advance(&mut self, now: Duration) -> bool {
        let is_updated = self.firmware.advance(&mut self.report.firmware, now);
        self.end_trial(now) || is_updated
    }

    fn end_trial(&mut self, now: Duration) -> bool {
        let Some(trial) = self.trial.take_if(|trial| trial.until <= now) else {
            return false;
        };
        let Trial { stamp, is_good, .. } = trial;
        let (generation, hash) = (Some(stamp.generation), Some(stamp.hash.clone()));
        if is_good {
            self.known
                .replaced
                .extend(self.known.applied.replace(stamp));
            self.report.last_known_good = generation;
            self.sources = trial.sources;
            self.say(Phase::Applied, generation, hash, Vec::new());
        } else {
            self.known.failed = Some(stamp);
            let message =
                "a source that flowed before has stopped; the former document is in force again";
            let error = DocumentError::new("processor.camera[0]", "source-stopped", message);
            self.say(Phase::Reverted, generation, hash, vec![error]);
        }
        true
    }

    fn refuse(
        &mut self,
        phase: Phase,
        generation: Option<u64>,
        hash: Option<DocumentHash>,
        errors: DocumentErrors,
    ) -> bool {
        self.say(phase, generation, hash, errors.into_vec());
        true
    }

    fn say(
        &mut self,
        phase: Phase,
        generation: Option<u64>,
        hash: Option<DocumentHash>,
        errors: Vec<DocumentError>,
    ) {
        let applied = self.known.applied.as_ref();
        self.report.applied = applied.map(|stamp| stamp.generation);
        self.report.applied_sha256 = applied.map(|stamp| stamp.hash.clone());
        self.report.generation = generation;
        self.report.sha256 = hash;
        self.report.phase = phase;
        self.report.errors = errors;
    }

    /// Obeys a command; absent for one without an id.
    pub(super) fn command(&self, message: &[u8]) -> Option<Response> {
        let opened = open(message, PayloadType::Command, &Keyring::default()).ok()?;
        let command = match Command::read(&opened.payload) {
            Ok(command) => command,
            Err(refused) => return Some(Response::unreadable(refused.id?, &refused.errors)),
        };
        Some(match command.verb {
            Verb::Ping | Verb::Identify => Response::ok(command.id, None),
            verb => {
                let message = format!("a simulated device does not obey {}", verb.as_str());
                Response::refused(command.id, "unsupported", message)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DeviceView, Signer};
    use super::*;
    use crate::bus::FleetTopic;

    const SECOND: Duration = Duration::from_secs(1);

    fn body(name: &str) -> serde_json::Map<String, serde_json::Value> {
        let body = serde_json::json!({
            "role": "processor",
            "processor": { "camera": [{ "id": 1, "uri": "test-pattern:", "name": name }], "processor": { "backend": "scripted" } },
        });
        body.as_object().cloned().expect("a table")
    }

    /// A device, and the view that a desk has of it.
    struct Pair {
        device: Simulated,
        view: DeviceView,
        now: Duration,
    }

    impl Pair {
        fn publish(&mut self, name: &str) -> Phase {
            let next = Signer::default()
                .next("a", &body(name), &self.view)
                .expect("small");
            self.send(&next.message)
        }

        fn send(&mut self, message: &[u8]) -> Phase {
            self.view.take(FleetTopic::Desired, message);
            self.device
                .desired(message, &BodySources::of_desk(), self.now);
            self.now += SECOND;
            self.device.advance(self.now);
            self.view
                .take(FleetTopic::Reported, &self.device.report().to_json());
            self.device.report().phase
        }
    }

    fn pair() -> Pair {
        let behaviour = Behaviour {
            apply_time: SECOND,
            reverts: Some("bad".to_owned()),
        };
        Pair {
            device: Simulated::new("a", behaviour),
            view: DeviceView::default(),
            now: Duration::ZERO,
        }
    }

    #[test]
    fn documents_are_applied_reverted_and_not_tried_twice() {
        let mut pair = pair();
        assert_eq!(pair.publish("one"), Phase::Applied);
        let name = |pair: &Pair| {
            let source = pair.device.sources().get(&SourceId(1));
            source.and_then(|source| source.name.clone())
        };
        assert_eq!(name(&pair).as_deref(), Some("one"));
        assert_eq!(pair.publish("bad"), Phase::Reverted);
        assert_eq!(name(&pair).as_deref(), Some("one"), "as before");
        assert_eq!(pair.device.report().applied, Some(1));
        let again = pair.view.desired.clone().expect("retained").message;
        assert!(
            !pair
                .device
                .desired(&again, &BodySources::of_desk(), pair.now),
            "already failed"
        );
        assert_eq!(pair.publish("two"), Phase::Applied);
        assert_eq!(pair.device.report().applied, Some(3));
    }

    #[test]
    fn a_take_back_of_a_document_on_trial_ends_the_trial() {
        let mut pair = pair();
        pair.publish("one");
        let bad = Signer::default()
            .next("a", &body("two"), &pair.view)
            .expect("small");
        pair.view.take(FleetTopic::Desired, &bad.message);
        pair.device
            .desired(&bad.message, &BodySources::of_desk(), pair.now);
        assert_eq!(pair.device.report().phase, Phase::Probation);
        assert_eq!(pair.publish("one"), Phase::Applied);
        assert_eq!(pair.device.report().applied, Some(3));
    }

    #[test]
    fn conflicts_old_documents_and_garbage_are_refused() {
        let mut pair = pair();
        let stale = pair.view.clone();
        pair.publish("one");
        let mut other = Signer::default()
            .next("a", &body("two"), &stale)
            .expect("small");
        assert_eq!(
            pair.send(&other.message),
            Phase::Conflict,
            "the same generation"
        );
        other = Signer::default()
            .next("b", &body("two"), &pair.view)
            .expect("small");
        assert_eq!(
            pair.send(&other.message),
            Phase::Rejected,
            "for another device"
        );
        assert_eq!(pair.send(b"{"), Phase::Rejected);
        assert_eq!(pair.device.report().applied, Some(1));
        assert!(
            !pair.device.desired(b"", &BodySources::of_desk(), pair.now),
            "keep what you have"
        );
    }

    #[test]
    fn commands_are_answered_by_their_id() {
        let device = pair().device;
        let ping = Command::new("7", Verb::Ping).to_json();
        assert_eq!(device.command(&ping), Some(Response::ok("7", None)));
        let doctor = device
            .command(&Command::new("8", Verb::Doctor).to_json())
            .expect("an answer");
        assert!(!doctor.ok);
        let unknown = device
            .command(br#"{"id":"9","verb":"dance"}"#)
            .expect("an answer");
        assert_eq!(
            unknown.error.map(|error| error.code),
            Some("unknown-verb".to_owned())
        );
        assert_eq!(device.command(b"{}"), None);
    }
}
