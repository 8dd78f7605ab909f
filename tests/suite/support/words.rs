//! Checks text in a wall's picture: the expected text is drawn with the wall's font, and the picture must have it at the same pixels.
//!
//! Small letters are thinner than a pixel: compared is how much of each pixel they cover. Pixels between `MAYBE` and `SURE` may be on
//! either side, because the ground behind the text is known only roughly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use image::{Rgba, RgbaImage};
use nvr::base::Size;
use nvr::render::paint::{Painter, Typeface};
use nvr::render::{Canvas, Color, Rect};

use super::tiles::{WARNING, middle, part, pixels};

/// The possible text sizes of tests' tiles.
const SIZES_PX: std::ops::RangeInclusive<u32> = 9..=80;

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
    let covered = covered(picture, ink);
    let mut letters = Typeface::default();
    let found = words.iter().find(|words| {
        SIZES_PX.clone().any(|size_px| {
            is_as_wide(&covered, letters.width(words, size_px), size_px)
                && written(&mut letters, words, size_px).is_at(&covered)
        })
    });
    found.cloned().ok_or_else(|| {
        format!(
            "{} pixels of ink are none of {} such as {:?}",
            covered.len(),
            words.len(),
            words.first()
        )
    })
}

/// Checks that there is no text in this colour.
pub(crate) fn reads_nothing(picture: &RgbaImage, ink: Color) -> Result<(), String> {
    let inked = pixels(picture, ink, 1);
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
    let covered = covered(&middle(tile), Color::WHITE);
    let mut letters = Typeface::default();
    let found = SIZES_PX.clone().any(|size_px| {
        let room = tile.width().saturating_sub(2 * size_px);
        let mut lines = letters.wrapped(sentence, size_px, room, 3);
        lines.push(format!("since {since}"));
        let widths = lines.iter().map(|line| letters.width(line, size_px));
        if !is_as_wide(&covered, widths.max().unwrap_or_default(), size_px) {
            return false;
        }
        let screen = Size::new(tile.width(), tile.height());
        let expected = drawn(&mut letters, screen, |painter| {
            for (line, y) in lines
                .iter()
                .zip((0..).step_by(Typeface::line_px(size_px) as usize))
            {
                let width = painter.letters().width(line, size_px);
                let x = (screen.width / 2) as i32 - (width / 2) as i32;
                painter.text(x, y, line, size_px, Color::WHITE);
            }
        });
        Text::of(&expected).is_at(&covered)
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

/// Whether words of this width may have this ink.
fn is_as_wide(covered: &Ink, width: u32, size_px: u32) -> bool {
    let columns = || covered.iter().map(|(x, _)| *x);
    let ink = match (columns().min(), columns().max()) {
        (Some(left), Some(right)) => right - left + 1,
        _ => return false,
    };
    ink.abs_diff(width) <= size_px
}

/// Words that were drawn before, with their size: a test looks for the same words in picture after picture, and drawing them in all
/// sizes each time would be slower than the tile that it reads.
static DRAWN: Mutex<Drawn> = Mutex::new(Drawn::new());

/// Text by words and size.
type Drawn = BTreeMap<(String, u32), Arc<Text>>;

fn written(letters: &mut Typeface, words: &str, size_px: u32) -> Arc<Text> {
    let key = (words.to_owned(), size_px);
    let known = || DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = known().get(&key) {
        return text.clone();
    }
    let width = letters.width(words, size_px).max(1);
    // Letters may reach beyond their line.
    let size = Size::new(width + 8, 2 * Typeface::line_px(size_px));
    let picture = drawn(letters, size, |painter| {
        painter.text(4, (size_px / 2) as i32, words, size_px, Color::WHITE);
    });
    let text = Arc::new(Text::of(&picture));
    known().insert(key, text.clone());
    text
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

/// Columns and rows of ink.
type Ink = BTreeSet<(u32, u32)>;

/// From this share of a pixel on, covered by a letter of the expected text, the picture must have ink there.
const SURE: f32 = 0.65;
/// Up to this share, the picture must have none.
const MAYBE: f32 = 0.35;
/// From this share on, a pixel of the picture counts as ink.
const COVERED: f32 = 0.5;
/// How far a channel of a pixel may be from the mixture of ground and ink.
const MIXED_BY: f32 = 20.0;

/// The expected text: where there is ink in any case, and where there may be some.
struct Text {
    sure: Ink,
    maybe: Ink,
}

impl Text {
    /// Text that is drawn in white on black.
    fn of(picture: &RgbaImage) -> Self {
        let from = |share: f32| {
            let all = picture.enumerate_pixels();
            let ink = all.filter(|(_, _, pixel)| f32::from(pixel.0[0]) >= share * 255.0);
            ink.map(|(x, y, _)| (x, y)).collect()
        };
        Self {
            sure: from(SURE),
            maybe: from(MAYBE),
        }
    }

    /// Whether it is what covers these pixels, wherever in the picture that is.
    fn is_at(&self, covered: &Ink) -> bool {
        let lowest = |ink: &Ink, column: bool| {
            let all = ink.iter().map(|(x, y)| if column { *x } else { *y });
            i64::from(all.min().unwrap_or_default())
        };
        // Letters without a pixel of certain ink would be found anywhere.
        if self.sure.is_empty() || covered.len() < self.sure.len() {
            return false;
        }
        let shifts = |column: bool| {
            let at = lowest(covered, column);
            at - lowest(&self.sure, column)..=at - lowest(&self.maybe, column)
        };
        let has = |ink: &Ink, x: i64, y: i64| {
            let at = u32::try_from(x).ok().zip(u32::try_from(y).ok());
            at.is_some_and(|at| ink.contains(&at))
        };
        shifts(true).any(|right| {
            shifts(false).any(|down| {
                let there =
                    |(x, y): &(u32, u32)| has(covered, i64::from(*x) + right, i64::from(*y) + down);
                let wanted = |(x, y): &(u32, u32)| {
                    has(&self.maybe, i64::from(*x) - right, i64::from(*y) - down)
                };
                self.sure.iter().all(there) && covered.iter().all(wanted)
            })
        })
    }
}

/// Where letters of this colour cover the picture's ground, which is its most frequent colour.
fn covered(picture: &RgbaImage, ink: Color) -> Ink {
    let mut counts = BTreeMap::<[u8; 4], u32>::new();
    for pixel in picture.pixels() {
        *counts.entry(pixel.0).or_default() += 1;
    }
    let Some((ground, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
        return Ink::new();
    };
    let Color([blue, green, red, _]) = ink;
    let ground: [f32; 3] = std::array::from_fn(|channel| f32::from(ground[channel]));
    let toward: [f32; 3] =
        std::array::from_fn(|channel| f32::from([red, green, blue][channel]) - ground[channel]);
    let length: f32 = toward.iter().map(|part| part * part).sum();
    let is_ink = |pixel: &Rgba<u8>| {
        let off: [f32; 3] =
            std::array::from_fn(|channel| f32::from(pixel.0[channel]) - ground[channel]);
        let share = std::iter::zip(off, toward)
            .map(|(off, toward)| off * toward)
            .sum::<f32>()
            / length;
        share >= COVERED
            && std::iter::zip(off, toward)
                .all(|(off, toward)| (off - share * toward).abs() <= MIXED_BY)
    };
    let all = picture.enumerate_pixels();
    let ink = all.filter(|(_, _, pixel)| is_ink(pixel));
    ink.map(|(x, y, _)| (x, y)).collect()
}

#[test]
fn small_words_are_told_from_others() {
    let picture = on_black(Size::new(100, 24), |painter| {
        painter.cover(&Rect::new(0, 0, 100, 24), Color::rgb(37, 37, 37));
        painter.text(7, 4, "camera 0", 9, Color::WHITE);
    });
    assert_eq!(reads(&picture, Color::WHITE, "camera 0"), Ok(()));
    for other in ["camera 8", "camera", "camera 00"] {
        reads(&picture, Color::WHITE, other).expect_err(other);
    }
    reads(&picture, WARNING, "camera 0").expect_err("another colour");
    let nothing = RgbaImage::new(100, 24);
    reads(&nothing, Color::WHITE, "camera 0").expect_err("nothing is written");
}
