//! Scenes of one source that wait for its next fragment.
//!
//! They are bounded: by number, by memory, and by time while no fragment is collected that they could go into.

use std::collections::VecDeque;
use std::time::Duration;

use super::scene::{MOST_SCENES, Scene};

/// The most memory of them: a thousand scenes of 17 objects.
const LIMIT_BYTES: usize = 1 << 20;
/// While no fragment is collected, the longest time between the capture of one and that of the newest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Scenes in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct PendingScenes {
    scenes: VecDeque<Scene>,
    bytes: usize,
}

impl PendingScenes {
    /// Adds a scene, and drops the oldest ones if there are too many. `is_collecting`: a fragment is being collected.
    ///
    /// Returns the number of scenes that had no room. Those that are dropped because no fragment came are not counted: their
    /// pictures are not recorded either.
    pub(super) fn push(&mut self, scene: Scene, is_collecting: bool) -> u64 {
        let newest = scene.captured_unix;
        self.bytes += scene.memory_bytes();
        self.scenes.push_back(scene);
        if !is_collecting {
            // By the difference in either direction: a clock may have been set back.
            let is_late = |scene: &Scene| scene.captured_unix.abs_diff(newest) > LONGEST_WAIT;
            while self.scenes.front().is_some_and(is_late) {
                self.drop_oldest();
            }
        }
        let mut dropped = 0;
        while self.scenes.len() > MOST_SCENES || self.bytes > LIMIT_BYTES {
            self.drop_oldest();
            dropped += 1;
        }
        dropped
    }

    /// All of them.
    pub(super) fn as_slice(&mut self) -> &[Scene] {
        self.scenes.make_contiguous()
    }

    /// Removes all, and returns their number.
    pub(super) fn clear(&mut self) -> u64 {
        self.bytes = 0;
        self.scenes.drain(..).count() as u64
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.scenes.pop_front() {
            self.bytes = self.bytes.saturating_sub(oldest.memory_bytes());
        }
    }
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
