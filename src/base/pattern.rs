//! The moving test pattern: the boxes of its objects are a published function of the frame number, and the frame number is
//! painted into the picture.
//!
//! The painters (`test-pattern:`, the test camera) and the readers (the `scripted` detector, tests) share only this file and the
//! picture. All arithmetic uses integers, so a frame number gives the same boxes everywhere. `docs/test-pattern.md` describes the
//! pattern for other implementations.

mod code;
mod paint;

pub use code::PatternCode;
pub use paint::PlaneMut;

use super::{BBox, Size};

/// The classes of the objects, in turn by index.
pub const PATTERN_CLASSES: [&str; 6] = ["person", "car", "bicycle", "dog", "truck", "cat"];

/// A pattern with a picture size and a number of objects.
///
/// At the top of the picture is the code band, `3 × width / 40` rows rounded up to an even number. Below it lie the objects' cells: a
/// grid of `ceil(objects / 6)` columns and `ceil(objects / columns)` rows, filled row by row. Object `i` has the class
/// `PATTERN_CLASSES[i % 6]` and never leaves cell `i`. With `C` the width and `R` the height of a cell, each rounded down to an
/// even number, and `even(x)` meaning `x` rounded down to an even number:
///
/// - its height is `h = even(R × 5 / 8)`; its width is `even(min(h × a / 8, C × 5 / 8))`, where `a` is 3, 12, 7, 10, 14, 6 for the six
///   classes;
/// - it goes round the rectangle that its top left corner can reach inside the cell: right, down, left, up. It moves
///   `even(width / 160)` pixels a frame across and `even(width / 320)` down, each at least 2, shortens the last step of a side so as
///   to end in the corner, and rests there for 12 frames;
/// - at frame 0 it is `37 × i` frames into its round.
///
/// All edges are even, so that boxes are exact in pictures with halved chroma too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    size: Size,
    objects: u32,
}

/// One object of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatternObject {
    /// Its class.
    pub class_name: &'static str,
    /// Its box in pixels of the painted picture. Exactly the pixels inside have the colour.
    pub bbox: BBox,
    /// Its colour as Y, U, V in limited range.
    pub yuv: [u8; 3],
}

/// Why a pattern can't be painted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// The picture's sides.
    #[error(
        "a test pattern can't be {size} pixels; use even sides from 160x120 to 8192x8192, at most three times as wide as high"
    )]
    Size {
        /// The requested size.
        size: Size,
    },
    /// The number of objects.
    #[error("a test pattern can't show {objects} objects; use at most {limit}")]
    Objects {
        /// The requested number.
        objects: u32,
        /// [`Pattern::MAX_OBJECTS`].
        limit: u32,
    },
}

/// Aspect ratio of an object (width/height) in eighths, in the order of [`PATTERN_CLASSES`].
const WIDTH_EIGHTHS: [u32; 6] = [3, 12, 7, 10, 14, 6];
/// Number of frames for which an object rests in a corner.
const REST_FRAMES: u64 = 12;
/// Offset in frames between neighbouring objects, so that they do not move in step.
const PHASE_FRAMES: u64 = 37;
/// Maximum number of rows of cells; more objects are in further columns.
const MAX_ROWS: u32 = 6;

impl Pattern {
    /// Maximum number of objects: the number of distinct colours.
    pub const MAX_OBJECTS: u32 = 24;

    /// A pattern of `objects` objects in a picture of `size` pixels.
    ///
    /// # Errors
    /// Sides that are odd, too small for the code or too large, and more than [`Pattern::MAX_OBJECTS`] objects.
    pub fn new(size: Size, objects: u32) -> Result<Self, PatternError> {
        let Size { width, height } = size;
        let fits = (160..=8192).contains(&width) && (120..=8192).contains(&height);
        if !fits || width % 2 != 0 || height % 2 != 0 || width > 3 * height {
            return Err(PatternError::Size { size });
        }
        if objects > Self::MAX_OBJECTS {
            return Err(PatternError::Objects {
                objects,
                limit: Self::MAX_OBJECTS,
            });
        }
        Ok(Self { size, objects })
    }

