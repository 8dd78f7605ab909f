//! The recent events of a source, ordered by capture time. Their number is limited at any event rate.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use super::clocks::{Ns, ms};
use crate::base::Size;
use crate::event::DetectionEvent;

/// Maximum number of events: the longest delay and the history for a velocity, at 50 events per second. At higher rates some
/// events are dropped.
const MOST_EVENTS: usize = 256;
/// Maximum number of boxes per event, the most confident first. More are not distinguishable on a tile.
const MOST_BOXES: usize = 256;
/// Maximum number of boxes in all events, about half a megabyte per source.
const MOST_BOXES_IN_ALL: usize = 8192;
/// Events that are older than the newest by more than this do not belong to any frame that is still to be shown.
const SPAN: Ns = ms(5_000);

/// An event may be overtaken by events up to this much newer, by a retransmission or another network path. An older event is
/// from another recording.
const OVERTAKEN: Ns = ms(2_000);

/// Left, top, right, bottom as fractions of the picture.
pub(super) type Corners = [f32; 4];

/// One object of an event.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) track: Option<u64>,
    /// Inside the picture, with a positive width and height.
    pub(super) corners: Corners,
    pub(super) class_name: Arc<str>,
    pub(super) confidence: f32,
}

/// An event with its times.
#[derive(Debug)]
pub(super) struct TimedEvent {
    /// Capture time of its frame, by the clock of its [`super::event_clock::Origin`].
    pub(super) captured: Ns,
    /// Monotonic time of its arrival.
    pub(super) received: Ns,
    /// Objects with a track first, ordered by tracker id.
    pub(super) objects: Vec<Object>,
}

impl TimedEvent {
    /// Converts an event, with its boxes as fractions of a picture of `size`. Also gives the number of refused boxes, which are
    /// outside the picture or have no extent.
    pub(super) fn new(
        event: &DetectionEvent,
        size: Size,
        captured: Ns,
        received: Ns,
    ) -> (Self, u64) {
        let mut refused = 0;
        let mut objects = Vec::with_capacity(event.detections.len().min(MOST_BOXES));
        for detected in event.detections.iter().take(MOST_BOXES) {
            let Some(corners) = fractions(detected.bbox.corners(), size) else {
                refused += 1;
                continue;
            };
            objects.push(Object {
                track: detected.tracker_id,
                corners,
                class_name: Arc::clone(&detected.class_name),
                confidence: detected.confidence,
            });
        }
        objects.sort_by_key(|object| (object.track.is_none(), object.track));
        let seen = Self {
            captured,
            received,
            objects,
        };
        (seen, refused)
    }

    /// The object of a track.
    pub(super) fn of_track(&self, track: u64) -> Option<&Object> {
        let key = (false, Some(track));
        let found = self
            .objects
            .binary_search_by_key(&key, |object| (object.track.is_none(), object.track));
        found.ok().map(|index| &self.objects[index])
    }
}

fn fractions(corners: Corners, size: Size) -> Option<Corners> {
    let (width, height) = (size.width as f32, size.height as f32);
    let [left, top, right, bottom] = corners;
    visible([left / width, top / height, right / width, bottom / height])
}

/// The part of a box inside the picture. `None` if there is none, or an edge is not finite.
pub(super) fn visible(corners: Corners) -> Option<Corners> {
    if !corners.iter().all(|edge| edge.is_finite()) {
        return None;
    }
    let [left, top, right, bottom] = corners.map(|edge| edge.clamp(0.0, 1.0));
    (left < right && top < bottom).then_some([left, top, right, bottom])
}

/// The position at which an event was inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// After all others.
    Last,
    /// After all others. It replaced the last one, whose capture time was too close.
    InPlaceOfLast,
    /// Between older ones, or not at all because it was too close to one of them.
    Elsewhere,
}

/// The newest event of a source. It is kept even if its time is implausible, because mode latest draws it.
#[derive(Debug, Default)]
pub(super) struct Latest(Option<Arc<TimedEvent>>);

impl Latest {
    /// Replaces the event, unless the new one was overtaken.
    pub(super) fn put(&mut self, event: &Arc<TimedEvent>) {
        let is_overtaken = self.0.as_ref().is_some_and(|latest| {
            let age = latest.captured.saturating_sub(event.captured);
            (1..=OVERTAKEN).contains(&age)
        });
        if !is_overtaken {
            self.0 = Some(Arc::clone(event));
        }
    }

    /// The event, if it arrived at most `ttl` before `now`.
    pub(super) fn within(&self, now: Ns, ttl: Ns) -> Option<&TimedEvent> {
        let latest = self.0.as_deref();
        latest.filter(|event| now.saturating_sub(event.received) <= ttl)
    }
}

#[derive(Debug)]
struct StoredEvent {
    seen: Arc<TimedEvent>,
    settled: bool,
}

/// The recent events of one processor, by [`TimedEvent::captured`].
#[derive(Debug, Default)]
pub(super) struct Events {
    kept: VecDeque<StoredEvent>,
    boxes: usize,
}

