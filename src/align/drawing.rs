//! Boxes of one moment, from the events around it.
//!
//! Objects with a track are followed along it. One without, and a track that the other event lacks, is shown for the half
//! that is nearest to its event. Cheap: nothing is kept, and every look-up is a binary search.

use std::sync::Arc;

use super::DrawnBox;
use super::clocks::{Ns, ns};
use super::delay::LONGEST;
use super::events::{Events, Object, Seen, visible};
use super::habits::Habits;
use super::path::{self, Course, seconds};

/// What there is to draw from.
pub(super) struct Moment<'a> {
    pub(super) events: &'a Events,
    pub(super) habits: &'a Habits,
    pub(super) frame_interval: Ns,
    /// The usual time from event to event.
    pub(super) event_interval: Ns,
    /// How far an event's boxes reach.
    pub(super) ttl: Ns,
}

impl Moment<'_> {
    /// The boxes at `at`, a time as events tell it; none where no event reaches.
    pub(super) fn boxes(&self, at: Ns) -> Option<Vec<DrawnBox>> {
        let next = self.events.until(at);
        let before = next.checked_sub(1).and_then(|index| self.events.get(index));
        match (before, self.events.get(next)) {
            (Some(before), Some(after)) if after.told.saturating_sub(before.told) <= self.ttl => {
                Some(self.between(next, before, after, at))
            }
            (_, Some(after)) if after.told.saturating_sub(at) <= self.event_interval / 2 => {
                Some(still(after))
            }
            (Some(before), _) => {
                let age = at.saturating_sub(before.told);
                if age <= self.frame_interval / 2 {
                    Some(still(before))
                } else {
                    (age <= self.ttl).then(|| self.beyond(next, before, age))
                }
            }
            (None, _) => None,
        }
    }

    /// Boxes `at` a moment between two events, the later of which is the one at index `next`.
    fn between(&self, next: usize, before: &Seen, after: &Seen, at: Ns) -> Vec<DrawnBox> {
        let span = after.told.saturating_sub(before.told);
        let time = at.saturating_sub(before.told);
        let is_early = time < span / 2;
        let mut boxes = Vec::with_capacity(before.objects.len().max(after.objects.len()));
        for object in &before.objects {
            let other = object
                .track
                .and_then(|track| Some((track, after.of_track(track)?)));
            let Some((track, other)) = other else {
                if is_early {
                    let courses = self.courses(next - 1, object);
                    boxes.extend(drawn(
                        object,
                        path::beyond(&object.corners, seconds(time), courses),
                        false,
                    ));
                }
                continue;
            };
            let mut courses = self.courses(next - 1, object);
            let coming = self.velocities(next, next + 1, track);
            for axis in 0..2 {
                courses[axis].after = coming.map(|velocity| velocity[axis]);
            }
            let corners = path::between(
                &object.corners,
                &other.corners,
                seconds(span),
                seconds(time),
                courses,
            );
            boxes.extend(drawn(if is_early { object } else { other }, corners, false));
        }
        if !is_early {
            let begun = after.objects.iter().filter(|object| {
                object
                    .track
                    .is_none_or(|track| before.of_track(track).is_none())
            });
            boxes.extend(begun.filter_map(|object| drawn(object, object.corners, false)));
        }
        boxes
    }

    /// Boxes `age` after the last event before the one at index `next`.
    fn beyond(&self, next: usize, last: &Seen, age: Ns) -> Vec<DrawnBox> {
        let objects = last.objects.iter();
        objects
            .filter_map(|object| {
                let courses = self.courses(next - 1, object);
                drawn(
                    object,
                    path::beyond(&object.corners, seconds(age), courses),
                    true,
                )
            })
            .collect()
    }

    /// What is known of an object's velocity before it was seen in the event at `index`.
    fn courses(&self, index: usize, object: &Object) -> [Course; 2] {
        let Some(track) = object.track else {
            return [Course::default(); 2];
        };
        let back = |steps: usize| index.checked_sub(steps);
        let leg = |from, to| self.velocities(back(from)?, back(to)?, track);
        let (before, earlier) = (leg(1, 0), leg(2, 1));
        let habits = self.habits.speeds(track);
        [0, 1].map(|axis| Course {
            before: before.map(|velocity| velocity[axis]),
            earlier: earlier.map(|velocity| velocity[axis]),
            after: None,
            habit: habits[axis],
        })
    }

    /// The mean velocity of a track from the event at `from` to the one at `to`.
    fn velocities(&self, from: usize, to: usize, track: u64) -> Option<[f32; 2]> {
        let (first, last) = (self.events.get(from)?, self.events.get(to)?);
        let span = last.told.saturating_sub(first.told);
        if span > ns(LONGEST) {
            return None;
        }
        let (was, is) = (first.of_track(track)?, last.of_track(track)?);
        path::velocity(&was.corners, &is.corners, seconds(span))
    }
}

/// An event's boxes where they were found.
pub(super) fn still(seen: &Seen) -> Vec<DrawnBox> {
    let objects = seen.objects.iter();
    objects
        .filter_map(|object| drawn(object, object.corners, false))
        .collect()
}

/// The object's box at `corners`; none outside the picture.
fn drawn(object: &Object, corners: path::Corners, dashed: bool) -> Option<DrawnBox> {
    Some(DrawnBox {
        corners: visible(corners)?,
        class_name: Arc::clone(&object.class_name),
        confidence: object.confidence,
        tracker_id: object.track,
        dashed,
    })
}
