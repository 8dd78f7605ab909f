//! Draws boxes, labels and texts.
//!
//! A [`Painter`] draws inside one tile of a canvas, which is the opaque picture or the transparent overlay. It records the
//! rectangles that it has drawn, because they have to be cleared and sent to the display again.

mod built_in;
mod glyph;
mod label_cache;
mod legible;
mod shaping;
mod text;

pub use text::Typeface;

use label_cache::Style;
use text::padding;

use super::{Canvas, Color, Rect};

/// Colours that colour-blind people can tell apart (Okabe and Ito, 2008), without its black.
const PALETTE: [Color; 7] = [
    Color::rgb(230, 159, 0),
    Color::rgb(86, 180, 233),
    Color::rgb(0, 158, 115),
    Color::rgb(240, 228, 66),
    Color::rgb(0, 114, 178),
    Color::rgb(213, 94, 0),
    Color::rgb(204, 121, 167),
];

/// Length of dashes and of the gaps between them, in line widths.
const DASH: u32 = 4;

/// The colour of a class. It is the same in every picture and every run.
pub fn class_color(class_name: &str) -> Color {
    let hash = class_name.bytes().fold(0usize, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    PALETTE[hash % PALETTE.len()]
}

/// Draws inside one rectangle of a canvas.
pub struct Painter<'a> {
    canvas: &'a mut Canvas,
    letters: &'a mut Typeface,
    clip: Rect,
    touched: Vec<Rect>,
}

impl<'a> Painter<'a> {
    /// Draws on `canvas` within `clip`.
    pub fn new(canvas: &'a mut Canvas, letters: &'a mut Typeface, clip: Rect) -> Self {
        let clip = clip.intersection(&canvas.bounds());
        Self {
            canvas,
            letters,
            clip,
            touched: Vec::new(),
        }
    }

    /// The rectangle in which it may draw.
    pub fn clip(&self) -> Rect {
        self.clip
    }

    /// The rectangles that it has drawn.
    pub fn into_touched(self) -> Vec<Rect> {
        self.touched
    }

    /// The typeface, for measuring text.
    pub fn letters(&mut self) -> &mut Typeface {
        self.letters
    }

    /// Blends a colour over a rectangle.
    pub fn cover(&mut self, rect: &Rect, color: Color) {
        let rect = rect.intersection(&self.clip);
        if !rect.is_empty() {
            self.canvas.cover(&rect, color);
            self.touched.push(rect);
        }
    }

    /// Writes one line with its top left corner at (`x`, `y`).
    pub fn text(&mut self, x: i32, y: i32, text: &str, size_px: u32, ink: Color) {
        let width = self.letters.width(text, size_px);
        let line = Rect::new(x, y, width, Typeface::line_px(size_px)).intersection(&self.clip);
        if !line.is_empty() {
            let clip = self.clip;
            self.letters
                .write(self.canvas, &clip, (x, y), text, size_px, ink);
            self.touched.push(line);
        }
    }

    /// Draws a label: `text` in `ink` on a `ground`, with its top left corner at (`x`, `y`).
    pub fn label(&mut self, x: i32, y: i32, text: &str, size_px: u32, ground: Color, ink: Color) {
        let rect = self.label_rect(x, y, text, size_px);
        let style = Style {
            size_px,
            ground,
            ink,
        };
        let visible = rect.intersection(&self.clip);
        if visible.is_empty() {
            return;
        }
        match self.letters.label(text, rect.width, style) {
            Some(label) => {
                if ground.is_opaque() {
                    self.canvas.copy_at(label, (x, y), &visible);
                } else {
                    self.canvas.lay_at(label, (x, y), &visible);
                }
                self.touched.push(visible);
            }
            None => {
                self.cover(&rect, ground);
                self.text(x + padding(size_px), y, text, size_px, ink);
            }
        }
    }

    /// The rectangle that [`Painter::label`] would cover.
    pub fn label_rect(&mut self, x: i32, y: i32, text: &str, size_px: u32) -> Rect {
        let width = self.letters.width(text, size_px) + 2 * padding(size_px).unsigned_abs();
        Rect::new(x, y, width, Typeface::line_px(size_px))
    }

