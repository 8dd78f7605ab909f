//! A box for tests: the cycle, the real store on a disk in memory, and roles that do as the test says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Boot, Candidate, ChildRole, Cycle, Event, Now, Policy, Received, StoreStep};
use crate::agent::codes;
use crate::agent::document::{DocumentId, StoredDocument};
use crate::agent::store::Store;
use crate::agent::store::disk_model::{Image, SharedDisk};
use crate::base::SourceId;
use crate::fleet::{Desired, DeviceRole, DocumentError, DocumentHash, Phase, Reported};

pub(super) use ChildRole::{Processor, Wall};

/// A document for a processor with sources 0 and 1, changed by `change`. Its body is named by `body`.
pub(super) fn document(
    generation: u64,
    body: &str,
    change: impl FnOnce(&mut Candidate),
) -> Arc<Candidate> {
    let text = format!(r#"{{"generation": {generation}, "body": "{body}"}}"#);
    let mut candidate = Candidate {
        document: StoredDocument {
            id: DocumentId {
                generation,
                sha256: DocumentHash::of(text.as_bytes()),
            },
            received: None,
            bytes: Arc::from(text.into_bytes()),
        },
        body: DocumentHash::of(body.as_bytes()),
        roles: BTreeMap::from([(Processor, vec![SourceId(0), SourceId(1)])]),
        desired: Desired::new(generation, DeviceRole::Processor),
        recording: None,
        warnings: Vec::new(),
    };
    change(&mut candidate);
    Arc::new(candidate)
}

/// A document as [`document`] makes it, whose body differs from all others.
pub(super) fn plain(generation: u64) -> Arc<Candidate> {
    document(generation, &generation.to_string(), |_| {})
}

/// A document for a processor and a wall with source 0 each.
pub(super) fn both(generation: u64) -> Arc<Candidate> {
    document(generation, &generation.to_string(), |document| {
        document.roles = [(Processor, vec![SourceId(0)]), (Wall, vec![SourceId(0)])].into();
    })
}

/// The processor crashes.
pub(super) fn crash(tested: &mut TestBox) {
    tested.event(Event::Crashed {
        role: Processor,
        how: "signal 11".to_owned(),
    });
}

pub(super) struct TestBox {
    pub(super) cycle: Cycle,
    pub(super) store: Store,
    pub(super) disk: SharedDisk,
    pub(super) now: Now,
    /// What each role was told to run.
    pub(super) told: BTreeMap<ChildRole, DocumentId>,
    /// Every order to apply, in order.
    pub(super) applies: Vec<(ChildRole, DocumentId)>,
    pub(super) report: Reported,
    /// Whether a document has erased everything since this was last reset.
    pub(super) was_erased: bool,
    /// Whether roles answer every apply with success.
    pub(super) answers: bool,
    /// The documents that were received, as their checks read them.
    known: BTreeMap<DocumentId, Arc<Candidate>>,
}

impl TestBox {
    /// A box that has never had a document, with a synchronised clock.
    pub(super) fn new() -> Self {
        let wall = Timestamp::from_second(1_800_000_000).expect("in range");
        Self::of(&Image::new(), BTreeMap::new(), Some(wall))
    }

    fn of(
        image: &Image,
        known: BTreeMap<DocumentId, Arc<Candidate>>,
        wall: Option<Timestamp>,
    ) -> Self {
        let disk = SharedDisk::of(image);
        let (store, findings) = Store::open(Box::new(disk.clone()));
        let warning = |finding: &crate::agent::store::Finding| {
            DocumentError::new("", codes::STORE, finding.to_string())
        };
        let contents = store.contents();
        let read = |stored: &Option<StoredDocument>| {
            stored.as_ref().map(|stored| Arc::clone(&known[&stored.id]))
        };
        let boot = Boot {
            last_known_good: read(&contents.last_known_good),
            previous: read(&contents.previous),
            pending: read(&contents.pending).map(Received::Checked),
            attempts: contents.attempts.clone(),
            warnings: findings.iter().map(warning).collect(),
        };
        let now = Now {
            monotonic: Duration::from_secs(100),
            wall,
        };
        let (cycle, actions) = Cycle::boot(Policy::default(), boot, now);
        let report = cycle.report();
        let mut new = Self {
            cycle,
            store,
            disk,
            now,
            told: BTreeMap::new(),
            applies: Vec::new(),
            report,
            was_erased: false,
            answers: true,
            known,
        };
        new.carry_out(actions);
        new
    }

    /// A box on which generation `generation` has become good with all sources flowing.
    pub(super) fn with_good(good: Arc<Candidate>) -> Self {
        let mut new = Self::new();
        let generation = good.id().generation;
        new.receive(good);
        new.prove();
        assert_eq!(new.phase(), (Some(generation), Phase::Applied));
        assert_eq!(new.report.last_known_good, Some(generation));
        new
    }

    /// The power is cut and comes back. `image` is what is left of the disk; else all that was written.
    pub(super) fn reboot(self, image: Option<Image>) -> Self {
        let image = image.unwrap_or_else(|| self.disk.with(|disk| disk.image()));
        Self::of(&image, self.known, self.now.wall)
    }

    pub(super) fn event(&mut self, event: Event) {
        let actions = self.cycle.handle(event, self.now);
        self.carry_out(actions);
    }

    pub(super) fn receive(&mut self, document: Arc<Candidate>) {
        self.known
            .insert(document.id().clone(), Arc::clone(&document));
        self.event(Event::Received(Received::Checked(document)));
    }

    /// Time passes, tick by tick.
    pub(super) fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now.monotonic += Duration::from_secs(1);
            self.now.wall = self.now.wall.map(|wall| wall + Duration::from_secs(1));
            self.event(Event::Tick);
        }
    }

    /// A role tells which of its sources flow.
    pub(super) fn observe(
        &mut self,
        role: ChildRole,
        flows: &[(u32, bool)],
        picture: Option<bool>,
    ) {
        self.observe_of(self.told.get(&role).cloned(), role, flows, picture);
    }

    /// The same, of a role that ran this document by then.
    pub(super) fn observe_of(
        &mut self,
        document: Option<DocumentId>,
        role: ChildRole,
        flows: &[(u32, bool)],
        picture: Option<bool>,
    ) {
        let flows = flows
            .iter()
            .map(|(source, flows)| (SourceId(*source), *flows));
        self.event(Event::Observed {
            document,
            role,
            flows: flows.collect(),
            picture,
        });
    }

    /// Every source of every role flows, and pictures move.
    pub(super) fn all_flow(&mut self) {
        let Some(running) = self.cycle.running().cloned() else {
            return;
        };
        for (role, sources) in running.roles {
            let flows: Vec<(u32, bool)> = sources.iter().map(|source| (source.0, true)).collect();
            self.observe(role, &flows, (role == Wall).then_some(true));
        }
    }

    /// Passes a probation with everything flowing.
    pub(super) fn prove(&mut self) {
        for _ in 0..62 {
            self.all_flow();
            self.pass(1);
        }
        self.all_flow();
    }

    pub(super) fn phase(&self) -> (Option<u64>, Phase) {
        (self.report.generation, self.report.phase)
    }

    pub(super) fn error_codes(&self) -> Vec<&str> {
        self.report
            .errors
            .iter()
            .map(|error| &*error.code)
            .collect()
    }

    pub(super) fn warning_codes(&self) -> Vec<&str> {
        self.report
            .warnings
            .iter()
            .map(|warning| &*warning.code)
            .collect()
    }

    /// The generations that the roles were told to run, once each.
    pub(super) fn told_generations(&self) -> BTreeSet<u64> {
        self.told.values().map(|id| id.generation).collect()
    }

    /// The bodies that the roles were told to run, once each.
    pub(super) fn told_bodies(&self) -> BTreeSet<DocumentHash> {
        self.told
            .values()
            .map(|id| self.known[id].body.clone())
            .collect()
    }

    pub(super) fn applied_generations(&self) -> Vec<u64> {
        self.applies.iter().map(|(_, id)| id.generation).collect()
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        let mut answers = Vec::new();
        for action in actions {
            match action {
                Action::Store(step) => {
                    self.was_erased |= matches!(step, StoreStep::Decommission(_));
                    let result = step
                        .carry_out(&mut self.store)
                        .map_err(|error| DocumentError::new("", codes::STORE, error.to_string()));
                    answers.push(Event::Stored { step, result });
                }
                Action::Apply { role, document } => {
                    self.told.insert(role, document.id.clone());
                    self.applies.push((role, document.id.clone()));
                    if self.answers {
                        answers.push(Event::Applied {
                            document: document.id,
                            role,
                            result: Ok(()),
                        });
                    }
                }
                Action::Stop { role } => {
                    self.told.remove(&role);
                }
                Action::Report(report) => self.report = report,
            }
        }
        for answer in answers {
            self.event(answer);
        }
    }
}
