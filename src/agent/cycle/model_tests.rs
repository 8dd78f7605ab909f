//! Random events, faults and power cuts: rules that hold after each of them.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;

use super::test_box::{Processor, TestBox, Wall, document};
use super::{Candidate, ChildRole, Event};
use crate::agent::document::DocumentId;
use crate::agent::store::disk_model::{Fault, Image};
use crate::base::SourceId;
use crate::fleet::{DocumentError, DocumentHash, OnDeadNewSource, Phase};

/// What happens to a box.
#[derive(Debug, Clone)]
enum Happening {
    Receive(Desired),
    Emptied,
    Connected,
    Crash(ChildRole),
    Answer(ChildRole, bool),
    /// The roles answer each apply, or nothing.
    Answering(bool),
    Flows(bool),
    Pass(u32),
    Clock(bool),
    /// The disk refuses from this step on, or is good again.
    Disk(Option<(usize, bool)>),
    Reboot,
    /// The power is cut after so many steps of the next happening; what is left of the disk.
    Cut(usize, prop::sample::Index),
}

/// A document: by how much its generation is above the highest so far, and what it says.
#[derive(Debug, Clone)]
struct Desired {
    step: i64,
    body: u8,
    roles: u8,
    has_window: bool,
    has_strange_base: bool,
    reverts: bool,
    decommission: bool,
}

impl Desired {
    fn document(&self, highest: u64) -> Arc<Candidate> {
        let generation = highest.saturating_add_signed(self.step).max(1);
        let configured = format!("{} {}", self.body, self.roles);
        // The name says all that the document says.
        let name = format!(
            "{:?}",
            Self {
                step: 0,
                ..self.clone()
            }
        );
        document(generation, &name, |document| {
            document.body = DocumentHash::of(configured.as_bytes());
            document.roles = match self.roles {
                0 => [(Processor, vec![SourceId(0)])].into(),
                1 => [(Wall, vec![SourceId(0)])].into(),
                _ => [(Processor, vec![SourceId(0)]), (Wall, vec![SourceId(1)])].into(),
            };
            document.desired.decommission = self.decommission;
            if self.has_window {
                document.desired.not_before = TestBox::new().now.wall;
            }
            if self.has_strange_base {
                document.desired.base = Some(DocumentHash::of(b"strange"));
            }
            if self.reverts {
                document.desired.probation.on_dead_new_source = OnDeadNewSource::Revert;
            }
        })
    }
}

fn any_desired() -> impl Strategy<Value = Desired> {
    let step = prop_oneof![6 => Just(1_i64), 3 => Just(0), 1 => -3..4_i64];
    let flags = (
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.05),
        any::<bool>(),
        prop::bool::weighted(0.03),
    );
    (step, 0..3_u8, 0..3_u8, flags).prop_map(|(step, body, roles, flags)| Desired {
        step,
        body,
        roles,
        has_window: flags.0,
        has_strange_base: flags.1,
        reverts: flags.2,
        decommission: flags.3,
    })
}

fn any_role() -> impl Strategy<Value = ChildRole> {
    prop_oneof![Just(Processor), Just(Wall)]
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let disk = prop::option::of((0..12_usize, any::<bool>()));
    prop_oneof![
        10 => any_desired().prop_map(Happening::Receive),
        1 => Just(Happening::Emptied),
        1 => Just(Happening::Connected),
        3 => any_role().prop_map(Happening::Crash),
        3 => (any_role(), any::<bool>()).prop_map(|(role, is_ok)| Happening::Answer(role, is_ok)),
        2 => prop::bool::weighted(0.7).prop_map(Happening::Answering),
        6 => prop::bool::weighted(0.8).prop_map(Happening::Flows),
        8 => (1..70_u32).prop_map(Happening::Pass),
        1 => any::<bool>().prop_map(Happening::Clock),
        1 => disk.prop_map(Happening::Disk),
        1 => Just(Happening::Reboot),
        3 => (0..30_usize, any::<prop::sample::Index>()).prop_map(|(step, left)| Happening::Cut(step, left)),
    ]
}

/// A box, and what must be true of it.
struct Model {
    tested: TestBox,
    highest: u64,
    /// Documents that have failed.
    failed: BTreeSet<DocumentId>,
    /// How many orders to apply were looked at.
    seen: usize,
    /// Whether a good document was saved, and none erased since.
    has_saved_good: bool,
    is_refusing: bool,
}

