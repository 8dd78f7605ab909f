//! Checks text in a wall's picture: the expected text is drawn with the wall's font, and the picture must have the text colour at
//! exactly the same pixels.
//!
//! Letters are slightly transparent at their edges, so only pixels of the full colour are compared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use image::{Rgba, RgbaImage};
use nvr::base::Size;
use nvr::render::paint::{Painter, Typeface};
use nvr::render::{Canvas, Color, Rect};

use super::tiles::{middle, part};

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
    let mut letters = Typeface::default();
    let found = words.iter().find(|words| {
        SIZES_PX.clone().any(|size_px| {
            is_as_wide(&inked, letters.width(words, size_px), size_px)
                && *written(&mut letters, words, size_px, ink) == inked
        })
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
    let mut letters = Typeface::default();
    let found = SIZES_PX.clone().any(|size_px| {
        let label = label(&mut letters, words, size_px, ground);
        let is_at = |margin: u32| {
            let mut pixels = label.enumerate_pixels();
            pixels
                .all(|(x, y, pixel)| tile.get_pixel_checked(x + margin, y + margin) == Some(pixel))
        };
        // As far from both edges as smaller letters' margin is wide.
        (1..=10).any(is_at)
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
    let mut letters = Typeface::default();
    let found = SIZES_PX.clone().any(|size_px| {
        let room = tile.width().saturating_sub(2 * size_px);
        let mut lines = letters.wrapped(sentence, size_px, room, 3);
        lines.push(format!("since {since}"));
        let widths = lines.iter().map(|line| letters.width(line, size_px));
        if !is_as_wide(&inked, widths.max().unwrap_or_default(), size_px) {
            return false;
        }
        let screen = Size::new(tile.width(), tile.height());
        let ink = drawn(&mut letters, screen, |painter| {
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
    drawn(&mut Typeface::default(), size, paint)
}

/// The same, with letters that may have been drawn before.
fn drawn(letters: &mut Typeface, size: Size, paint: impl FnOnce(&mut Painter<'_>)) -> RgbaImage {
    let mut canvas = Canvas::new(size, Color::BLACK);
    let all = canvas.bounds();
    paint(&mut Painter::new(&mut canvas, letters, all));
    RgbaImage::from_fn(size.width, size.height, |x, y| {
        let Color([blue, green, red, alpha]) =
            canvas.pixel(x as i32, y as i32).expect("it is inside");
        Rgba([red, green, blue, alpha])
    })
}

/// Whether words of this width may have this ink. It may be much narrower: thin letters have no pixel of the full colour.
fn is_as_wide(ink: &Ink, width: u32, size_px: u32) -> bool {
    let right = ink.iter().map(|(x, _)| *x).max();
    right.unwrap_or_default() <= width + size_px
}

/// Words that were drawn before, with size and colour: a test looks for the same words in picture after picture, and drawing them in
/// all sizes each time would be slower than the tile that it reads.
static DRAWN: Mutex<Drawn> = Mutex::new(Drawn::new());

/// Ink by words, size and colour.
type Drawn = BTreeMap<(String, u32, [u8; 4]), Arc<Ink>>;

fn written(letters: &mut Typeface, words: &str, size_px: u32, ink: Color) -> Arc<Ink> {
    let key = (words.to_owned(), size_px, ink.0);
    let known = || DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(drawn) = known().get(&key) {
        return drawn.clone();
    }
    let width = letters.width(words, size_px).max(1);
    // Letters may reach beyond their line.
    let size = Size::new(width + 8, 2 * Typeface::line_px(size_px));
    let mut canvas = Canvas::new(size, Color::BLACK);
    let all = canvas.bounds();
    Painter::new(&mut canvas, letters, all).text(4, (size_px / 2) as i32, words, size_px, ink);
    let Color([blue, green, red, _]) = ink;
    let drawn = Arc::new(full(canvas.bytes(), size.width, [blue, green, red]));
    known().insert(key, drawn.clone());
    drawn
}

fn label(letters: &mut Typeface, words: &str, size_px: u32, ground: Color) -> RgbaImage {
    let mut rect = Rect::default();
    drawn(letters, Size::new(1, 1), |painter| {
        rect = painter.label_rect(0, 0, words, size_px);
    });
    drawn(letters, Size::new(rect.width, rect.height), |painter| {
        painter.label(0, 0, words, size_px, ground, ground.ink());
    })
}

/// Columns and rows of ink, row by row.
type Ink = Vec<(u32, u32)>;

/// Where there is full ink, from the first such column and row on.
fn inked(picture: &RgbaImage, ink: Color) -> Ink {
    let Color([blue, green, red, _]) = ink;
    full(picture.as_raw(), picture.width(), [red, green, blue])
}

/// The same of rows of pixels of four bytes, of which the first three are near to `wanted`. Without iterators over pixels, which are
/// slow in a build without optimisation.
fn full(bytes: &[u8], width: u32, wanted: [u8; 3]) -> Ink {
    let mut found = Ink::new();
    let (mut left, mut top) = (u32::MAX, u32::MAX);
    for (row, y) in bytes.chunks_exact(4 * width as usize).zip(0..) {
        for (pixel, x) in row.chunks_exact(4).zip(0..) {
            let by = |at: usize| pixel[at].abs_diff(wanted[at]);
            if by(0) <= 1 && by(1) <= 1 && by(2) <= 1 {
                (left, top) = (left.min(x), top.min(y));
                found.push((x, y));
            }
        }
    }
    for (x, y) in &mut found {
        (*x, *y) = (*x - left, *y - top);
    }
    found
}
