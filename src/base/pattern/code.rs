//! The frame number as black and white cells, large enough for a poor encoder and a small model input.
//!
//! With `u = width / 40` pixels, the band is `3 u` high: cells of `u × u` in two rows of 36, starting `2 u` from the left and `u / 2`
//! from the top, white (Y 235) for 1 and black (Y 16) for 0. Read by rows, most significant bit first, they are 32 bits of
//! frame number, 8 bits of object count, and the CRC-32 (IEEE 802.3) of these five bytes.

use super::super::{Letterbox, Plane, Size};
use super::Pattern;

/// The content of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatternCode {
    /// The frame number.
    pub frame_number: u32,
    /// The number of objects in the frame.
    pub objects: u32,
}

/// Cells per row.
const COLUMNS: u32 = 36;
/// Cells of one code.
const CELLS: u32 = 2 * COLUMNS;
/// Below this luma a cell is black, in limited and in full range.
const BLACK_BELOW: u32 = 96;
/// Above this luma a cell is white.
const WHITE_ABOVE: u32 = 160;

impl PatternCode {
    /// Reads the code from the luma of a picture of `size`. Absent if there is none, or it is damaged.
    pub fn read_luma(luma: Plane<'_>, size: Size) -> Option<Self> {
        let whole = Letterbox::fit(size, size);
        read(&whole, |x, y| {
            let at = y as usize * luma.stride + x as usize;
            luma.bytes.get(at).copied().map(u32::from)
        })
    }

    /// Reads the code from a model's input: RGB, three bytes a pixel, rows without gaps, `letterbox.input` in size.
    pub fn read_rgb(rgb: &[u8], letterbox: &Letterbox) -> Option<Self> {
        let stride = 3 * letterbox.input.width as usize;
        read(letterbox, |x, y| {
            let at = y as usize * stride + 3 * x as usize;
            let pixel = rgb.get(at..at + 3)?;
            Some(pixel.iter().copied().map(u32::from).sum::<u32>() / 3)
        })
    }

    /// The pattern of this code in a picture of the given size.
    pub fn pattern(&self, size: Size) -> Option<Pattern> {
        Pattern::new(size, self.objects).ok()
    }

    /// The cells in reading order, true for white.
    pub(super) fn cells(self) -> impl Iterator<Item = bool> {
        let bits = self.bits();
        (0..CELLS).map(move |cell| bits >> (CELLS - 1 - cell) & 1 == 1)
    }

    /// Edges of cell `index` in a picture `width` pixels wide: left, top, right, bottom, all even.
    pub(super) fn cell_edges(index: u32, width: u32) -> [u32; 4] {
        let (column, row) = (index % COLUMNS, index / COLUMNS);
        // In eightieths of the width, because the band's margin is half a cell.
        let along = |eightieths: u32| (eightieths * width / 80) & !1;
        [
            along(4 + 2 * column),
            along(1 + 2 * row),
            along(6 + 2 * column),
            along(3 + 2 * row),
        ]
    }

    fn bits(self) -> u128 {
        let head = u64::from(self.frame_number) << 8 | u64::from(self.objects & 0xff);
        u128::from(head) << 32 | u128::from(crc32(&head.to_be_bytes()[3..]))
    }
}

fn read(
    letterbox: &Letterbox,
    brightness: impl Fn(u32, u32) -> Option<u32>,
) -> Option<PatternCode> {
    let mut bits = 0u128;
    for index in 0..CELLS {
        bits = bits << 1 | u128::from(read_cell(letterbox, index, &brightness)?);
    }
    let head = (bits >> 32) as u64;
    let code = PatternCode {
        frame_number: (head >> 8) as u32,
        objects: (head & 0xff) as u32,
    };
    (code.bits() == bits).then_some(code)
}

/// Whether a cell is white. Absent if it is neither black nor white, or too small.
fn read_cell(
    letterbox: &Letterbox,
    index: u32,
    brightness: &impl Fn(u32, u32) -> Option<u32>,
) -> Option<bool> {
    let [left, top, right, bottom] = PatternCode::cell_edges(index, letterbox.source.width);
    // Only the middle half of each side, because scaling and the encoder blur the edges.
    let columns = middle(
        left,
        right,
        letterbox.left,
        letterbox.content.width,
        letterbox.source.width,
    );
    let rows = middle(
        top,
        bottom,
        letterbox.top,
        letterbox.content.height,
        letterbox.source.height,
    );
    let (mut sum, mut count) = (0, 0);
    for y in rows {
        for x in columns.clone() {
            sum += brightness(x, y)?;
            count += 1;
        }
    }
    match sum / count {
        mean if mean < BLACK_BELOW => Some(false),
        mean if mean > WHITE_ABOVE => Some(true),
        _ => None,
    }
}

/// The pixels of the scaled picture in the middle half of `from..to` of the source, at least one.
fn middle(from: u32, to: u32, offset: u32, content: u32, source: u32) -> std::ops::Range<u32> {
    let scaled = |quarters: u32| offset + quarters * content / (4 * source);
    let start = scaled(3 * from + to);
    start..scaled(from + 3 * to).max(start + 1)
}

