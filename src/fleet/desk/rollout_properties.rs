//! Property tests of the rollout with its halt, against simulated devices and a broker of plain maps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::journal::{Journal, JournalFolder};
use super::super::sighting::result;
use super::super::simulated::{Behaviour, Simulated};
use super::super::take_back::take_backs;
use super::super::{Amount, DeviceView, Plan, Signer};
use super::*;
use crate::bus::FleetTopic;
use crate::event::{Presence, PresenceState};
use crate::fleet::{BodySources, DocumentHash};

const SECOND: Duration = Duration::from_secs(1);

/// A device and its ways.
#[derive(Debug, Clone)]
struct Ways {
    had_document: bool,
    reverts: bool,
    apply_s: u64,
    /// Seconds at which it comes or goes; it is online at the beginning if `online`.
    online: bool,
    turns: Vec<u64>,
}

fn ways() -> impl Strategy<Value = Ways> {
    let turns = proptest::collection::vec(1..60_u64, 0..4);
    (
        any::<bool>(),
        any::<bool>(),
        0..15_u64,
        any::<bool>(),
        turns,
    )
        .prop_map(|(had_document, reverts, apply_s, online, turns)| Ways {
            had_document,
            reverts,
            apply_s,
            online,
            turns,
        })
}

struct World {
    devices: BTreeMap<String, (Simulated, Ways, bool)>,
    views: BTreeMap<String, DeviceView>,
    sources: BodySources,
    now: Duration,
}

fn body(name: &str) -> Map<String, Value> {
    let body = json!({
        "role": "processor",
        "processor": { "camera": [{ "id": 1, "uri": "test-pattern:", "name": name }], "processor": { "backend": "scripted" } },
    });
    body.as_object().cloned().expect("a table")
}

impl World {
    fn new(all: &[Ways]) -> Self {
        let mut world = Self {
            devices: BTreeMap::new(),
            views: BTreeMap::new(),
            sources: BodySources::of_desk(),
            now: Duration::ZERO,
        };
        for (index, ways) in all.iter().enumerate() {
            let id = format!("d{index:02}");
            let behaviour = Behaviour {
                apply_time: Duration::from_secs(ways.apply_s),
                reverts: ways.reverts.then(|| "new".to_owned()),
            };
            let device = Simulated::new(&id, behaviour);
            world
                .devices
                .insert(id.clone(), (device, ways.clone(), false));
            world.views.insert(id.clone(), DeviceView::default());
            if ways.had_document {
                let next = Signer::default()
                    .next(&id, &body("old"), &DeviceView::default())
                    .expect("small");
                world.connect(&id, true);
                world.retain(&id, &next.message);
                world.now += Duration::from_secs(20);
                world.step(&id);
            }
            world.connect(&id, ways.online);
        }
        world
    }

    fn connect(&mut self, id: &str, is_online: bool) {
        let session = crate::base::SessionId("s".to_owned());
        let state = match is_online {
            true => PresenceState::Online,
            false => PresenceState::Offline,
        };
        let view = self.views.get_mut(id).expect("a device");
        view.take(
            FleetTopic::Presence,
            &Presence::now(state, &session).to_json(),
        );
        let retained = view.desired.clone();
        self.devices.get_mut(id).expect("a device").2 = is_online;
        if let Some(retained) = retained.filter(|_| is_online) {
            self.retain(id, &retained.message);
        }
    }

    fn retain(&mut self, id: &str, message: &[u8]) {
        self.views
            .get_mut(id)
            .expect("a device")
            .take(FleetTopic::Desired, message);
        let (device, _, is_online) = self.devices.get_mut(id).expect("a device");
        if *is_online {
            device.desired(message, &self.sources, self.now);
        }
    }

    /// Moves a device on. It works offline as well; its report waits for the connection.
    fn step(&mut self, id: &str) {
        let (device, _, is_online) = self.devices.get_mut(id).expect("a device");
        device.advance(self.now);
        if *is_online {
            let report = device.report().to_json();
            self.views
                .get_mut(id)
                .expect("a device")
                .take(FleetTopic::Reported, &report);
        }
    }

    fn second(&mut self, second: u64) {
        self.now += SECOND;
        let ids: Vec<String> = self.devices.keys().cloned().collect();
        for id in ids {
            let (_, ways, is_online) = &self.devices[&id];
            if ways.turns.contains(&second) {
                let turned = !is_online;
                self.connect(&id, turned);
            }
            self.step(&id);
        }
    }
}

