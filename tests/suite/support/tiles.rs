//! Checks of a tile's pixels: the test pattern, boxes around its objects, a dimmed picture.
//!
//! A tile is checked as a separate picture, so the same checks serve snapshots, screens of virtual machines and all layouts. An
//! error describes what is missing.

use std::ops::Range;

use image::{Rgba, RgbaImage, imageops};
use nvr::base::{Pattern, PatternObject, Size};
use nvr::config::TestPattern;
use nvr::render::paint::class_color;
use nvr::render::{Color, Rect};

/// Background and text colour of a warning.
pub(crate) const WARNING: Color = Color::rgb(230, 159, 0);
/// Background of a pause by the operator.
pub(crate) const PAUSE: Color = Color::rgb(86, 180, 233);
/// Text colour of a fault.
pub(crate) const FAULT: Color = Color::rgb(255, 140, 60);
/// Background behind and between pictures.
pub(crate) const BEHIND: Color = Color::rgb(12, 14, 16);
/// What is left of a kernel's colours after blending layers.
pub(crate) const ROUNDING: u8 = 2;
/// The pattern's ground: of a live picture, and what is left of it in a dimmed one (105 of 255).
const GROUNDS: [Color; 2] = [Color::rgb(37, 37, 37), Color::rgb(15, 15, 15)];

/// Tile `index` of a grid of tiles of `size` that fill `picture`.
pub(crate) fn tile(picture: &RgbaImage, size: Size, index: u32) -> RgbaImage {
    let columns = (picture.width() / size.width).max(1);
    let at = Rect::new(
        (index % columns * size.width) as i32,
        (index / columns * size.height) as i32,
        size.width,
        size.height,
    );
    part(picture, &at)
}

/// The pixels of `rect`.
pub(crate) fn part(picture: &RgbaImage, rect: &Rect) -> RgbaImage {
    let (x, y) = (rect.x.unsigned_abs(), rect.y.unsigned_abs());
    imageops::crop_imm(picture, x, y, rect.width, rect.height).to_image()
}

pub(crate) fn is_near(pixel: Rgba<u8>, color: Color, by: u8) -> bool {
    // Colours are blue first, as the card has them.
    let Color([blue, green, red, _]) = color;
    std::iter::zip(pixel.0, [red, green, blue]).all(|(is, wanted)| is.abs_diff(wanted) <= by)
}

/// Number of pixels of this colour.
pub(crate) fn pixels(picture: &RgbaImage, color: Color, by: u8) -> usize {
    let all = picture.pixels();
    all.filter(|pixel| is_near(**pixel, color, by)).count()
}

/// An object of the pattern as it is in a picture.
struct Found {
    class_name: &'static str,
    /// Columns and rows of its pixels.
    columns: Range<u32>,
    rows: Range<u32>,
}

/// What the pattern draws, at any time: sizes and colours are the same in all frames.
fn objects(shown: &TestPattern) -> Result<(Pattern, Vec<PatternObject>), String> {
    let pattern = Pattern::new(shown.size, shown.objects).map_err(|err| err.to_string())?;
    Ok((pattern, pattern.objects(0)))
}

/// Rows in which object `index` stays, alone.
fn rows_of(shown: &TestPattern, pattern: &Pattern, index: u32) -> Range<u32> {
    let band = pattern.band_height();
    let cell = (shown.size.height - band) / shown.objects;
    band + index * cell..band + (index + 1) * cell
}

