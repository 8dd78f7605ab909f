//! Copies parts of a canvas into mapped scan-out memory, and rotates them if planes can't.
//!
//! Scan-out memory is often write-combined, so it is written row by row, in order, and never read.

use super::geometry::turned_rect;
use crate::base::Size;
use crate::config::Rotation;
use crate::render::{Canvas, Rect};

const PIXEL: usize = Canvas::PIXEL_BYTES;

/// A target of 32-bit pixels.
pub(super) struct Target<'a> {
    /// All rows.
    pub bytes: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Columns and rows.
    pub size: Size,
}

/// Writes the rectangle `source` of `canvas` to `place`, rotated clockwise by `rotation`. `place` has the size of the rotated
/// rectangle. Parts outside the canvas are omitted. Nothing is written if a part lies outside the target.
pub(super) fn blit(
    canvas: &Canvas,
    source: &Rect,
    target: &mut Target<'_>,
    place: &Rect,
    rotation: Rotation,
) {
    let inside = source.intersection(&canvas.bounds());
    if inside.is_empty() {
        return;
    }
    let within = turned_rect(
        &inside.shifted(-source.x, -source.y),
        source.size(),
        rotation,
    );
    let goes_to = within.shifted(place.x, place.y);
    let visible = goes_to.intersection(&Rect::of(target.size));
    if visible != goes_to {
        // This happens only if the caller plans for another size. A wrong picture is better than a crash.
        return;
    }
    for row in 0..visible.height {
        let start =
            (visible.y as usize + row as usize) * target.stride + visible.x as usize * PIXEL;
        let line = &mut target.bytes[start..start + visible.width as usize * PIXEL];
        match rotation {
            Rotation::None => line.copy_from_slice(canvas.row(&inside, row)),
            Rotation::Half => {
                let from = canvas.row(&inside, inside.height - 1 - row);
                nvr_pixels::reverse_row(from, line);
            }
            // A column of the source becomes a row. 16 neighbouring rows read the same cache lines.
            Rotation::Quarter => column(canvas, &inside, row, line, true),
            Rotation::ThreeQuarters => column(canvas, &inside, inside.width - 1 - row, line, false),
        }
    }
}

fn column(canvas: &Canvas, inside: &Rect, column: u32, line: &mut [u8], upwards: bool) {
    let stride = canvas.stride();
    let first = inside.y as usize * stride + (inside.x as usize + column as usize) * PIXEL;
    nvr_pixels::column_to_row(&canvas.bytes()[first..], stride, line, upwards);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Color;

    /// A canvas of `rows`, each digit a pixel of that blue.
    fn canvas(rows: &[&str]) -> Canvas {
        let size = Size::new(rows[0].len() as u32, rows.len() as u32);
        let mut canvas = Canvas::new(size, Color::CLEAR);
        for (y, row) in rows.iter().enumerate() {
            for (x, digit) in row.bytes().enumerate() {
                let pixel = Rect::new(x as i32, y as i32, 1, 1);
                canvas.fill(&pixel, Color([digit, 0, 0, 255]));
            }
        }
        canvas
    }

    fn blitted(source: &Rect, size: Size, place: &Rect, rotation: Rotation) -> Vec<String> {
        let canvas = canvas(&["123", "456"]);
        // Rows are longer than their pixels, as a driver's alignment makes them.
        let stride = size.width as usize * PIXEL + 8;
        let mut bytes = vec![b'.'; stride * size.height as usize];
        let mut target = Target {
            bytes: &mut bytes,
            stride,
            size,
        };
        blit(&canvas, source, &mut target, place, rotation);
        bytes
            .chunks(stride)
            .map(|row| {
                assert_eq!(
                    &row[stride - 8..],
                    b"........",
                    "nothing is written between rows"
                );
                row[..stride - 8]
                    .chunks(PIXEL)
                    .map(|pixel| char::from(pixel[0]))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn each_turn_puts_every_pixel_where_it_belongs() {
        let all = Rect::new(0, 0, 3, 2);
        let (lying, upright) = (Size::new(3, 2), Size::new(2, 3));
        let turn = |size, rotation| blitted(&all, size, &Rect::of(size), rotation);
        assert_eq!(turn(lying, Rotation::None), ["123", "456"]);
        assert_eq!(turn(upright, Rotation::Quarter), ["41", "52", "63"]);
        assert_eq!(turn(lying, Rotation::Half), ["654", "321"]);
        assert_eq!(turn(upright, Rotation::ThreeQuarters), ["36", "25", "14"]);
    }

    #[test]
    fn a_piece_goes_to_its_place_and_nowhere_else() {
        let piece = Rect::new(1, 0, 2, 2);
        let size = Size::new(4, 3);
        let place = Rect::new(1, 1, 2, 2);
        assert_eq!(
            blitted(&piece, size, &place, Rotation::None),
            ["....", ".23.", ".56."]
        );
        assert_eq!(
            blitted(&piece, size, &place, Rotation::Quarter),
            ["....", ".52.", ".63."]
        );
        assert_eq!(
            blitted(&piece, size, &place, Rotation::ThreeQuarters),
            ["....", ".36.", ".25."]
        );
    }

    #[test]
    fn what_is_not_on_the_canvas_is_left_out() {
        let beyond = Rect::new(2, 1, 3, 3);
        let place = Rect::new(0, 0, 3, 3);
        assert_eq!(
            blitted(&beyond, Size::new(3, 3), &place, Rotation::None),
            ["6..", "...", "..."]
        );
        assert_eq!(
            blitted(&beyond, Size::new(3, 3), &place, Rotation::Quarter),
            ["..6", "...", "..."]
        );
        assert_eq!(
            blitted(
                &Rect::new(0, 0, 3, 2),
                Size::new(2, 2),
                &place,
                Rotation::None
            ),
            ["..", ".."]
        );
    }
}
