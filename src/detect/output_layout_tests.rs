//! Shapes and metadata, and the layouts that fit them.

use super::*;

fn at(side: u32, shape: &[usize], classes: Option<usize>) -> Vec<OutputLayout> {
    candidates(shape, Size::new(side, side), classes)
}

#[test]
fn shapes_that_are_one_layout_only_are_told_apart_by_the_number_of_classes() {
    for (side, shape, classes, wanted) in [
        (640, [1, 84, 8400], 80, Yolov8),
        (320, [1, 84, 2100], 80, Yolov8),
        (640, [1, 5, 8400], 1, Yolov8),
        (640, [1, 6, 8400], 2, Yolov8),
        (1280, [1, 84, 34_000], 80, Yolov8),
        (640, [1, 84, 33_600], 80, Yolov8),
        (640, [1, 300, 6], 80, End2end),
        (640, [1, 1000, 6], 3, End2end),
        (640, [1, 25_200, 85], 80, Anchors),
        (1280, [1, 102_000, 6], 1, Anchors),
        (640, [1, 8400, 84], 80, Yolov8Turned),
        (640, [1, 300, 84], 80, Detr),
        (640, [1, 8400, 6], 80, DeepStream),
        (640, [1, 25_200, 6], 80, DeepStream),
        (640, [1, 6, 300], 80, End2endTurned),
        (640, [1, 116, 8400], 80, Masks),
        (640, [1, 56, 8400], 1, Keypoints),
        (640, [1, 100, 5], 80, ScoredBoxes),
        (640, [1, 2004, 8400], 2000, Yolov8),
    ] {
        let found = at(side, &shape, Some(classes));
        let told: Vec<OutputLayout> = found
            .iter()
            .copied()
            .filter(|layout| !(wanted == Anchors && *layout == DeepStream))
            .collect();
        assert_eq!(told, [wanted], "{shape:?} at {side}");
    }
}

#[test]
fn shapes_that_several_layouts_have_are_told_with_all_of_them() {
    for (side, shape, classes, wanted) in [
        (640, [1, 25_200, 6], Some(1), &[Anchors, DeepStream][..]),
        (640, [1, 300, 6], Some(2), &[End2end, Detr]),
        (
            640,
            [1, 8400, 6],
            Some(1),
            &[Yolox, DecodedCells, DeepStream],
        ),
        (640, [1, 8400, 6], Some(2), &[Yolov8Turned, DeepStream]),
        (640, [1, 8400, 85], Some(80), &[Yolox, DecodedCells]),
        (416, [1, 3549, 85], Some(80), &[Yolox, DecodedCells]),
        (640, [1, 6, 8400], Some(1), &[AnchorsTurned, Oriented]),
        (640, [1, 6, 300], Some(2), &[Yolov8, End2endTurned]),
        (640, [1, 100, 5], Some(1), &[Detr, ScoredBoxes]),
        // As many boxes as rows: the axes can't be distinguished.
        (64, [1, 84, 84], Some(80), &[Yolov8, Yolov8Turned]),
        (640, [1, 300, 6], None, &[End2end, Detr]),
    ] {
        assert_eq!(at(side, &shape, classes), wanted, "{shape:?} at {side}");
    }
    assert_eq!(at(640, &[1, 84, 8400], Some(7)), []);
    assert_eq!(at(640, &[1, 60, 1], None), []);
    assert_eq!(at(640, &[1, 1000], None), []);
}

fn metadata(entries: &[(&str, &str)]) -> OnnxFile {
    let entries = entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Ok((*value).to_owned())));
    OnnxFile {
        metadata: entries.collect(),
        ..OnnxFile::default()
    }
}

#[test]
fn metadata_of_ultralytics_decides() {
    let two = at(640, &[1, 300, 6], Some(2));
    let by = |entries: &[(&str, &str)]| by_metadata(two.clone(), &metadata(entries));
    assert_eq!(by(&[("names", "{}"), ("stride", "32")]), [End2end, Detr]);
    assert_eq!(by(&[("end2end", "True")]), [End2end]);
    assert_eq!(by(&[("args", "{'batch': 1, 'nms': True}")]), [End2end]);
    let ultralytics = |description: &str, end2end: &str| {
        by(&[
            ("author", "Ultralytics"),
            ("description", description),
            ("end2end", end2end),
        ])
    };
    let on = "model trained on /data/two.yaml";
    assert_eq!(
        ultralytics(&format!("Ultralytics rtdetr-l {on}"), ""),
        [Detr]
    );
    assert_eq!(
        ultralytics(&format!("Ultralytics YOLOv10n {on}"), "False"),
        [End2end]
    );
    assert_eq!(
        ultralytics(&format!("Ultralytics YOLO26n {on}"), "True"),
        [End2end]
    );
    assert_eq!(
        ultralytics(&format!("Ultralytics YOLO11n {on}"), "False"),
        []
    );
    assert_eq!(ultralytics("Ultralytics best model", "False"), [Detr]);
}

#[test]
fn other_tasks_of_ultralytics_are_refused() {
    let told =
        |author: &str, task: &str| other_task(&metadata(&[("author", author), ("task", task)]));
    assert_eq!(
        told("Ultralytics", "obb").as_deref(),
        Some(
            "it is a network for the task `obb`, as its metadata says, and only `detect` can be read; export one that was \
             trained for detection"
        )
    );
    assert_eq!(told("Ultralytics", "detect"), None);
    assert_eq!(told("others", "pose"), None);
    assert_eq!(other_task(&metadata(&[])), None);
}
