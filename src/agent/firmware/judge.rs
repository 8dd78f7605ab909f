//! The new slot on trial: confirmed when the box is healthy, left when it is not in time.

use std::time::Duration;

use super::record::Step;
use super::updater::{Action, Facts, Job, Updater, codes};
use crate::fleet::DocumentError;

/// How long a box must stay healthy before it is confirmed, at most; of a short limit a tenth.
const STEADY: Duration = Duration::from_secs(30);

impl Updater {
    /// Confirms the new slot when it is healthy, or returns when it is not in time.
    pub(super) fn confirm(&mut self, facts: &Facts) {
        let deadline = *self.deadline.get_or_insert(facts.now + self.confirm_within);
        if self.is_forced {
            self.is_forced = false;
            return self.run(Job::Confirm);
        }
        if facts.problems.is_empty() {
            let since = *self.healthy_since.get_or_insert(facts.now);
            if facts.now >= since + STEADY.min(self.confirm_within / 10) {
                return self.run(Job::Confirm);
            }
        } else {
            self.healthy_since = None;
        }
        if facts.now >= deadline {
            let message = format!(
                "version {} was not healthy within {}: {}",
                self.record.version(),
                humantime::format_duration(self.confirm_within),
                match facts.problems.is_empty() {
                    true => "the confirmation failed".to_owned(),
                    false => facts.problems.join("; "),
                }
            );
            self.give_up(codes::UNHEALTHY, message);
        }
    }

    /// Returns to the former slot.
    pub(super) fn give_up(&mut self, code: &'static str, reason: String) {
        self.record.step = Step::Returning;
        self.record.error = Some(DocumentError::new("firmware", code, reason));
        self.record.is_switched = false;
        self.note_boot();
        self.run(Job::Rollback);
    }

    /// `nvr firmware confirm`.
    pub(super) fn confirm_now(&mut self) {
        self.is_forced = self.record.step == Step::Confirming;
    }

    /// `nvr firmware rollback`.
    pub(super) fn return_now(&mut self) -> Vec<Action> {
        let is_new = matches!(self.record.step, Step::Confirming | Step::Confirmed);
        if is_new && self.record.from.is_some() && !self.busy {
            self.give_up(
                codes::BY_HAND,
                "it was taken back by hand on the box".to_owned(),
            );
        }
        std::mem::take(&mut self.actions)
    }
}
