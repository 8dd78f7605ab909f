//! The pixels of one glyph, as swash has drawn them, and copying them to a canvas.

use swash::scale::image::{Content, Image};

use super::super::{Canvas, Color, Rect};

/// One glyph's pixels.
#[derive(Debug)]
pub(super) struct Glyph {
    /// Position of its first pixel, relative to the pen and to the baseline.
    left: i32,
    top: i32,
    width: u32,
    pixels: Pixels,
}

#[derive(Debug)]
enum Pixels {
    /// Opacity, for a glyph in the colour of the text.
    Coverage(Vec<u8>),
    /// Red, green, blue, alpha, for a coloured glyph.
    Colors(Vec<[u8; 4]>),
}

impl Glyph {
    /// The glyph in `image`, with the pen at (`x`, `y`). `None` if it has no pixels.
    pub(super) fn new(image: Image, (x, y): (i32, i32)) -> Option<Self> {
        let placement = image.placement;
        if placement.width == 0 {
            return None;
        }
        let pixels = match image.content {
            Content::Mask => Pixels::Coverage(image.data),
            Content::Color => Pixels::Colors(image.data.as_chunks().0.to_vec()),
            // Subpixel rendering was not requested.
            Content::SubpixelMask => return None,
        };
        Some(Self {
            left: x + placement.left,
            top: y - placement.top,
            width: placement.width,
            pixels,
        })
    }

    /// Draws the glyph with the pen at column `x`, inside `clip`.
    pub(super) fn draw(
        &self,
        canvas: &mut Canvas,
        clip: &Rect,
        (x, baseline): (i32, i32),
        ink: Color,
    ) {
        let (left, top) = (x + self.left, baseline + self.top);
        // The part of each row that lies inside the clip.
        let first = (clip.x - left).clamp(0, self.width as i32) as usize;
        let last = (clip.right() - left).clamp(0, self.width as i32) as usize;
        if first >= last {
            return;
        }
        let column = left + first as i32;
        let width = self.width as usize;
        let is_inside = |y: &i32| (clip.y..clip.bottom()).contains(y);
        match &self.pixels {
            Pixels::Coverage(coverage) => {
                for (y, row) in (top..).zip(coverage.chunks(width)) {
                    if is_inside(&y) {
                        canvas.cover_run(column, y, &row[first..last], ink);
                    }
                }
            }
            Pixels::Colors(colors) => {
                for (y, row) in (top..).zip(colors.chunks(width)) {
                    if is_inside(&y) {
                        for (x, [red, green, blue, alpha]) in (column..).zip(&row[first..last]) {
                            canvas.cover_run(x, y, &[*alpha], Color::rgb(*red, *green, *blue));
                        }
                    }
                }
            }
        }
    }
}
