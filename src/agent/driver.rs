//! Carries out what the cycle decides: changes of the store, orders to the roles, and the published report.
//!
//! Runs on the agent's one thread. A change of the store blocks it for the time of a write and a sync; nothing else of the agent
//! is urgent then.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{error, info, warn};

use super::child::{Child, ChildEvent, Order, RoleEvent};
use super::codes;
use super::config_file::config;
use super::cycle::{Action, Boot, ChildRole, Cycle, Event, Now, Policy, Received};
use super::document::StoredDocument;
use super::firmware::Keeper;
use super::identity::Identity;
use super::kept_recordings::KeptRecordings;
use super::key_store::KeyStore;
use super::models::{Models, Trial};
use super::publish::{complete, firmware};
use super::reading::{Reader, desired_of};
use super::store::{Finding, Store};
use crate::base::{Clock, kernel_clock};
use crate::bus::Link;
use crate::control::Capabilities;
use crate::fleet::{DocumentError, Firmware, Phase, Reported};

/// How often the roles are observed while a document is tried, or while one waits for the roles.
const FAST_PACE: Duration = Duration::from_secs(1);
/// How often the outputs for monitors are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The pace otherwise.
const SLOW_PACE: Duration = Duration::from_secs(5);

/// The roles of the box.
pub(super) type Children = BTreeMap<ChildRole, Child>;

/// The parts that the cycle's actions concern.
pub(super) struct Driver {
    pub(super) identity: Arc<Identity>,
    pub(super) children: Children,
    pub(super) keys: KeyStore,
    pub(super) cycle: Cycle,
    pub(super) models: Models,
    pub(super) firmware: Keeper,
    pub(super) recordings: KeptRecordings,
    /// The command that restarts the machine.
    pub(super) reboot: Vec<String>,
    /// The last order to the processor.
    pub(super) trial: Trial,
    store: Store,
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    pub(super) link: Link,
    topic: String,
    capabilities_topic: String,
    pub(super) report: Reported,
    published: Option<Vec<u8>>,
    software: Firmware,
    /// When the outputs for monitors are looked at next.
    look_at: Duration,
}

/// What a driver is made of.
pub(super) struct DriverParts {
    pub(super) identity: Arc<Identity>,
    pub(super) children: Children,
    pub(super) keys: KeyStore,
    pub(super) models: Models,
    pub(super) firmware: Keeper,
    pub(super) recordings: KeptRecordings,
    pub(super) reboot: Vec<String>,
    pub(super) store: Store,
    pub(super) findings: Vec<Finding>,
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    pub(super) link: Link,
    /// The topic of `reported`.
    pub(super) topic: String,
    pub(super) capabilities_topic: String,
    pub(super) policy: Policy,
}

impl Driver {
    /// Starts the roles with the last known good document. Needs no broker.
    pub(super) fn boot(parts: DriverParts) -> Self {
        let now = now(&parts.clock);
        let boot = boot(&parts);
        let (cycle, actions) = Cycle::boot(parts.policy, boot, now);
        let report = cycle.report();
        let mut driver = Self {
            identity: parts.identity,
            children: parts.children,
            keys: parts.keys,
            cycle,
            models: parts.models,
            firmware: parts.firmware,
            recordings: parts.recordings,
            reboot: parts.reboot,
            trial: Trial::default(),
            store: parts.store,
            reader: parts.reader,
            clock: parts.clock,
            link: parts.link,
            topic: parts.topic,
            capabilities_topic: parts.capabilities_topic,
            report,
            published: None,
            software: firmware(),
            look_at: Duration::ZERO,
        };
        let mut queue = VecDeque::new();
        for action in actions {
            driver.carry_out(action, &mut queue);
        }
        driver.work(queue);
        driver.publish();
        driver.publish_capabilities();
        driver
    }

