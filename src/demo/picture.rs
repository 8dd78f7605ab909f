//! Boxes, labels and a grid, drawn into ordinary RGB pictures.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

use crate::base::BBox;

/// Colours that colour-blind people can tell apart (Okabe and Ito, 2008), without its black.
const PALETTE: [[u8; 3]; 7] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
];

/// The colour of a class: the same in every picture and every run.
pub(super) fn class_color(class_name: &str) -> Rgb<u8> {
    let hash = class_name.bytes().fold(0usize, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    Rgb(PALETTE[hash % PALETTE.len()])
}

/// Writes text into pictures.
pub(super) struct Pen {
    font: FontRef<'static>,
}

impl Pen {
    pub(super) fn new() -> Self {
        let font = FontRef::try_from_slice(epaint_default_fonts::HACK_REGULAR)
            .expect("invariant: the built-in font is a font");
        Self { font }
    }

    /// Text on a filled ground whose top left corner is at (`left`, `top`); moved into the picture where it would
    /// stick out of it, and up or down where it would cover one of `taken`, to which it is added. `height_px` is the
    /// height of the ground.
    pub(super) fn label(
        &self,
        picture: &mut RgbImage,
        taken: &mut Vec<[f32; 4]>,
        (left, top): (f32, f32),
        text: &str,
        height_px: f32,
        ground: Rgb<u8>,
    ) {
        let scale = PxScale::from(height_px * 0.9);
        let scaled = self.font.as_scaled(scale);
        let width = text
            .chars()
            .map(|c| scaled.h_advance(self.font.glyph_id(c)))
            .sum::<f32>()
            + height_px * 0.3;
        let left = left.min(picture.width() as f32 - width).max(0.0);
        let place = |steps: f32| {
            let lowest = picture.height() as f32 - height_px;
            let top = (top + steps * height_px).min(lowest).max(0.0);
            [left, top, left + width, top + height_px]
        };
        let is_free = |place: &[f32; 4]| !taken.iter().any(|other| overlap(place, other));
        let free = [0.0, -1.0, 1.0, -2.0, 2.0, -3.0, 3.0]
            .map(place)
            .into_iter()
            .find(is_free);
        let place = free.unwrap_or_else(|| place(0.0));
        taken.push(place);
        fill(picture, place, ground);
        let [left, top, ..] = place;
        let ink = ink_on(ground);
        let mut x = left + height_px * 0.15;
        let baseline = top + height_px * 0.05 + scaled.ascent();
        for c in text.chars() {
            let glyph = self
                .font
                .glyph_id(c)
                .with_scale_and_position(scale, point(x, baseline));
            x += scaled.h_advance(glyph.id);
            if let Some(outline) = self.font.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                outline.draw(|dx, dy, coverage| {
                    let (px, py) = (
                        bounds.min.x as i64 + i64::from(dx),
                        bounds.min.y as i64 + i64::from(dy),
                    );
                    blend(picture, px, py, ink, coverage);
                });
            }
        }
    }
}

fn overlap(one: &[f32; 4], other: &[f32; 4]) -> bool {
    one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
}

/// The outline of a box, `thickness` pixels wide, inside the box's edge.
pub(super) fn outline(picture: &mut RgbImage, bbox: &BBox, thickness: f32, color: Rgb<u8>) {
    let [left, top, right, bottom] = bbox.corners();
    for edge in [
        [left, top, right, top + thickness],
        [left, bottom - thickness, right, bottom],
        [left, top, left + thickness, bottom],
        [right - thickness, top, right, bottom],
    ] {
        fill(picture, edge, color);
    }
}

fn fill(picture: &mut RgbImage, [left, top, right, bottom]: [f32; 4], color: Rgb<u8>) {
    let span = |from: f32, to: f32, limit: u32| {
        let from = from.round().clamp(0.0, limit as f32) as u32;
        from..(to.round().clamp(0.0, limit as f32) as u32).max(from)
    };
    for y in span(top, bottom, picture.height()) {
        for x in span(left, right, picture.width()) {
            picture.put_pixel(x, y, color);
        }
    }
}

fn blend(picture: &mut RgbImage, x: i64, y: i64, ink: Rgb<u8>, coverage: f32) {
    let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
        return;
    };
    if let Some(pixel) = picture.get_pixel_mut_checked(x, y) {
        let coverage = coverage.clamp(0.0, 1.0);
        for (under, over) in pixel.0.iter_mut().zip(ink.0) {
            *under =
                (f32::from(*under) * (1.0 - coverage) + f32::from(over) * coverage).round() as u8;
        }
    }
}

/// Black or white, whichever is read more easily.
fn ink_on(ground: Rgb<u8>) -> Rgb<u8> {
    let [red, green, blue] = ground.0.map(f32::from);
    if 0.299 * red + 0.587 * green + 0.114 * blue > 128.0 {
        Rgb([0, 0, 0])
    } else {
        Rgb([255, 255, 255])
    }
}

/// Columns and rows of the smallest grid, at most as high as wide, that holds `count` tiles.
pub(super) fn grid(count: usize) -> (usize, usize) {
    let columns = (1..=count)
        .find(|columns| columns * columns >= count)
        .unwrap_or(1);
    (columns, count.div_ceil(columns).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_stays_inside_its_box() {
        let mut picture = RgbImage::new(20, 20);
        let color = Rgb([200, 100, 50]);
        outline(
            &mut picture,
            &BBox::from_corners(5.0, 5.0, 15.0, 15.0),
            2.0,
            color,
        );
        assert_eq!(*picture.get_pixel(5, 5), color);
        assert_eq!(*picture.get_pixel(14, 14), color);
        assert_eq!(*picture.get_pixel(10, 10), Rgb([0, 0, 0]));
        assert_eq!(*picture.get_pixel(15, 10), Rgb([0, 0, 0]));
    }

    #[test]
    fn a_label_beyond_the_edge_is_moved_into_the_picture() {
        let mut picture = RgbImage::new(120, 40);
        let ground = Rgb([255, 255, 255]);
        let taken = &mut Vec::new();
        Pen::new().label(
            &mut picture,
            taken,
            (110.0, -30.0),
            "person 7",
            16.0,
            ground,
        );
        assert_eq!(
            *picture.get_pixel(119, 0),
            ground,
            "the ground reaches the edge"
        );
        assert!(
            picture
                .enumerate_pixels()
                .any(|(x, y, pixel)| y < 16 && x > 60 && pixel.0[0] < 60),
            "letters are dark on it"
        );
        assert_eq!(
            *picture.get_pixel(60, 30),
            Rgb([0, 0, 0]),
            "nothing below it"
        );
    }

    #[test]
    fn a_label_covers_no_other_one() {
        let mut picture = RgbImage::new(200, 100);
        let (pen, mut taken) = (Pen::new(), Vec::new());
        for name in ["person 1", "person 2", "person 3"] {
            pen.label(
                &mut picture,
                &mut taken,
                (20.0, 40.0),
                name,
                16.0,
                Rgb([255, 0, 0]),
            );
        }
        let tops: Vec<f32> = taken.iter().map(|place| place[1]).collect();
        assert_eq!(tops, [40.0, 24.0, 56.0]);
    }

    #[test]
    fn four_cameras_stand_two_by_two_and_five_three_by_two() {
        assert_eq!(
            [1, 2, 4, 5, 9, 12].map(grid),
            [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3)]
        );
    }
}
