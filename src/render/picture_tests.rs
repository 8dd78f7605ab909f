use proptest::prelude::*;

use super::*;
use crate::base::OwnedPixels;
use crate::render::Color;

/// Colours of the left and the right half of a picture.
const LEFT: [u8; 3] = [128, 116, 158];
const RIGHT: [u8; 3] = [170, 158, 116];

fn frame(format: PixelFormat, size: Size) -> Frame {
    let plane = |width: u32, height: u32, channels: &[usize]| {
        let row: Vec<u8> = (0..width)
            .flat_map(|x| {
                let side = if x < width / 2 { LEFT } else { RIGHT };
                channels
                    .iter()
                    .map(move |channel| side[*channel])
                    .collect::<Vec<_>>()
            })
            // Strides of decoders are wider than their rows.
            .chain([7; 6])
            .collect();
        (row.repeat(height as usize), row.len())
    };
    let (half_width, half_height) = (size.width.div_ceil(2), size.height.div_ceil(2));
    let planes = match format {
        PixelFormat::Nv12 => vec![
            plane(size.width, size.height, &[0]),
            plane(half_width, half_height, &[1, 2]),
        ],
        _ => vec![
            plane(size.width, size.height, &[0]),
            plane(half_width, half_height, &[1]),
            plane(half_width, half_height, &[2]),
        ],
    };
    Frame::untimed(size, OwnedPixels::from_planes(format, planes))
}

/// BT.601 or BT.709 of limited range by their definition (ITU-R BT.601-7 and BT.709-6), in floating point.
fn reference([y, u, v]: [u8; 3], matrix: ColorMatrix) -> Color {
    let (kr, kb) = match matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
    };
    let (y, u, v) = (
        (f64::from(y) - 16.0) / 219.0,
        (f64::from(u) - 128.0) / 224.0,
        (f64::from(v) - 128.0) / 224.0,
    );
    let red = y + 2.0 * (1.0 - kr) * v;
    let blue = y + 2.0 * (1.0 - kb) * u;
    let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
    let byte = |value: f64| (value * 255.0).round().clamp(0.0, 255.0) as u8;
    Color::rgb(byte(red), byte(green), byte(blue))
}

fn near(one: Color, other: Color) -> bool {
    one.0
        .iter()
        .zip(other.0)
        .all(|(one, other)| one.abs_diff(other) <= 1)
}

#[test]
fn colours_are_those_of_their_standard_within_one_step() {
    for (size, matrix) in [
        (Size::new(640, 360), ColorMatrix::Bt601),
        (Size::new(1280, 720), ColorMatrix::Bt709),
    ] {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            let placement = Placement::new(size, Size::new(320, 240), Fit::Contain);
            let picture = TileScaler::default()
                .scale(&frame(format, size), &placement)
                .expect("it scales");
            let mut canvas = Canvas::new(Size::new(320, 240), Color::BLACK);
            picture.paint(&mut canvas, placement.rect.x, placement.rect.y);
            for (x, side) in [(20, LEFT), (300, RIGHT)] {
                let found = canvas.pixel(x, 120).expect("a pixel");
                let wanted = reference(side, matrix);
                assert!(
                    near(found, wanted),
                    "{format:?} {size}: {found:?} is not {wanted:?}"
                );
            }
            assert_eq!(
                canvas.pixel(160, 10),
                Some(Color::BLACK),
                "the bar above stays black"
            );
        }
    }
}

#[test]
fn a_wide_picture_is_contained_covered_and_stretched() {
    let (wide, tile) = (Size::new(1280, 720), Size::new(480, 360));
    let contained = Placement::new(wide, tile, Fit::Contain);
    assert_eq!(contained.rect, Rect::new(0, 45, 480, 270));
    let covering = Placement::new(wide, tile, Fit::Cover);
    assert_eq!(covering.rect, Rect::of(tile));
    assert_eq!(covering.part, [0.125, 0.0, 0.875, 1.0]);
    let stretched = Placement::new(wide, tile, Fit::Stretch);
    assert_eq!(
        (stretched.rect, stretched.part),
        (Rect::of(tile), [0.0, 0.0, 1.0, 1.0])
    );
}