    /// The desired document came.
    pub(super) fn received(&mut self, message: &[u8]) {
        if message.is_empty() {
            info!("the desired document is empty; the box keeps what it has");
            return self.handle(Event::Emptied);
        }
        self.firmware_ordered(message);
        let running = self.cycle.running();
        if let Some(same) = running.filter(|running| *running.document.bytes == *message) {
            // It was checked before. What has changed on the box since then is not the document's fault.
            let same = Arc::new(same.clone());
            return self.handle(Event::Received(Received::Checked(same)));
        }
        let at = wall_time();
        match self.reader.received(message, self.keys.keys(), at) {
            Ok((candidate, keys)) => {
                info!(document = %candidate.id(), "received a document");
                if let Some(keys) = keys
                    && let Err(err) = self.keys.replace(keys)
                {
                    error!(%err, "the trusted keys have changed and are not saved");
                }
                self.handle(Event::Received(Received::Checked(candidate)));
            }
            Err(refusal) => {
                for problem in &refusal.errors {
                    warn!(generation = refusal.generation, %problem, "the document is refused");
                }
                self.handle(Event::Received(Received::Refused(refusal)));
            }
        }
    }

    /// A role has answered, ended, written or told its state.
    pub(super) fn role_event(&mut self, event: RoleEvent) {
        let role = event.role;
        if let ChildEvent::Observed(document, observation) = &event.event {
            self.note_state(role, document.as_ref(), observation);
        }
        let Some(event) = self.model_answer(role, event.event) else {
            return;
        };
        self.handle(match event {
            ChildEvent::Applied { document, result } => Event::Applied {
                document,
                role,
                result,
            },
            ChildEvent::Ended { how } => Event::Crashed { role, how },
            ChildEvent::Able(able) => return self.able(&able),
            ChildEvent::Logged(line) => Event::Logged(vec![line]),
            ChildEvent::Observed(document, observation) => Event::Observed {
                document,
                role,
                flows: observation.flows,
                picture: observation.picture,
            },
        });
    }

    /// A role has told what it can do here.
    fn able(&mut self, able: &Capabilities) {
        self.reader.abilities.told(able);
        self.publish_capabilities();
    }

    /// Publishes what the box can do.
    pub(super) fn publish_capabilities(&self) {
        let payload = self.reader.abilities.known().to_json();
        self.link.retain(&self.capabilities_topic, payload);
    }

