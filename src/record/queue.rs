//! The queue between the threads that receive units and the writer. It is bounded by bytes and never waits.
//!
//! When the disk is slow, whole groups of pictures are dropped: all units of a source from the first that has no room to the next key
//! frame that comes when there is room again. What was queued before stays, since it can be decoded.
//!
//! Scenes have a room of their own, so that no picture is dropped for them. One that has none there is dropped alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::report::SourceShared;
use super::scene::Scene;
use crate::base::SourceId;
use crate::base::sync::{self, lock};
use crate::media::CodedUnit;

/// The memory of a unit besides its data.
const UNIT_BYTES: usize = 256;
/// Bytes of scenes of all sources that may wait: 16 sources with 10 scenes a second of 15 objects for 100 s.
const SCENES_BYTES: usize = 16 << 20;
/// Bytes of scenes of one source that may wait.
const SOURCE_SCENES_BYTES: usize = 1 << 20;

/// What the writer takes.
#[derive(Debug)]
pub(super) enum Item {
    /// One unit.
    Unit {
        /// Its source.
        source: Arc<SourceShared>,
        /// The unit.
        unit: CodedUnit,
        /// Units before it were dropped.
        after_gap: bool,
    },
    /// The objects of a frame that came before.
    Scene {
        /// Its source.
        source: Arc<SourceShared>,
        /// The scene.
        scene: Scene,
    },
    /// No more is recorded of the source, for now or for ever: its file is to be closed.
    Ended(Arc<SourceShared>),
}

/// The result of a wait.
#[derive(Debug)]
pub(super) enum Next {
    /// The oldest item.
    Item(Item),
    /// No item within the limit.
    Nothing,
    /// The queue was closed and is empty.
    Closed,
}

/// The queue of all sources of one disk.
#[derive(Debug)]
pub(super) struct Queue {
    limit_bytes: usize,
    source_limit_bytes: usize,
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// Of units.
    bytes: usize,
    scene_bytes: usize,
    shares: BTreeMap<SourceId, Share>,
    closed: bool,
}

/// What one source has in the queue.
#[derive(Debug, Default)]
struct Share {
    /// Of units.
    bytes: usize,
    /// Groups of pictures that begin in it.
    groups: u64,
    drops: bool,
    scene_bytes: usize,
}

impl Queue {
    /// An empty queue for at most `limit_bytes`, and `source_limit_bytes` of one source.
    pub(super) fn new(limit_bytes: usize, source_limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            source_limit_bytes,
            state: Mutex::default(),
            ready: Condvar::new(),
        }
    }

    /// Adds a unit, or drops and counts it. Never waits for the disk.
    pub(super) fn push(&self, source: &Arc<SourceShared>, unit: CodedUnit) {
        let mut state = lock(&self.state);
        if state.closed || source.is_removed() {
            return;
        }
        let queued = state.bytes;
        let cost = unit.data.len() + UNIT_BYTES;
        let share = state.shares.entry(source.source).or_default();
        if share.drops && !unit.is_key {
            return;
        }
        // A group begins again only when half is free, so that it is not cut off at once.
        let part = if share.drops { 2 } else { 1 };
        let fits = queued + cost <= self.limit_bytes / part
            && share.bytes + cost <= self.source_limit_bytes / part;
        if !fits {
            share.drops = true;
            drop(state);
            return source.dropped(1);
        }
        share.bytes += cost;
        share.groups += u64::from(unit.is_key);
        let after_gap = std::mem::take(&mut share.drops);
        state.bytes += cost;
        state.items.push_back(Item::Unit {
            source: source.clone(),
            unit,
            after_gap,
        });
        drop(state);
        self.ready.notify_one();
    }

    /// Adds a scene, or drops and counts it. Never waits for the disk.
    pub(super) fn push_scene(&self, source: &Arc<SourceShared>, scene: Scene) {
        let mut state = lock(&self.state);
        if state.closed || source.is_removed() {
            return;
        }
        let queued = state.scene_bytes;
        let cost = scene.memory_bytes();
        let share = state.shares.entry(source.source).or_default();
        if queued + cost > SCENES_BYTES || share.scene_bytes + cost > SOURCE_SCENES_BYTES {
            drop(state);
            return source.dropped_scenes(1);
        }
        share.scene_bytes += cost;
        state.scene_bytes += cost;
        let source = source.clone();
        state.items.push_back(Item::Scene { source, scene });
        drop(state);
        self.ready.notify_one();
    }

    /// Tells the writer that a source was removed, after its last unit.
    pub(super) fn remove(&self, source: Arc<SourceShared>) {
        let mut state = lock(&self.state);
        source.remove();
        state.items.push_back(Item::Ended(source));
        drop(state);
        self.ready.notify_one();
    }

    /// Tells the writer that a source pauses, after its last unit. It may go on at any time.
    pub(super) fn pause(&self, source: Arc<SourceShared>) {
        lock(&self.state).items.push_back(Item::Ended(source));
        self.ready.notify_one();
    }

    /// Takes no more units and scenes. Those in the queue are still given out.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.ready.notify_all();
    }

    /// Waits at most `limit` for the oldest item. Blocks.
    pub(super) fn next(&self, limit: Duration) -> Next {
        let deadline = Instant::now() + limit;
        let mut state = lock(&self.state);
        loop {
            if let Some(item) = state.items.pop_front() {
                state.release(&item);
                return Next::Item(item);
            }
            if state.closed {
                return Next::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Nothing;
            }
            state = sync::wait(&self.ready, state, Some(left));
        }
    }

    /// The groups of pictures of a source that begin in the queue.
    pub(super) fn groups(&self, source: SourceId) -> u64 {
        let state = lock(&self.state);
        state.shares.get(&source).map_or(0, |share| share.groups)
    }

    /// The bytes of units that wait.
    pub(super) fn bytes(&self) -> usize {
        lock(&self.state).bytes
    }
}

impl State {
    fn release(&mut self, item: &Item) {
        match item {
            Item::Unit { source, unit, .. } => {
                let cost = unit.data.len() + UNIT_BYTES;
                self.bytes = self.bytes.saturating_sub(cost);
                if let Some(share) = self.shares.get_mut(&source.source) {
                    share.bytes = share.bytes.saturating_sub(cost);
                    share.groups = share.groups.saturating_sub(u64::from(unit.is_key));
                }
            }
            Item::Scene { source, scene } => {
                let cost = scene.memory_bytes();
                self.scene_bytes = self.scene_bytes.saturating_sub(cost);
                if let Some(share) = self.shares.get_mut(&source.source) {
                    share.scene_bytes = share.scene_bytes.saturating_sub(cost);
                }
            }
            // A new recording of the same source may have units in the queue; its share only forgets that it dropped some.
            Item::Ended(source) => {
                let is_idle = |share: &Share| share.bytes == 0 && share.scene_bytes == 0;
                if self.shares.get(&source.source).is_some_and(is_idle) {
                    self.shares.remove(&source.source);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
