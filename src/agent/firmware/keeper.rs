//! The agent's side of the firmware: carries out what the updater decides, and tells it what has happened.
//!
//! Runs on the agent's one thread. Saving the record blocks it for the time of two syncs; everything else runs on the threads of
//! `worker`, which answer with [`FirmwareEvent`]s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::Sender;
use tracing::{error, info, warn};

use super::command::Words;
use super::health::{Evidence, Health};
use super::reach::hosts;
use super::record::{Places, Record, Step};
use super::settings::{Settings, SettingsError};
use super::updater::{Action, Facts, Started, Updater};
use super::worker::{FirmwareEvent, Tools};
use crate::agent::cycle::ChildRole;
use crate::base::{Clock, SourceId, Stop};
use crate::config::Settings as RoleSettings;
use crate::fleet::{Firmware, FirmwareOrder};

/// How often the clip and silent cameras are looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Wait before the slot is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Time limit of a new slot whose `firmware.toml` is missing: the bootloader then has to return to the former one.
const WITHIN: Duration = Duration::from_secs(600);

/// What the firmware of a box needs.
#[derive(Debug, Clone)]
pub(in crate::agent) struct FirmwareOptions {
    pub(in crate::agent) config_dir: PathBuf,
    pub(in crate::agent) state_dir: PathBuf,
    /// `nvr` itself.
    pub(in crate::agent) program: PathBuf,
    /// A file of authorities that is trusted besides those of the system.
    pub(in crate::agent) ca: Option<PathBuf>,
    /// The file of the kernel that has another text after each start of the machine.
    pub(in crate::agent) boot_id: PathBuf,
    /// The version that runs, where the settings have no command for it.
    pub(in crate::agent) version: String,
}

/// The box at a moment.
#[derive(Debug, Default)]
pub(in crate::agent) struct Circumstances {
    pub(in crate::agent) wall: Option<Timestamp>,
    /// Whether a document is being tried.
    pub(in crate::agent) is_tried: bool,
    /// The roles of the document that runs, and their sources.
    pub(in crate::agent) roles: BTreeMap<ChildRole, Vec<SourceId>>,
}

/// The firmware of a box.
#[derive(Debug)]
pub(in crate::agent) struct Keeper {
    options: FirmwareOptions,
    places: Places,
    settings: Option<Settings>,
    updater: Updater,
    saved: Record,
    tools: Tools,
    clock: Clock,
    fetching: Option<Stop>,
    pub(in crate::agent) health: Health,
    clip: Option<Result<(), String>>,
    /// The sources that were looked for, and those of them that are silent.
    looked_for: Option<(BTreeSet<SourceId>, BTreeSet<SourceId>)>,
    look_at: Duration,
    ask_at: Option<Duration>,
}

impl Keeper {
    /// Reads what the box knows, and finds out the slot that runs.
    pub(in crate::agent) fn open(
        options: FirmwareOptions,
        clock: Clock,
        events: Sender<FirmwareEvent>,
    ) -> Self {
        let places = Places::new(&options.state_dir);
        let record = places.load();
        let settings = Settings::read(&options.config_dir);
        let reason = settings.as_ref().err().map(ToString::to_string);
        if let Err(err @ (SettingsError::Syntax(_) | SettingsError::Content { .. })) = &settings {
            error!(%err, "firmware can't be installed");
        }
        let settings = settings.ok();
        let within = settings.as_ref().map(|settings| settings.confirm_within.0);
        let tools = Tools {
            places: places.clone(),
            program: options.program.clone(),
            ca: options.ca.clone(),
            events,
            stop: Stop::default(),
        };
        Self {
            updater: Updater::new(record.clone(), reason, within.unwrap_or(WITHIN)),
            saved: record,
            options,
            places,
            settings,
            tools,
            clock,
            fetching: None,
            health: Health::default(),
            clip: None,
            looked_for: None,
            look_at: Duration::ZERO,
            ask_at: Some(Duration::ZERO),
        }
    }

    /// A document has come. True if the machine is to restart now, here and below.
    pub(in crate::agent) fn order(&mut self, order: FirmwareOrder, at: &Circumstances) -> bool {
        let facts = self.facts(at);
        let actions = self.updater.order(order, &facts);
        self.carry_out(actions)
    }

