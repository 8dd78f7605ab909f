//! Tests of the encoded pictures: content, sharing, and encoding only on request.

use super::super::testing::{Scripted, colored};
use super::*;

const ALL: PictureRequest = PictureRequest {
    head: 0,
    width: None,
};

fn decoded(jpeg: &[u8]) -> image::RgbImage {
    image::load_from_memory(jpeg).expect("a JPEG").to_rgb8()
}

/// Whether each channel is within `by`.
fn near(pixel: image::Rgb<u8>, wanted: [u8; 3], by: u8) -> bool {
    pixel
        .0
        .iter()
        .zip(wanted)
        .all(|(one, other)| one.abs_diff(other) <= by)
}

#[test]
fn a_scene_decodes_back_to_its_colours_in_its_places() {
    let canvas = colored(Size::new(320, 240));
    for (width, factor) in [(None, 1), (Some(160), 2), (Some(9999), 1)] {
        let picture = decoded(&encode(&canvas, width).expect("it fits"));
        assert_eq!(picture.dimensions(), (320 / factor, 240 / factor));
        // Red at the top left, green at its right, blue below, white in the last quarter.
        for (x, y, wanted) in [
            (80, 60, [200, 16, 32]),
            (240, 60, [16, 160, 64]),
            (80, 180, [24, 48, 208]),
            (240, 180, [255, 255, 255]),
        ] {
            let pixel = *picture.get_pixel(x / factor, y / factor);
            assert!(near(pixel, wanted, 4), "{pixel:?} at {x}, {y} of {width:?}");
        }
    }
}

#[test]
fn a_scene_larger_than_the_format_is_refused() {
    let canvas = Canvas::new(Size::new(65_536, 1), crate::render::Color::BLACK);
    assert_eq!(encode(&canvas, None), Err(PictureError::TooLarge));
    assert!(encode(&canvas, Some(1000)).is_ok(), "its small copy is not");
    assert!(encode(&canvas, Some(0)).is_ok(), "nor is one of no width");
}

#[tokio::test]
async fn viewers_of_one_scene_share_one_encoding() {
    let (wall, clock) = (Arc::new(Scripted::new()), Clock::by_hand());
    let pictures = JpegCache::new(wall.clone(), clock.clone());
    let (one, other) = tokio::join!(pictures.newest(ALL), pictures.newest(ALL));
    assert_eq!(one.map(|one| one.number), Ok(1));
    assert_eq!(other.map(|other| other.number), Ok(1));
    assert_eq!(wall.asked(), 1, "nor is the wall asked twice");
    clock.advance(FRESH);
    assert_eq!(pictures.newest(ALL).await.map(|one| one.number), Ok(1));
    assert_eq!((wall.asked(), pictures.encoded()), (2, 1), "the same scene");
    wall.change();
    clock.advance(FRESH);
    assert_eq!(pictures.newest(ALL).await.map(|one| one.number), Ok(2));
}

#[tokio::test]
async fn another_size_is_another_encoding_and_few_are_kept() {
    let wall = Arc::new(Scripted::new());
    let pictures = JpegCache::new(wall.clone(), Clock::by_hand());
    for width in 1..100 {
        let wanted = PictureRequest {
            head: 0,
            width: Some(width),
        };
        assert!(pictures.newest(wanted).await.is_ok());
    }
    assert_eq!(pictures.encoded(), 99);
    assert_eq!(pictures.sizes.lock().expect("not poisoned").len(), SIZES);
}

#[tokio::test]
async fn a_scene_is_not_kept_for_those_who_saw_it() {
    let wall = Arc::new(Scripted::new());
    let pictures = JpegCache::new(wall.clone(), Clock::by_hand());
    assert!(pictures.newest(ALL).await.is_ok());
    let scene = Arc::downgrade(&wall.picture(0, PICTURE_LIMIT).expect("a scene"));
    wall.change();
    assert!(scene.upgrade().is_none());
}

#[tokio::test]
async fn a_missing_scene_is_an_error() {
    let wall = Arc::new(Scripted::new());
    let pictures = JpegCache::new(wall, Clock::by_hand());
    let nowhere = PictureRequest {
        head: 7,
        width: None,
    };
    assert_eq!(
        pictures.newest(nowhere).await.err(),
        Some(PictureError::NotYet)
    );
}
