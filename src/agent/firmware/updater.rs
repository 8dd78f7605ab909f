//! The way of an image on the box: fetched → checked → installed → the other slot is started → confirmed, or returned from.
//!
//! A pure state machine: no clock, no threads, no I/O. The caller saves [`Updater::record`] whenever it has changed, before it
//! carries out the actions of the same call; if it can't, it drops them and asks again later.

use std::time::Duration;

use jiff::Timestamp;

use super::record::{Record, Step, Target};
use crate::base::Backoff;
use crate::fleet::{DocumentError, FirmwareOrder, codes as wire};

/// Codes of the problems of a firmware, besides those of its download.
pub(super) mod codes {
    pub(in crate::agent::firmware) const NO_INSTALLER: &str = "no-installer";
    pub(in crate::agent::firmware) const NOT_INSTALLED: &str = "not-installed";
    pub(in crate::agent::firmware) const NOT_SWITCHED: &str = "not-switched";
    pub(in crate::agent::firmware) const NO_REBOOT: &str = "no-reboot";
    pub(in crate::agent::firmware) const SLOT_UNKNOWN: &str = "slot-unknown";
    pub(in crate::agent::firmware) const DID_NOT_BOOT: &str = "did-not-boot";
    pub(in crate::agent::firmware) const NOT_CONFIRMED: &str = "not-confirmed";
    pub(in crate::agent::firmware) const UNHEALTHY: &str = "unhealthy";
    pub(in crate::agent::firmware) const BY_HAND: &str = "by-hand";
    pub(in crate::agent::firmware) const NOT_RETURNED: &str = "not-returned";
    pub(in crate::agent::firmware) const DISK: &str = "disk";
}

/// An image whose installation went down with the box so often is not tried again. So often the bootloader is told, too.
pub(super) const MOST_TRIES: u32 = 3;
/// Starts of the agent on a slot that does not get confirmed.
pub(super) const MOST_STARTS: u32 = 5;
/// After this time the machine is ordered again to restart.
const REBOOT_AGAIN: Duration = Duration::from_secs(300);
/// Wait after a command that has failed.
pub(super) const AGAIN: Duration = Duration::from_secs(30);

/// A command of the image's maker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::agent) enum Job {
    Install,
    SetNext,
    Confirm,
    Rollback,
}

/// An order to the caller.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Fetch the image and check it; answer with [`Updater::fetched`].
    Fetch(Target),
    /// End a download.
    StopFetch,
    /// Run a command; answer with [`Updater::done`].
    Run(Job),
    /// Drain the roles and restart the machine; answer with [`Updater::not_rebooted`] if that fails.
    Reboot,
    /// Remove the fetched image.
    Sweep,
}

/// What the caller knows at a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Monotonic time.
    pub(super) now: Duration,
    /// Wall-clock time; absent while the clock is not synchronised.
    pub(super) wall: Option<Timestamp>,
    /// Whether a document is being tried.
    pub(super) is_tried: bool,
    /// Why the new slot is not healthy yet. Only read while it is to be confirmed.
    pub(super) problems: Vec<String>,
    /// What works now, for the comparison after the restart.
    pub(super) before: super::health::Before,
}

/// The box as it has started.
#[derive(Debug, Clone, Default)]
pub(super) struct Started {
    pub(super) slot: String,
    pub(super) version: String,
    /// A text that is another one after each start of the machine.
    pub(super) boot: String,
}

/// The update of a box.
#[derive(Debug)]
pub(super) struct Updater {
    pub(super) record: Record,
    /// Absent until the slot is known.
    pub(super) started: Option<Started>,
    /// Why nothing can be installed here.
    pub(super) no_installer: Option<String>,
    pub(super) confirm_within: Duration,
    /// The newest order.
    pub(super) order: Option<FirmwareOrder>,
    /// A problem of the order.
    conflict: Option<DocumentError>,
    /// A problem of the box that does not belong to the record.
    pub(super) trouble: Option<DocumentError>,
    pub(super) busy: bool,
    pub(super) retry_at: Option<Duration>,
    pub(super) backoff: Backoff,
    pub(super) deadline: Option<Duration>,
    pub(super) healthy_since: Option<Duration>,
    /// A word of `nvr firmware confirm`.
    pub(super) is_forced: bool,
    pub(super) actions: Vec<Action>,
}

