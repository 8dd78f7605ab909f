//! A box in memory: slots, a bootloader that tries a new slot once, and a power cut at a chosen point.

use std::time::Duration;

use super::health::Before;
use super::record::{Record, Step};
use super::updater::{Action, Facts, Job, Started, Updater};
use crate::fetch::Fault;
use crate::fleet::{DocumentHash, FirmwareOrder};

/// Time limit of the confirmation.
const WITHIN: Duration = Duration::from_secs(100);

/// What the image of the update does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Image {
    Good,
    DoesNotBoot,
    Unhealthy,
}

/// A box with the slots `a`, which runs, and `b`.
pub(super) struct Box {
    pub(super) updater: Updater,
    /// What is on the disk.
    pub(super) saved: Record,
    pub(super) running: &'static str,
    /// What the bootloader starts, and what it tries once.
    pub(super) active: &'static str,
    pub(super) trial: Option<&'static str>,
    pub(super) boots: u32,
    pub(super) now: Duration,
    pub(super) image: Image,
    /// Points at which the power may fail, and the one at which it does.
    pub(super) points: usize,
    pub(super) cut_at: Option<usize>,
    /// Commands that were run.
    pub(super) jobs: Vec<Job>,
    pub(super) fetches: usize,
    pub(super) reboots: bool,
    pub(super) fetch_fails: Option<Fault>,
    pub(super) install_fails: bool,
}

impl Box {
    pub(super) fn new(image: Image) -> Self {
        let mut made = Self {
            updater: Updater::new(Record::default(), None, WITHIN),
            saved: Record::default(),
            running: "a",
            active: "a",
            trial: None,
            boots: 0,
            now: Duration::ZERO,
            image,
            points: 0,
            cut_at: None,
            jobs: Vec::new(),
            fetches: 0,
            reboots: false,
            fetch_fails: None,
            install_fails: false,
        };
        made.start_agent();
        made
    }

    pub(super) fn facts(&self) -> Facts {
        let is_bad = self.image == Image::Unhealthy && self.running == "b";
        Facts {
            now: self.now,
            problems: is_bad
                .then(|| "the processor does not run".to_owned())
                .into_iter()
                .collect(),
            before: Before::default(),
            ..Facts::default()
        }
    }

    /// A point at which the power may fail. True if it does.
    pub(super) fn fails(&mut self) -> bool {
        self.points += 1;
        self.cut_at == Some(self.points)
    }

    pub(super) fn start_agent(&mut self) {
        self.updater = Updater::new(self.saved.clone(), None, WITHIN);
        let started = Started {
            slot: self.running.to_owned(),
            version: if self.running == "a" { "1" } else { "2" }.to_owned(),
            boot: self.boots.to_string(),
        };
        let facts = self.facts();
        let actions = self.updater.started(started, &facts);
        self.carry_out(actions);
    }

    /// The machine starts: the bootloader tries a new slot once.
    pub(super) fn boot(&mut self) {
        self.boots += 1;
        self.reboots = false;
        let boots = |slot: &&str| *slot == "a" || self.image != Image::DoesNotBoot;
        self.running = self.trial.take().filter(boots).unwrap_or(self.active);
        self.start_agent();
    }

    pub(super) fn carry_out(&mut self, actions: Vec<Action>) {
        if self.saved != self.updater.record {
            if self.fails() {
                return self.boot();
            }
            self.saved = self.updater.record.clone();
        }
        let boots = self.boots;
        for action in actions {
            if self.fails() {
                return self.boot();
            }
            let facts = self.facts();
            let answer = match action {
                Action::Fetch(_) => {
                    self.fetches += 1;
                    let result = self.fetch_fails.clone().map_or(Ok(()), Err);
                    self.updater.verifying();
                    self.updater.fetched(result, true, &facts)
                }
                Action::Run(job) => {
                    self.jobs.push(job);
                    let other = if self.running == "a" { "b" } else { "a" };
                    match job {
                        Job::Install => {}
                        Job::SetNext => self.trial = Some(other),
                        Job::Confirm => self.active = self.running,
                        Job::Rollback => self.active = other,
                    }
                    // The command has worked, and the power fails before that is known.
                    if self.fails() {
                        return self.boot();
                    }
                    let is_bad = job == Job::Install && self.install_fails;
                    let result = if is_bad {
                        Err("tool: no space".to_owned())
                    } else {
                        Ok(())
                    };
                    self.updater.done(job, result, &facts)
                }
                Action::Reboot => {
                    self.reboots = true;
                    Vec::new()
                }
                Action::StopFetch | Action::Sweep => Vec::new(),
            };
            self.carry_out(answer);
            // The machine has restarted within: the rest belongs to the former start.
            if self.boots != boots {
                return;
            }
        }
    }

    pub(super) fn tick(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        if self.reboots {
            return self.boot();
        }
        let facts = self.facts();
        let actions = self.updater.advance(&facts);
        self.carry_out(actions);
    }

    pub(super) fn desire(&mut self, text: &str) {
        let hash = DocumentHash::of(b"image");
        let text = text.replace("HASH", hash.as_str());
        let order = FirmwareOrder::read(text.as_bytes(), "box")
            .expect("good")
            .expect("meant");
        let facts = self.facts();
        let actions = self.updater.order(order, &facts);
        self.carry_out(actions);
    }

    /// The desired document comes, as at every connection, and time passes until nothing changes any more.
    pub(super) fn settle(&mut self, document: &str) {
        for _ in 0..400 {
            self.desire(document);
            self.tick(5);
        }
    }

    pub(super) fn step(&self) -> Step {
        self.updater.record.step
    }

    pub(super) fn code(&self) -> Option<&str> {
        self.updater.problem().map(|error| &*error.code)
    }
}
