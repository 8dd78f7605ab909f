//! Computes the boxes at one time from the events around it.
//!
//! Boxes with a track are interpolated on a straight line between two events, and extrapolated beyond the last event at the
//! velocity between the last two. A box without a track, or with a track that the other event lacks, is shown for the half of
//! the time that is nearer to its event. Nothing is stored, and every look-up is a binary search.

use std::sync::Arc;

use super::DrawnBox;
use super::clocks::{Ns, ns};
use super::delay::LONGEST;
use super::events::{Corners, Events, Object, TimedEvent, visible};

/// Maximum velocity in pictures per second. A faster box is an error of the tracker and is not extrapolated.
const FASTEST: f32 = 2.0;

/// The events of a source, with the times that limit interpolation.
pub(super) struct EventWindow<'a> {
    pub(super) events: &'a Events,
    pub(super) frame_interval: Ns,
    /// Median time between events.
    pub(super) event_interval: Ns,
    /// Maximum time between two events, and after the last one.
    pub(super) ttl: Ns,
}

impl EventWindow<'_> {
    /// The boxes at `at`, by the clock of the events. `None` if no event is near enough.
    pub(super) fn boxes(&self, at: Ns) -> Option<Vec<DrawnBox>> {
        let next = self.events.until(at);
        let before = next.checked_sub(1).and_then(|index| self.events.get(index));
        match (before, self.events.get(next)) {
            (Some(before), Some(after))
                if after.captured.saturating_sub(before.captured) <= self.ttl =>
            {
                Some(self.interpolated(next, before, after, at))
            }
            (_, Some(after)) if after.captured.saturating_sub(at) <= self.event_interval / 2 => {
                Some(as_detected(after))
            }
            (Some(before), _) => {
                let age = at.saturating_sub(before.captured);
                if age <= self.frame_interval / 2 {
                    Some(as_detected(before))
                } else {
                    (age <= self.ttl).then(|| self.extrapolated(next, before, age))
                }
            }
            (None, _) => None,
        }
    }

    /// The boxes at a time `at` between two events, the later of which has index `next`.
    fn interpolated(
        &self,
        next: usize,
        before: &TimedEvent,
        after: &TimedEvent,
        at: Ns,
    ) -> Vec<DrawnBox> {
        let span = after.captured.saturating_sub(before.captured);
        let time = at.saturating_sub(before.captured);
        let is_early = time < span / 2;
        let share = (time as f64 / span as f64) as f32;
        let mut boxes = Vec::with_capacity(before.objects.len().max(after.objects.len()));
        for object in &before.objects {
            let other = object.track.and_then(|track| after.of_track(track));
            let Some(other) = other else {
                if is_early {
                    boxes.extend(drawn(
                        object,
                        self.moved_corners(next, before, object, time),
                        false,
                    ));
                }
                continue;
            };
            let corners = std::array::from_fn(|edge| {
                let (from, to) = (object.corners[edge], other.corners[edge]);
                from + (to - from) * share
            });
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

    /// The boxes `age` after the event before index `next`.
    fn extrapolated(&self, next: usize, last: &TimedEvent, age: Ns) -> Vec<DrawnBox> {
        let objects = last.objects.iter();
        objects
            .filter_map(|object| drawn(object, self.moved_corners(next, last, object, age), true))
            .collect()
    }

    /// The position of an object `time` after the event before index `next`, at its last velocity.
    fn moved_corners(&self, next: usize, last: &TimedEvent, object: &Object, time: Ns) -> Corners {
        let [across, down] = self
            .displacement(next, last, object, time)
            .unwrap_or_default();
        let [left, top, right, bottom] = object.corners;
        [left + across, top + down, right + across, bottom + down]
    }

    /// Its displacement across and down. `None` if the event before did not contain it, or was too long ago, or its velocity is
    /// implausible.
    fn displacement(
        &self,
        next: usize,
        last: &TimedEvent,
        object: &Object,
        time: Ns,
    ) -> Option<[f32; 2]> {
        let earlier = self.events.get(next.checked_sub(2)?)?;
        let was = earlier.of_track(object.track?)?;
        let span = last.captured.saturating_sub(earlier.captured);
        if span <= 0 || span > ns(LONGEST) {
            return None;
        }
        let (span, time) = (seconds(span), seconds(time));
        let velocity = [0, 1].map(|axis| {
            let middle = |corners: &Corners| (corners[axis] + corners[axis + 2]) / 2.0;
            (middle(&object.corners) - middle(&was.corners)) / span
        });
        let is_plausible = velocity.iter().all(|along| along.abs() <= FASTEST);
        is_plausible.then(|| velocity.map(|along| along * time))
    }
}

fn seconds(time: Ns) -> f32 {
    (time as f64 / 1e9) as f32
}

/// The boxes of an event at their detected positions.
pub(super) fn as_detected(seen: &TimedEvent) -> Vec<DrawnBox> {
    let objects = seen.objects.iter();
    objects
        .filter_map(|object| drawn(object, object.corners, false))
        .collect()
}

/// The box of an object at `corners`. `None` outside the picture.
fn drawn(object: &Object, corners: Corners, dashed: bool) -> Option<DrawnBox> {
    Some(DrawnBox {
        corners: visible(corners)?,
        class_name: Arc::clone(&object.class_name),
        confidence: object.confidence,
        tracker_id: object.track,
        dashed,
    })
}

#[cfg(test)]
mod tests {
    use super::super::clocks::ms;
    use super::*;

    fn events(all: &[(i64, &[(u64, Corners)])]) -> Events {
        let mut events = Events::default();
        for (told_ms, objects) in all {
            let objects = objects.iter().map(|(track, corners)| Object {
                track: Some(*track),
                corners: *corners,
                class_name: "person".into(),
                confidence: 0.9,
            });
            let seen = TimedEvent {
                captured: ms(*told_ms),
                received: 0,
                objects: objects.collect(),
            };
            events.put(Arc::new(seen), ms(20));
        }
        events
    }

    /// Track, whether dashed, and edges in thousandths of the picture. `None` if no event is near enough.
    fn boxes(events: &Events, at_ms: i64) -> Option<Vec<(u64, bool, [i32; 4])>> {
        let window = EventWindow {
            events,
            frame_interval: ms(40),
            event_interval: ms(200),
            ttl: ms(1_000),
        };
        let boxes = window.boxes(ms(at_ms))?.into_iter().map(|drawn| {
            let thousandths = drawn.corners.map(|edge| (edge * 1e3).round() as i32);
            (drawn.tracker_id.unwrap_or(0), drawn.dashed, thousandths)
        });
        Some(boxes.collect())
    }

    const HERE: Corners = [0.1, 0.2, 0.2, 0.4];
    const THERE: Corners = [0.2, 0.2, 0.32, 0.4];

    #[test]
    fn a_track_goes_on_a_straight_line_and_then_on_as_a_guess() {
        let events = events(&[(0, &[(1, HERE)]), (200, &[(1, THERE)])]);
        let drawn = |at_ms| boxes(&events, at_ms);
        assert_eq!(drawn(0), Some(vec![(1, false, [100, 200, 200, 400])]));
        assert_eq!(drawn(50), Some(vec![(1, false, [125, 200, 230, 400])]));
        assert_eq!(drawn(200), Some(vec![(1, false, [200, 200, 320, 400])]));
        // At 0.55 pictures per second, with unchanged size.
        assert_eq!(drawn(300), Some(vec![(1, true, [255, 200, 375, 400])]));
        assert_eq!(drawn(1_200), Some(vec![(1, true, [750, 200, 870, 400])]));
        assert_eq!(drawn(1_201), None);
    }

    #[test]
    fn a_track_that_one_event_lacks_is_shown_for_the_nearer_half() {
        let events = events(&[
            (0, &[(1, HERE)]),
            (200, &[(1, THERE)]),
            (400, &[(2, HERE)]),
            (600, &[(2, HERE)]),
        ]);
        let drawn = |at_ms| boxes(&events, at_ms);
        assert_eq!(drawn(280), Some(vec![(1, false, [244, 200, 364, 400])]));
        assert_eq!(drawn(320), Some(vec![(2, false, [100, 200, 200, 400])]));
    }

    #[test]
    fn a_jump_across_the_picture_is_no_velocity() {
        let far = [0.8, 0.2, 0.9, 0.4];
        let events = events(&[(0, &[(1, HERE)]), (200, &[(1, far)])]);
        assert_eq!(
            boxes(&events, 400),
            Some(vec![(1, true, [800, 200, 900, 400])])
        );
    }
}
