//! What a source sent last, in memory, for an event that may come. Pure: no disk, no clock.
//!
//! Units and scenes are held in the order in which they came, in whole groups of pictures, so they are recorded as if the file had been
//! open all the time. Memory is bounded by bytes: with rare key frames or a high bit rate less is held than is asked for, and nothing
//! of a group that is larger than the bound.

use std::collections::VecDeque;
use std::time::Duration;

use super::scene::Scene;
use crate::media::CodedUnit;

/// Bytes of pictures that are held: 60 s at 4 Mbit/s.
pub(super) const UNITS_BYTES: usize = 32 << 20;
/// Bytes of scenes that are held: 25 a second, each of 40 objects, for 60 s.
const SCENES_BYTES: usize = 4 << 20;
/// The memory of a unit besides its data.
const UNIT_BYTES: usize = 256;
/// Held in addition to the time that is asked for, since scenes come later than their frames.
const DELAY: Duration = Duration::from_secs(2);

/// When a frame was captured and when it arrived. Capture times may step, arrivals do not.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    /// Capture time since the Unix epoch.
    pub captured_unix: Duration,
    /// Arrival by the clock.
    pub arrival: Duration,
}

/// A unit or a scene.
#[derive(Debug)]
pub(super) enum Held {
    /// One unit.
    Unit {
        /// The unit.
        unit: CodedUnit,
        /// Units before it were dropped.
        after_gap: bool,
    },
    /// The objects of a frame that came before.
    Scene(Scene),
}

/// The newest groups of pictures of one source.
#[derive(Debug)]
pub(super) struct PreRoll {
    length: Duration,
    limit_bytes: usize,
    groups: VecDeque<Group>,
    unit_bytes: usize,
    scene_bytes: usize,
    is_too_large: bool,
}

/// A key frame and what came after it.
#[derive(Debug)]
struct Group {
    began: Moment,
    /// The arrival of its newest unit.
    ended: Duration,
    items: Vec<Held>,
    unit_bytes: usize,
    scene_bytes: usize,
}

impl PreRoll {
    /// Holds what came in the last `length`, from a key frame on, and at most `limit_bytes` of units.
    pub(super) fn new(length: Duration, limit_bytes: usize) -> Self {
        Self {
            length,
            limit_bytes,
            groups: VecDeque::new(),
            unit_bytes: 0,
            scene_bytes: 0,
            is_too_large: false,
        }
    }

    /// Holds a unit, and drops the groups that are too old or have no room. One without a key frame before it is dropped.
    pub(super) fn unit(&mut self, unit: CodedUnit, after_gap: bool) {
        let arrival = unit.arrival;
        if unit.is_key {
            self.is_too_large = false;
            self.groups.push_back(Group {
                began: Moment::of(&unit),
                ended: arrival,
                items: Vec::new(),
                unit_bytes: 0,
                scene_bytes: 0,
            });
        }
        let Some(group) = self.groups.back_mut() else {
            return;
        };
        let cost = unit.data.len() + UNIT_BYTES;
        group.unit_bytes += cost;
        self.unit_bytes += cost;
        group.ended = arrival;
        group.items.push(Held::Unit { unit, after_gap });
        let begin = arrival.saturating_sub(self.length + DELAY);
        while self.groups.front().is_some_and(|group| group.ended < begin) {
            self.drop_oldest();
        }
        while self.unit_bytes > self.limit_bytes {
            self.drop_oldest();
        }
        self.is_too_large |= self.groups.is_empty();
    }

    /// Holds a scene. One that has no room is dropped, and so is one without a key frame before it.
    pub(super) fn scene(&mut self, scene: Scene) {
        let cost = scene.memory_bytes();
        if let Some(group) = self.groups.back_mut()
            && self.scene_bytes + cost <= SCENES_BYTES
        {
            group.scene_bytes += cost;
            self.scene_bytes += cost;
            group.items.push(Held::Scene(scene));
        }
    }

    /// Gives out all from the newest key frame on that is by the length older than `frame`; from the oldest one, if none is.
    pub(super) fn take(&mut self, frame: Moment) -> Vec<Held> {
        // By both times: after a step of the capture times too much is given out, never too little.
        let is_before = |group: &Group| {
            group.began.arrival + self.length <= frame.arrival
                && group.began.captured_unix + self.length <= frame.captured_unix
        };
        let first = self.groups.iter().rposition(is_before).unwrap_or_default();
        (self.unit_bytes, self.scene_bytes, self.is_too_large) = (0, 0, false);
        let groups = self.groups.drain(..).skip(first);
        groups.flat_map(|group| group.items).collect()
    }

    /// Whether it holds nothing: no key frame has come, or its group is too large.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether the newest group was dropped, because it is larger than the bound.
    pub(super) fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.groups.pop_front() {
            self.unit_bytes -= oldest.unit_bytes;
            self.scene_bytes -= oldest.scene_bytes;
        }
    }
}

impl Moment {
    /// Those of a unit.
    pub(super) fn of(unit: &CodedUnit) -> Self {
        Self {
            captured_unix: unit.captured_unix,
            arrival: unit.arrival,
        }
    }
}

#[cfg(test)]
#[path = "pre_roll_tests.rs"]
mod tests;
