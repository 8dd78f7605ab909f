//! The built-in font, Hack Regular 3.003, which the program holds compressed. It has Latin, Greek and Cyrillic letters.
//!
//! Unpacked, `hack.ttf.gz` is `Hack-Regular.ttf` as <https://github.com/source-foundry/Hack> published it; `hack.LICENSE` has its terms.

use std::sync::LazyLock;

use swash::scale::{Render, ScaleContext, Source};
use swash::{Charmap, FontRef, GlyphMetrics};

use super::glyph::Glyph;
use crate::base::archive::unzipped;

/// The font's file, unpacked when the first letter is drawn.
pub(super) static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    unzipped(include_bytes!("hack.ttf.gz")).expect("invariant: a test unpacks the file")
});
/// The name of its family.
pub(super) const FAMILY: &str = "Hack";

/// Draws the letters of the built-in font. A letter's size is the height of the font's lines.
pub(super) struct BuiltInFont {
    font: FontRef<'static>,
    letters: Charmap<'static>,
    advances: GlyphMetrics<'static>,
    /// Height of a line, its part above the baseline, and the em, in the font's units.
    height: f32,
    ascent: f32,
    em: f32,
    /// Memory that swash uses again.
    context: ScaleContext,
}

impl Default for BuiltInFont {
    fn default() -> Self {
        let font = FontRef::from_index(&FILE, 0).expect("invariant: the built-in font is a font");
        let metrics = font.metrics(&[]);
        Self {
            font,
            letters: font.charmap(),
            advances: font.glyph_metrics(&[]),
            height: metrics.ascent + metrics.descent,
            ascent: metrics.ascent,
            em: metrics.units_per_em.into(),
            context: ScaleContext::new(),
        }
    }
}

impl BuiltInFont {
    /// Whether it has a glyph for the letter.
    pub(super) fn has(&self, letter: char) -> bool {
        self.letters.map(letter) != 0
    }

    /// The part of a line above the baseline, in pixels.
    pub(super) fn ascent_px(&self, size_px: u32) -> f32 {
        self.ascent * self.scale(size_px)
    }

    /// The em in pixels.
    pub(super) fn em_px(&self, size_px: u32) -> f32 {
        self.em * self.scale(size_px)
    }

    /// The pixels of a letter, `None` if it is blank, and the distance to the next letter in pixels.
    pub(super) fn draw(&mut self, letter: char, size_px: u32) -> (Option<Glyph>, f32) {
        let id = self.letters.map(letter);
        // swash draws a size of zero in the font's own units, thousands of pixels large.
        let em_px = self.em_px(size_px.max(1));
        let mut scaler = self.context.builder(self.font).size(em_px).build();
        let image = Render::new(&[Source::Outline]).render(&mut scaler, id);
        let glyph = image.and_then(|image| Glyph::new(image, (0, 0)));
        (glyph, self.advances.advance_width(id) * self.scale(size_px))
    }

    fn scale(&self, size_px: u32) -> f32 {
        size_px as f32 / self.height
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Canvas, Color};
    use super::*;
    use crate::base::Size;
    use sha2::{Digest, Sha256};

    /// Of the published file.
    const SHA256: &str = "15f55cc0c85a2988d2b4b3a8cdb5d77fdfbaf319e1bb5309d725db9818fb7125";

    #[test]
    fn the_font_is_the_published_one() {
        assert_eq!(format!("{:x}", Sha256::digest(FILE.as_slice())), SHA256);
    }

    #[test]
    fn letters_of_other_scripts_are_missing() {
        let font = BuiltInFont::default();
        for letter in "Aß…€ЖΩ→".chars() {
            assert!(font.has(letter), "{letter}");
        }
        for letter in "停かمคก🚗".chars() {
            assert!(!font.has(letter), "{letter}");
        }
    }

    #[test]
    fn a_letter_stands_on_the_baseline_within_its_advance() {
        let mut font = BuiltInFont::default();
        for size_px in [9, 12, 24, 45] {
            let (glyph, advance) = font.draw('H', size_px);
            let mut canvas = Canvas::new(Size::new(2 * size_px, 2 * size_px), Color::BLACK);
            let clip = canvas.bounds();
            let baseline = size_px as i32 + 3;
            glyph.expect("a letter with pixels").draw(
                &mut canvas,
                &clip,
                (4, baseline),
                Color::WHITE,
            );
            let lit: Vec<(i32, i32)> = (0..2 * size_px as i32)
                .flat_map(|y| (0..2 * size_px as i32).map(move |x| (x, y)))
                .filter(|(x, y)| canvas.pixel(*x, *y) != Some(Color::BLACK))
                .collect();
            assert_eq!(lit.iter().map(|(_, y)| *y).max(), Some(baseline - 1));
            let right = 4 + advance.ceil() as i32;
            assert!(
                lit.iter().all(|(x, _)| (4..right).contains(x)),
                "{size_px}: {lit:?}"
            );
        }
    }

    #[test]
    fn a_space_has_a_width_and_no_pixels() {
        let mut font = BuiltInFont::default();
        let (space, width) = font.draw(' ', 24);
        let (_, letter_width) = font.draw('W', 24);
        assert!(space.is_none());
        assert_eq!(width, letter_width, "the font is monospaced");
    }
}
