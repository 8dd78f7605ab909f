//! The tests of scaling and of JPEG, which need the public interface only. Here, not beside the code: as unit tests they would compile
//! the generic code of both libraries once more, which takes minutes.

use nvr_pixels::{PixelBytes, ScaleError, Scaler, Source, Target, bgra_to_jpeg};

fn scaled(pixel: PixelBytes, source: Source<'_>, size: (u32, u32)) -> Result<Vec<u8>, ScaleError> {
    let mut bytes = vec![0; size.0 as usize * size.1 as usize * pixel.count()];
    let target = Target {
        bytes: &mut bytes,
        picture: size,
        at: (0, 0),
        size,
    };
    Scaler::default().scale(pixel, source, target)?;
    Ok(bytes)
}

#[test]
fn each_byte_of_a_pixel_is_scaled_alone() {
    for pixel in [
        PixelBytes::One,
        PixelBytes::Two,
        PixelBytes::Three,
        PixelBytes::Four,
    ] {
        let one: Vec<u8> = (0..pixel.count()).map(|at| 10 + 50 * at as u8).collect();
        let source = Source {
            bytes: &one.repeat(6 * 4),
            stride: 6 * pixel.count(),
            width: 6,
            height: 4,
        };
        assert_eq!(
            scaled(pixel, source, (3, 2)).as_deref(),
            Ok(&one.repeat(6)[..])
        );
    }
}

#[test]
fn bytes_between_the_rows_and_a_short_last_row_change_nothing() {
    // Rows of 4, then a gap of white: first of whole pixels, then with a last row that ends with its last pixel.
    let rows: Vec<u8> = [vec![7u8; 4], vec![255; 3]].concat().repeat(3);
    for bytes in [&rows[..], &rows[..7 * 2 + 4]] {
        let source = Source {
            bytes,
            stride: 7,
            width: 4,
            height: 3,
        };
        assert_eq!(scaled(PixelBytes::One, source, (2, 2)), Ok(vec![7; 4]));
    }
}

#[test]
fn only_the_rectangle_is_written() {
    let mut bytes = [1u8; 4 * 3];
    let target = Target {
        bytes: &mut bytes,
        picture: (4, 3),
        at: (1, 1),
        size: (2, 2),
    };
    let source = Source {
        bytes: &[9; 4],
        stride: 2,
        width: 2,
        height: 2,
    };
    let result = Scaler::default().scale(PixelBytes::One, source, target);
    assert_eq!(result, Ok(()));
    assert_eq!(bytes, [1, 1, 1, 1, 1, 9, 9, 1, 1, 9, 9, 1]);
}

#[test]
fn too_few_bytes_and_a_rectangle_outside_are_refused() {
    let short = Source {
        bytes: &[0; 20],
        stride: 6,
        width: 6,
        height: 4,
    };
    assert!(scaled(PixelBytes::One, short, (3, 2)).is_err());
    let mut bytes = [0u8; 4];
    let outside = Target {
        bytes: &mut bytes,
        picture: (2, 2),
        at: (1, 1),
        size: (2, 2),
    };
    let source = Source {
        bytes: &[0; 24],
        ..short
    };
    assert!(
        Scaler::default()
            .scale(PixelBytes::One, source, outside)
            .is_err()
    );
}

#[test]
fn a_picture_begins_and_ends_as_jpeg() {
    let file = bgra_to_jpeg(&[90; 4 * 8 * 8], 8, 8, 80).expect("64 pixels");
    assert!(file.starts_with(&[0xff, 0xd8]) && file.ends_with(&[0xff, 0xd9]));
}

#[test]
fn what_jpeg_can_not_tell_is_refused() {
    assert!(bgra_to_jpeg(&[], 0, 0, 80).is_err());
    assert!(bgra_to_jpeg(&[0; 4 * 8], 70_000, 1, 80).is_err());
    assert!(bgra_to_jpeg(&[0; 4], 8, 8, 80).is_err());
}