    /// Draws the outline of `rect`, `thickness` pixels wide, inside its edge.
    pub fn outline(&mut self, rect: &Rect, thickness: u32, color: Color, dashed: bool) {
        let thickness = thickness.min(rect.width).min(rect.height).max(1);
        let inner = rect.inset(thickness);
        let edges = [
            Rect::from_edges(rect.x, rect.y, rect.right(), inner.y),
            Rect::from_edges(
                rect.x,
                inner.bottom().max(inner.y),
                rect.right(),
                rect.bottom(),
            ),
            Rect::from_edges(rect.x, inner.y, inner.x, inner.bottom()),
            Rect::from_edges(
                inner.right().max(inner.x),
                inner.y,
                rect.right(),
                inner.bottom(),
            ),
        ];
        for edge in edges {
            if dashed {
                let along = edge.width >= edge.height;
                for dash in dashes(&edge, thickness * DASH, along) {
                    self.cover(&dash, color);
                }
            } else {
                self.cover(&edge, color);
            }
        }
    }
}

fn dashes(edge: &Rect, length: u32, along: bool) -> impl Iterator<Item = Rect> {
    let (edge, length) = (*edge, length.max(1));
    let total = if along { edge.width } else { edge.height };
    (0..total).step_by(2 * length as usize).map(move |start| {
        let length = length.min(total - start);
        if along {
            Rect::new(edge.x + start as i32, edge.y, length, edge.height)
        } else {
            Rect::new(edge.x, edge.y + start as i32, edge.width, length)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Size;

    #[test]
    fn an_outline_lies_inside_its_rectangle_and_leaves_the_middle_alone() {
        let mut canvas = Canvas::new(Size::new(40, 30), Color::BLACK);
        let mut letters = Typeface::default();
        let clip = canvas.bounds();
        let mut painter = Painter::new(&mut canvas, &mut letters, clip);
        painter.outline(&Rect::new(5, 5, 20, 10), 2, Color::WHITE, false);
        let touched = painter.into_touched();
        for (x, y, wanted) in [
            (5, 5, Color::WHITE),
            (24, 14, Color::WHITE),
            (6, 10, Color::WHITE),
            (7, 7, Color::BLACK),
            (22, 12, Color::BLACK),
            (25, 15, Color::BLACK),
            (4, 5, Color::BLACK),
        ] {
            assert_eq!(canvas.pixel(x, y), Some(wanted), "({x}, {y})");
        }
        for y in 0..30 {
            for x in 0..40 {
                let drawn = canvas.pixel(x, y) != Some(Color::BLACK);
                let noted = touched
                    .iter()
                    .any(|rect| rect.covers(&Rect::new(x, y, 1, 1)));
                assert_eq!(drawn, noted, "({x}, {y})");
            }
        }
    }

    #[test]
    fn a_dashed_outline_has_gaps() {
        let mut canvas = Canvas::new(Size::new(60, 30), Color::BLACK);
        let mut letters = Typeface::default();
        let clip = canvas.bounds();
        let mut painter = Painter::new(&mut canvas, &mut letters, clip);
        painter.outline(&Rect::new(0, 0, 60, 30), 1, Color::WHITE, true);
        let top: Vec<bool> = (0..60)
            .map(|x| canvas.pixel(x, 0) == Some(Color::WHITE))
            .collect();
        assert_eq!(
            &top[..9],
            &[true, true, true, true, false, false, false, false, true]
        );
    }

    #[test]
    fn nothing_is_drawn_outside_the_tile() {
        let mut canvas = Canvas::new(Size::new(40, 30), Color::CLEAR);
        let mut letters = Typeface::default();
        let clip = Rect::new(10, 10, 10, 10);
        let mut painter = Painter::new(&mut canvas, &mut letters, clip);
        painter.outline(&Rect::new(0, 0, 40, 30), 3, Color::WHITE, false);
        painter.label(0, 0, "WWWWWWWWW", 20, Color::WHITE, Color::BLACK);
        for y in 0..30 {
            for x in 0..40 {
                if !clip.covers(&Rect::new(x, y, 1, 1)) {
                    assert_eq!(canvas.pixel(x, y), Some(Color::CLEAR), "({x}, {y})");
                }
            }
        }
    }
}