/// CRC-32 (IEEE 802.3) without a table, because it covers only five bytes.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::pattern::PlaneMut;
    use proptest::prelude::*;

    /// The luma plane of a painted frame.
    fn painted(size: Size, objects: u32, frame_number: u32) -> Vec<u8> {
        let (width, height) = (size.width as usize, size.height as usize);
        let (mut y, mut u, mut v) = (
            vec![0; width * height],
            vec![0; width * height / 4],
            vec![0; width * height / 4],
        );
        let pattern = Pattern::new(size, objects).expect("an allowed size");
        pattern.paint(
            frame_number,
            [
                PlaneMut {
                    bytes: &mut y,
                    stride: width,
                },
                PlaneMut {
                    bytes: &mut u,
                    stride: width / 2,
                },
                PlaneMut {
                    bytes: &mut v,
                    stride: width / 2,
                },
            ],
        );
        y
    }

    /// A grey model input with the picture scaled into it by averaging, as a library's area filter would.
    fn letterboxed(luma: &[u8], letterbox: &Letterbox) -> Vec<u8> {
        let (content, source) = (letterbox.content, letterbox.source);
        let mut rgb = vec![114; 3 * (letterbox.input.width * letterbox.input.height) as usize];
        for y in 0..content.height {
            for x in 0..content.width {
                let rows = y * source.height / content.height
                    ..((y + 1) * source.height).div_ceil(content.height);
                let columns = x * source.width / content.width
                    ..((x + 1) * source.width).div_ceil(content.width);
                let count = (rows.len() * columns.len()) as u32;
                let sum: u32 = rows
                    .flat_map(|row| {
                        columns
                            .clone()
                            .map(move |column| row * source.width + column)
                    })
                    .map(|at| u32::from(luma[at as usize]))
                    .sum();
                let at = (y + letterbox.top) * letterbox.input.width + x + letterbox.left;
                rgb[3 * at as usize..][..3].fill((sum / count) as u8);
            }
        }
        rgb
    }

    #[test]
    fn the_crc_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn pictures_without_a_code_give_nothing() {
        let size = Size::new(640, 360);
        for flat in [0, 16, 128, 235, 255] {
            let bytes = vec![flat; (size.width * size.height) as usize];
            let plane = Plane {
                bytes: &bytes,
                stride: 640,
            };
            assert_eq!(PatternCode::read_luma(plane, size), None, "flat {flat}");
        }
    }

    #[test]
    fn a_short_buffer_gives_nothing() {
        let luma = painted(Size::new(640, 360), 3, 7);
        let plane = Plane {
            bytes: &luma[..10_000],
            stride: 640,
        };
        assert_eq!(PatternCode::read_luma(plane, Size::new(640, 360)), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn luma_round_trip(
            width in 80u32..640, height in 60u32..400, objects in 0u32..=24, frame_number: u32,
        ) {
            let size = Size::new(2 * width, 2 * height);
            prop_assume!(size.width <= 3 * size.height);
            let luma = painted(size, objects, frame_number);
            let plane = Plane { bytes: &luma, stride: size.width as usize };
            let wanted = PatternCode { frame_number, objects };
            prop_assert_eq!(PatternCode::read_luma(plane, size), Some(wanted));
        }

        #[test]
        fn letterbox_round_trip_at_320_and_above(
            width in 320u32..700, aspect in 45u32..100, side in 320u32..=640, frame_number: u32,
        ) {
            let size = Size::new(2 * width, width * aspect / 100 * 2);
            let letterbox = Letterbox::fit(size, Size::new(side, side));
            let rgb = letterboxed(&painted(size, 3, frame_number), &letterbox);
            let wanted = PatternCode { frame_number, objects: 3 };
            prop_assert_eq!(PatternCode::read_rgb(&rgb, &letterbox), Some(wanted));
        }

        #[test]
        fn one_wrong_cell_spoils_the_code(frame_number: u32, index in 0..CELLS) {
            let size = Size::new(320, 240);
            let mut luma = painted(size, 3, frame_number);
            let [left, top, right, bottom] = PatternCode::cell_edges(index, size.width);
            for y in top..bottom {
                for x in left..right {
                    let sample = &mut luma[(y * size.width + x) as usize];
                    *sample = 251 - *sample;
                }
            }
            let plane = Plane { bytes: &luma, stride: 320 };
            prop_assert_eq!(PatternCode::read_luma(plane, size), None);
        }

        #[test]
        fn noise_is_no_code(seed: u64) {
            let size = Size::new(320, 240);
            let mut random = fastrand::Rng::with_seed(seed);
            let bytes: Vec<u8> = (0..320 * 240).map(|_| if random.bool() { 255 } else { 0 }).collect();
            prop_assert_eq!(PatternCode::read_luma(Plane { bytes: &bytes, stride: 320 }, size), None);
        }
    }
}
