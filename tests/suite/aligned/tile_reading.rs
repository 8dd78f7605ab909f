//! Reads a tile of a composed picture: the frame number of the pattern, and the lines in the colours of classes.
//!
//! Tiles have the size of the pattern's pictures, so that a pixel of the tile is a pixel of the camera. Colours of lines are
//! exact, because the wall draws them after decoding; encoder noise never has these colours.

use nvr::base::{BBox, Pattern, PatternCode, Plane};
use nvr::render::paint::class_color;
use nvr::render::{Canvas, Color, Rect};

use super::{PATTERN, SIZE};

/// Lines are searched this far beside an object's middle, so that a gap between two dashes hides none.
const BESIDE_PX: i32 = 6;
/// A dash is four pixels long, and a corner may lengthen it.
const LONGEST_DASH_PX: u32 = 8;
/// A box may reach so far beyond the rows in which its object stays.
const BEYOND_ROWS_PX: i32 = 16;
/// Number of frames by which the newest event may be older than the displayed frame.
const LONGEST_LAG: u32 = 25;
/// Number of frames by which the newest event may be newer than the displayed frame.
const LONGEST_LEAD: u32 = 5;

/// The kind of line of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// No box.
    None,
    /// An extrapolated box.
    Dashed,
    /// A detected or interpolated box.
    Solid,
}

/// One reading of a tile.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TileReading {
    /// Number of the shown frame.
    pub(super) number: u32,
    /// The box of each object.
    boxes: Vec<Option<Rect>>,
    /// The kind of line of each object's box.
    lines: Vec<Line>,
}

/// The pattern that every camera shows.
pub(super) fn pattern() -> Pattern {
    Pattern::new(SIZE, PATTERN.objects).expect("an ordinary pattern")
}

impl TileReading {
    /// Reads the tile at `place`. `None` if the pattern's code can't be read.
    ///
    /// A box is everything with the colour of its class. Labels have this colour, too. If they are drawn, a box is the nearest
    /// lines around the middle of its object, which is correct for boxes that are off by less than a quarter of the object's
    /// width.
    pub(super) fn of(picture: &Canvas, place: &Rect, has_labels: bool) -> Option<Self> {
        let tile = Tile { picture, place };
        let pattern = pattern();
        let code = tile
            .code(&pattern)
            .filter(|code| code.objects == PATTERN.objects)?;
        let objects = pattern.objects(code.frame_number);
        let colors = objects.iter().map(|object| class_color(object.class_name));
        let (lines, boxes) = (0..)
            .zip(objects.iter().zip(colors))
            .map(|(index, (object, color))| {
                let (line, extent) = tile.drawn(rows_of(&pattern, index), color);
                let around = || tile.around(&object.bbox, color);
                (line, if has_labels { around() } else { extent })
            })
            .unzip();
        Some(Self {
            number: code.frame_number,
            boxes,
            lines,
        })
    }

    /// The intersection over union (IoU) of each object with its box. 0 without a box.
    pub(super) fn overlaps(&self) -> Vec<f32> {
        let objects = pattern().objects(self.number);
        let pairs = objects.iter().zip(&self.boxes);
        pairs
            .map(|(object, found)| {
                found.map_or(0.0, |found| {
                    let edges = [found.x, found.y, found.right(), found.bottom()];
                    let [left, top, right, bottom] = edges.map(|edge| edge as f32);
                    BBox::from_corners(left, top, right, bottom).iou(&object.bbox)
                })
            })
            .collect()
    }

    /// Whether all boxes are exactly where the objects are in one frame of about the last second. It may be a frame after this one:
    /// a quick detector's event arrives before the wall displays the frame it belongs to.
    pub(super) fn of_one_event(&self) -> bool {
        let pattern = pattern();
        let oldest = self.number.saturating_sub(LONGEST_LAG);
        (oldest..=self.number + LONGEST_LEAD).any(|number| {
            let objects = pattern.objects(number);
            objects.iter().zip(&self.boxes).all(|(object, found)| {
                let [left, top, right, bottom] = object.bbox.corners().map(|edge| edge as i32);
                *found == Some(Rect::from_edges(left, top, right, bottom))
            })
        })
    }