    /// A thread has answered.
    pub(in crate::agent) fn event(&mut self, event: FirmwareEvent, at: &Circumstances) -> bool {
        let facts = self.facts(at);
        let actions = match event {
            FirmwareEvent::Started(Ok((slot, version))) => self.started(slot, version, &facts),
            FirmwareEvent::Started(Err(reason)) => {
                warn!(reason, "the slot that runs is unknown");
                self.updater.slot_unknown(reason);
                self.ask_at = Some(facts.now + ASK_AGAIN);
                Vec::new()
            }
            FirmwareEvent::Verifying(generation) if generation == self.generation() => {
                self.updater.verifying();
                Vec::new()
            }
            FirmwareEvent::Fetched {
                generation,
                result,
                has_received,
            } if generation == self.generation() => {
                self.fetching = None;
                if let Err(fault) = &result {
                    warn!(%fault, "the firmware was not fetched");
                }
                self.updater.fetched(result, has_received, &facts)
            }
            FirmwareEvent::Verifying(_) | FirmwareEvent::Fetched { .. } => Vec::new(),
            FirmwareEvent::Done { job, result } => self.updater.done(job, result, &facts),
            FirmwareEvent::NotRebooted(reason) => {
                error!(reason, "the machine does not restart");
                self.updater.not_rebooted(reason, &facts);
                Vec::new()
            }
            FirmwareEvent::Clip(result) => {
                self.clip = Some(result);
                Vec::new()
            }
            FirmwareEvent::Silent { asked, silent } => {
                self.looked_for = Some((asked, silent));
                Vec::new()
            }
        };
        self.carry_out(actions)
    }

    fn generation(&self) -> u64 {
        self.updater.record.generation
    }

    fn started(&mut self, slot: String, version: Option<String>, facts: &Facts) -> Vec<Action> {
        let boot = std::fs::read_to_string(&self.options.boot_id).unwrap_or_default();
        let started = Started {
            slot,
            version: version.unwrap_or_else(|| self.options.version.clone()),
            boot: boot.trim().to_owned(),
        };
        info!(
            slot = started.slot,
            version = started.version,
            step = ?self.updater.record.step,
            "the slot that runs"
        );
        self.updater.trouble = None;
        self.updater.started(started, facts)
    }

