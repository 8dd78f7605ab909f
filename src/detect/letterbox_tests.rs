//! Scaling and mapping back, to half a pixel.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::test_frames::{drawn, frame};
use super::*;
use crate::base::{BBox, Colorimetry, DmaBuf, OwnedPixels, Pixels};

fn picture(frame: &Frame, input: Size) -> Vec<u8> {
    let mut canvas = Canvas::default();
    let mut letterboxer = Letterboxer::new(input, 114);
    let picture = letterboxer.draw(frame, &mut canvas).expect("a picture");
    picture.rgb.to_vec()
}

/// A picture with gradients and an edge, in the samples of every format.
fn scenery(plane: usize, column: u32, row: u32) -> u8 {
    let slope = (column * 3 + row * 2) % 120;
    let step = if column > 20 { 60 } else { 0 };
    (30 + slope / 2 + step + plane as u32 * 20) as u8
}

/// Each sample twice in each direction.
fn doubled(samples: &[Vec<f64>], to: Size) -> Vec<Vec<f64>> {
    (0..to.height as usize)
        .map(|row| {
            (0..to.width as usize)
                .map(|column| samples[row / 2][column / 2])
                .collect()
        })
        .collect()
}

/// A triangle filter as wide as the reduction, in floating point.
fn scaled(samples: &[Vec<f64>], to: Size) -> Vec<Vec<f64>> {
    fn along(line: &[f64], to: u32) -> Vec<f64> {
        let factor = line.len() as f64 / f64::from(to);
        let reach = factor.max(1.0);
        (0..to)
            .map(|place| {
                let centre = (f64::from(place) + 0.5) * factor;
                let (mut sum, mut weights) = (0.0, 0.0);
                for (index, sample) in line.iter().enumerate() {
                    let distance = (index as f64 + 0.5 - centre).abs() / reach;
                    let weight = (1.0 - distance).max(0.0);
                    sum += weight * sample;
                    weights += weight;
                }
                sum / weights
            })
            .collect()
    }
    let rows: Vec<Vec<f64>> = samples.iter().map(|row| along(row, to.width)).collect();
    let mut result = vec![vec![0.0; to.width as usize]; to.height as usize];
    for column in 0..to.width as usize {
        let line: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        for (row, sample) in along(&line, to.height).into_iter().enumerate() {
            result[row][column] = sample;
        }
    }
    result
}

fn reference(size: Size, content: Size) -> Vec<[f64; 3]> {
    let chroma = Size::new(size.width.div_ceil(2), size.height.div_ceil(2));
    let [y, u, v] = [(0, size), (1, chroma), (2, chroma)].map(|(plane, of_plane)| {
        let rows = (0..of_plane.height).map(|row| {
            let row = (0..of_plane.width).map(|column| f64::from(scenery(plane, column, row)));
            row.collect()
        });
        let rows: Vec<Vec<f64>> = rows.collect();
        // A frame of the picture's size is only converted, if its rows come in pairs.
        if plane > 0 && size == content && size.height.is_multiple_of(2) {
            doubled(&rows, content).concat()
        } else {
            scaled(&rows, content).concat()
        }
    });
    let samples = y.into_iter().zip(u).zip(v);
    samples
        .map(|((y, u), v)| {
            // ITU-R BT.601, limited range.
            let luma = 255.0 / 219.0 * (y - 16.0);
            let (u, v) = (255.0 / 224.0 * (u - 128.0), 255.0 / 224.0 * (v - 128.0));
            let colors = [
                luma + 1.402 * v,
                luma - 0.344_136 * u - 0.714_136 * v,
                luma + 1.772 * u,
            ];
            colors.map(|color| color.clamp(0.0, 255.0))
        })
        .collect()
}

#[test]
fn the_picture_agrees_with_a_reference_in_floating_point() {
    // Whole and fractional factors, odd sizes, enlargement, none.
    for (size, input) in [
        (Size::new(128, 72), Size::new(64, 64)),
        (Size::new(97, 55), Size::new(64, 64)),
        (Size::new(192, 144), Size::new(64, 48)),
        (Size::new(31, 17), Size::new(64, 64)),
        (Size::new(64, 64), Size::new(64, 64)),
        (Size::new(64, 35), Size::new(64, 64)),
        (Size::new(63, 64), Size::new(63, 64)),
    ] {
        let Letterbox {
            content, left, top, ..
        } = Letterbox::fit(size, input);
        let wanted = reference(size, content);
        let mut differences = 0.0;
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            let found = picture(&drawn(format, size, 0, scenery), input);
            for row in 0..input.height {
                for column in 0..input.width {
                    let at = ((row * input.width + column) * 3) as usize;
                    let inside = (left..left + content.width).contains(&column)
                        && (top..top + content.height).contains(&row);
                    let wanted = if inside {
                        wanted[((row - top) * content.width + column - left) as usize]
                    } else {
                        [114.0; 3]
                    };
                    for (found, wanted) in found[at..at + 3].iter().zip(wanted) {
                        // Two roundings of the planes, doubled by the matrix.
                        let allowed = if inside { 3.5 } else { 0.0 };
                        let difference = (f64::from(*found) - wanted).abs();
                        differences += difference;
                        assert!(
                            difference <= allowed,
                            "{format:?} {size} in {input} at {column},{row}: {found} is not {wanted}"
                        );
                    }
                }
            }
        }
        let mean = differences / f64::from(2 * 3 * content.width * content.height);
        assert!(
            mean <= 1.0,
            "{size} in {input} differs by {mean} in the mean"
        );
    }
}

