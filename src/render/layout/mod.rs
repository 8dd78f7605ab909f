//! Assigns cameras to rectangles of the screen: grid, focus and free layouts, pages if there are more cameras than tiles, and
//! the camera that an alarm moves to the focus tile.
//!
//! Pure functions: a new [`Plan`] is made when the screen or the list of cameras changes, and the head asks it for the tiles
//! before each scene.

mod focus;
mod free;
mod grid;
mod promotion;

use std::time::Duration;

pub use promotion::FocusChoice;

use super::Rect;
use crate::base::{Size, SourceId};
use crate::config::{HeadSettings, Layout, Rotation};

/// Maximum edge of a screen without a monitor, in pixels. More tiles are shown in pages.
const MAX_SCREEN_PX: u32 = 16384;
/// Size of a screen without a monitor if neither the tiles nor a mode define it.
const DEFAULT_SCREEN: Size = Size::new(1920, 1080);

/// The role of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileRole {
    /// The tile that shows the camera with an alarm.
    Focus,
    /// Any other tile.
    Small,
}

/// A tile of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedTile {
    /// Rectangle on the screen. It is never empty and never overlaps another tile.
    pub rect: Rect,
    /// The camera that it shows. `None` if there are fewer cameras than tiles.
    pub source: Option<SourceId>,
    /// Its role.
    pub role: TileRole,
}

/// The arrangement of the cameras of one head on its screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The tiles of every page. The first is the focus tile, if there is one.
    tiles: Vec<Rect>,
    has_focus: bool,
    cameras: Vec<SourceId>,
}

/// The size of a screen without a monitor, of a wall with this number of cameras: that of the head's mode; else, for a grid,
/// enough for one tile of size `tile` per camera that the head shows; else 1920×1080. Mode and default are rotated with the head.
pub fn headless_screen(head: &HeadSettings, cameras: usize, tile: Size) -> Size {
    if let (None, Layout::Grid { columns }) = (head.mode, &head.layout) {
        let cameras = head.cameras.as_ref().map_or(cameras, Vec::len);
        let (columns, rows) = grid::exact(cameras, *columns, tile, MAX_SCREEN_PX);
        return Size::new(columns * tile.width, rows * tile.height);
    }
    let Size { width, height } = head.mode.map_or(DEFAULT_SCREEN, |mode| mode.size);
    match head.rotate {
        Rotation::None | Rotation::Half => Size::new(width, height),
        Rotation::Quarter | Rotation::ThreeQuarters => Size::new(height, width),
    }
}

impl Plan {
    /// Divides `screen` (as a viewer sees it: rotated, without overscan) among those of `cameras` that the head shows, in its
    /// order. `exact` is the size of a grid's tiles if there is no monitor to fill; `screen` is then the size from
    /// [`headless_screen`].
    pub fn new(
        head: &HeadSettings,
        screen: Size,
        exact: Option<Size>,
        cameras: &[SourceId],
    ) -> Self {
        let cameras: Vec<SourceId> = match &head.cameras {
            None => cameras.to_vec(),
            Some(chosen) => {
                let there = chosen.iter().filter(|id| cameras.contains(id));
                there.copied().collect()
            }
        };
        let area = Rect::of(screen);
        let tiles = match &head.layout {
            Layout::Grid { columns } => match exact.filter(|_| head.mode.is_none()) {
                Some(tile) => grid::of_exact_tiles(screen, tile, cameras.len()),
                None => grid::filling(&area, cameras.len(), *columns),
            },
            Layout::Focus => focus::tiles(&area, cameras.len().saturating_sub(1)),
            Layout::Free { tiles, .. } => free::tiles(screen, tiles),
        };
        Self {
            tiles,
            // A single tile shows all cameras in turn, and alarms.
            has_focus: !matches!(head.layout, Layout::Grid { .. }),
            cameras,
        }
    }

    /// The cameras that the head shows, in their order.
    pub fn cameras(&self) -> &[SourceId] {
        &self.cameras
    }

    /// The number of pages, at least one.
    pub fn pages(&self) -> usize {
        let (cameras, tiles) = match self.has_fixed_focus() {
            true => (self.cameras.len() - 1, self.tiles.len() - 1),
            false => (self.cameras.len(), self.tiles.len()),
        };
        cameras.div_ceil(tiles.max(1)).max(1)
    }

    /// The number of the page that is shown `elapsed` after the first one appeared.
    pub fn page_at(&self, elapsed: Duration, page_time: Duration) -> usize {
        let turned = elapsed.as_nanos() / page_time.as_nanos().max(1);
        // Below the number of pages, so it fits.
        (turned % self.pages() as u128) as usize
    }

    /// The tiles of a page, the focus tile first. Pages count from 0 and wrap around after the last. A `promoted` camera takes
    /// the focus tile on every page and exchanges places with the first camera, which otherwise has the focus tile.
    pub fn tiles(&self, page: usize, promoted: Option<SourceId>) -> Vec<PlacedTile> {
        let page = page % self.pages();
        let promoted = promoted
            .filter(|_| self.has_focus)
            .and_then(|source| self.cameras.iter().position(|camera| *camera == source));
        let mut shown = self.cameras.clone();
        let mut page_of = |fixed: usize| -> Vec<SourceId> {
            shown.swap(0, promoted.unwrap_or(0));
            let room = self.tiles.len().saturating_sub(fixed).max(1);
            let turning = shown[fixed..].iter().skip(page * room).take(room);
            shown[..fixed].iter().chain(turning).copied().collect()
        };
        let sources = match promoted {
            _ if self.cameras.is_empty() => Vec::new(),
            _ if self.has_fixed_focus() => page_of(1),
            // A single tile stays with the alarm.
            Some(index) => vec![self.cameras[index]],
            None => page_of(0),
        };
        let role = |index| match index {
            0 if self.has_focus => TileRole::Focus,
            _ => TileRole::Small,
        };
        self.tiles
            .iter()
            .enumerate()
            .map(|(index, rect)| PlacedTile {
                rect: *rect,
                source: sources.get(index).copied(),
                role: role(index),
            })
            .collect()
    }

    /// Whether one camera stays in the focus tile while the other tiles change with the page.
    fn has_fixed_focus(&self) -> bool {
        self.has_focus && self.tiles.len() > 1 && !self.cameras.is_empty()
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