    /// About a second has passed. `settings` gives those of the roles, to find their cameras.
    pub(in crate::agent) fn tick(
        &mut self,
        at: &Circumstances,
        settings: impl FnOnce() -> Vec<RoleSettings>,
    ) -> bool {
        let now = self.clock.now();
        if self.ask_at.is_some_and(|ask_at| now >= ask_at) {
            self.ask_at = None;
            match &self.settings {
                Some(settings) => self.tools.ask_slot(settings),
                None => {
                    let facts = self.facts(at);
                    let actions = self.started(String::new(), None, &facts);
                    return self.carry_out(actions);
                }
            }
        }
        if self.updater.record.step == Step::Confirming && now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.look(at, settings);
        }
        let mut actions = self.requested();
        let facts = self.facts(at);
        actions.extend(self.updater.advance(&facts));
        self.carry_out(actions)
    }

    /// Looks at the clip until it decodes, and for cameras that have stopped.
    fn look(&mut self, at: &Circumstances, settings: impl FnOnce() -> Vec<RoleSettings>) {
        if !matches!(self.clip, Some(Ok(()))) {
            self.tools.probe_clip();
        }
        let before = &self.updater.record.before;
        let missing = self.health.missing(before, &at.roles, self.clock.now());
        if missing.is_empty() {
            return;
        }
        let mut all = BTreeMap::new();
        settings()
            .iter()
            .for_each(|settings| all.extend(hosts(settings)));
        all.retain(|source, _| missing.contains(source));
        self.tools.look_for(missing, all);
    }

    /// A word of `nvr firmware`.
    fn requested(&mut self) -> Vec<Action> {
        let path = self.places.request();
        let Ok(word) = std::fs::read_to_string(&path) else {
            return Vec::new();
        };
        let _ = std::fs::remove_file(&path);
        info!(word, "nvr firmware");
        match word.trim() {
            "confirm" => {
                self.updater.confirm_now();
                Vec::new()
            }
            "rollback" => self.updater.return_now(),
            _ => Vec::new(),
        }
    }

    fn facts(&self, at: &Circumstances) -> Facts {
        let now = self.clock.now();
        let record = &self.updater.record;
        let problems = match record.step {
            Step::Confirming => {
                let missing = self.health.missing(&record.before, &at.roles, now);
                let looked_for = self.looked_for.as_ref();
                let silent = looked_for.filter(|(asked, _)| missing.is_subset(asked));
                let evidence = Evidence {
                    roles: at.roles.clone(),
                    silent: silent.map(|(_, silent)| silent),
                    clip: self.clip.clone(),
                };
                self.health.problems(&record.before, &evidence, now)
            }
            _ => Vec::new(),
        };
        Facts {
            now,
            wall: at.wall,
            is_tried: at.is_tried,
            problems,
            before: self.health.before(now),
        }
    }

    /// Saves the record, then carries out the actions. True if the machine is to restart now.
    fn carry_out(&mut self, actions: Vec<Action>) -> bool {
        if self.updater.record != self.saved {
            let record = &self.updater.record;
            info!(
                step = ?record.step,
                version = record.version(),
                generation = record.generation,
                error = record.error.as_ref().map(ToString::to_string),
                "state of the firmware"
            );
            if let Err(err) = self.places.save(record) {
                error!(%err, "the state of the firmware can't be saved");
                let now = self.clock.now();
                self.updater.unsaved(self.saved.clone(), &err, now);
                return false;
            }
            self.saved = self.updater.record.clone();
        }
        let mut is_restart = false;
        for action in actions {
            match action {
                Action::Fetch(target) => {
                    let stop = Stop::default();
                    if let Some(former) = self.fetching.replace(stop.clone()) {
                        former.raise();
                    }
                    self.tools.fetch(target, self.generation(), stop);
                }
                Action::StopFetch => {
                    if let Some(stop) = self.fetching.take() {
                        stop.raise();
                    }
                }
                Action::Run(job) => match &self.settings {
                    Some(settings) => self.tools.run(job, settings, self.words()),
                    None => self.tools.refuse(job),
                },
                Action::Sweep => {
                    let record = &self.updater.record;
                    let target = record.target.as_ref();
                    self.places
                        .sweep(target.filter(|_| record.step.is_before_install()));
                }
                Action::Reboot => is_restart = true,
            }
        }
        is_restart
    }

    fn words(&self) -> Words {
        let target = self.updater.record.target.as_ref();
        let file = target.map(|target| self.places.part(target).file.display().to_string());
        let started = self.updater.started.as_ref();
        Words {
            file: file.unwrap_or_default(),
            version: self.updater.record.version().to_owned(),
            slot: started
                .map(|started| started.slot.clone())
                .unwrap_or_default(),
        }
    }

    /// The way of events to the agent.
    pub(in crate::agent) fn events(&self) -> Sender<FirmwareEvent> {
        self.tools.events.clone()
    }

    /// Adds what the box says of its firmware.
    pub(in crate::agent) fn report(&self, firmware: &mut Firmware) {
        let record = &self.updater.record;
        if let Some(started) = &self.updater.started {
            firmware.slot = Some(started.slot.clone()).filter(|slot| !slot.is_empty());
            let has_command = self.settings.as_ref();
            if has_command.is_some_and(|settings| !settings.version.is_empty()) {
                firmware.image = Some(started.version.clone());
            }
        }
        firmware.phase = record.step.phase();
        let target = record.target.as_ref().filter(|_| record.step != Step::Idle);
        firmware.target = target.map(|target| target.version.clone());
        firmware.generation = Some(record.generation).filter(|generation| *generation > 0);
        firmware.error = self.updater.problem().cloned();
    }

    /// Ends what is under way. An installation that is cut off is begun again at the next start.
    pub(in crate::agent) fn stop(&mut self) {
        self.tools.stop.raise();
        if let Some(stop) = self.fetching.take() {
            stop.raise();
        }
    }
}