impl Updater {
    pub(super) fn new(
        record: Record,
        no_installer: Option<String>,
        confirm_within: Duration,
    ) -> Self {
        Self {
            record,
            started: None,
            no_installer,
            confirm_within,
            order: None,
            conflict: None,
            trouble: None,
            busy: false,
            retry_at: None,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(600)),
            deadline: None,
            healthy_since: None,
            is_forced: false,
            actions: Vec::new(),
        }
    }

    /// A document has come. What it says of the firmware counts, whatever becomes of the document.
    pub(super) fn order(&mut self, order: FirmwareOrder, facts: &Facts) -> Vec<Action> {
        let is_newest = self
            .order
            .as_ref()
            .is_none_or(|known| order.document >= known.document);
        if is_newest {
            self.order = Some(order);
        }
        self.advance(facts)
    }

    /// Time has passed, or something has changed.
    pub(super) fn advance(&mut self, facts: &Facts) -> Vec<Action> {
        self.take_order();
        let is_due = self.retry_at.is_none_or(|at| facts.now >= at);
        if self.started.is_some() && !self.busy && is_due {
            self.retry_at = None;
            self.trouble = None;
            self.step(facts);
        }
        std::mem::take(&mut self.actions)
    }

    /// Compares the newest order with the record.
    fn take_order(&mut self) {
        let (Some(order), Some(_)) = (self.order.clone(), &self.started) else {
            return;
        };
        self.conflict = None;
        let Some(firmware) = &order.firmware else {
            let is_newer = order.document > self.record.document;
            if is_newer && self.record.step.is_before_install() {
                self.stop_fetch();
                self.actions.push(Action::Sweep);
                self.record.step = Step::Idle;
                self.record.error = None;
            }
            return;
        };
        let (generation, known) = (order.generation(), self.record.generation);
        let target = Target::of(firmware);
        if generation > known && self.record.step.is_free() && !self.is_running_job() {
            self.begin(&order, target);
        } else if generation == known && self.record.target.as_ref() != Some(&target) {
            let message = format!(
                "generation {known} of the firmware is taken by version {}; publish a higher generation",
                self.record.version()
            );
            self.conflict = Some(DocumentError::new(
                "firmware",
                wire::SAME_GENERATION,
                message,
            ));
        } else if generation == known {
            self.record.document = self.record.document.max(order.document);
        }
    }

    fn is_running_job(&self) -> bool {
        self.busy && !self.record.step.is_before_install()
    }

    fn begin(&mut self, order: &FirmwareOrder, target: Target) {
        self.stop_fetch();
        self.retry_at = None;
        self.backoff.succeeded();
        let running = self.started.as_ref().map(|started| &*started.version);
        let step = match running == Some(&*target.version) {
            // An order to go back, which overtook the update, or a box that was set up with it.
            true => Step::Confirmed,
            false => Step::Waiting,
        };
        self.record = Record {
            generation: order.generation(),
            document: order.document,
            target: Some(target),
            step,
            ..Record::default()
        };
        self.actions.push(Action::Sweep);
    }

    fn stop_fetch(&mut self) {
        if std::mem::take(&mut self.busy) {
            self.actions.push(Action::StopFetch);
        }
    }

    /// What is amiss, the most urgent first.
    pub(super) fn problem(&self) -> Option<&DocumentError> {
        let all = [&self.trouble, &self.conflict, &self.record.error];
        all.into_iter().flatten().next()
    }

    /// The record could not be saved: nothing has happened, and it is tried again later.
    pub(super) fn unsaved(&mut self, saved: Record, reason: &std::io::Error, now: Duration) {
        let message = format!("the state of the firmware can't be saved: {reason}; check the disk");
        self.trouble = Some(DocumentError::new("firmware", codes::DISK, message));
        self.record = saved;
        self.busy = false;
        self.retry_at = Some(now + AGAIN);
    }

    /// The next step, while nothing is under way.
    fn step(&mut self, facts: &Facts) {
        match self.record.step {
            Step::Waiting => self.wait(facts),
            Step::Downloading | Step::Verifying => self.fetch(),
            Step::Installing => self.install(),
            Step::Rebooting if self.record.is_switched => self.reboot(facts),
            Step::Rebooting => self.run(Job::SetNext),
            Step::Confirming => self.confirm(facts),
            Step::Returning if self.record.is_switched => self.reboot(facts),
            Step::Returning => self.run(Job::Rollback),
            Step::Idle | Step::Confirmed | Step::Failed | Step::RolledBack | Step::Unknown => {}
        }
    }

    pub(super) fn run(&mut self, job: Job) {
        self.busy = true;
        self.actions.push(Action::Run(job));
    }

    fn reboot(&mut self, facts: &Facts) {
        self.retry_at = Some(facts.now + REBOOT_AGAIN);
        self.actions.push(Action::Reboot);
    }

    /// A command has ended.
    pub(super) fn done(
        &mut self,
        job: Job,
        result: Result<(), String>,
        facts: &Facts,
    ) -> Vec<Action> {
        self.busy = false;
        match (job, result) {
            (Job::Install, Ok(())) => self.installed(facts),
            (Job::Install, Err(reason)) => self.fail(codes::NOT_INSTALLED, reason),
            (Job::SetNext, Ok(())) => {
                self.record.is_switched = true;
                self.reboot(facts);
            }
            (Job::SetNext, Err(reason)) => self.fail(codes::NOT_SWITCHED, reason),
            (Job::Confirm, Ok(())) => {
                self.record.step = Step::Confirmed;
                self.record.error = None;
            }
            (Job::Confirm, Err(reason)) => {
                let error = DocumentError::new("firmware", codes::NOT_CONFIRMED, reason);
                self.record.error = Some(error);
                self.retry_at = Some(facts.now + AGAIN);
            }
            (Job::Rollback, Ok(())) => {
                self.record.is_switched = true;
                self.reboot(facts);
            }
            (Job::Rollback, Err(reason)) => self.not_returned(&reason, facts),
        }
        std::mem::take(&mut self.actions)
    }

    fn installed(&mut self, facts: &Facts) {
        self.actions.push(Action::Sweep);
        self.record.step = Step::Rebooting;
        self.record.before = facts.before.clone();
        self.record.is_switched = false;
        self.note_boot();
        self.record.switches += 1;
        self.run(Job::SetNext);
    }

    pub(super) fn note_boot(&mut self) {
        let started = self.started.as_ref();
        self.record.boot = started
            .map(|started| started.boot.clone())
            .unwrap_or_default();
    }

    /// A command that can't tell the bootloader is no reason to stay: an unconfirmed slot is left at a restart.
    fn not_returned(&mut self, reason: &str, facts: &Facts) {
        self.record.returns += 1;
        if self.record.returns < MOST_TRIES {
            self.retry_at = Some(facts.now + AGAIN);
            return;
        }
        tracing::error!(
            reason,
            "the bootloader could not be told; the box restarts all the same"
        );
        self.record.is_switched = true;
        self.reboot(facts);
    }

    /// The machine could not be restarted.
    pub(super) fn not_rebooted(&mut self, reason: String, facts: &Facts) {
        self.trouble = Some(DocumentError::new("firmware", codes::NO_REBOOT, reason));
        self.retry_at = Some(facts.now + AGAIN * 2);
    }

    pub(super) fn fail(&mut self, code: &'static str, reason: String) {
        self.record.step = Step::Failed;
        self.record.error = Some(DocumentError::new("firmware", code, reason));
        self.actions.push(Action::Sweep);
    }
}
