//! The frames of one camera at the size of each tile that shows it, from decoding until they are due. Video is delayed until
//! the boxes of its frames have arrived.
//!
//! The decoder's thread adds frames. Each head's thread takes the frames that are due on its tile. The number of frames per
//! tile is limited; beyond the limit the oldest frame is dropped. A tile that changes its size keeps its frames, which are scaled
//! again when they are due.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Placement, TilePicture};
use crate::align::FrameTimes;
use crate::base::sync::lock;
use crate::base::{Size, Waker};
use crate::config::Fit;
use crate::media::Need;

/// Maximum number of frames per tile: one second, the longest delay, at 60 frames per second, and a reserve.
const MOST_FRAMES: usize = 72;

/// Identifies a tile that shows the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TileKey {
    /// The head's number.
    pub(crate) head: usize,
    /// The tile's pixels.
    pub(crate) tile: Size,
    /// How the picture is fitted into the tile.
    pub(crate) fit: Fit,
}

impl TileKey {
    /// The picture size that the decoder has to produce for the tile.
    fn need(&self) -> Need {
        match self.fit {
            Fit::Contain => Need::Within(self.tile),
            Fit::Cover | Fit::Stretch => Need::Covering(self.tile),
        }
    }
}

/// A frame at the size of a tile.
#[derive(Debug, Clone)]
pub(crate) struct CachedFrame {
    /// Its number among the frames of this camera.
    pub(crate) number: u64,
    pub(crate) times: FrameTimes,
    /// The tile that the picture was made for.
    pub(super) key: TileKey,
    pub(crate) placement: Placement,
    pub(crate) picture: Arc<TilePicture>,
}

/// The frame that is due on a tile.
pub(crate) struct DueFrame {
    /// The frame to show; `None` before the first.
    pub(crate) picture: Option<CachedFrame>,
    /// The tile that shows it, if the picture was made for another size of it.
    pub(super) other_size: Option<TileKey>,
    /// When the next one is due, if it was decoded already.
    pub(crate) next: Option<Duration>,
    /// Number of frames that were skipped because newer ones are due as well.
    pub(super) dropped: u64,
    /// Whether the frame was not shown before.
    pub(super) is_new: bool,
}

/// The tiles of one camera with their frames.
#[derive(Default)]
pub(super) struct FrameCache {
    tiles: Mutex<Vec<CachedTile>>,
}

/// The change of a camera's tiles.
pub(super) struct Assigned {
    /// The sizes that all tiles need.
    pub(super) needs: Vec<Need>,
    /// Number of frames that the tile can no longer show.
    pub(super) dropped: u64,
}

struct CachedTile {
    key: TileKey,
    since: Duration,
    waker: Waker,
    waiting: VecDeque<CachedFrame>,
    shown: Option<CachedFrame>,
}

impl FrameCache {
    /// Shows the camera on a tile of `head` from `now` on, or removes it from that head. A tile of another size keeps its frames;
    /// those that were cropped or distorted for another `fit` are dropped. Gives `None` if nothing has changed.
    pub(super) fn assign(
        &self,
        head: usize,
        wanted: Option<(TileKey, Waker)>,
        now: Duration,
    ) -> Option<Assigned> {
        let mut tiles = lock(&self.tiles);
        let is_same = tiles.iter().any(|tile| {
            tile.key.head == head && wanted.as_ref().is_some_and(|(key, _)| *key == tile.key)
        });
        if is_same {
            return None;
        }
        let mut gone: Vec<CachedTile> =
            tiles.extract_if(.., |tile| tile.key.head == head).collect();
        let mut dropped = 0;
        if let Some((key, waker)) = wanted {
            dropped = gone.iter().map(|tile| tile.waiting.len() as u64).sum();
            let kept = gone.pop_if(|tile| tile.key.fit == key.fit);
            dropped -= kept.as_ref().map_or(0, |tile| tile.waiting.len() as u64);
            let (since, waiting, shown) = match kept {
                Some(kept) => (kept.since, kept.waiting, kept.shown),
                None => (now, VecDeque::new(), None),
            };
            tiles.push(CachedTile {
                key,
                since,
                waker,
                waiting,
                shown,
            });
        }
        let needs = tiles.iter().map(|tile| tile.key.need()).collect();
        // Frees megabytes without holding the lock.
        drop(tiles);
        drop(gone);
        Some(Assigned { needs, dropped })
    }

