//! Paints a frame of the pattern as I420 in limited range.

use super::{Pattern, PatternCode};

/// A plane to paint into.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// Rows, `stride` bytes apart.
    pub bytes: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// Black, as Y, U, V.
const BLACK: [u8; 3] = [16, 128, 128];
/// White.
const WHITE: [u8; 3] = [235, 128, 128];
/// Background: a grey that is darker than all objects.
const BACKGROUND: [u8; 3] = [48, 128, 128];

impl Pattern {
    /// Paints frame `frame_number` over the whole picture: planes Y, U, V of I420, limited range. Rows beyond the end of a plane
    /// are skipped.
    pub fn paint(&self, frame_number: u32, planes: [PlaneMut<'_>; 3]) {
        let mut canvas = Canvas { planes };
        let (width, height) = (self.size.width, self.size.height);
        canvas.fill([0, 0, width, self.band_height()], BLACK);
        canvas.fill([0, self.band_height(), width, height], BACKGROUND);
        let code = PatternCode {
            frame_number,
            objects: self.objects,
        };
        for (index, white) in (0..).zip(code.cells()) {
            if white {
                canvas.fill(PatternCode::cell_edges(index, width), WHITE);
            }
        }
        for object in self.objects(frame_number) {
            canvas.fill(object.bbox.corners().map(|edge| edge as u32), object.yuv);
        }
    }
}

struct Canvas<'a> {
    planes: [PlaneMut<'a>; 3],
}

impl Canvas<'_> {
    /// Fills a rectangle (left, top, right, bottom; even pixels).
    fn fill(&mut self, edges: [u32; 4], yuv: [u8; 3]) {
        for (index, plane) in self.planes.iter_mut().enumerate() {
            let halving = if index == 0 { 1 } else { 2 };
            let [left, top, right, bottom] = edges.map(|edge| (edge / halving) as usize);
            for row in plane.bytes.chunks_mut(plane.stride).take(bottom).skip(top) {
                if let Some(samples) = row.get_mut(left..right) {
                    samples.fill(yuv[index]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::colour;
    use super::*;
    use crate::base::Size;

    #[test]
    fn an_object_fills_its_box_and_nothing_else() {
        let size = Size::new(320, 240);
        let pattern = Pattern::new(size, 5).expect("an allowed size");
        for frame_number in [0, 100, 4_000_000_000] {
            let mut planes = [vec![0; 320 * 240], vec![0; 160 * 120], vec![0; 160 * 120]];
            let [y, u, v] = &mut planes;
            pattern.paint(
                frame_number,
                [
                    PlaneMut {
                        bytes: y,
                        stride: 320,
                    },
                    PlaneMut {
                        bytes: u,
                        stride: 160,
                    },
                    PlaneMut {
                        bytes: v,
                        stride: 160,
                    },
                ],
            );
            let objects = pattern.objects(frame_number);
            for row in pattern.band_height()..240 {
                for column in 0..320 {
                    let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
                    let wanted = objects
                        .iter()
                        .find(|object| {
                            let [left, top, right, bottom] = object.bbox.corners();
                            (left..right).contains(&x) && (top..bottom).contains(&y)
                        })
                        .map_or(BACKGROUND, |object| object.yuv);
                    let chroma = (row / 2 * 160 + column / 2) as usize;
                    let found = [
                        planes[0][(row * 320 + column) as usize],
                        planes[1][chroma],
                        planes[2][chroma],
                    ];
                    assert_eq!(found, wanted, "frame {frame_number} at {column}, {row}");
                }
            }
        }
    }

    #[test]
    fn every_colour_lies_inside_the_rgb_cube() {
        // Coefficients of BT.601 and BT.709, limited range.
        for (red_v, green_u, green_v, blue_u) in [
            (1.596, -0.392, -0.813, 2.017),
            (1.793, -0.213, -0.533, 2.112),
        ] {
            for index in 0..Pattern::MAX_OBJECTS {
                let [y, u, v] = colour(index).map(f64::from);
                let (luma, u, v) = (1.164 * (y - 16.0), u - 128.0, v - 128.0);
                for value in [
                    luma + red_v * v,
                    luma + green_u * u + green_v * v,
                    luma + blue_u * u,
                ] {
                    assert!((2.0..=253.0).contains(&value), "object {index}: {value}");
                }
            }
        }
    }
}