    /// The picture's size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The objects in frame `frame_number`, by index.
    pub fn objects(&self, frame_number: u32) -> Vec<PatternObject> {
        (0..self.objects)
            .map(|index| self.object(index, frame_number))
            .collect()
    }

    /// Height of the code band at the top, which no object enters.
    pub fn band_height(&self) -> u32 {
        (3 * self.size.width).div_ceil(40).next_multiple_of(2)
    }

    fn object(&self, index: u32, frame_number: u32) -> PatternObject {
        let columns = self.objects.div_ceil(MAX_ROWS).max(1);
        let rows = self.objects.div_ceil(columns).max(1);
        let cell = Size::new(
            even(self.size.width / columns),
            even((self.size.height - self.band_height()) / rows),
        );
        let class = index as usize % PATTERN_CLASSES.len();
        let height = even(cell.height * 5 / 8).max(2);
        let width = even((height * WIDTH_EIGHTHS[class] / 8).min(cell.width * 5 / 8)).max(2);
        let (across, down) = Round {
            reach: Size::new(even(cell.width - width), even(cell.height - height)),
            speed: Size::new(
                even(self.size.width / 160).max(2),
                even(self.size.width / 320).max(2),
            ),
        }
        .at(u64::from(frame_number) + PHASE_FRAMES * u64::from(index));
        let left = index % columns * cell.width + across;
        let top = self.band_height() + index / columns * cell.height + down;
        PatternObject {
            class_name: PATTERN_CLASSES[class],
            bbox: BBox::from_corners(
                left as f32,
                top as f32,
                (left + width) as f32,
                (top + height) as f32,
            ),
            yuv: colour(index),
        }
    }
}

/// A path around a rectangle with rests in its corners.
struct Round {
    reach: Size,
    speed: Size,
}

impl Round {
    /// Offset from the rectangle's top left corner after `frames` frames.
    fn at(&self, frames: u64) -> (u32, u32) {
        let steps_across = u64::from(self.reach.width.div_ceil(self.speed.width));
        let steps_down = u64::from(self.reach.height.div_ceil(self.speed.height));
        let half = steps_across + steps_down + 2 * REST_FRAMES;
        let phase = frames % (2 * half);
        let (within, back) = (phase % half, phase >= half);
        // The sides in turn; frames beyond a side's steps are the rest in its corner.
        let across = self.moved(within, self.speed.width, self.reach.width);
        let down = self.moved(
            within.saturating_sub(steps_across + REST_FRAMES),
            self.speed.height,
            self.reach.height,
        );
        if back {
            (self.reach.width - across, self.reach.height - down)
        } else {
            (across, down)
        }
    }

    fn moved(&self, frames: u64, speed: u32, reach: u32) -> u32 {
        u32::try_from(frames.saturating_mul(u64::from(speed))).map_or(reach, |way| way.min(reach))
    }
}

fn even(length: u32) -> u32 {
    length & !1
}

/// U and V of eight hues. On this circle no luma of [`LUMAS`] leaves the RGB cube, by BT.601 or by BT.709: colours can be
/// measured after conversion.
const HUES: [(u8, u8); 8] = [
    (116, 158),
    (158, 116),
    (98, 116),
    (140, 98),
    (98, 140),
    (158, 140),
    (116, 98),
    (140, 158),
];

/// Lumas of three rounds of hues.
const LUMAS: [u8; 3] = [128, 170, 88];