    /// The tiles that show the camera.
    pub(super) fn keys(&self) -> Vec<TileKey> {
        lock(&self.tiles).iter().map(|tile| tile.key).collect()
    }

    /// Adds a frame for a tile, also if the size of the tile has changed meanwhile. False if a frame had to be dropped.
    pub(super) fn add(&self, frame: CachedFrame) -> bool {
        let mut tiles = lock(&self.tiles);
        let of_head = |tile: &&mut CachedTile| tile.key.head == frame.key.head;
        let Some(tile) = tiles.iter_mut().find(of_head) else {
            // No tile shows the camera any more.
            return true;
        };
        if tile.key.fit != frame.key.fit {
            return false;
        }
        tile.waiting.push_back(frame);
        let oldest = (tile.waiting.len() > MOST_FRAMES).then(|| tile.waiting.pop_front());
        tile.waker.wake();
        drop(tiles);
        oldest.is_none()
    }

    /// The frame that is due on the tile of `head` at `now`, with video delayed by `delay`.
    pub(super) fn due(&self, head: usize, now: Duration, delay: Duration) -> DueFrame {
        let mut tiles = lock(&self.tiles);
        let Some(tile) = tiles.iter_mut().find(|tile| tile.key.head == head) else {
            return DueFrame {
                picture: None,
                other_size: None,
                next: None,
                dropped: 0,
                is_new: false,
            };
        };
        let mut passed = 0u64;
        while let Some(first) = tile.waiting.front()
            && first.times.arrival + delay <= now
        {
            tile.shown = tile.waiting.pop_front();
            passed += 1;
        }
        let is_other = |frame: &CachedFrame| frame.key != tile.key;
        DueFrame {
            picture: tile.shown.clone(),
            other_size: tile
                .shown
                .as_ref()
                .is_some_and(is_other)
                .then_some(tile.key),
            next: tile.waiting.front().map(|next| next.times.arrival + delay),
            dropped: passed.saturating_sub(1),
            is_new: passed > 0,
        }
    }

    /// Replaces the frame that is shown on a tile by the same one at another size.
    pub(super) fn replace_shown(&self, frame: CachedFrame) {
        let mut tiles = lock(&self.tiles);
        let shown = tiles
            .iter_mut()
            .find(|tile| tile.key == frame.key)
            .and_then(|tile| tile.shown.as_mut());
        if let Some(shown) = shown.filter(|shown| shown.number == frame.number) {
            *shown = frame;
        }
    }

    /// How long the tile of `head` has been empty; with `None`, the tile that has been empty for the shortest time. `None` if a
    /// tile shows a frame, or no tile shows the camera.
    pub(super) fn blank_for(
        &self,
        head: Option<usize>,
        now: Duration,
        delay: Duration,
    ) -> Option<Duration> {
        let tiles = lock(&self.tiles);
        let mut shortest = None;
        for tile in tiles
            .iter()
            .filter(|tile| head.is_none_or(|head| tile.key.head == head))
        {
            let next = tile.waiting.front();
            let is_due = next.is_some_and(|next| next.times.arrival + delay <= now);
            if tile.shown.is_some() || is_due {
                return None;
            }
            let blank = now.saturating_sub(tile.since);
            shortest = Some(shortest.map_or(blank, |least: Duration| least.min(blank)));
        }
        shortest
    }

    /// Wakes every head that shows the camera.
    pub(super) fn wake(&self) {
        for tile in lock(&self.tiles).iter() {
            tile.waker.wake();
        }
    }
}

#[cfg(test)]
#[path = "frame_cache_tests.rs"]
mod tests;
