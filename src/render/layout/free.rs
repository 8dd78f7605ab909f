//! The free layout: rectangles from the configuration, in fractions of the screen.

use crate::base::Size;
use crate::render::Rect;

/// The rectangles in pixels, with even inner edges. Rectangles that vanish on a small screen are omitted; at least one tile
/// remains. Overlaps, which result from rounded fractions in the configuration, are removed.
pub(super) fn tiles(screen: Size, fractions: &[[f32; 4]]) -> Vec<Rect> {
    let mut tiles: Vec<Rect> = Vec::with_capacity(fractions.len());
    for [x, y, width, height] in fractions {
        let mut tile = Rect::from_edges(
            edge(*x, screen.width),
            edge(*y, screen.height),
            edge(x + width, screen.width),
            edge(y + height, screen.height),
        );
        for other in &tiles {
            tile = without_overlap(tile, other);
        }
        if !tile.is_empty() {
            tiles.push(tile);
        }
    }
    if tiles.is_empty() && screen.width > 0 && screen.height > 0 {
        tiles.push(Rect::of(screen));
    }
    tiles
}

fn edge(fraction: f32, length: u32) -> i32 {
    let exact = f64::from(fraction) * f64::from(length);
    if exact >= f64::from(length) - 1.0 {
        return i32::try_from(length).unwrap_or(i32::MAX);
    }
    // Below the length, so that it fits.
    ((exact / 2.0).round() as i32 * 2).max(0)
}

/// `tile` without its overlap with `other`, cut along the shorter side of the overlap.
fn without_overlap(tile: Rect, other: &Rect) -> Rect {
    let shared = tile.intersection(other);
    if shared.is_empty() {
        return tile;
    }
    let (mut left, mut top, mut right, mut bottom) = (tile.x, tile.y, tile.right(), tile.bottom());
    if shared.width <= shared.height {
        match tile.x >= other.x {
            true => left = other.right(),
            false => right = other.x,
        }
    } else {
        match tile.y >= other.y {
            true => top = other.bottom(),
            false => bottom = other.y,
        }
    }
    Rect::from_edges(left, top, right, bottom)
}
