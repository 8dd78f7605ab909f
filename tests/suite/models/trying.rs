//! `nvr model try`: what it prints, what it draws, and what it refuses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};
use nvr::detect::OutputFormat;
use nvr::media::jpeg_within;
use nvr::render::paint::class_color;
use serde_json::{Value, json};

use super::{ModelDir, text};
use crate::support::footage::{asset, frames};
use crate::support::process::nvr;

/// Twice the input of the model, so that its boxes lie on whole pixels.
const SIZE: (u32, u32) = (192, 128);

/// A directory in which the model `tiny` is installed. It finds a van, and a person in bright pictures.
fn place() -> ModelDir {
    let place = ModelDir::finding(OutputFormat::Yolov8);
    place.import().expect("it is installed");
    place
}

impl ModelDir {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `image`, in the format of the name's end.
    fn save(&self, name: &str, image: &RgbImage) -> PathBuf {
        let path = self.path(name);
        image.save(&path).expect("written");
        path
    }

    fn try_tiny(&self, picture: &Path, more: &[&str]) -> Output {
        let picture = picture.to_str().expect("UTF-8");
        let usual = ["try", "tiny", picture, "--backend", "rten"];
        self.nvr(&[&usual[..], more].concat())
    }

    /// The lines of a run that succeeds.
    fn lines(&self, picture: &Path, more: &[&str]) -> Vec<String> {
        let output = self.try_tiny(picture, more);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// The JSON of a run that succeeds.
    fn json(&self, picture: &Path, more: &[&str]) -> Value {
        let more = [more, &["--format", "json"]].concat();
        serde_json::from_str(&self.lines(picture, &more).join("\n")).expect("JSON")
    }

    /// The error of a run that fails.
    fn refused(&self, picture: &Path, more: &[&str]) -> String {
        let output = self.try_tiny(picture, more);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        let dir = self.dir.path().display().to_string();
        text(&output.stderr).replace(&dir, "DIR")
    }
}

fn white() -> RgbImage {
    RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([255; 3]))
}

/// A picture that is too dark for the person, and whose pixels all differ.
fn dark() -> RgbImage {
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| Rgb([x as u8, y as u8, 40]))
}

/// Whether `line` is `begin`, a number of milliseconds, and `end`.
fn is_timed(line: &str, begin: &str, end: &str) -> bool {
    line.strip_prefix(begin)
        .and_then(|rest| rest.strip_suffix(end))
        .is_some_and(|ms| ms.parse::<f64>().is_ok())
}

#[test]
fn detections_are_printed_by_falling_confidence() {
    let place = place();
    let picture = place.save("white.png", &white());
    let lines = place.lines(&picture, &[]);
    assert_eq!(
        lines[..2],
        [
            "van 0.88 at 32,40 32x48".to_owned(),
            "person 0.75 at 132,64 24x32".to_owned()
        ]
    );
    assert_eq!(lines.len(), 3, "{lines:?}");
    let last = "2 detections by tiny with rten in ";
    assert!(is_timed(&lines[2], last, " ms"), "{lines:?}");
    let lines = place.lines(&picture, &["--classes", "person"]);
    assert_eq!(lines[0], "person 0.75 at 132,64 24x32");
    let last = "1 detection by tiny with rten in ";
    assert!(is_timed(&lines[1], last, " ms"), "{lines:?}");
    assert_eq!(
        place.refused(&picture, &["--classes", "van,persn"]),
        "error: --classes: tiny has no class `persn`; did you mean `person`?\n"
    );
}