/// Finds object `index` by its colour, `by` at most from what BT.601 makes of it; its size may be smaller by `hidden`
/// pixels at each edge, and all within has to be of that colour. The tile has the very pixels of the pattern.
fn object(
    tile: &RgbaImage,
    shown: &TestPattern,
    index: u32,
    by: u8,
    hidden: u32,
) -> Result<Found, String> {
    let (pattern, objects) = objects(shown)?;
    let object = objects[index as usize];
    let [y, u, v] = object.yuv.map(f64::from);
    let (y, u, v) = (1.164_38 * (y - 16.0), u - 128.0, v - 128.0);
    let (red, green, blue) = (
        y + 1.596_03 * v,
        y - 0.391_76 * u - 0.812_97 * v,
        y + 2.017_23 * u,
    );
    let [red, green, blue] = [red, green, blue].map(|value| value.round() as u8);
    let color = Color::rgb(red, green, blue);
    let cell = rows_of(shown, &pattern, index);
    let inside: Vec<(u32, u32)> = tile
        .enumerate_pixels()
        .filter(|(_, y, pixel)| cell.contains(y) && is_near(**pixel, color, by))
        .map(|(x, y, _)| (x, y))
        .collect();
    let extent = |of: fn(&(u32, u32)) -> u32| {
        let first = inside.iter().map(of).min();
        let last = inside.iter().map(of).max();
        first.unwrap_or_default()..last.map_or(0, |last| last + 1)
    };
    let (count, columns, rows) = (inside.len(), extent(|(x, _)| *x), extent(|(_, y)| *y));
    let wanted = (object.bbox.width as u32, object.bbox.height as u32);
    let fits = |is: &Range<u32>, wanted: u32| {
        (wanted - 2 * hidden..=wanted).contains(&is.end.saturating_sub(is.start))
    };
    if !(fits(&columns, wanted.0) && fits(&rows, wanted.1)) || count != columns.len() * rows.len() {
        return Err(format!(
            "{count} pixels of the {}'s colour in columns {columns:?} and rows {rows:?}, not all of {wanted:?}",
            object.class_name
        ));
    }
    Ok(Found {
        class_name: object.class_name,
        columns,
        rows,
    })
}

/// Whether lines of the classes' colours run round the objects where they are in this very picture.
pub(crate) fn has_boxes(tile: &RgbaImage, shown: &TestPattern) -> Result<(), String> {
    for index in 0..shown.objects {
        // The encoder is exact to one step; the lines cover the outermost pixels, of which it smears the colours.
        let found = object(tile, shown, index, 3, 3)?;
        let color = class_color(found.class_name);
        let lined = |along: &Range<u32>, beside: [u32; 2], pixel: fn(u32, u32) -> (u32, u32)| {
            let on_line = along.clone().filter(|along| {
                (beside[0]..beside[1]).any(|across| {
                    let (x, y) = pixel(*along, across);
                    tile.get_pixel_checked(x, y)
                        .is_some_and(|pixel| is_near(*pixel, color, ROUNDING))
                })
            });
            on_line.count() == along.len()
        };
        let before = |edge: u32| [edge.saturating_sub(4), edge];
        let behind = |edge: u32| [edge, edge + 4];
        let Found { columns, rows, .. } = &found;
        let sides = [
            lined(columns, before(rows.start), |x, y| (x, y)),
            lined(columns, behind(rows.end), |x, y| (x, y)),
            lined(rows, before(columns.start), |y, x| (x, y)),
            lined(rows, behind(columns.end), |y, x| (x, y)),
        ];
        if sides != [true; 4] {
            return Err(format!(
                "the {} in columns {columns:?} and rows {rows:?} has lines above, below, left and right of it: {sides:?}",
                found.class_name
            ));
        }
    }
    Ok(())
}

/// Whether no pixel has the colour of a class of the pattern: no line, no label.
pub(crate) fn has_no_boxes(tile: &RgbaImage, shown: &TestPattern) -> Result<(), String> {
    for object in objects(shown)?.1 {
        let drawn = pixels(tile, class_color(object.class_name), ROUNDING);
        if drawn > 0 {
            return Err(format!(
                "{drawn} pixels of what is drawn round a {}",
                object.class_name
            ));
        }
    }
    Ok(())
}

