//! What a start of the box, or of its agent, means to an update: which slot runs, and whether the machine has restarted meanwhile.

use super::record::Step;
use super::updater::{Action, Facts, Job, MOST_STARTS, MOST_TRIES, Started, Updater, codes};
use crate::fleet::DocumentError;

impl Updater {
    /// The slot that runs is known. Called once after each start of the agent.
    pub(super) fn started(&mut self, started: Started, facts: &Facts) -> Vec<Action> {
        let is_new = self
            .record
            .former_slot()
            .is_some_and(|former| former != started.slot);
        let has_restarted = self.record.boot != started.boot;
        self.started = Some(started);
        match (self.record.step, is_new) {
            (Step::Downloading | Step::Verifying, _) => self.record.step = Step::Waiting,
            // The power failed. What the installer has written of the image is written again.
            (Step::Installing, false) => self.record.step = Step::Downloading,
            (Step::Installing | Step::Rebooting | Step::Confirming, true) => self.came_up(),
            (Step::Rebooting, false) if has_restarted => self.did_not_come_up(),
            (Step::Confirming, false) => {
                let message = format!(
                    "version {} started, and the box restarted before it was confirmed; the bootloader returned to slot {}",
                    self.record.version(),
                    self.record.former_slot().unwrap_or_default(),
                );
                self.rolled_back(DocumentError::new(
                    "firmware",
                    codes::NOT_CONFIRMED,
                    message,
                ));
            }
            (Step::Returning, false) => {
                let reason = self.record.error.clone();
                let message = "the reason was lost";
                let unknown = || DocumentError::new("firmware", codes::NOT_CONFIRMED, message);
                self.rolled_back(reason.unwrap_or_else(unknown));
            }
            (Step::Returning, true) if has_restarted => self.is_still_here(),
            _ => {}
        }
        self.advance(facts)
    }

    /// The slot can't be found out. Steps that depend on it wait.
    pub(super) fn slot_unknown(&mut self, reason: String) {
        let error = DocumentError::new("firmware", codes::SLOT_UNKNOWN, reason);
        self.trouble = Some(error);
    }

    fn came_up(&mut self) {
        self.record.step = Step::Confirming;
        self.record.error = None;
        self.record.starts += 1;
        if self.record.starts > MOST_STARTS {
            let message = format!(
                "version {} was started {MOST_STARTS} times and never confirmed",
                self.record.version()
            );
            self.give_up(codes::NOT_CONFIRMED, message);
        }
    }

    /// The former slot runs after a restart.
    fn did_not_come_up(&mut self) {
        if self.record.is_switched {
            let message = format!(
                "new slot did not boot: slot {} runs again after the restart into version {}",
                self.record.former_slot().unwrap_or_default(),
                self.record.version(),
            );
            self.rolled_back(DocumentError::new("firmware", codes::DID_NOT_BOOT, message));
        } else if self.record.switches >= MOST_TRIES {
            let message = format!(
                "the box went down {MOST_TRIES} times while the bootloader was told to start version {}",
                self.record.version()
            );
            self.fail(codes::NOT_SWITCHED, message);
        } else {
            // The power failed before the bootloader was told.
            self.record.switches += 1;
            self.note_boot();
        }
    }

    /// The machine was restarted to return, and the new slot runs again.
    fn is_still_here(&mut self) {
        self.record.returns += 1;
        if self.record.returns >= MOST_TRIES {
            let why = self.record.error.as_ref().map(ToString::to_string);
            let message = format!(
                "the box does not return to slot {}: after {} restarts the new slot runs; it had to return because: {}",
                self.record.former_slot().unwrap_or_default(),
                self.record.returns,
                why.unwrap_or_default()
            );
            return self.fail(codes::NOT_RETURNED, message);
        }
        self.record.is_switched = false;
        self.note_boot();
        self.run(Job::Rollback);
    }

    fn rolled_back(&mut self, reason: DocumentError) {
        self.record.step = Step::RolledBack;
        self.record.error = Some(reason);
    }
}
