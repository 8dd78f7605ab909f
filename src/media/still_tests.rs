//! Formats, orientations and shapes of still images, and what is refused.

use super::*;
use crate::base::HostPixels;

#[test]
fn an_image_gives_its_own_pixels() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("red.png");
    let image = image::RgbImage::from_fn(3, 2, |x, y| image::Rgb([200, x as u8, y as u8]));
    image.save(&path).expect("written");
    let read = StillImage::read(&path).expect("a readable image");
    assert_eq!((read.codec, read.size), ("png", Size::new(3, 2)));
    let pixels = read.pixels();
    assert_eq!(pixels.plane(0).stride, 9);
    assert_eq!(pixels.plane(0).bytes, image.as_raw().as_slice());
}

/// EXIF data with one entry, the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01".to_vec();
    exif.extend([
        0x01,
        0x12,
        0,
        3,
        0,
        0,
        0,
        1,
        0,
        orientation,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    exif
}

#[test]
fn an_image_stands_as_its_camera_says() {
    use image::ImageEncoder;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("phone.png");
    // Red at the left, blue at the right.
    let image = image::RgbImage::from_fn(4, 2, |x, _| {
        image::Rgb(if x < 2 { [200, 0, 0] } else { [0, 0, 200] })
    });
    let red_is_first = |orientation: u8| {
        let file = std::fs::File::create(&path).expect("a file");
        let mut encoder = image::codecs::png::PngEncoder::new(file);
        encoder
            .set_exif_metadata(exif(orientation))
            .expect("PNG has EXIF");
        let color = image::ExtendedColorType::Rgb8;
        encoder
            .write_image(image.as_raw(), 4, 2, color)
            .expect("written");
        let read = StillImage::read(&path).expect("a readable image");
        (read.size, read.pixels().plane(0).bytes[0] == 200)
    };
    let (lying, standing) = (Size::new(4, 2), Size::new(2, 4));
    assert_eq!(red_is_first(1), (lying, true));
    assert_eq!(red_is_first(3), (lying, false));
    assert_eq!(red_is_first(6), (standing, true));
    assert_eq!(red_is_first(8), (standing, false));
    assert_eq!(red_is_first(99), (lying, true));
}

#[test]
fn an_image_of_pixels_that_are_not_square_has_the_size_that_it_shows() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
    encoder.set_pixel_density(image::codecs::jpeg::PixelDensity {
        density: (1, 2),
        unit: image::codecs::jpeg::PixelDensityUnit::PixelAspectRatio,
    });
    encoder
        .encode(&[90; 64 * 32 * 3], 64, 32, image::ExtendedColorType::Rgb8)
        .expect("encoded");
    let read = StillImage::decode(&bytes).expect("a readable image");
    assert_eq!(read.size, Size::new(128, 32));
    assert_eq!(read.pixels().scaled(), Some(Size::new(64, 32)));
    let picture = read.into_square_pixels().expect("a small picture");
    assert_eq!(picture.dimensions(), (128, 32));
}

#[test]
fn a_file_that_is_not_an_image_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let code = |path: &Path| StillImage::read(path).expect_err("no image").code();
    assert_eq!(code(&folder.path().join("missing.png")), "not-found");
    let text = folder.path().join("text.png");
    std::fs::write(&text, "hello").expect("written");
    assert_eq!(code(&text), "garbage");
    let cut = folder.path().join("cut.png");
    std::fs::write(&cut, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").expect("written");
    assert_eq!(code(&cut), "garbage");
    assert_eq!(code(folder.path()), "garbage");
}

#[test]
fn a_jpeg_that_is_cut_off_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.jpg");
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(64 * 32 * 3)
        .collect();
    let mut whole = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut whole)
        .encode(&noise, 64, 32, image::ExtendedColorType::Rgb8)
        .expect("encoded");
    // As some cameras do.
    whole.extend([0; 16]);
    let read_first = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let read = StillImage::read(&path).map(|image| (image.codec, image.size));
        read.map_err(|error| error.to_string())
    };
    assert_eq!(read_first(&whole), Ok(("jpeg", Size::new(64, 32))));
    let cut_off = "is cut off; copy or download the whole file again";
    for length in [whole.len() - 17, whole.len() / 2, 30, 2] {
        if length > 2 {
            assert_eq!(read_first(&whole[..length]), Err(cut_off.to_owned()));
        }
        assert!(!has_end(&whole[..length]));
    }
    assert_eq!(
        read_first(b""),
        Err("is empty; copy or download it again".to_owned())
    );
    // The end of a thumbnail is not that of the picture.
    let thumbnail = b"\xff\xd8\xff\xe1\0\x06\xff\xd9\0\0\xff\xda\0\x02\x12";
    assert!(!has_end(thumbnail));
    assert!(has_end(
        &[&thumbnail[..], b"\xff\0\xff\xd0\xff\xff\xd9"].concat()
    ));
}

#[test]
fn an_image_that_would_fill_the_memory_is_refused_with_its_size() {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut bytes)
        .encode(&[90; 64 * 32 * 3], 64, 32, image::ExtendedColorType::Rgb8)
        .expect("encoded");
    // Height and width in the start of the frame (ITU-T T.81, B.2.2).
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]);
    let at = frame.expect("a baseline frame") + 5;
    bytes[at..at + 4].fill(0xff);
    let error = StillImage::decode(&bytes).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "has 65535x65535 pixels, which take 12.9 GB in memory; the limit is 268.4 MB; make it smaller"
    );
}

#[test]
fn grey_transparent_and_deep_images_become_rgb() {
    let rgb = |image: DynamicImage| {
        let mut bytes = Cursor::new(Vec::new());
        image
            .write_to(&mut bytes, ImageFormat::Png)
            .expect("encoded");
        let read = StillImage::decode(bytes.get_ref()).expect("a readable image");
        read.pixels().plane(0).bytes.to_vec()
    };
    let grey = image::GrayImage::from_pixel(1, 1, image::Luma([90]));
    assert_eq!(rgb(grey.into()), [90, 90, 90]);
    let glass = image::RgbaImage::from_pixel(1, 1, image::Rgba([10, 20, 30, 0]));
    assert_eq!(rgb(glass.into()), [10, 20, 30]);
    let deep = image::ImageBuffer::from_pixel(1, 1, image::Rgb([0x0a00_u16, 0x1400, 0xffff]));
    assert_eq!(rgb(DynamicImage::ImageRgb16(deep)), [10, 20, 255]);
}
