//! Names of classes: those of a manifest, and the 80 of COCO, which most general detectors use.

use std::path::Path;
use std::sync::Arc;

use super::{DetectError, label_lines};

/// The 80 object classes of COCO 2017 in the order of the YOLO family's outputs.
pub const COCO80: [&str; 80] = [
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

/// The name of a number that COCO does not use.
const UNUSED: &str = "n/a";

/// The numbers of COCO's categories up to 90 that have no objects in COCO 2017.
const COCO_GAPS: [usize; 11] = [0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

/// The classes of [`COCO80`] by COCO's own numbers of categories, 0 to 90.
pub(super) fn coco91() -> Vec<String> {
    let mut names = COCO80.into_iter();
    (0..=90)
        .map(|number| match COCO_GAPS.contains(&number) {
            true => UNUSED,
            false => names.next().unwrap_or(UNUSED),
        })
        .map(str::to_owned)
        .collect()
}

/// Class names by class index, shared by every detection.
pub type Labels = Arc<[Arc<str>]>;

/// Makes a shared list of names.
pub(super) fn shared<'a>(names: impl IntoIterator<Item = &'a str>) -> Labels {
    names.into_iter().map(Arc::from).collect()
}

/// Reads class names from a file, one per line, as editors, spreadsheets and tools of all systems write it.
///
/// # Errors
/// If it can't be read, is not text, or has a line that is no name.
pub fn read_labels(path: &Path) -> Result<Vec<String>, DetectError> {
    label_lines::names(&read(path)?).map_err(|reason| DetectError::Labels {
        path: path.to_owned(),
        reason,
    })
}

/// The text of a file: UTF-8, or UTF-16 with the byte order mark of Windows.
fn read(path: &Path) -> Result<String, DetectError> {
    let bytes = std::fs::read(path).map_err(|error| DetectError::Io {
        action: "read",
        path: path.to_owned(),
        error,
        hint: "",
    })?;
    decoded(&bytes).ok_or_else(|| DetectError::Labels {
        path: path.to_owned(),
        reason: "it is not UTF-8; save it as UTF-8".to_owned(),
    })
}

fn decoded(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        rest.is_empty().then(|| String::from_utf16(&units).ok())?
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_in_each_encoding_that_says_what_it_is() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).expect("written");
            read_labels(file.path()).map_err(|error| {
                let text = error.to_string();
                text.replace(&file.path().display().to_string(), "F")
            })
        };
        let names = Ok(vec!["café".to_owned(), "van".to_owned()]);
        assert_eq!(read("café\nvan".as_bytes()), names);
        assert_eq!(read("\u{feff}café\r\nvan\r\n".as_bytes()), names);
        let wide: Vec<u16> = "\u{feff}café\r\nvan".encode_utf16().collect();
        let little: Vec<u8> = wide.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(read(&little), names);
        assert_eq!(read(&big), names);
        for (bytes, wanted) in [
            (
                &b"caf\xe9\n"[..],
                "F is not a list of class names: it is not UTF-8; save it as UTF-8",
            ),
            (
                b"a\n\nb\n",
                "F is not a list of class names: line 2 is empty; name that class, or remove the line",
            ),
            (b"\n \n", "F is not a list of class names: it is empty"),
        ] {
            assert_eq!(read(bytes), Err(wanted.to_owned()));
        }
    }
}