#[test]
fn what_lies_between_the_rows_is_not_seen() {
    let input = Size::new(64, 64);
    for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Rgb] {
        for size in [Size::new(101, 57), Size::new(128, 128), Size::new(64, 64)] {
            let packed = picture(&drawn(format, size, 0, scenery), input);
            for gap in [1, 6, 31] {
                let gapped = picture(&drawn(format, size, gap, scenery), input);
                assert!(packed == gapped, "{format:?} {size} with gaps of {gap}");
            }
        }
    }
}

#[test]
fn matrix_and_range_are_those_of_the_frame() {
    // Full red: Y, U, V by the definitions of BT.601 and BT.709.
    let colors = |matrix, range, samples: [u8; 3]| {
        let size = Size::new(8, 8);
        let mut frame = drawn(PixelFormat::I420, size, 0, |plane, _, _| samples[plane]);
        frame.meta.colorimetry = Colorimetry { matrix, range };
        let picture = picture(&frame, size);
        [picture[0], picture[1], picture[2]]
    };
    let near = |found: [u8; 3]| found[0] >= 253 && found[1] <= 2 && found[2] <= 2;
    for (matrix, range, samples) in [
        (ColorMatrix::Bt601, ColorRange::Limited, [81, 90, 240]),
        (ColorMatrix::Bt709, ColorRange::Limited, [63, 102, 240]),
        (ColorMatrix::Bt601, ColorRange::Full, [76, 85, 255]),
        (ColorMatrix::Bt709, ColorRange::Full, [54, 99, 255]),
    ] {
        let found = colors(matrix, range, samples);
        assert!(near(found), "{matrix:?} {range:?}: {found:?}");
    }
    let wrong = colors(ColorMatrix::Bt709, ColorRange::Limited, [81, 90, 240]);
    assert!(!near(wrong), "the matrix makes no difference");
}

#[test]
fn padding_is_drawn_anew_when_another_shape_of_frame_comes() {
    let input = Size::new(32, 32);
    let (wide, high) = (Size::new(64, 32), Size::new(32, 64));
    let mut letterboxer = Letterboxer::new(input, 114);
    let mut canvas = Canvas::default();
    for size in [wide, high, wide] {
        let frame = drawn(PixelFormat::I420, size, 0, scenery);
        let shared = letterboxer.draw(&frame, &mut canvas).expect("a picture");
        assert!(shared.rgb == picture(&frame, input), "{size}");
    }
}

/// A frame that states another size than its planes have: pixels that are not square, or a picture scaled by hardware.
struct Stretched(Arc<dyn HostPixels>, Size);

impl HostPixels for Stretched {
    fn format(&self) -> PixelFormat {
        self.0.format()
    }

    fn plane(&self, index: usize) -> Plane<'_> {
        self.0.plane(index)
    }

    fn scaled(&self) -> Option<Size> {
        Some(self.1)
    }
}

#[test]
fn boxes_are_found_in_square_pixels_whatever_the_decoded_ones_are() {
    // Columns 16 to 32 of 64 are bright: a quarter of the picture, which is twice as wide as its samples.
    let planes = Size::new(64, 64);
    for format in [PixelFormat::I420, PixelFormat::Nv12] {
        let mut frame = drawn(format, planes, 0, |plane, column, _| match plane {
            0 if (16..32).contains(&column) => 235,
            0 => 16,
            _ => 128,
        });
        let Pixels::Host(pixels) = frame.pixels else {
            panic!("it is in ordinary memory");
        };
        frame.meta.size = Size::new(128, 64);
        frame.pixels = Pixels::Host(Arc::new(Stretched(pixels, planes)));
        let mut canvas = Canvas::default();
        let mut letterboxer = Letterboxer::new(Size::new(64, 64), 114);
        let picture = letterboxer.draw(&frame, &mut canvas).expect("a picture");
        let letterbox = picture.letterbox;
        assert_eq!(letterbox.content, Size::new(64, 32));
        let row = &picture.rgb[(32 * 64 * 3)..(33 * 64 * 3)];
        let bright: Vec<usize> = (0..64).filter(|column| row[column * 3] > 128).collect();
        assert_eq!(bright, (16..32).collect::<Vec<_>>());
        let found = BBox::from_corners(16.0, 16.0, 32.0, 48.0);
        let [left, top, right, bottom] = letterbox.to_source(&found).corners();
        assert_eq!([left, top, right, bottom], [32.0, 0.0, 64.0, 64.0]);
    }
}

