//! The mailbox between many sources and the lanes of a worker. It holds the newest item of each source.
//!
//! A post never waits: an item that was not taken is replaced, and the sender is told, so that it can count the drop. A lane
//! takes first the item of the source that was served longest ago, so that a fast source can't starve a slow one. A source
//! whose item is with one lane is not offered to another, so its items are finished in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::sync::{lock, wait_while};

/// The result of a collection.
#[derive(Debug, PartialEq, Eq)]
pub enum Collected<K, T> {
    /// At least one item, that of the source served longest ago first.
    Items(Vec<(K, T)>),
    /// No item within the limit.
    Nothing,
    /// The mailbox was closed, or the lane is to end.
    Closed,
}

/// A mailbox with one slot per source; the newest item wins.
#[derive(Debug)]
pub struct Mailbox<K, T> {
    state: Mutex<State<K, T>>,
    posted: Condvar,
}

#[derive(Debug)]
struct State<K, T> {
    slots: BTreeMap<K, Slot<T>>,
    /// Sources whose item was taken and is not finished.
    taken: BTreeSet<K>,
    turn: u64,
    closed: bool,
}

#[derive(Debug)]
struct Slot<T> {
    item: Option<T>,
    served: u64,
}

impl<K: Ord + Copy, T> Default for Mailbox<K, T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                slots: BTreeMap::new(),
                taken: BTreeSet::new(),
                turn: 0,
                closed: false,
            }),
            posted: Condvar::new(),
        }
    }
}

impl<K: Ord + Copy, T> Mailbox<K, T> {
    /// Posts `item`. True if it replaced an item that was not taken. Never blocks for long.
    pub fn post(&self, key: K, item: T) -> bool {
        let mut state = self.lock();
        let slot = state.slots.entry(key).or_insert(Slot {
            item: None,
            served: 0,
        });
        let displaced = slot.item.replace(item);
        drop(state);
        self.posted.notify_one();
        // The replaced item is dropped outside the lock, because freeing a decoder's buffer can take time.
        displaced.is_some()
    }

    /// Removes a source with its item.
    pub fn remove(&self, key: K) {
        let slot = self.lock().slots.remove(&key);
        drop(slot);
    }

    /// Closes the mailbox: drops all items and ends the worker's wait.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let slots = std::mem::take(&mut state.slots);
        drop(state);
        self.posted.notify_all();
        drop(slots);
    }

    /// Waits at most `limit` for a first item, then at most `window` for up to `most` items in total. Blocks. Their sources are
    /// not offered again until [`Mailbox::finish`]. `ended` is the flag of the lane, which [`Mailbox::end`] raises.
    ///
    /// The window ends early when every source that can be offered has posted.
    pub fn collect(
        &self,
        most: usize,
        window: Duration,
        limit: Duration,
        ended: &AtomicBool,
    ) -> Collected<K, T> {
        let is_over = |state: &State<K, T>| state.closed || ended.load(Ordering::Relaxed);
        let mut state = self.wait_until(self.lock(), limit, |state| {
            is_over(state) || state.waiting() > 0
        });
        if !window.is_zero() && most > 1 {
            state = self.wait_until(state, window, |state| {
                is_over(state) || state.waiting() >= most.min(state.free())
            });
        }
        if is_over(&state) {
            // The post that woke this lane may be meant for another one.
            drop(state);
            self.posted.notify_one();
            return Collected::Closed;
        }
        let items = state.take(most);
        if state.waiting() > 0 {
            self.posted.notify_one();
        }
        if items.is_empty() {
            Collected::Nothing
        } else {
            Collected::Items(items)
        }
    }

    /// Offers the sources of collected items again.
    pub fn finish(&self, keys: &[K]) {
        let mut state = self.lock();
        for key in keys {
            state.taken.remove(key);
        }
        drop(state);
        self.posted.notify_one();
    }

    /// Raises the flag of a lane and ends its wait.
    pub fn end(&self, lane: &AtomicBool) {
        // Under the lock, so that no lane looks at its flag before and waits after.
        let state = self.lock();
        lane.store(true, Ordering::Relaxed);
        drop(state);
        self.posted.notify_all();
    }

    fn wait_until<'a>(
        &self,
        state: MutexGuard<'a, State<K, T>>,
        limit: Duration,
        enough: impl Fn(&State<K, T>) -> bool,
    ) -> MutexGuard<'a, State<K, T>> {
        wait_while(&self.posted, state, limit, |state| !enough(state))
    }

    fn lock(&self) -> MutexGuard<'_, State<K, T>> {
        lock(&self.state)
    }
}

impl<K: Ord + Copy, T> State<K, T> {
    /// The number of items that can be taken.
    fn waiting(&self) -> usize {
        self.slots
            .iter()
            .filter(|(key, slot)| slot.item.is_some() && !self.taken.contains(key))
            .count()
    }

    /// The number of known sources whose items are with no lane.
    fn free(&self) -> usize {
        let sources = self.slots.keys();
        sources.filter(|key| !self.taken.contains(key)).count()
    }

