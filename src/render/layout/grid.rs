//! The grid layout: rows of equal tiles.

use crate::base::Size;
use crate::render::Rect;

/// Default of `grid_columns`, the maximum number of tiles per row.
const DEFAULT_COLUMNS: u32 = 4;
/// Minimum edge of a tile. Smaller tiles are not legible.
const MIN_TILE_PX: u32 = 16;

/// The number of columns and rows of tiles with a fixed size, on a screen whose edges are at most `longest`.
pub(super) fn exact(cameras: usize, columns: Option<u32>, tile: Size, longest: u32) -> (u32, u32) {
    let cameras = u32::try_from(cameras).unwrap_or(u32::MAX).max(1);
    let fitting = |edge: u32| (longest / edge.max(1)).max(1);
    let columns = columns
        .unwrap_or(DEFAULT_COLUMNS)
        .clamp(1, cameras)
        .min(fitting(tile.width));
    let rows = cameras.div_ceil(columns).min(fitting(tile.height));
    (columns, rows)
}

/// The tiles of a screen whose size comes from [`exact`].
pub(super) fn of_exact_tiles(screen: Size, tile: Size, cameras: usize) -> Vec<Rect> {
    let Size { width, height } = tile;
    let (columns, rows) = (screen.width / width.max(1), screen.height / height.max(1));
    let at = |index: u32, edge: u32| i32::try_from(index * edge).unwrap_or(i32::MAX);
    let cells = (0..rows).flat_map(|row| {
        (0..columns).map(move |column| Rect::new(at(column, width), at(row, height), width, height))
    });
    cells
        .take(if cameras == 0 { 0 } else { usize::MAX })
        .collect()
}

/// The tiles of one page of a grid that fills `area` without gaps. Empty without cameras.
///
/// The number of rows is limited so that a picture of 16:9 fills at least half of its tile. If one page is not enough for all
/// cameras, they are spread evenly over pages.
pub(super) fn filling(area: &Rect, cameras: usize, columns: Option<u32>) -> Vec<Rect> {
    if cameras == 0 || area.is_empty() {
        return Vec::new();
    }
    let most = columns
        .unwrap_or(DEFAULT_COLUMNS)
        .clamp(1, (area.width / MIN_TILE_PX).max(1));
    let room = most as usize * most_rows(area, most) as usize;
    let pages = cameras.div_ceil(room);
    // At most `room`, the number of tiles of one screen.
    let each = cameras.div_ceil(pages) as u32;
    let columns = match columns {
        Some(_) => most.min(each),
        None => best_columns(area, each, most),
    };
    cells(area, columns, each.div_ceil(columns))
}

fn most_rows(area: &Rect, columns: u32) -> u32 {
    let (width, height) = (u64::from(area.width), u64::from(area.height));
    let half_filled = height * 32 * u64::from(columns) / (width * 9);
    let legible = u64::from(area.height / MIN_TILE_PX);
    u32::try_from(half_filled.min(legible))
        .unwrap_or(u32::MAX)
        .max(1)
}

/// The number of columns with which pictures of 16:9 are largest. Among equally good numbers, the largest.
fn best_columns(area: &Rect, cameras: u32, most: u32) -> u32 {
    let (width, height) = (u128::from(area.width), u128::from(area.height));
    // The width of a picture as a fraction of integers, so that equal widths compare as equal.
    let picture = |columns: u32| {
        let rows = u128::from(cameras.div_ceil(columns));
        let columns = u128::from(columns);
        (
            (9 * width * rows).min(16 * height * columns),
            columns * rows,
        )
    };
    let mut best = 1;
    for columns in 2..=most.min(cameras) {
        let (one, other) = (picture(columns), picture(best));
        if one.0 * other.1 >= other.0 * one.1 {
            best = columns;
        }
    }
    best
}

/// Divides `area` into `columns` × `rows` rectangles, row by row.
pub(super) fn cells(area: &Rect, columns: u32, rows: u32) -> Vec<Rect> {
    let across = edges(area.x, area.width, columns);
    let down = edges(area.y, area.height, rows);
    let mut cells = Vec::with_capacity(columns as usize * rows as usize);
    for row in down.windows(2) {
        for column in across.windows(2) {
            cells.push(Rect::from_edges(column[0], row[0], column[1], row[1]));
        }
    }
    cells
}

/// The edges of `parts` equal parts. Inner edges lie on even pixels, as chroma planes require.
pub(super) fn edges(start: i32, length: u32, parts: u32) -> Vec<i32> {
    let edge = |index: u32| {
        let along = u64::from(length) * u64::from(index) / u64::from(parts.max(1));
        let edge = start.saturating_add_unsigned(u32::try_from(along).unwrap_or(u32::MAX));
        match index {
            0 => edge,
            _ if index == parts => edge,
            _ => edge & !1,
        }
    };
    (0..=parts).map(edge).collect()
}
