//! The tiles of one screen, and what was drawn on each of them.

use std::time::Duration;

use crate::base::SourceId;
use crate::render::Rect;
use crate::render::layout::Plan;

/// The present division of the screen.
pub(super) struct Division {
    pub(super) cameras: Vec<SourceId>,
    pub(super) page: usize,
    pub(super) focus: Option<SourceId>,
    pub(super) tiles: Vec<(Rect, Option<SourceId>)>,
    /// The version of each tile that was drawn last, and when.
    pub(super) drawn: Vec<Option<(TileVersion, Duration)>>,
}

/// The parts of a tile's content that are drawn at once when they change. Other changes are drawn after a while.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TileVersion {
    pub(super) picture: Option<u64>,
    pub(super) event: Option<Duration>,
}

impl Division {
    /// The division of a page of `plan`, with this camera in the focus tile.
    pub(super) fn new(plan: &Plan, page: usize, focus: Option<SourceId>) -> Self {
        let tiles: Vec<_> = plan
            .tiles(page, focus)
            .into_iter()
            .map(|tile| (tile.rect, tile.source))
            .collect();
        Self {
            cameras: plan.cameras().to_vec(),
            page,
            focus,
            drawn: vec![None; tiles.len()],
            tiles,
        }
    }

    /// Whether both show the same cameras on the same tiles.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.tiles == other.tiles && self.cameras == other.cameras
    }

    /// The tile that shows a camera.
    pub(super) fn tile_of(&self, id: SourceId) -> Option<Rect> {
        let tile = self.tiles.iter().find(|(_, source)| *source == Some(id));
        tile.map(|(rect, _)| *rect)
    }

    /// The tile at the top right corner that shows a camera.
    pub(super) fn corner_tile(&self) -> Option<usize> {
        self.tiles
            .iter()
            .enumerate()
            .filter(|(_, (_, source))| source.is_some())
            .min_by_key(|(_, (rect, _))| (rect.y, std::cmp::Reverse(rect.right())))
            .map(|(index, _)| index)
    }
}