impl Model {
    fn happen(&mut self, happening: &Happening) {
        let tested = &mut self.tested;
        match happening {
            Happening::Receive(desired) => {
                let document = desired.document(self.highest);
                self.highest = self.highest.max(document.id().generation);
                tested.receive(document);
            }
            Happening::Emptied => tested.event(Event::Emptied),
            Happening::Connected => tested.event(Event::Connected),
            Happening::Crash(role) => tested.event(Event::Crashed {
                role: *role,
                how: "signal 11".to_owned(),
            }),
            Happening::Answer(role, is_ok) => {
                if let Some(document) = tested.told.get(role).cloned() {
                    let refused = || vec![DocumentError::new("", "refused", "no")];
                    tested.event(Event::Applied {
                        document,
                        role: *role,
                        result: is_ok.then_some(()).ok_or_else(refused),
                    });
                }
            }
            Happening::Answering(answers) => tested.answers = *answers,
            Happening::Flows(true) => tested.all_flow(),
            Happening::Flows(false) => tested.observe(Processor, &[(0, false)], None),
            Happening::Pass(seconds) => {
                tested.pass(seconds - 1);
                tested.all_flow();
                tested.pass(1);
            }
            Happening::Clock(is_synchronised) => {
                let wall = TestBox::new().now.wall;
                tested.now.wall = wall.filter(|_| *is_synchronised);
            }
            Happening::Disk(fault) => {
                self.is_refusing = fault.is_some();
                let fault = fault.map(|(step, is_full)| {
                    let kind = if is_full {
                        ErrorKind::StorageFull
                    } else {
                        ErrorKind::ReadOnlyFilesystem
                    };
                    (step, Fault::Write(kind))
                });
                tested.disk.with(|disk| disk.set_fault(fault));
            }
            Happening::Reboot | Happening::Cut(..) => {}
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        self.has_saved_good &= !std::mem::take(&mut self.tested.was_erased);
        let tested = &self.tested;
        for (role, id) in &tested.applies[self.seen..] {
            prop_assert!(!self.failed.contains(id), "the {} gets {} again", role, id);
        }
        self.seen = tested.applies.len();
        if let (Phase::Reverted, Some(generation), Some(sha256)) = (
            tested.report.phase,
            tested.report.generation,
            &tested.report.sha256,
        ) {
            let sha256 = sha256.clone();
            self.failed.insert(DocumentId { generation, sha256 });
        }
        let running = tested.cycle.running();
        // A newer generation with the same body is not applied again.
        let body = running.iter().map(|running| running.body.clone());
        prop_assert_eq!(tested.told_bodies(), body.collect());
        let roles: BTreeSet<ChildRole> = tested.told.keys().copied().collect();
        let of_document = running
            .into_iter()
            .flat_map(|running| running.roles.keys().copied());
        prop_assert_eq!(roles, of_document.collect());
        if tested.report.last_known_good.is_some() || self.has_saved_good {
            prop_assert!(running.is_some(), "no document: {:?}", tested.report);
        }
        let contents = tested.store.contents();
        self.has_saved_good |= tested.store.is_saved() && contents.last_known_good.is_some();
        Ok(())
    }

    /// The power goes off and on.
    fn reboot(mut self, image: Option<Image>) -> Self {
        let report = self.tested.cycle.report();
        let is_tried = matches!(report.phase, Phase::Applying | Phase::Probation);
        if let (true, Some(generation), Some(sha256)) = (is_tried, report.generation, report.sha256)
        {
            self.failed.insert(DocumentId { generation, sha256 });
        }
        self.tested = self.tested.reboot(image);
        self.seen = 0;
        self.is_refusing = false;
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_the_box_keeps_its_good_document_and_tries_no_failed_one(
        happenings in prop::collection::vec(any_happening(), 1..60),
    ) {
        let mut model = Model {
            tested: TestBox::new(),
            highest: 0,
            failed: BTreeSet::new(),
            seen: 0,
            has_saved_good: false,
            is_refusing: false,
        };
        let mut happenings = happenings.iter();
        while let Some(happening) = happenings.next() {
            match happening {
                Happening::Reboot => model = model.reboot(None),
                Happening::Cut(step, left) => {
                    model.tested.disk.with(|disk| disk.set_fault(Some((*step, Fault::PowerCut))));
                    if let Some(next) = happenings.next() {
                        model.happen(next);
                        model.check()?;
                    }
                    let images = model.tested.disk.with(|disk| disk.images_after_cut());
                    let images: Vec<Image> = images.into_iter().collect();
                    model = model.reboot(Some(left.get(&images).clone()));
                }
                other => model.happen(other),
            }
            model.check()?;
        }
        // A good disk, roles that answer and time bring every box to rest; it takes the next document.
        model.happen(&Happening::Disk(None));
        model.happen(&Happening::Answering(true));
        model.happen(&Happening::Clock(true));
        model.tested.pass(200);
        let next = Desired {
            step: 1, body: 9, roles: 2, has_window: false, has_strange_base: false, reverts: false, decommission: false,
        };
        model.happen(&Happening::Receive(next));
        model.check()?;
        model.tested.prove();
        model.tested.prove();
        prop_assert_eq!(model.tested.phase(), (Some(model.highest), Phase::Applied), "{:?}", model.tested.report);
        prop_assert!(model.tested.store.is_saved());
    }
}