#[test]
fn a_point_of_the_source_is_found_on_the_tile() {
    let contained = Placement::new(Size::new(1280, 720), Size::new(480, 360), Fit::Contain);
    assert_eq!(contained.to_tile(0.5, 0.5), (240.0, 180.0));
    assert_eq!(contained.to_tile(0.0, 0.0), (0.0, 45.0));
    let covering = Placement::new(Size::new(1280, 720), Size::new(480, 360), Fit::Cover);
    assert_eq!(covering.to_tile(0.125, 0.0), (0.0, 0.0));
    assert_eq!(covering.to_tile(0.875, 1.0), (480.0, 360.0));
}

#[test]
fn a_buffer_is_used_again() {
    let placement = Placement::new(Size::new(64, 48), Size::new(32, 24), Fit::Contain);
    let mut scaler = TileScaler::default();
    let first = scaler
        .scale(&frame(PixelFormat::I420, Size::new(64, 48)), &placement)
        .expect("scales");
    let address = first.bytes.as_ptr();
    drop(first);
    let second = scaler
        .scale(&frame(PixelFormat::I420, Size::new(64, 48)), &placement)
        .expect("scales");
    assert_eq!(second.bytes.as_ptr(), address);
}

proptest! {
    #[test]
    fn every_size_of_source_and_tile_gives_a_picture_inside_the_tile(
        width in 2u32..2000, height in 2u32..1200, tile_width in 8u32..900, tile_height in 8u32..700,
        fit in prop_oneof![Just(Fit::Contain), Just(Fit::Cover), Just(Fit::Stretch)],
        nv12: bool,
    ) {
        let (source, tile) = (Size::new(width, height), Size::new(tile_width, tile_height));
        let placement = Placement::new(source, tile, fit);
        prop_assert!(Rect::of(tile).covers(&placement.rect));
        prop_assert!(placement.rect.width.is_multiple_of(2) && placement.rect.height.is_multiple_of(2));
        let format = if nv12 { PixelFormat::Nv12 } else { PixelFormat::I420 };
        let picture = TileScaler::default().scale(&frame(format, source), &placement);
        prop_assert_eq!(picture.map(|picture| picture.size()).ok(), Some(placement.rect.size()));
    }

    #[test]
    fn a_picture_that_is_scaled_again_has_the_same_parts_at_the_same_places(
        width in 64u32..800, height in 64u32..600, tiles in [(32u32..500, 32u32..400), (32u32..500, 32u32..400)],
        fit in prop_oneof![Just(Fit::Contain), Just(Fit::Cover), Just(Fit::Stretch)],
    ) {
        let source = Size::new(width, height);
        let [first, second] = tiles.map(|(width, height)| Size::new(width, height));
        let placement = Placement::new(source, first, fit);
        let picture = TileScaler::default().scale(&frame(PixelFormat::I420, source), &placement).expect("it scales");
        let again = placement.again(picture.size(), second, fit);
        let first_width = picture.size().width;
        let picture = picture.scale_again(second, fit).expect("it scales");
        prop_assert_eq!(picture.size(), again.rect.size());
        prop_assert!(Rect::of(second).covers(&again.rect));
        let mut canvas = Canvas::new(second, Color::BLACK);
        picture.paint(&mut canvas, again.rect.x, again.rect.y);
        // The middle of the source stays the border of the two colours, some pixels of blur apart.
        let (middle, row) = (again.to_tile(0.5, 0.5).0, again.rect.y + again.rect.height as i32 / 2);
        let zoom = |part: f32, width: u32| again.rect.width as f32 / (part * width as f32);
        let part = again.part[2] - again.part[0];
        let of_first = part / (placement.part[2] - placement.part[0]);
        let blur = 4.0 + 4.0 * (zoom(part, width) + zoom(of_first, first_width));
        let side = |x: f32| canvas.pixel(x as i32, row);
        let matrix = Colorimetry::assumed(source).matrix;
        for (x, colour) in [(middle - blur, LEFT), (middle + blur, RIGHT)] {
            if x >= again.rect.x as f32 + 1.0 && x < again.rect.right() as f32 - 1.0 {
                let (found, wanted) = (side(x).expect("a pixel"), reference(colour, matrix));
                // Each of two reductions rounds each component by a step. The colours are forty apart.
                let apart = found.0.iter().zip(wanted.0).map(|(one, other)| one.abs_diff(other)).max();
                prop_assert!(apart <= Some(8), "{found:?} is not {wanted:?} at {x} of {again:?}");
            }
        }
    }
}
