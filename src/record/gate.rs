//! The gate between a source and its file, where only events are recorded. Pure: no disk, and time is passed in.
//!
//! While it is closed, what comes is held in memory (`pre_roll`). A scene with a wanted object opens it: what is held passes first, then
//! all that comes. It closes at the first key frame after the event and its post-roll, so files are whole groups of pictures, and
//! nothing is lost between the end of one event and the begin of the next.
//!
//! After a fault of the disk it is also open without an event, until the disk has taken something: otherwise the fault would be reported
//! until the next event.

use std::time::Duration;

use super::mode::EventRule;
use super::pre_roll::{Held, Moment, PreRoll, UNITS_BYTES};
use super::scene::Scene;
use crate::media::CodedUnit;

/// The longest time from a frame to its scene. If their capture times are farther apart, the clock was set meanwhile.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The gate of one source.
#[derive(Debug)]
pub(super) struct Gate {
    rule: EventRule,
    held: PreRoll,
    is_open: bool,
    /// The arrival up to which the last event is recorded.
    until: Duration,
    /// The unit that came last, and when, by the clock.
    newest: Moment,
    touched: Duration,
}

/// What passes the gate.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// The file ends before that.
    pub ends_file: bool,
    /// In the order in which it came.
    pub items: Vec<Held>,
    /// Groups of pictures of the event that were too large for the memory.
    pub lost_groups: u64,
}

impl Gate {
    /// A closed gate.
    pub(super) fn new(rule: EventRule) -> Self {
        Self {
            held: PreRoll::new(rule.pre_roll, UNITS_BYTES),
            rule,
            is_open: false,
            until: Duration::ZERO,
            newest: Moment::default(),
            touched: Duration::ZERO,
        }
    }

    /// Takes a unit at `now`. `is_test`: the disk has failed, and is to be tried.
    pub(super) fn unit(
        &mut self,
        unit: CodedUnit,
        after_gap: bool,
        is_test: bool,
        now: Duration,
    ) -> Passed {
        self.newest = Moment::of(&unit);
        self.touched = now;
        let ends_file =
            self.is_open && unit.is_key && !is_test && self.newest.arrival >= self.until;
        self.is_open &= !ends_file;
        if self.is_open {
            return Passed {
                items: vec![Held::Unit { unit, after_gap }],
                ..Passed::default()
            };
        }
        self.held.unit(unit, after_gap);
        if is_test {
            return self.open(self.newest);
        }
        Passed {
            ends_file,
            ..Passed::default()
        }
    }

    /// Takes a scene.
    pub(super) fn scene(&mut self, scene: Scene) -> Passed {
        let frame = self.frame_of(&scene);
        let is_wanted = self.rule.wants(&scene);
        if is_wanted {
            self.until = self.until.max(frame.arrival + self.rule.post_roll);
        }
        if self.is_open {
            return Passed {
                items: vec![Held::Scene(scene)],
                ..Passed::default()
            };
        }
        self.held.scene(scene);
        match is_wanted {
            true => self.open(frame),
            false => Passed::default(),
        }
    }

    /// Closes at `now` after the event of a source that has fallen silent, or whose file has failed.
    pub(super) fn tick(&mut self, has_file: bool, is_test: bool, now: Duration) {
        let reached = self.newest.arrival + self.silent_for(now);
        if !has_file && !is_test && reached >= self.until {
            self.is_open = false;
        }
    }

    /// Whether what comes is recorded.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether an event would be recorded from its pre-roll on: it holds pictures, and the last one came less than `limit` ago.
    pub(super) fn is_armed(&self, limit: Duration, now: Duration) -> bool {
        !self.is_open && !self.held.is_empty() && self.silent_for(now) < limit
    }

    fn open(&mut self, frame: Moment) -> Passed {
        self.is_open = true;
        Passed {
            ends_file: false,
            lost_groups: u64::from(self.held.is_too_large()),
            items: self.held.take(frame),
        }
    }

    /// The frame of a scene. Its unit may have passed long ago, so the arrival is reckoned back from the newest unit.
    fn frame_of(&self, scene: &Scene) -> Moment {
        let age = self.newest.captured_unix.checked_sub(scene.captured_unix);
        let age = age.filter(|age| *age <= LONGEST_DELAY).unwrap_or_default();
        Moment {
            captured_unix: scene.captured_unix,
            arrival: self.newest.arrival.saturating_sub(age),
        }
    }

    fn silent_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.touched)
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