#[test]
fn pixels_that_are_not_there_are_an_error() {
    let size = Size::new(64, 64);
    let planes = vec![(vec![0; 64 * 64], 64), (vec![0; 64 * 31], 64)];
    let short = OwnedPixels::from_planes(PixelFormat::Nv12, planes);
    let frame = frame(size, Pixels::Host(Arc::new(short)));
    let error = Letterboxer::new(size, 114)
        .draw(&frame, &mut Canvas::default())
        .expect_err("too few bytes");
    assert_eq!(
        error.to_string(),
        "the frame's pixels can't be read: a plane of 32x32 with 2 bytes a pixel has 1984 bytes in rows 64 apart, \
             but needs 2048 in rows at least 64 apart"
    );
}

struct Device;

impl DmaBuf for Device {
    fn map(&self) -> Result<Arc<dyn HostPixels>, String> {
        Err("the driver does not let its buffer be mapped".to_owned())
    }
}

#[test]
fn a_device_s_buffer_that_can_not_be_mapped_is_an_error_of_this_frame() {
    let size = Size::new(64, 64);
    let frame = frame(size, Pixels::DmaBuf(Arc::new(Device)));
    let error = Letterboxer::new(size, 114)
        .draw(&frame, &mut Canvas::default())
        .expect_err("no host pixels");
    assert_eq!(
        error.to_string(),
        "the frame's pixels can't be read: the driver does not let its buffer be mapped"
    );
    assert!(error.is_transient());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_found_in_the_picture_lies_where_it_lay_in_the_frame(
        width in 80u32..300, height in 80u32..300, side in 2u32..6,
        left in 0.1f32..0.5, top in 0.1f32..0.5, extent in 0.2f32..0.4,
    ) {
        let (size, input) = (Size::new(width, height), Size::new(side * 32, side * 32));
        let place = |share: f32, length: u32| (share * length as f32).round();
        let wanted = BBox::from_corners(
            place(left, width), place(top, height),
            place(left + extent, width), place(top + extent, height),
        );
        let [x1, y1, x2, y2] = wanted.corners();
        let frame = drawn(PixelFormat::Rgb, size, 0, |_, column, row| {
            let (x, y) = (column as f32, row as f32);
            if x >= x1 && x < x2 && y >= y1 && y < y2 { 255 } else { 0 }
        });
        let picture = picture(&frame, input);
        let letterbox = Letterbox::fit(size, input);
        // Weighted by brightness: the centre of the bright box, and its amount.
        let (mut mass, mut x, mut y) = (0.0, 0.0, 0.0);
        for row in letterbox.top..letterbox.top + letterbox.content.height {
            for column in letterbox.left..letterbox.left + letterbox.content.width {
                let weight = f64::from(picture[((row * input.width + column) * 3) as usize]) / 255.0;
                mass += weight;
                x += weight * (f64::from(column) + 0.5);
                y += weight * (f64::from(row) + 0.5);
            }
        }
        let found = letterbox.to_source(&BBox {
            x: (x / mass) as f32, y: (y / mass) as f32, width: 0.0, height: 0.0,
        });
        prop_assert!((found.x - wanted.x).abs() <= 0.5, "{} is not {}", found.x, wanted.x);
        prop_assert!((found.y - wanted.y).abs() <= 0.5, "{} is not {}", found.y, wanted.y);
        let area = letterbox.to_input(&wanted).area();
        prop_assert!((mass as f32 - area).abs() <= 0.02 * area + 2.0, "{mass} is not {area}");
    }
}

#[test]
fn without_padding_a_frame_is_stretched_over_the_picture() {
    let (size, input) = (Size::new(64, 32), Size::new(48, 48));
    let planes = vec![(vec![200; 64 * 32 * 3], 64 * 3)];
    let frame = Frame::untimed(size, OwnedPixels::from_planes(PixelFormat::Rgb, planes));
    let mut canvas = Canvas::default();
    let picture = Letterboxer::new(input, None)
        .draw(&frame, &mut canvas)
        .expect("a picture");
    assert!(picture.rgb.iter().all(|byte| *byte == 200));
    let found = picture.letterbox.to_source(&BBox {
        x: 24.0,
        y: 12.0,
        width: 12.0,
        height: 24.0,
    });
    assert_eq!(
        found,
        BBox {
            x: 32.0,
            y: 8.0,
            width: 16.0,
            height: 16.0
        }
    );
}