/// Whether the edge of `rect` is one unbroken line of the class's colour, one pixel wide.
pub(crate) fn has_box(tile: &RgbaImage, rect: &Rect, class_name: &str) -> Result<(), String> {
    let color = class_color(class_name);
    let (left, top) = (rect.x.unsigned_abs(), rect.y.unsigned_abs());
    let (right, bottom) = (left + rect.width - 1, top + rect.height - 1);
    let is_of_it = |x: u32, y: u32| is_near(*tile.get_pixel(x, y), color, 0);
    let across = (left..=right).flat_map(|x| [(x, top), (x, bottom)]);
    let down = (top..=bottom).flat_map(|y| [(left, y), (right, y)]);
    let gaps = across
        .chain(down)
        .filter(|(x, y)| !is_of_it(*x, *y))
        .count();
    let inner = (left + 1..right)
        .filter(|x| is_of_it(*x, top + 1) || is_of_it(*x, bottom - 1))
        .count();
    if gaps > 0 || inner > 0 {
        let drawn = pixels(tile, color, 0);
        return Err(format!(
            "the {class_name} at {rect:?} lacks {gaps} pixels of its line and has {inner} inside it, of {drawn} in the tile"
        ));
    }
    Ok(())
}

/// Whether the first object of the pattern stands on its ground in exact colours and size, and nothing else in its cell.
pub(crate) fn has_exact_colours(tile: &RgbaImage, shown: &TestPattern) -> Result<(), String> {
    let Found { columns, rows, .. } = object(tile, shown, 0, 1, 0)?;
    let (pattern, _) = objects(shown)?;
    let cell = rows_of(shown, &pattern, 0);
    let other = tile
        .enumerate_pixels()
        .filter(|(x, y, _)| cell.contains(y) && !(columns.contains(x) && rows.contains(y)))
        .filter(|(_, _, pixel)| !is_near(**pixel, GROUNDS[0], 1))
        .count();
    if other > 0 {
        return Err(format!(
            "{other} pixels of the exact tile's ground are of another colour"
        ));
    }
    Ok(())
}

/// Whether a warning stands in the upper left corner: its ground, and dark letters on it.
pub(crate) fn has_warning(tile: &RgbaImage) -> Result<(), String> {
    let corner = part(tile, &Rect::new(0, 0, tile.width() / 2, 20));
    let ground = pixels(&corner, WARNING, ROUNDING);
    let letters = pixels(&corner, Color::BLACK, 40);
    if ground < 500 || letters < 150 {
        return Err(format!(
            "NO PROCESSOR has {ground} pixels of ground and {letters} of letters"
        ));
    }
    Ok(())
}

/// The middle of a tile, where its headline stands.
pub(crate) fn middle(tile: &RgbaImage) -> RgbaImage {
    let (width, height) = tile.dimensions();
    let at = Rect::new(0, (height / 4) as i32, width, height / 2);
    part(tile, &at)
}

/// Whether letters of this ink stand in the middle of a tile.
pub(crate) fn says(tile: &RgbaImage, ink: Color, words: &str) -> Result<(), String> {
    let inked = pixels(&middle(tile), ink, ROUNDING);
    // Of letters 20 rows high, that much is inside their lines; nothing else has their colour.
    if inked < 60 {
        return Err(format!("{words} has {inked} pixels of its ink"));
    }
    Ok(())
}

/// Whether the ground of the pattern is darker than it is in a live picture.
pub(crate) fn is_dimmed(tile: &RgbaImage) -> Result<(), String> {
    has_ground(tile, GROUNDS[1], "dimmed")
}

/// Whether the ground of the pattern is as bright as the camera sends it.
pub(crate) fn is_bright(tile: &RgbaImage) -> Result<(), String> {
    has_ground(tile, GROUNDS[0], "bright")
}

/// A quarter of the tile, since objects, bars and words take the rest.
fn has_ground(tile: &RgbaImage, color: Color, how: &str) -> Result<(), String> {
    let (ground, all) = (pixels(tile, color, 3), tile.pixels().len());
    if ground < all / 4 {
        return Err(format!(
            "{ground} of {all} pixels are the pattern's {how} ground"
        ));
    }
    Ok(())
}