#[test]
fn a_picture_without_detections_is_no_error_and_the_line_says_what_to_try() {
    let place = place();
    let picture = place.save("white.png", &white());
    let lines = place.lines(&picture, &["--confidence", "0.95"]);
    let begin = "nothing found with a confidence of 0.95 or more, by tiny with rten in ";
    let end = " ms; lower --confidence, or see with `nvr model show tiny` which classes it detects";
    assert!(is_timed(&lines[0], begin, end), "{lines:?}");
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn json_has_the_detections_as_events_have_them() {
    let place = place();
    let found = place.json(&place.save("white.png", &white()), &[]);
    assert_eq!(found["model"], "tiny");
    assert_eq!(found["backend"], "rten");
    assert_eq!(
        (&found["width"], &found["height"]),
        (&json!(SIZE.0), &json!(SIZE.1))
    );
    assert!(found["inference_ms"].is_number(), "{found}");
    assert_eq!(
        found["detections"],
        json!([
            {"class_name": "van", "confidence": 0.875, "bbox": {"x": 48, "y": 64, "width": 32, "height": 48}},
            {"class_name": "person", "confidence": 0.75, "bbox": {"x": 144, "y": 80, "width": 24, "height": 32}},
        ])
    );
}

#[test]
fn the_drawn_picture_has_lines_along_the_boxes_and_is_the_same_elsewhere() {
    let place = place();
    let before = dark();
    let picture = place.save("dark.png", &before);
    let drawn = place.path("drawn.png");
    let lines = place.lines(&picture, &["-o", drawn.to_str().expect("UTF-8")]);
    assert_eq!(lines[0], "van 0.88 at 32,40 32x48");
    assert_eq!(lines[2], format!("drawn in {}", drawn.display()));
    let drawn = image::open(&drawn).expect("a picture").into_rgb8();
    assert_eq!(drawn.dimensions(), SIZE);
    let [blue, green, red, _] = class_color("van").0;
    let line = Rgb([red, green, blue]);
    for (x, y, pixel) in drawn.enumerate_pixels() {
        // The label stands above the box: ten rows, and fewer columns than these.
        if (30..40).contains(&y) && (32..122).contains(&x) {
            continue;
        }
        let is_inside = (32..64).contains(&x) && (40..88).contains(&y);
        let is_line = is_inside && (x == 32 || x == 63 || y == 40 || y == 87);
        let wanted = if is_line {
            &line
        } else {
            before.get_pixel(x, y)
        };
        assert_eq!(pixel, wanted, "({x}, {y})");
    }
    assert_eq!(drawn.get_pixel(32, 30), &line, "the label's ground");
}

#[test]
fn the_output_has_the_format_of_its_name_and_replaces_an_older_file_whole() {
    let place = place();
    let picture = place.save("white.png", &white());
    let drawn = place.path("drawn.jpg");
    let output = ["--output", drawn.to_str().expect("UTF-8")];
    let mode = || {
        let meta = fs::metadata(&drawn).expect("it is there");
        meta.permissions().mode() & 0o777
    };
    place.lines(&picture, &output);
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&drawn, PermissionsExt::from_mode(0o640)).expect("set");
    fs::write(&drawn, "old").expect("written");
    place.lines(&picture, &output);
    assert_eq!(mode(), 0o640);
    let bytes = fs::read(&drawn).expect("it is there");
    assert_eq!(image::guess_format(&bytes).ok(), Some(ImageFormat::Jpeg));
    let drawn = image::load_from_memory(&bytes).expect("a JPEG");
    assert_eq!((drawn.width(), drawn.height()), SIZE);
    let mut names: Vec<_> = fs::read_dir(place.dir.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    let partial = names
        .iter()
        .find(|name| name.to_string_lossy().contains("partial"));
    assert_eq!(partial, None);
}

#[test]
fn a_picture_of_a_phone_is_turned_upright_first() {
    let place = place();
    // It is stored on its side: 128 columns, to be rotated by 90° clockwise.
    let stored = RgbImage::from_fn(SIZE.1, SIZE.0, |x, y| Rgb([x as u8, y as u8, 40]));
    let picture = place.path("phone.png");
    let mut encoder = PngEncoder::new(fs::File::create(&picture).expect("a file"));
    // One entry: the orientation, 6.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    encoder
        .set_exif_metadata(exif.to_vec())
        .expect("PNG has EXIF");
    encoder
        .write_image(
            stored.as_raw(),
            stored.width(),
            stored.height(),
            ExtendedColorType::Rgb8,
        )
        .expect("written");
    let drawn = place.path("drawn.png");
    let found = place.json(&picture, &["-o", drawn.to_str().expect("UTF-8")]);
    assert_eq!(
        (&found["width"], &found["height"]),
        (&json!(SIZE.0), &json!(SIZE.1))
    );
    assert_eq!(
        found["detections"][0]["bbox"],
        json!({"x": 48, "y": 64, "width": 32, "height": 48})
    );
    let drawn = image::open(&drawn).expect("a picture").into_rgb8();
    assert_eq!(drawn.dimensions(), SIZE);
    // The stored left bottom corner is at the top left, and the right top one at the bottom right.
    assert_eq!(drawn.get_pixel(0, 0), &Rgb([0, 191, 40]));
    assert_eq!(drawn.get_pixel(191, 127), &Rgb([127, 0, 40]));
}

#[test]
fn a_picture_is_known_by_its_content_and_others_are_refused() {
    let place = place();
    let jpeg = place.save("white.jpg", &white());
    let misnamed = place.path("misnamed.png");
    fs::copy(&jpeg, &misnamed).expect("copied");
    assert_eq!(place.lines(&misnamed, &[])[0], "van 0.88 at 32,40 32x48");
    let refused = |name: &str, content: &[u8]| {
        let path = place.path(name);
        fs::write(&path, content).expect("written");
        place.refused(&path, &[])
    };
    assert_eq!(
        refused("notes.png", b"no picture"),
        "error: picture DIR/notes.png: is neither JPEG nor PNG; convert it\n"
    );
    assert_eq!(
        refused("empty.png", b""),
        "error: picture DIR/empty.png: is empty; copy or download it again\n"
    );
    let jpeg = fs::read(jpeg).expect("it is there");
    assert_eq!(
        refused("cut.jpg", &jpeg[..jpeg.len() / 2]),
        "error: picture DIR/cut.jpg: is cut off; copy or download the whole file again\n"
    );
    let png = fs::read(place.save("dark.png", &dark())).expect("it is there");
    let told = refused("cut.png", &png[..png.len() / 2]);
    let begin = "error: picture DIR/cut.png: can't be decoded: ";
    assert!(told.starts_with(begin), "{told}");
    assert!(told.ends_with("; copy or download it again\n"), "{told}");
    assert_eq!(
        place.refused(&place.path("missing.png"), &[]),
        "error: picture DIR/missing.png: No such file or directory (os error 2); name a JPEG or PNG file that exists\n"
    );
    assert_eq!(
        place.refused(place.dir.path(), &[]),
        "error: picture DIR: is a directory; name a file in it\n"
    );
    assert_eq!(
        place.refused(Path::new("-"), &[]),
        "error: `-` is no picture: standard input is not read; name a JPEG or PNG file\n"
    );
}

#[test]
fn an_output_that_can_not_be_written_is_refused_before_the_model_is_loaded() {
    let place = place();
    let picture = place.save("white.png", &white());
    let before = fs::read(&picture).expect("it is there");
    symlink(&picture, place.path("link.png")).expect("a link");
    fs::create_dir(place.path("folder.png")).expect("a folder");
    // The absent model shows which of the two is looked at first.
    let refused = |model: &str, output: &str| {
        let output = place.path(output);
        let output = ["-o", output.to_str().expect("UTF-8")];
        let picture = picture.to_str().expect("UTF-8");
        let run = place.nvr(&[&["try", model, picture][..], &output].concat());
        assert!(!run.status.success(), "{}", text(&run.stdout));
        let dir = place.dir.path().display().to_string();
        text(&run.stderr).replace(&dir, "DIR")
    };
    for name in ["white.png", "link.png"] {
        assert_eq!(
            refused("absent", name),
            format!("error: --output DIR/{name} is the picture itself; name another file\n")
        );
    }
    assert_eq!(
        refused("absent", "folder.png"),
        "error: --output DIR/folder.png is a directory or a device; name a file\n"
    );
    assert_eq!(
        refused("absent", "no/such/drawn.png"),
        "error: --output DIR/no/such/drawn.png can't be written: No such file or directory (os error 2); name a file in \
         a directory that exists and in which this user may write\n"
    );
    let told = refused("absent", "drawn.bmp");
    let reason = "its name must end in .png, .jpg or .jpeg";
    assert!(told.contains(reason), "{told}");
    let told = refused("absent", "drawn.png");
    assert!(
        told.starts_with("error: model absent is not installed: "),
        "{told}"
    );
    assert!(!place.path("drawn.png").exists());
    assert_eq!(fs::read(&picture).expect("it is there"), before);
}

#[test]
fn the_installed_model_finds_persons_in_a_picture_of_the_footage() {
    let dir = tempfile::tempdir().expect("a directory");
    // Where nine persons are in the picture.
    let film = asset("footage/vtest.avi");
    let mut frames = frames(&film, 690);
    let frame = frames.nth(1).expect("frame 690");
    let picture = dir.path().join("street.jpg");
    let jpeg = jpeg_within(&frame, usize::MAX).expect("a JPEG");
    fs::write(&picture, jpeg).expect("written");
    let drawn = dir.path().join("drawn.png");
    let output = nvr()
        .args(["model", "try", "yolo12n-320"])
        .arg(&picture)
        .args(["--format", "json", "--output"])
        .arg(&drawn)
        .output()
        .expect("nvr runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let detections = found["detections"].as_array().expect("a list");
    let persons = detections
        .iter()
        .filter(|found| found["class_name"] == "person")
        .count();
    assert!(persons >= 2, "{found}");
    let drawn = image::open(&drawn).expect("a picture");
    assert_eq!((drawn.width(), drawn.height()), (768, 576));
}
