//! From an order to the installation: the wait for its time, the download, and the command that installs it.

use std::time::Duration;

use super::record::{Origin, Step};
use super::updater::{Action, Facts, Job, MOST_TRIES, Updater, codes};
use crate::fetch::{Fault, Retry};
use crate::fleet::{DocumentError, Window};

impl Updater {
    pub(super) fn wait(&mut self, facts: &Facts) {
        if let Some(reason) = self.no_installer.clone() {
            return self.fail(codes::NO_INSTALLER, reason);
        }
        // Before the first message from the broker the window is not known.
        let Some(order) = &self.order else { return };
        let window = order.window(facts.wall);
        if let Window::Expired(_) = window {
            self.record.error = window.problem();
            self.record.step = Step::Failed;
            return;
        }
        self.record.error = window.problem();
        // What runs must be proven: it is what the new slot is compared with.
        if window.problem().is_none() && !facts.is_tried {
            self.record.step = Step::Downloading;
            self.fetch();
        }
    }

    pub(super) fn fetch(&mut self) {
        if let Some(target) = self.record.target.clone() {
            self.record.step = Step::Downloading;
            self.busy = true;
            self.actions.push(Action::Fetch(target));
        }
    }

    /// The image has come, and is being checked.
    pub(super) fn verifying(&mut self) {
        if self.record.step == Step::Downloading {
            self.record.step = Step::Verifying;
            self.record.error = None;
        }
    }

    /// The answer to [`Action::Fetch`]. `has_received` tells whether bytes have come.
    pub(super) fn fetched(
        &mut self,
        result: Result<(), Fault>,
        has_received: bool,
        facts: &Facts,
    ) -> Vec<Action> {
        if !self.record.step.is_before_install() {
            return Vec::new();
        }
        self.busy = false;
        match result {
            Ok(()) => self.install(),
            Err(fault) => self.not_fetched(&fault, has_received, facts.now),
        }
        std::mem::take(&mut self.actions)
    }

    fn not_fetched(&mut self, fault: &Fault, has_received: bool, now: Duration) {
        let error = DocumentError::new("firmware", fault.code, fault.message.clone());
        if has_received {
            self.backoff.succeeded();
        }
        self.record.step = Step::Downloading;
        self.record.error = Some(error);
        match fault.retry {
            Retry::AtOnce | Retry::Stopped => self.retry_at = Some(now),
            Retry::Backoff(at_least) => {
                self.retry_at = Some(now + self.backoff.next_wait().max(at_least));
            }
            // The server has another file: it stays so until somebody acts, who publishes a newer generation.
            Retry::Rarely | Retry::Never => {
                self.record.step = Step::Failed;
                self.actions.push(Action::Sweep);
            }
        }
    }

    pub(super) fn install(&mut self) {
        if self.record.installs >= MOST_TRIES {
            let message = format!(
                "the box went down {MOST_TRIES} times while version {} was installed; it is not tried again",
                self.record.version()
            );
            return self.fail(codes::NOT_INSTALLED, message);
        }
        self.record.step = Step::Installing;
        self.record.error = None;
        self.record.installs += 1;
        self.record.from = self.started.as_ref().map(|started| Origin {
            version: started.version.clone(),
            slot: started.slot.clone(),
        });
        self.run(Job::Install);
    }
}
