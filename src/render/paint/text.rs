//! Anti-aliased text. Glyphs are rasterised once per size and cached, and so are shaped lines.
//!
//! Text that the built-in font has is written letter by letter. Any other text is shaped (`shaping`), which takes longer.

use std::collections::HashMap;
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use super::super::{Canvas, Color, Rect};
use super::built_in::BuiltInFont;
use super::glyph::Glyph;
use super::label_cache::{LabelCache, Style, WIDEST_PX};
use super::legible;
use super::shaping::{Line, MOST_LETTERS};
use crate::base::Size;

/// Maximum number of cached glyphs: the letters of labels and states in a few sizes. A full cache is cleared, which costs the
/// work of one frame.
const MOST_GLYPHS: usize = 2048;
/// Maximum number of cached lines. A full screen has fewer names and labels.
const MOST_LINES: usize = 256;

/// The built-in typeface with its caches.
#[derive(Default)]
pub struct Typeface {
    font: BuiltInFont,
    glyphs: HashMap<(char, u32), Letter>,
    lines: HashMap<(String, u32), Arc<Line>>,
    labels: LabelCache,
}

/// A letter of the built-in font, rasterised.
struct Letter {
    /// `None` for a blank.
    glyph: Option<Glyph>,
    advance: f32,
}

impl Typeface {
    /// Width in pixels of `text` in letters of `size_px`.
    pub fn width(&mut self, text: &str, size_px: u32) -> u32 {
        let text = legible::clean(text);
        let width: f32 = match self.shaped(&text, size_px) {
            Some(line) => line.width,
            None => text
                .chars()
                .map(|letter| self.letter(letter, size_px).advance)
                .sum(),
        };
        width.ceil() as u32
    }

    /// Whether the fonts have every letter of a name. If not, a warning names the package to install, once per name. Missing
    /// characters that are no letters or digits do not count.
    pub fn can_write(&mut self, name: &str, size_px: u32) -> bool {
        let clean = legible::clean(name);
        let Some(line) = self.shaped(&clean, size_px) else {
            return true;
        };
        let is_whole = !line.missing.chars().any(char::is_alphanumeric);
        if !is_whole {
            legible::warn(name, &line.missing);
        }
        is_whole
    }

    /// The longest beginning of `text` that fits into `limit_px`, with an ellipsis if it was cut.
    pub fn fitted(&mut self, text: &str, size_px: u32, limit_px: u32) -> String {
        if self.width(text, size_px) <= limit_px {
            return text.to_owned();
        }
        let clean = legible::clean(text);
        if self.shaped(&clean, size_px).is_some() {
            return self.fitted_shaped(&clean, size_px, limit_px);
        }
        let mut room = limit_px as f32 - self.letter('…', size_px).advance;
        let mut short: String = clean
            .chars()
            .take_while(|letter| {
                room -= self.letter(*letter, size_px).advance;
                room >= 0.0
            })
            .collect();
        short.truncate(short.trim_end().len());
        short.push('…');
        short
    }

    /// As [`Typeface::fitted`], for text that needs shaping. Cuts between grapheme clusters.
    fn fitted_shaped(&self, text: &str, size_px: u32, limit_px: u32) -> String {
        let ends: Vec<usize> = text
            .grapheme_indices(true)
            .take(MOST_LETTERS)
            .map(|(at, _)| at)
            .collect();
        let short = |letters: usize| {
            let beginning = text[..ends.get(letters).copied().unwrap_or_default()].trim_end();
            format!("{beginning}…")
        };
        // Not cached: there are many candidates, and only one of them is drawn.
        let fits = |letters: usize| {
            Line::new(&short(letters), self.font.em_px(size_px))
                .width
                .ceil() as u32
                <= limit_px
        };
        let (mut most, mut too_many) = (0, ends.len());
        while too_many - most > 1 {
            let middle = (most + too_many) / 2;
            if fits(middle) {
                most = middle;
            } else {
                too_many = middle;
            }
        }
        short(most)
    }

