//! Which camera in which rectangle: grid, focus and free layouts, pages where there are more cameras than tiles, and the
//! camera that an alarm brings to the front.
//!
//! All of it is pure: a [`Plan`] is made anew whenever the screen or the list of cameras changes, and the composer asks it
//! before each scene what lies where.

mod focus;
mod free;
mod grid;
mod promotion;

use std::time::Duration;

pub use promotion::FocusChoice;

use super::Rect;
use crate::base::{Size, SourceId};
use crate::config::{HeadSettings, Layout, Rotation};

/// A screen without a monitor grows no further: more tiles are shown in pages.
const MAX_SCREEN_PX: u32 = 16384;
/// A screen without a monitor where neither tiles nor a mode say how large it is.
const DEFAULT_SCREEN: Size = Size::new(1920, 1080);

/// What a tile is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileRole {
    /// The one that an alarm brings a camera to.
    Focus,
    /// Any other.
    Small,
}

/// A tile of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedTile {
    /// Where on the screen; never empty, and never over another tile.
    pub rect: Rect,
    /// What it shows; nothing where the cameras have run out.
    pub source: Option<SourceId>,
    /// What it is for.
    pub role: TileRole,
}

/// How one head's cameras lie on its screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Of every page; the first is the focus tile where there is one.
    tiles: Vec<Rect>,
    has_focus: bool,
    cameras: Vec<SourceId>,
}

/// The size of a screen without a monitor: what a head's mode asks for, else of a grid as many tiles of exactly `tile` as
/// there are cameras, else 1920×1080; turned as the head is.
pub fn headless_screen(head: &HeadSettings, cameras: usize, tile: Size) -> Size {
    if let (None, Layout::Grid { columns }) = (head.mode, &head.layout) {
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
    /// Divides `screen` (as a viewer sees it: turned, without overscan) for those of `cameras` that the head shows, in its
    /// order. `exact` is the size of a grid's tiles where there is no monitor to fill, and `screen` then
    /// [`headless_screen`]'s.
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
            // A tile that is alone has to show them all in turn.
            has_focus: !matches!(head.layout, Layout::Grid { .. }),
            cameras,
        }
    }

    /// The cameras that are shown, in their order.
    pub fn cameras(&self) -> &[SourceId] {
        &self.cameras
    }

    /// How many pages there are; at least one.
    pub fn pages(&self) -> usize {
        let (cameras, tiles) = match self.has_fixed_focus() {
            true => (self.cameras.len() - 1, self.tiles.len() - 1),
            false => (self.cameras.len(), self.tiles.len()),
        };
        cameras.div_ceil(tiles.max(1)).max(1)
    }

    /// Which page is shown, `elapsed` after the first one came up.
    pub fn page_at(&self, elapsed: Duration, page_time: Duration) -> usize {
        let turned = elapsed.as_nanos() / page_time.as_nanos().max(1);
        // Below the number of pages, so it fits.
        (turned % self.pages() as u128) as usize
    }

    /// The tiles of a page (counted from 0, and from the start again behind the last), the focus tile first. A camera that
    /// is `promoted` takes the focus tile on every page, and the first camera its place; else the first camera has it.
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
            // The only tile stays with the alarm.
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

    /// Whether one camera stays in its tile while the others turn without_overlap it.
    fn has_fixed_focus(&self) -> bool {
        self.has_focus && self.tiles.len() > 1 && !self.cameras.is_empty()
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
