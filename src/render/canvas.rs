//! A canvas of 32-bit pixels, blue first, in ordinary cached memory.
//!
//! The same code draws on an opaque picture and on a transparent overlay. Colours are premultiplied by their alpha.

use super::Rect;
use crate::base::Size;

/// A colour: blue, green, red, alpha; premultiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub [u8; 4]);

/// A picture in memory in the format that KMS calls XRGB8888 or ARGB8888: bytes blue, green, red, alpha; rows without gaps.
#[derive(Clone, PartialEq, Eq)]
pub struct Canvas {
    size: Size,
    bytes: Vec<u8>,
}

impl Color {
    /// Fully transparent.
    pub const CLEAR: Self = Self([0; 4]);
    /// Black.
    pub const BLACK: Self = Self::rgb(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self::rgb(255, 255, 255);

    /// An opaque colour.
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self([blue, green, red, 255])
    }

    /// The same colour with opacity `alpha`, 0–255.
    pub fn covering(self, alpha: u8) -> Self {
        Self(self.0.map(|channel| nvr_pixels::scaled(channel, alpha)))
    }

    /// Black or white, depending on which is more legible on this colour.
    pub fn ink(self) -> Self {
        let [blue, green, red, _] = self.0.map(u32::from);
        if 299 * red + 587 * green + 114 * blue > 128_000 {
            Self::BLACK
        } else {
            Self::WHITE
        }
    }

    /// Whether the colour hides everything below it.
    pub fn is_opaque(self) -> bool {
        self.0[3] == 255
    }
}

impl Canvas {
    /// Bytes of a pixel.
    pub const PIXEL_BYTES: usize = 4;