    /// Breaks `text` between words into at most `most` lines of at most `limit_px`.
    pub fn wrapped(&mut self, text: &str, size_px: u32, limit_px: u32, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut words = text.split_whitespace().peekable();
        while words.peek().is_some() && lines.len() < most {
            let mut line = String::new();
            while let Some(word) = words.peek() {
                let longer = if line.is_empty() {
                    (*word).to_owned()
                } else {
                    format!("{line} {word}")
                };
                if !line.is_empty() && self.width(&longer, size_px) > limit_px {
                    break;
                }
                line = longer;
                words.next();
            }
            if lines.len() + 1 == most && words.peek().is_some() {
                line.extend(words.by_ref().flat_map(|word| [" ", word]));
            }
            lines.push(self.fitted(&line, size_px, limit_px));
        }
        lines
    }

    /// Writes `text` in letters of `size_px` with the top left corner of the line at (`x`, `y`), inside `clip`. Gives the
    /// column after the last letter.
    pub fn write(
        &mut self,
        canvas: &mut Canvas,
        clip: &Rect,
        (x, y): (i32, i32),
        text: &str,
        size_px: u32,
        ink: Color,
    ) -> i32 {
        let text = legible::clean(text);
        let baseline = y + self.ascent(size_px);
        let mut pen = x as f32;
        let clip = clip.intersection(&canvas.bounds());
        if let Some(line) = self.shaped(&text, size_px) {
            // Marks of some scripts reach far above and below the line. They must not touch other lines.
            let rows = Rect::new(clip.x, y, clip.width, Self::line_px(size_px));
            line.draw(canvas, &clip.intersection(&rows), (x, baseline), ink);
            return (pen + line.width).ceil() as i32;
        }
        for letter in text.chars() {
            let letter = self.letter(letter, size_px);
            if let Some(glyph) = &letter.glyph {
                glyph.draw(canvas, &clip, (pen.round() as i32, baseline), ink);
            }
            pen += letter.advance;
        }
        pen.ceil() as i32
    }

    /// The cached label with `text`, `width` pixels wide; it is drawn if missing. `None` if it is too wide for the cache.
    pub(super) fn label(&mut self, text: &str, width: u32, style: Style) -> Option<&Canvas> {
        if width > WIDEST_PX {
            return None;
        }
        if self.labels.find(text, style).is_none() {
            let size = Size::new(width, Self::line_px(style.size_px));
            let mut label = Canvas::new(size, style.ground);
            let place = (padding(style.size_px), 0);
            let clip = label.bounds();
            self.write(&mut label, &clip, place, text, style.size_px, style.ink);
            self.labels.keep(text, style, label);
        }
        self.labels.find(text, style)
    }

    /// Height in pixels of a line with letters of `size_px`.
    pub fn line_px(size_px: u32) -> u32 {
        size_px + size_px / 5
    }

    fn ascent(&self, size_px: u32) -> i32 {
        let slack = Self::line_px(size_px) - size_px;
        (self.font.ascent_px(size_px) + slack as f32 / 2.0).round() as i32
    }

    /// `text`, which is [`legible::clean`], shaped with system fonts. `None` if the built-in font has all its letters.
    fn shaped(&mut self, text: &str, size_px: u32) -> Option<Arc<Line>> {
        let is_built_in = |letter: char| legible::is_simple(letter) && self.font.has(letter);
        if text.is_ascii() || text.chars().all(is_built_in) {
            return None;
        }
        let key = (text.to_owned(), size_px);
        if let Some(line) = self.lines.get(&key) {
            return Some(line.clone());
        }
        if self.lines.len() >= MOST_LINES {
            self.lines.clear();
        }
        let line = Arc::new(Line::new(text, self.font.em_px(size_px)));
        self.lines.insert(key, line.clone());
        Some(line)
    }

    fn letter(&mut self, letter: char, size_px: u32) -> &Letter {
        if self.glyphs.len() >= MOST_GLYPHS && !self.glyphs.contains_key(&(letter, size_px)) {
            self.glyphs.clear();
        }
        self.glyphs.entry((letter, size_px)).or_insert_with(|| {
            let (glyph, advance) = self.font.draw(letter, size_px);
            Letter { glyph, advance }
        })
    }
}

impl std::fmt::Debug for Typeface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Typeface({} glyphs)", self.glyphs.len())
    }
}

/// Space at each side of a label's text.
pub(super) fn padding(size_px: u32) -> i32 {
    (size_px / 4) as i32
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
