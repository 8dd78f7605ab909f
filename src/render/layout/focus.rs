//! The focus layout: one large tile, with small ones at its right and below it.

use super::grid;
use crate::render::Rect;

/// Up to this many small tiles stand in one column, a quarter of the screen wide.
const MAX_COLUMN_TILES: usize = 3;
/// The smallest tiles are 1/8 of the screen wide and high.
const MAX_PARTS: u32 = 8;
/// A smaller screen has the large tile only.
const MIN_SCREEN_PX: u32 = 64;

/// The large tile and at least `small` others, or as many as fit on a page.
pub(super) fn tiles(area: &Rect, small: usize) -> Vec<Rect> {
    if area.is_empty() {
        return Vec::new();
    }
    if small == 0 || area.width.min(area.height) < MIN_SCREEN_PX {
        return vec![*area];
    }
    if area.height > area.width {
        return portrait(area, small);
    }
    if small <= MAX_COLUMN_TILES {
        let right = grid::edges(area.x, area.width, 4)[3];
        let large = Rect::from_edges(area.x, area.y, right, area.bottom());
        let column = Rect::from_edges(right, area.y, area.right(), area.bottom());
        return with(large, grid::cells(&column, 1, MAX_COLUMN_TILES as u32));
    }
    // A square of n × n has 2n - 1 cells at its right and lower edges.
    let parts = u32::try_from(small / 2 + 1)
        .unwrap_or(MAX_PARTS)
        .clamp(3, MAX_PARTS);
    let across = grid::edges(area.x, area.width, parts);
    let down = grid::edges(area.y, area.height, parts);
    let (right, bottom) = (across[parts as usize - 1], down[parts as usize - 1]);
    let column = down
        .windows(2)
        .map(|row| Rect::from_edges(right, row[0], area.right(), row[1]));
    let below = across[..parts as usize]
        .windows(2)
        .map(|part| Rect::from_edges(part[0], bottom, part[1], area.bottom()));
    let large = Rect::from_edges(area.x, area.y, right, bottom);
    with(large, column.chain(below))
}

/// The large tile at the top, with the height of a picture of 16:9, and a grid below it.
fn portrait(area: &Rect, small: usize) -> Vec<Rect> {
    let height = (area.width / 16 * 9).min(area.height / 2) & !1;
    let middle = area.y.saturating_add_unsigned(height);
    let large = Rect::from_edges(area.x, area.y, area.right(), middle);
    let rest = Rect::from_edges(area.x, middle, area.right(), area.bottom());
    with(large, grid::filling(&rest, small, None))
}

fn with(large: Rect, small: impl IntoIterator<Item = Rect>) -> Vec<Rect> {
    std::iter::once(large).chain(small).collect()
}
