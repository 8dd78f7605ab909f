//! Draws text that the built-in font can't write: finds system fonts, joins letters and puts them in visual order.
//!
//! Names of cameras can be in any script. Fonts for all scripts are fifty times as large as this program, so they come from
//! packages (`fonts-noto-core`, `fonts-noto-cjk`) and are searched when the first such text is drawn. Letters that no font has
//! are omitted.

use std::sync::{Mutex, MutexGuard, OnceLock};

use cosmic_text::{Attrs, Buffer, Family, FontSystem, Metrics, Shaping, SwashCache, Wrap, fontdb};

use super::super::{Canvas, Color, Rect};
use super::glyph::Glyph;
use super::{built_in, legible};
use crate::base::sync::lock;

/// Maximum number of letters of a text. A line on a 4K monitor has fewer.
pub(super) const MOST_LETTERS: usize = 1024;
/// Keeps the digits before a Hebrew name at the left, where they are on all other tiles.
const LEFT_TO_RIGHT: char = '\u{200e}';

/// A line of text, ready to be drawn.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Width in pixels.
    pub(super) width: f32,
    /// Letters that no font has.
    pub(super) missing: String,
    glyphs: Vec<Glyph>,
}

/// The fonts of this machine, loaded once for all monitors.
struct Fonts {
    system: FontSystem,
    cache: SwashCache,
}

impl Line {
    /// Shapes `text`, which is [`legible::clean`], in letters of `em_px`.
    pub(super) fn new(text: &str, em_px: f32) -> Self {
        let text: String = text.chars().take(MOST_LETTERS).collect();
        let mut fonts = fonts();
        let buffer = fonts.shaped(&text, em_px);
        let missing = missing(&buffer, &text);
        if missing.is_empty() {
            return fonts.drawn(&buffer, String::new());
        }
        let (mut kept, mut lost) = (String::new(), String::new());
        for (at, letter) in text.char_indices() {
            let is_lost = missing
                .iter()
                .any(|(start, end)| (*start..*end).contains(&at));
            if is_lost { &mut lost } else { &mut kept }.push(letter);
        }
        let kept = kept.split_whitespace().collect::<Vec<_>>().join(" ");
        let buffer = fonts.shaped(&kept, em_px);
        fonts.drawn(&buffer, lost)
    }

    /// Draws the line from column `x` on, inside `clip`.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        clip: &Rect,
        (x, baseline): (i32, i32),
        ink: Color,
    ) {
        for glyph in &self.glyphs {
            glyph.draw(canvas, clip, (x, baseline), ink);
        }
    }
}

impl Fonts {
    fn new() -> Self {
        let begun = std::time::Instant::now();
        let mut found = fontdb::Database::new();
        found.load_system_fonts();
        found.load_font_source(fontdb::Source::Binary(std::sync::Arc::new(
            built_in::FILE.as_slice(),
        )));
        tracing::debug!(
            faces = found.len(),
            took_ms = begun.elapsed().as_millis(),
            "fonts for text beyond the built-in one"
        );
        Self {
            system: FontSystem::new_with_locale_and_db(locale(), found),
            cache: SwashCache::new(),
        }
    }

    fn shaped(&mut self, text: &str, em_px: f32) -> Buffer {
        // cosmic-text does not accept a size of zero.
        let em_px = em_px.max(1.0);
        let mut buffer = Buffer::new_empty(Metrics::new(em_px, em_px));
        buffer.set_wrap(Wrap::None);
        // The built-in font is preferred in a text of several scripts.
        let attributes = Attrs::new().family(Family::Name(built_in::FAMILY));
        let ordered = format!("{LEFT_TO_RIGHT}{text}");
        buffer.set_text(&ordered, &attributes, Shaping::Advanced, None);
        buffer.shape_until_scroll(&mut self.system, false);
        buffer
    }

    fn drawn(&mut self, buffer: &Buffer, missing: String) -> Line {
        let mut line = Line {
            missing,
            ..Line::default()
        };
        let Some(run) = buffer.layout_runs().next() else {
            return line;
        };
        line.width = run.line_w;
        for glyph in run.glyphs {
            let place = glyph.physical((0.0, 0.0), 1.0);
            let image = self
                .cache
                .get_image_uncached(&mut self.system, place.cache_key);
            line.glyphs
                .extend(image.and_then(|image| Glyph::new(image, (place.x, place.y))));
        }
        line
    }
}

/// The byte ranges of `text` that no font has.
fn missing(buffer: &Buffer, text: &str) -> Vec<(usize, usize)> {
    let before = LEFT_TO_RIGHT.len_utf8();
    let Some(run) = buffer.layout_runs().next() else {
        return Vec::new();
    };
    run.glyphs
        .iter()
        .filter(|glyph| glyph.glyph_id == 0)
        .map(|glyph| {
            (
                glyph.start.saturating_sub(before),
                glyph.end.saturating_sub(before),
            )
        })
        // Invisible characters need no font.
        .filter(|(start, end)| {
            text.get(*start..*end)
                .is_none_or(|cluster| !cluster.chars().all(legible::is_invisible))
        })
        .filter(|(start, end)| start < end)
        .collect()
}

fn fonts() -> MutexGuard<'static, Fonts> {
    static FONTS: OnceLock<Mutex<Fonts>> = OnceLock::new();
    lock(FONTS.get_or_init(|| Mutex::new(Fonts::new())))
}

/// The language of this machine, such as `ja` or `zh-TW`. Han letters differ between languages.
fn locale() -> String {
    let told = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_default();
    let told = told.split(['.', '@']).next().unwrap_or_default();
    let (language, place) = told.split_once('_').unwrap_or((told, ""));
    match (language, place) {
        ("zh", "HK" | "TW") => format!("zh-{place}"),
        _ => language.to_owned(),
    }
}
