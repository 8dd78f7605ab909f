//! Names of classes: a manifest's own, and COCO's 80, which most general detectors know.

use std::sync::Arc;

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

/// Class names by class index, shared by every detection.
pub type Labels = Arc<[Arc<str>]>;

/// Shares a list of names.
pub(super) fn shared<'a>(names: impl IntoIterator<Item = &'a str>) -> Labels {
    names.into_iter().map(Arc::from).collect()
}

/// The names in a label file: one a line, in the order of the classes; empty lines at its end are no classes.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.trim_end()
        .lines()
        .map(|line| line.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_file_is_one_name_a_line() {
        assert_eq!(lines("van\r\n forklift \n\n"), ["van", "forklift"]);
    }
}