    fn take(&mut self, most: usize) -> Vec<(K, T)> {
        let mut ready: Vec<(u64, K)> = self
            .slots
            .iter()
            .filter(|(key, slot)| slot.item.is_some() && !self.taken.contains(key))
            .map(|(key, slot)| (slot.served, *key))
            .collect();
        ready.sort_unstable();
        ready.truncate(most);
        let mut items = Vec::with_capacity(ready.len());
        for (_, key) in ready {
            self.turn += 1;
            if let Some(slot) = self.slots.get_mut(&key)
                && let Some(item) = slot.item.take()
            {
                slot.served = self.turn;
                self.taken.insert(key);
                items.push((key, item));
            }
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);
    /// A lane that is not to end.
    static GOES_ON: AtomicBool = AtomicBool::new(false);

    #[test]
    fn the_newest_item_wins_and_the_displaced_one_is_told() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.post(1, "old"));
        assert!(mailbox.post(1, "new"));
        assert_eq!(
            mailbox.collect(4, NOW, NOW, &GOES_ON),
            Collected::Items(vec![(1, "new")])
        );
        assert_eq!(mailbox.collect(4, NOW, NOW, &GOES_ON), Collected::Nothing);
    }

    #[test]
    fn a_fast_source_does_not_starve_the_others() {
        let mailbox = Mailbox::default();
        for key in 0..3 {
            mailbox.post(key, 0);
        }
        let mut served = Vec::new();
        for turn in 1..=6 {
            let Collected::Items(items) = mailbox.collect(1, NOW, NOW, &GOES_ON) else {
                break;
            };
            served.push(items[0].0);
            mailbox.finish(&[items[0].0]);
            mailbox.post(0, turn);
            mailbox.post(items[0].0, turn);
        }
        assert_eq!(served, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_silent_source_holds_the_window_up_no_longer_than_it_lasts() {
        let mailbox = Mailbox::default();
        mailbox.post(0, ());
        mailbox.post(1, ());
        assert!(
            matches!(mailbox.collect(2, LONG, LONG, &GOES_ON), Collected::Items(items) if items.len() == 2)
        );
        mailbox.finish(&[0, 1]);
        mailbox.post(0, ());
        let started = Instant::now();
        let window = Duration::from_millis(20);
        assert!(
            matches!(mailbox.collect(2, window, LONG, &GOES_ON), Collected::Items(items) if items.len() == 1)
        );
        assert!(started.elapsed() >= window && started.elapsed() < LONG);
    }

    #[test]
    fn a_source_is_with_one_lane_at_a_time() {
        let mailbox = Mailbox::default();
        mailbox.post(1, "first");
        let one = |wanted| Collected::Items(vec![(1, wanted)]);
        assert_eq!(mailbox.collect(4, NOW, NOW, &GOES_ON), one("first"));
        mailbox.post(1, "second");
        assert_eq!(mailbox.collect(4, NOW, NOW, &GOES_ON), Collected::Nothing);
        // Another source does not wait for it, nor for the window.
        mailbox.post(2, "other");
        let started = Instant::now();
        let other = mailbox.collect(4, LONG, LONG, &GOES_ON);
        assert_eq!(other, Collected::Items(vec![(2, "other")]));
        assert!(started.elapsed() < LONG);
        mailbox.finish(&[1]);
        assert_eq!(mailbox.collect(4, NOW, NOW, &GOES_ON), one("second"));
    }

    #[test]
    fn finishing_wakes_a_lane_that_waits_for_the_source() {
        let mailbox = std::sync::Arc::new(Mailbox::default());
        mailbox.post(1, 1);
        mailbox.collect(1, NOW, NOW, &GOES_ON);
        mailbox.post(1, 2);
        let waiting = mailbox.clone();
        let lane = std::thread::spawn(move || waiting.collect(1, NOW, LONG, &GOES_ON));
        mailbox.finish(&[1]);
        let found = lane.join().expect("the lane ends");
        assert_eq!(found, Collected::Items(vec![(1, 2)]));
    }

    #[test]
    fn one_lane_ends_and_the_others_go_on() {
        let mailbox = std::sync::Arc::new(Mailbox::default());
        let ended = std::sync::Arc::new(AtomicBool::new(false));
        let lane = {
            let (mailbox, ended) = (mailbox.clone(), ended.clone());
            std::thread::spawn(move || mailbox.collect(1, NOW, LONG, &ended))
        };
        mailbox.end(&ended);
        assert_eq!(lane.join().expect("the lane ends"), Collected::Closed);
        mailbox.post(1, ());
        assert_ne!(mailbox.collect(1, NOW, NOW, &GOES_ON), Collected::Closed);
    }

    #[test]
    fn closing_wakes_the_worker() {
        let mailbox = std::sync::Arc::new(Mailbox::<u32, ()>::default());
        let waiting = mailbox.clone();
        let worker = std::thread::spawn(move || waiting.collect(1, NOW, LONG, &GOES_ON));
        mailbox.close();
        assert_eq!(worker.join().expect("the worker ends"), Collected::Closed);
    }
}
