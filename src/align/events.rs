//! A source's recent events in the order of their pictures, thinned and bounded whatever is sent.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use super::clocks::{Ns, ms};
use crate::base::Size;
use crate::event::DetectionEvent;

/// Events kept: the longest delay and the history that a velocity needs, at 50 a second; what comes faster is thinned.
const MOST_EVENTS: usize = 256;
/// Boxes kept of one event, the most confident first: more can't be told apart on a tile.
const MOST_BOXES: usize = 256;
/// Boxes kept in all, about half a megabyte a source.
const MOST_BOXES_IN_ALL: usize = 8192;
/// Events older than the newest by more than this are of no frame that is still to be shown.
const SPAN: Ns = ms(5_000);

/// Left, top, right, bottom as fractions of the picture.
pub(super) type Corners = [f32; 4];

/// One object of an event.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) track: Option<u64>,
    /// Within the picture, and with an extent.
    pub(super) corners: Corners,
    pub(super) class_name: Arc<str>,
    pub(super) confidence: f32,
}

/// One event.
#[derive(Debug)]
pub(super) struct TimedEvent {
    /// When its picture was taken, by the clock of its [`super::aligner::Origin`].
    pub(super) captured: Ns,
    /// When it came here.
    pub(super) received: Ns,
    /// Those with a track first, by its id.
    pub(super) objects: Vec<Object>,
}

impl TimedEvent {
    /// The event with its boxes as fractions of a picture of `size`, and how many of its boxes were none.
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

/// The part of a box inside the picture; none where there is none, or no number.
pub(super) fn visible(corners: Corners) -> Option<Corners> {
    if !corners.iter().all(|edge| edge.is_finite()) {
        return None;
    }
    let [left, top, right, bottom] = corners.map(|edge| edge.clamp(0.0, 1.0));
    (left < right && top < bottom).then_some([left, top, right, bottom])
}

/// Where an event was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// Behind all others.
    Last,
    /// Behind all others, in the place of one that it follows too closely to be of another frame.
    InPlaceOfLast,
    /// Among older ones, or left out because they say the same.
    Elsewhere,
}

#[derive(Debug)]
struct StoredEvent {
    seen: Arc<TimedEvent>,
    settled: bool,
}

/// The recent events of one processor, by [`TimedEvent::told`].
#[derive(Debug, Default)]
pub(super) struct Events {
    kept: VecDeque<StoredEvent>,
    boxes: usize,
}

impl Events {
    /// Puts an event in its place. Of events closer than `spacing` to each other some are left out, so that the number of
    /// them does not depend on how many are sent.
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
        // Measured from the last but one: a chain of close events would else move on with its head and never leave a trace.
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

    /// How many events are before or at `told`.
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

    /// Newest events whose frames were not looked for yet, as far as `due` says that they can be; each is given once.
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

/// The most confident of an event's detections are first, by contract; strangers' need not be.
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