    /// A canvas of one colour.
    pub fn new(size: Size, color: Color) -> Self {
        let pixels = size.width as usize * size.height as usize;
        Self {
            size,
            bytes: color.0.repeat(pixels),
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The rectangle of the whole canvas.
    pub fn bounds(&self) -> Rect {
        Rect::of(self.size)
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.size.width as usize * Self::PIXEL_BYTES
    }

    /// All rows, from top to bottom.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The pixels of `rect` in its row `row` (counted within `rect`); `rect` must lie inside the canvas.
    pub fn row(&self, rect: &Rect, row: u32) -> &[u8] {
        let span = self.span(rect, row);
        &self.bytes[span]
    }

    /// As [`Canvas::row`], mutable.
    pub fn row_mut(&mut self, rect: &Rect, row: u32) -> &mut [u8] {
        let span = self.span(rect, row);
        &mut self.bytes[span]
    }

    /// All bytes from the top left pixel of `rect` on, for scalers and converters that take a stride. `rect` must lie inside
    /// the canvas and must not be empty.
    pub fn from_mut(&mut self, rect: &Rect) -> &mut [u8] {
        let start = self.span(rect, 0).start;
        &mut self.bytes[start..]
    }

    /// The pixel at (`x`, `y`). `None` outside the canvas.
    pub fn pixel(&self, x: i32, y: i32) -> Option<Color> {
        let one = Rect::new(x, y, 1, 1);
        if !self.bounds().covers(&one) {
            return None;
        }
        self.row(&one, 0).try_into().ok().map(Color)
    }

    /// Sets every pixel of `rect` that lies on the canvas.
    pub fn fill(&mut self, rect: &Rect, color: Color) {
        let rect = rect.intersection(&self.bounds());
        for row in 0..rect.height {
            nvr_pixels::fill_row(self.row_mut(&rect, row), color.0);
        }
    }

    /// Blends a colour over every pixel of `rect` that lies on the canvas.
    pub fn cover(&mut self, rect: &Rect, color: Color) {
        if color.is_opaque() {
            return self.fill(rect, color);
        }
        let rect = rect.intersection(&self.bounds());
        for row in 0..rect.height {
            nvr_pixels::cover_row(self.row_mut(&rect, row), color.0);
        }
    }

    /// Blends a colour over a run of pixels that starts at (`x`, `y`). `coverage` has the opacity of each pixel, 0–255. The run
    /// must lie inside the canvas.
    pub fn cover_run(&mut self, x: i32, y: i32, coverage: &[u8], color: Color) {
        let run = Rect::new(x, y, coverage.len() as u32, 1);
        nvr_pixels::cover_run(self.row_mut(&run, 0), coverage, color.0);
    }

    /// Blends `above` (premultiplied, of the same size) over the pixels of `rect`.
    pub fn lay(&mut self, above: &Self, rect: &Rect) {
        self.lay_at(above, (0, 0), rect);
    }

    /// Blends `above` (premultiplied) over the canvas with its top left corner at (`x`, `y`), inside `clip`.
    pub fn lay_at(&mut self, above: &Self, (x, y): (i32, i32), clip: &Rect) {
        let rect = above
            .bounds()
            .shifted(x, y)
            .intersection(clip)
            .intersection(&self.bounds());
        let from = rect.shifted(-x, -y);
        for row in 0..rect.height {
            nvr_pixels::lay_row(self.row_mut(&rect, row), above.row(&from, row));
        }
    }

    /// Copies `other` with its alpha to (`x`, `y`), inside `clip`.
    pub fn copy_at(&mut self, other: &Self, (x, y): (i32, i32), clip: &Rect) {
        let rect = other
            .bounds()
            .shifted(x, y)
            .intersection(clip)
            .intersection(&self.bounds());
        let from = rect.shifted(-x, -y);
        for row in 0..rect.height {
            self.row_mut(&rect, row)
                .copy_from_slice(other.row(&from, row));
        }
    }

    fn span(&self, rect: &Rect, row: u32) -> std::ops::Range<usize> {
        debug_assert!(self.bounds().covers(rect), "{rect:?} of {}", self.size);
        let (x, y) = (rect.x as usize, rect.y as usize + row as usize);
        let start = y * self.stride() + x * Self::PIXEL_BYTES;
        start..start + rect.width as usize * Self::PIXEL_BYTES
    }
}

impl std::fmt::Debug for Canvas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Canvas({})", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(4, 3);

    #[test]
    fn half_white_over_black_is_grey_and_stays_opaque() {
        let mut canvas = Canvas::new(SIZE, Color::BLACK);
        canvas.cover(&Rect::new(1, 1, 1, 1), Color::WHITE.covering(128));
        assert_eq!(canvas.pixel(1, 1), Some(Color([128, 128, 128, 255])));
        assert_eq!(canvas.pixel(0, 0), Some(Color::BLACK));
    }

    #[test]
    fn a_transparent_layer_blends_as_if_it_had_been_drawn_directly() {
        let ground = Color::rgb(200, 100, 50);
        let glass = Color::rgb(0, 158, 115).covering(150);
        let mut direct = Canvas::new(SIZE, ground);
        direct.cover(&Rect::new(1, 0, 2, 2), glass);
        let mut above = Canvas::new(SIZE, Color::CLEAR);
        above.cover(&Rect::new(1, 0, 2, 2), glass);
        let mut laid = Canvas::new(SIZE, ground);
        laid.lay(&above, &Rect::of(SIZE));
        assert_eq!(laid, direct);
    }

    #[test]
    fn a_layer_changes_what_it_covers_by_its_share_alone() {
        let below = Color::rgb(200, 100, 50);
        for alpha in 0..=255u8 {
            let mut canvas = Canvas::new(SIZE, below);
            let above = Canvas::new(Size::new(1, 1), Color::WHITE.covering(alpha));
            canvas.lay_at(&above, (2, 1), &Rect::of(SIZE));
            let found = canvas.pixel(2, 1).expect("a pixel").0;
            let share = f64::from(alpha) / 255.0;
            for (found, below) in found.into_iter().zip(below.0) {
                let wanted = 255.0 * share + f64::from(below) * (1.0 - share);
                assert!(
                    (f64::from(found) - wanted).abs() <= 1.0,
                    "{alpha}: {found} {wanted}"
                );
            }
            assert_eq!(canvas.pixel(1, 1), Some(below));
        }
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut canvas = Canvas::new(SIZE, Color::BLACK);
        canvas.fill(&Rect::new(-5, -5, 6, 100), Color::WHITE);
        assert_eq!(canvas.pixel(0, 2), Some(Color::WHITE));
        assert_eq!(canvas.pixel(1, 0), Some(Color::BLACK));
        assert_eq!(canvas.pixel(4, 0), None);
        assert_eq!(canvas.pixel(-1, 0), None);
    }

    #[test]
    fn ink_contrasts_with_its_ground() {
        assert_eq!(Color::rgb(240, 228, 66).ink(), Color::BLACK);
        assert_eq!(Color::rgb(0, 114, 178).ink(), Color::WHITE);
    }
}