    /// About one second has passed.
    pub(super) fn tick(&mut self) {
        let taken = self.children.iter().filter_map(|(role, child)| {
            let taken_by = child.condition.borrow().taken_by?;
            Some((*role, taken_by))
        });
        self.cycle.note_taken(taken.collect());
        self.handle(Event::Tick);
        let now = self.clock.now();
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            if self.reader.abilities.look() {
                self.publish_capabilities();
            }
        }
        self.firmware_tick();
        // The condition of a role changes without an event of the cycle.
        self.publish();
    }

    /// The report as it was published last.
    pub(super) fn report(&self) -> &Reported {
        &self.report
    }

    /// Ends the roles, both at once.
    pub(super) async fn stop(&mut self) {
        self.firmware.stop();
        self.models.stop().await;
        let children = std::mem::take(&mut self.children);
        futures_util::future::join_all(children.into_values().map(Child::stop)).await;
    }

    pub(super) fn handle(&mut self, event: Event) {
        self.work(VecDeque::from([event]));
    }

    fn work(&mut self, mut queue: VecDeque<Event>) {
        while let Some(event) = queue.pop_front() {
            let actions = self.cycle.handle(event, now(&self.clock));
            for action in actions {
                self.carry_out(action, &mut queue);
            }
        }
        let is_tried = matches!(
            self.report.phase,
            Phase::Applying | Phase::Probation | Phase::Waiting
        );
        let pace = if is_tried { FAST_PACE } else { SLOW_PACE };
        for child in self.children.values() {
            child.pace.send_replace(pace);
        }
        self.prove_model();
        self.follow_models();
    }

    fn carry_out(&mut self, action: Action, queue: &mut VecDeque<Event>) {
        match action {
            Action::Store(step) => {
                let result = step.carry_out(&mut self.store).map_err(|err| {
                    error!(%err, "the store is behind");
                    DocumentError::new("", codes::STORE, err.to_string())
                });
                queue.push_back(Event::Stored { step, result });
            }
            Action::Apply { role, document } => {
                let id = document.id.clone();
                if let Err(errors) = self.apply(role, &document) {
                    queue.push_back(Event::Applied {
                        document: id,
                        role,
                        result: Err(errors),
                    });
                }
            }
            Action::Stop { role } => {
                if role == ChildRole::Processor {
                    self.trial.stopped();
                }
                self.order(role, Order::Stop);
            }
            Action::Report(report) => {
                info!(
                    phase = ?report.phase,
                    generation = report.generation,
                    applied = report.applied,
                    last_known_good = report.last_known_good,
                    errors = report.errors.len(),
                    "state of the documents"
                );
                self.report = report;
                self.publish();
            }
        }
    }

    pub(super) fn apply(
        &mut self,
        role: ChildRole,
        document: &StoredDocument,
    ) -> Result<(), Vec<DocumentError>> {
        let refused = |message: String| {
            vec![DocumentError::new(
                role.to_string(),
                codes::REFUSED,
                message,
            )]
        };
        let desired = desired_of(document).map_err(|errors| refused(errors.to_string()))?;
        let config = config(&desired, role, &self.identity);
        let mut config = config.ok_or_else(|| refused(format!("it has no body for the {role}")))?;
        let document = document.id.clone();
        if role == ChildRole::Processor {
            let choice = self.models.choose(&desired);
            self.models.put_into(&mut config, &desired, &choice);
            self.trial.document(document.clone(), choice, None);
        }
        match self.order(role, Order::Apply { document, config }) {
            true => Ok(()),
            false => Err(refused(format!("the {role} is busy with earlier orders"))),
        }
    }

    pub(super) fn order(&self, role: ChildRole, order: Order) -> bool {
        let child = self.children.get(&role);
        child.is_some_and(|child| child.order(order))
    }

    fn software(&self) -> Firmware {
        let mut software = self.software.clone();
        self.firmware.report(&mut software);
        software
    }

    /// Publishes the report if it has changed.
    pub(super) fn publish(&mut self) {
        let document = self.cycle.current().or_else(|| self.cycle.running());
        let recording = self.recordings.tell(document, self.clock.now());
        let reported = complete(
            &self.report,
            [self.warnings(), self.model_warnings()].concat(),
            self.model_states(),
            recording,
            self.keys.keys(),
            &self.software(),
        );
        let payload = reported.to_json();
        if self.published.as_ref() != Some(&payload) {
            self.link.retain(&self.topic, payload.clone());
            self.published = Some(payload);
        }
    }
}

/// What the store had, checked with the firmware of today.
fn boot(parts: &DriverParts) -> Boot {
    let contents = parts.store.contents();
    let mut warnings: Vec<DocumentError> = parts
        .findings
        .iter()
        .inspect(|finding| warn!(%finding, "the store was damaged"))
        .map(|finding| DocumentError::new("", codes::STORE, finding.to_string()))
        .collect();
    let mut read = |stored: &Option<StoredDocument>| match parts.reader.stored(stored.as_ref()?) {
        Received::Checked(candidate) => Some(candidate),
        Received::Refused(refusal) => {
            let reasons: Vec<String> = refusal.errors.iter().map(ToString::to_string).collect();
            let message = format!(
                "the stored document of generation {} can't be used by this firmware: {}",
                stored.as_ref().map_or(0, |stored| stored.id.generation),
                reasons.join("; ")
            );
            warn!(message, "a stored document is refused");
            warnings.push(DocumentError::new("", codes::FELL_BACK, message));
            None
        }
    };
    let last_known_good = read(&contents.last_known_good);
    let previous = read(&contents.previous);
    let pending = contents.pending.as_ref();
    Boot {
        last_known_good: last_known_good.or_else(|| previous.clone()),
        previous,
        pending: pending.map(|pending| parts.reader.stored(pending)),
        attempts: contents.attempts.clone(),
        warnings,
    }
}

pub(super) fn now(clock: &Clock) -> Now {
    Now {
        monotonic: clock.now(),
        wall: wall_time(),
    }
}

/// The time; `None` while the clock is not synchronised.
pub(super) fn wall_time() -> Option<Timestamp> {
    let is_known = kernel_clock().is_ok_and(|clock| clock.synchronised);
    is_known.then(Timestamp::now)
}