    /// The most certain kind of line of its boxes.
    pub(super) fn line(&self) -> Line {
        self.lines.iter().copied().max().unwrap_or(Line::None)
    }
}

/// The rows of the cell of object `index`, with a margin.
fn rows_of(pattern: &Pattern, index: i32) -> std::ops::Range<i32> {
    let band = pattern.band_height() as i32;
    let cell = (SIZE.height as i32 - band) / PATTERN.objects as i32;
    let top = band + index * cell;
    top - BEYOND_ROWS_PX..(top + cell + BEYOND_ROWS_PX).min(SIZE.height as i32)
}

struct Tile<'a> {
    picture: &'a Canvas,
    place: &'a Rect,
}

impl Tile<'_> {
    fn code(&self, pattern: &Pattern) -> Option<PatternCode> {
        let band = Rect::new(
            self.place.x,
            self.place.y,
            SIZE.width,
            pattern.band_height(),
        );
        let rows = (0..band.height).flat_map(|row| self.picture.row(&band, row).as_chunks::<4>().0);
        // Black, white and grey: any channel is its brightness.
        let luma: Vec<u8> = rows.map(|[_, green, ..]| *green).collect();
        let plane = Plane {
            bytes: &luma,
            stride: SIZE.width as usize,
        };
        PatternCode::read_luma(plane, SIZE)
    }

    fn has(&self, x: i32, y: i32, color: Color) -> bool {
        let (width, height) = (self.place.width as i32, self.place.height as i32);
        (0..width).contains(&x)
            && (0..height).contains(&y)
            && self.picture.pixel(self.place.x + x, self.place.y + y) == Some(color)
    }

    /// The nearest lines of `color` above, below, left and right of the middle of `object`.
    fn around(&self, object: &BBox, color: Color) -> Option<Rect> {
        let [left, top, right, bottom] = object.corners();
        let (x, y) = ((left + right) as i32 / 2, (top + bottom) as i32 / 2);
        let beside = || -BESIDE_PX..=BESIDE_PX;
        let across = |row: &i32| beside().any(|by| self.has(x + by, *row, color));
        let down = |column: &i32| beside().any(|by| self.has(*column, y + by, color));
        Some(Rect::from_edges(
            (0..x).rev().find(down)?,
            (0..y).rev().find(across)?,
            (x..SIZE.width as i32).find(down)? + 1,
            (y..SIZE.height as i32).find(across)? + 1,
        ))
    }

    /// The kind of the lines of `color` in `rows`, and the smallest rectangle around them.
    fn drawn(&self, rows: std::ops::Range<i32>, color: Color) -> (Line, Option<Rect>) {
        let mut longest = 0;
        let mut extent = Rect::default();
        for y in rows {
            let row = Rect::new(self.place.x, self.place.y + y, SIZE.width, 1);
            let mut run = 0;
            for (x, pixel) in (0..).zip(self.picture.row(&row, 0).as_chunks::<4>().0) {
                if *pixel == color.0 {
                    run += 1;
                    extent = extent.around(&Rect::new(x, y, 1, 1));
                } else {
                    run = 0;
                }
                longest = longest.max(run);
            }
        }
        let line = match longest {
            0 => Line::None,
            1..=LONGEST_DASH_PX => Line::Dashed,
            _ => Line::Solid,
        };
        (line, (!extent.is_empty()).then_some(extent))
    }
}

/// Whether there are white letters in the upper right corner, where the pattern is always black.
pub(super) fn has_mark(picture: &Canvas, place: &Rect) -> bool {
    let corner = Rect::new(place.right() - 60, place.y, 60, 7);
    let rows = (0..corner.height).flat_map(|row| picture.row(&corner, row).as_chunks::<4>().0);
    rows.filter(|[_, green, ..]| *green > 100).count() >= 20
}