fn plan_of(world: &World) -> Plan {
    let mut plan = Plan::default();
    for (id, view) in &world.views {
        plan.add(id, &body("new"), view, &Signer::default(), false)
            .expect("small");
    }
    plan
}

fn look(rollout: &mut Rollout, journal: &Journal, world: &World, now: Duration) {
    for entry in journal.entries() {
        let view = &world.views[&entry.device];
        rollout.online(&entry.device, view.is_online(), now);
        if journal.is_published(&entry.device)
            && let Some(outcome) = result(view, entry.generation, &entry.hash)
        {
            rollout.finish(&entry.device, outcome);
        }
    }
}

/// Takes the rollout back, twice where the desk dies after `dies_after` of its documents.
fn halt(world: &mut World, journal: &Journal, dies_after: usize) {
    let due = |world: &World| {
        take_backs(
            journal,
            &world.views,
            &BTreeMap::new(),
            &Signer::default(),
            false,
        )
        .expect("small")
    };
    for one in due(world).into_iter().take(dies_after) {
        world.retain(&one.device, one.document.message());
    }
    for one in due(world) {
        world.retain(&one.device, one.document.message());
    }
    assert_eq!(due(world), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_halted_rollout_is_never_applied_later(
        all in proptest::collection::vec(ways(), 1..8),
        canary in 0..3_u32,
        batch in 1..4_u32,
        max_failures in 1..3_u32,
        pause_between_stages in any::<bool>(),
        halt_at in 1..80_u64,
        dies_after in 0..4_usize,
    ) {
        let mut world = World::new(&all);
        let limits = Limits {
            canary,
            batch: Amount::Count(batch),
            timeout: 10 * SECOND,
            soak: 2 * SECOND,
            pause_between_stages,
            max_failures: Amount::Count(max_failures),
            min_sample: 1,
        };
        let dir = tempfile::tempdir().expect("a folder");
        let folder = JournalFolder::beside(&dir.path().join("fleet.toml"));
        let mut journal = folder.begin(&plan_of(&world), &limits, "op@desk").expect("written");
        let ids = journal.entries().iter().map(|entry| entry.device.clone());
        let mut rollout = Rollout::new(ids, limits);
        let size = canary.max(batch) as usize;
        let mut ended = None;
        for second in 1..halt_at {
            world.second(second);
            let now = Duration::from_secs(second);
            look(&mut rollout, &journal, &world, now);
            while let Some(step) = rollout.advance(now) {
                match step {
                    Step::Publish { stage, devices } => {
                        prop_assert!(devices.len() <= size && !devices.is_empty());
                        journal.begin_stage(stage, &devices).expect("written");
                        for entry in journal.entries().to_vec() {
                            if devices.contains(&entry.device) {
                                world.retain(&entry.device, entry.message());
                            }
                        }
                    }
                    Step::Soak(_) => {}
                    Step::Pause => rollout.go_on(),
                    Step::End(end) => ended = Some(end),
                }
            }
            let in_flight = rollout.count(|state| state == State::InFlight);
            prop_assert!(in_flight <= size, "{in_flight} in flight");
            if ended == Some(End::Stopped) {
                break;
            }
        }
        halt(&mut world, &journal, dies_after);
        let bad: Vec<DocumentHash> = journal.entries().iter().map(|entry| entry.hash.clone()).collect();
        let had_applied: BTreeMap<String, bool> = journal
            .entries()
            .iter()
            .map(|entry| (entry.device.clone(), world.views[&entry.device].has_applied(&entry.hash)))
            .collect();
        for (entry, hash) in journal.entries().iter().zip(&bad) {
            let view = &world.views[&entry.device];
            let is_retained = view.desired.as_ref().is_some_and(|desired| desired.hash.as_ref() == Some(hash));
            prop_assert!(!is_retained || had_applied[&entry.device], "{} still has it", entry.device);
        }
        // Everyone returns: whoever had not seen the document never runs it.
        for (id, _) in had_applied.iter() {
            world.connect(id, false);
            world.connect(id, true);
        }
        for second in 0..30 {
            world.second(1000 + second);
        }
        for (entry, hash) in journal.entries().iter().zip(&bad) {
            let view = &world.views[&entry.device];
            let runs_it = view.reported.as_ref().is_some_and(|report| report.applied_sha256.as_ref() == Some(hash));
            prop_assert!(!runs_it || had_applied[&entry.device] || entry.former().is_none(), "{} runs it", entry.device);
        }
    }
}