/// The colour of object `index`, different for each of [`Pattern::MAX_OBJECTS`].
fn colour(index: u32) -> [u8; 3] {
    let index = index as usize;
    let (u, v) = HUES[index % HUES.len()];
    [LUMAS[index / HUES.len() % LUMAS.len()], u, v]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern() -> Pattern {
        Pattern::new(Size::new(1280, 720), 3).expect("an ordinary size")
    }

    #[test]
    fn the_published_positions_stand() {
        // Golden values: the `scripted` detector of another release must agree with them.
        let corners = |frame_number| -> Vec<(&str, [f32; 4])> {
            let objects = pattern().objects(frame_number);
            objects
                .iter()
                .map(|object| (object.class_name, object.bbox.corners()))
                .collect()
        };
        assert_eq!(
            corners(0),
            [
                ("person", [0.0, 96.0, 48.0, 226.0]),
                ("car", [296.0, 304.0, 490.0, 434.0]),
                ("bicycle", [592.0, 512.0, 704.0, 642.0]),
            ]
        );
        assert_eq!(
            corners(1_000_000),
            [
                ("person", [800.0, 96.0, 848.0, 226.0]),
                ("car", [0.0, 382.0, 194.0, 512.0]),
                ("bicycle", [336.0, 590.0, 448.0, 720.0]),
            ]
        );
    }

    #[test]
    fn an_object_goes_right_rests_turns_and_comes_back() {
        let place = |frame_number| {
            let [left, top, ..] = pattern().objects(frame_number)[0].bbox.corners();
            (left, top)
        };
        assert_eq!(place(0), (0.0, 96.0));
        assert_eq!(place(1), (8.0, 96.0));
        assert_eq!(place(154), (1232.0, 96.0));
        assert_eq!(place(166), (1232.0, 96.0));
        assert_eq!(place(167), (1232.0, 100.0));
        assert_eq!(place(186), (1232.0, 174.0));
        assert_eq!(place(198), (1232.0, 174.0));
        assert_eq!(place(199), (1224.0, 174.0));
        assert_eq!(place(396), (0.0, 96.0));
    }

    #[test]
    fn sizes_that_can_t_carry_the_code_are_refused() {
        for size in [
            (158, 120),
            (160, 118),
            (161, 120),
            (1280, 400),
            (9000, 9000),
        ] {
            let size = Size::new(size.0, size.1);
            assert_eq!(Pattern::new(size, 3), Err(PatternError::Size { size }));
        }
        let refused = Pattern::new(Size::new(1280, 720), 25);
        assert_eq!(
            refused,
            Err(PatternError::Objects {
                objects: 25,
                limit: 24
            })
        );
    }

    proptest! {
        #[test]
        fn objects_stay_in_the_picture_apart_and_on_even_pixels(
            width in 80u32..1000, height in 60u32..600, count in 0u32..=24, frame_number: u32,
        ) {
            let size = Size::new(2 * width, 2 * height);
            prop_assume!(size.width <= 3 * size.height);
            let pattern = Pattern::new(size, count).expect("an allowed size");
            let objects = pattern.objects(frame_number);
            prop_assert_eq!(objects.len(), count as usize);
            for (index, object) in objects.iter().enumerate() {
                let [left, top, right, bottom] = object.bbox.corners();
                prop_assert!(left >= 0.0 && right <= size.width as f32);
                prop_assert!(top >= pattern.band_height() as f32 && bottom <= size.height as f32);
                for edge in [left, top, right, bottom] {
                    prop_assert_eq!(edge % 2.0, 0.0);
                }
                prop_assert!(object.bbox.area() > 0.0);
                for other in &objects[index + 1..] {
                    prop_assert_eq!(object.bbox.iou(&other.bbox), 0.0);
                    prop_assert_ne!(object.yuv, other.yuv);
                }
            }
        }

        #[test]
        fn from_frame_to_frame_an_object_moves_one_step_at_most(frame_number in 0..u32::MAX) {
            let (before, after) = (pattern().objects(frame_number), pattern().objects(frame_number + 1));
            for (before, after) in before.iter().zip(&after) {
                prop_assert!((after.bbox.x - before.bbox.x).abs() <= 8.0);
                prop_assert!((after.bbox.y - before.bbox.y).abs() <= 4.0);
            }
        }
    }
}