impl Events {
    /// Inserts an event by its capture time. Some of the events that are closer than `spacing` to each other are dropped, so
    /// that the number of events is limited at any event rate.
    pub(super) fn put(&mut self, seen: Arc<TimedEvent>, spacing: Ns) -> Inserted {
        let captured = seen.captured;
        let index = self
            .kept
            .partition_point(|kept| kept.seen.captured <= captured);
        let distance = |index: usize| {
            let kept = self.kept.get(index)?;
            Some(kept.seen.captured.abs_diff(captured))
        };
        let spacing = spacing.unsigned_abs();
        if index < self.kept.len() {
            let crowded = [index.checked_sub(1), Some(index)]
                .into_iter()
                .flatten()
                .filter_map(distance)
                .any(|distance| distance < spacing);
            if !crowded {
                self.insert(index, seen, false);
            }
            return Inserted::Elsewhere;
        }
        // Measured from the last but one. Otherwise a series of close events would always replace the last one, and none of
        // them would remain.
        let crowded = index
            .checked_sub(2)
            .and_then(distance)
            .is_some_and(|distance| distance < spacing);
        let same = index.checked_sub(1).and_then(distance) == Some(0);
        if crowded || same {
            if let Some(replaced) = self.kept.pop_back() {
                self.boxes -= replaced.seen.objects.len();
                self.insert(self.kept.len(), seen, replaced.settled);
            }
            return Inserted::InPlaceOfLast;
        }
        self.insert(index, seen, false);
        Inserted::Last
    }

    fn insert(&mut self, index: usize, seen: Arc<TimedEvent>, settled: bool) {
        self.boxes += seen.objects.len();
        self.kept.insert(index, StoredEvent { seen, settled });
        let newest = self.kept.back().map_or(0, |kept| kept.seen.captured);
        while self.kept.len() > 1
            && (self.kept.len() > MOST_EVENTS
                || self.boxes > MOST_BOXES_IN_ALL
                || self
                    .kept
                    .front()
                    .is_some_and(|oldest| newest.saturating_sub(oldest.seen.captured) > SPAN))
        {
            if let Some(oldest) = self.kept.pop_front() {
                self.boxes -= oldest.seen.objects.len();
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.boxes = 0;
    }

    /// The number of events with a capture time up to `captured`.
    pub(super) fn until(&self, captured: Ns) -> usize {
        self.kept
            .partition_point(|kept| kept.seen.captured <= captured)
    }

    pub(super) fn get(&self, index: usize) -> Option<&TimedEvent> {
        self.kept.get(index).map(|kept| &*kept.seen)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    #[cfg(test)]
    pub(super) fn boxes(&self) -> usize {
        self.boxes
    }

    /// The newest events that were not matched to frames yet and for which `due` is true. Each event is given once.
    pub(super) fn match_frames(
        &mut self,
        due: impl Fn(&TimedEvent) -> bool,
    ) -> Vec<Arc<TimedEvent>> {
        let unsettled = self.kept.iter_mut().rev().take_while(|kept| !kept.settled);
        let mut settled = Vec::new();
        for kept in unsettled.filter(|kept| due(&kept.seen)) {
            kept.settled = true;
            settled.push(Arc::clone(&kept.seen));
        }
        settled
    }
}

/// A copy of an event with too many detections, with the most confident first. `None` if there are not too many. Our processors
/// send them in this order; other programs may not.
pub(super) fn sorted_by_confidence(event: &DetectionEvent) -> Option<DetectionEvent> {
    if event.detections.len() <= MOST_BOXES {
        return None;
    }
    let mut sorted = event.clone();
    sorted
        .detections
        .sort_by_key(|object| Reverse((object.confidence.clamp(0.0, 1.0) * 1e6) as u32));
    Some(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(told_ms: i64) -> Arc<TimedEvent> {
        Arc::new(TimedEvent {
            captured: ms(told_ms),
            received: 0,
            objects: Vec::new(),
        })
    }

    fn captured(events: &Events) -> Vec<i64> {
        let all = events.kept.iter();
        all.map(|kept| kept.seen.captured / ms(1)).collect()
    }

    #[test]
    fn events_lie_in_the_order_of_their_pictures() {
        let mut events = Events::default();
        let put = [200, 600, 400, 600, 605, 190].map(|at| events.put(seen(at), ms(20)));
        use Inserted::{Elsewhere, InPlaceOfLast, Last};
        assert_eq!(put, [Last, Last, Elsewhere, InPlaceOfLast, Last, Elsewhere]);
        assert_eq!(captured(&events), [200, 400, 600, 605]);
    }

    #[test]
    fn a_thousand_events_a_second_are_thinned_and_still_cover_the_time() {
        let mut events = Events::default();
        for at in 0..10_000 {
            events.put(seen(at), ms(20));
        }
        let captured = captured(&events);
        assert!(captured.len() <= MOST_EVENTS);
        assert_eq!(captured.last(), Some(&9_999));
        assert!(captured[0] < 8_000, "{captured:?}");
        assert!(captured.windows(2).all(|pair| pair[1] - pair[0] <= 20));
    }
}
