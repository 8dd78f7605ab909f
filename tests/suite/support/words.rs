//! Checks text in a wall's picture: the expected text is drawn with the wall's font, and the picture must have the text colour at
//! exactly the same pixels.
//!
//! Letters are slightly transparent at their edges, so only pixels of the full colour are compared.

use std::collections::BTreeSet;

use image::{Rgba, RgbaImage};
use nvr::base::Size;
use nvr::render::paint::{Painter, Typeface};
use nvr::render::{Canvas, Color, Rect};

use super::tiles::{is_near, middle, part};

/// The possible text sizes of tests' tiles.
const SIZES_PX: std::ops::RangeInclusive<u32> = 9..=40;

/// Checks that `picture` contains `words` in this colour, and nothing else in the same colour.
pub(crate) fn reads(picture: &RgbaImage, ink: Color, words: &str) -> Result<(), String> {
    reads_one_of(picture, ink, &[words.to_owned()]).map(drop)
}

/// As [`reads`], with several possible texts. Returns the one that was found.
pub(crate) fn reads_one_of(
    picture: &RgbaImage,
    ink: Color,
    words: &[String],
) -> Result<String, String> {
    let inked = inked(picture, ink);
    let found = words.iter().find(|words| {
        SIZES_PX
            .clone()
            .any(|size_px| written(words, size_px, ink) == inked)
    });
    found.cloned().ok_or_else(|| {
        format!(
            "{} pixels of ink are none of {} such as {:?}",
            inked.len(),
            words.len(),
            words.first()
        )
    })
}

/// Checks that there is no text in this colour.
pub(crate) fn reads_nothing(picture: &RgbaImage, ink: Color) -> Result<(), String> {
    let inked = inked(picture, ink).len();
    if inked > 0 {
        return Err(format!(
            "{inked} pixels of ink where nothing should be written"
        ));
    }
    Ok(())
}

/// Checks that a tile has a label with this background and `words` in its upper left corner, pixel for pixel.
pub(crate) fn has_label(tile: &RgbaImage, ground: Color, words: &str) -> Result<(), String> {
    let found = SIZES_PX.clone().any(|size_px| {
        let label = label(words, size_px, ground);
        let (width, height) = label.dimensions();
        let fits = |margin: &i32| margin.unsigned_abs() + width <= tile.width();
        // As far from both edges as smaller letters' margin is wide.
        (1..=10)
            .filter(fits)
            .any(|margin| part(tile, &Rect::new(margin, margin, width, height)) == label)
    });
    let corner = part(tile, &Rect::new(0, 0, 8, 8));
    found.then_some(()).ok_or_else(|| {
        format!(
            "no label {words}; the corner is {:?}",
            corner.get_pixel(4, 4)
        )
    })
}

/// Checks the explanation below a tile's headline: the first sentence of `message` in at most three lines, and the time `since`.
pub(crate) fn explains(tile: &RgbaImage, message: &str, since: &str) -> Result<(), String> {
    let sentence = message.split(';').next().unwrap_or_default().trim();
    let inked = inked(&middle(tile), Color::WHITE);
    let found = SIZES_PX.clone().any(|size_px| {
        let mut letters = Typeface::default();
        let room = tile.width().saturating_sub(2 * size_px);
        let mut lines = letters.wrapped(sentence, size_px, room, 3);
        lines.push(format!("since {since}"));
        let screen = Size::new(tile.width(), tile.height());
        let ink = on_black(screen, |painter| {
            for (line, y) in lines
                .iter()
                .zip((0..).step_by(Typeface::line_px(size_px) as usize))
            {
                let width = painter.letters().width(line, size_px);
                let x = (screen.width / 2) as i32 - (width / 2) as i32;
                painter.text(x, y, line, size_px, Color::WHITE);
            }
        });
        self::inked(&ink, Color::WHITE) == inked
    });
    found
        .then_some(())
        .ok_or_else(|| format!("no {sentence:?} since {since} below the headline"))
}

/// A black screen of `size` after `paint`.
pub(crate) fn on_black(size: Size, paint: impl FnOnce(&mut Painter<'_>)) -> RgbaImage {
    let mut canvas = Canvas::new(size, Color::BLACK);
    let mut letters = Typeface::default();
    let all = canvas.bounds();
    paint(&mut Painter::new(&mut canvas, &mut letters, all));
    RgbaImage::from_fn(size.width, size.height, |x, y| {
        let Color([blue, green, red, alpha]) =
            canvas.pixel(x as i32, y as i32).expect("it is inside");
        Rgba([red, green, blue, alpha])
    })
}

fn written(words: &str, size_px: u32, ink: Color) -> BTreeSet<(u32, u32)> {
    let width = Typeface::default().width(words, size_px).max(1);
    // Letters may reach beyond their line.
    let size = Size::new(width + 8, 2 * Typeface::line_px(size_px));
    let picture = on_black(size, |painter| {
        painter.text(4, (size_px / 2) as i32, words, size_px, ink);
    });
    inked(&picture, ink)
}

fn label(words: &str, size_px: u32, ground: Color) -> RgbaImage {
    let size = Size::new(1024, 64);
    let mut rect = Rect::default();
    let screen = on_black(size, |painter| {
        rect = painter.label_rect(0, 0, words, size_px);
        painter.label(0, 0, words, size_px, ground, ground.ink());
    });
    part(&screen, &rect)
}

/// Where there is full ink, from the first such column and row on.
fn inked(picture: &RgbaImage, ink: Color) -> BTreeSet<(u32, u32)> {
    let found: Vec<(u32, u32)> = picture
        .enumerate_pixels()
        .filter(|(_, _, pixel)| is_near(**pixel, ink, 1))
        .map(|(x, y, _)| (x, y))
        .collect();
    let left = found.iter().map(|(x, _)| *x).min().unwrap_or_default();
    let top = found.iter().map(|(_, y)| *y).min().unwrap_or_default();
    found
        .into_iter()
        .map(|(x, y)| (x - left, y - top))
        .collect()
}
