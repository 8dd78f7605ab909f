use super::*;

fn at(side: u32, shape: &[usize], classes: Option<usize>) -> Vec<Reading> {
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
    ] {
        let found = at(side, &shape, Some(classes));
        let told: Vec<Reading> = found
            .iter()
            .copied()
            .filter(|reading| !(wanted == Anchors && *reading == DeepStream))
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
        // As many boxes as rows: neither axis tells itself.
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

const SIDE: u32 = 320;
const CELLS: usize = 2100;

fn decided(candidates: &[Reading], shape: &[usize], numbers: &[f32]) -> Option<Reading> {
    by_run(candidates, shape, numbers, Size::new(SIDE, SIDE))
}

/// A number a row and column, the row's stride, and its cell's centre.
fn per_cell(
    columns: usize,
    value: impl Fn(&mut fastrand::Rng, usize, [f32; 3]) -> f32,
) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut numbers = Vec::new();
    for stride in [8, 16, 32] {
        for line in 0..SIDE / stride {
            for cell in 0..SIDE / stride {
                let centre = |index: u32| (index as f32 + 0.5) * stride as f32;
                for column in 0..columns {
                    let place = [centre(cell), centre(line), stride as f32];
                    numbers.push(value(&mut rng, column, place));
                }
            }
        }
    }
    numbers
}

#[test]
fn a_run_tells_cells_from_pixels() {
    let both = [Yolox, DecodedCells];
    let raw = per_cell(7, |rng, column, _| match column {
        0..2 => rng.f32() * 3.0 - 1.0,
        2..4 => rng.f32() * 6.0 - 3.0,
        _ => rng.f32(),
    });
    assert_eq!(decided(&both, &[1, CELLS, 7], &raw), Some(Yolox));
    let decoded = per_cell(7, |rng, column, place| match column {
        0..2 => place[column] + place[2] * (rng.f32() * 3.0 - 1.5),
        2..4 => place[2] * (rng.f32() * 4.0 + 0.2),
        _ => rng.f32(),
    });
    assert_eq!(decided(&both, &[1, CELLS, 7], &decoded), Some(DecodedCells));
    // Nothing in it, or the same everywhere: nothing is proven.
    for number in [0.0, 0.5, 100.0] {
        let same = vec![number; CELLS * 7];
        assert_ne!(decided(&both, &[1, CELLS, 7], &same), Some(Yolox));
    }
    let corners = per_cell(6, |rng, column, place| match column {
        0..2 => place[column] - 8.0,
        2..4 => place[column - 2] + 8.0,
        4 => rng.f32(),
        _ => 0.0,
    });
    let three = [Yolox, DecodedCells, DeepStream];
    assert_ne!(decided(&three, &[1, CELLS, 6], &corners), Some(Yolox));
    let one_class = per_cell(6, |rng, column, _| match column {
        0..4 => rng.f32() * 3.0 - 1.0,
        _ => rng.f32(),
    });
    assert_eq!(decided(&three, &[1, CELLS, 6], &one_class), Some(Yolox));
}

#[test]
fn a_run_tells_selected_boxes_from_queries() {
    let both = [End2end, Detr];
    let mut rng = fastrand::Rng::with_seed(5);
    let selected: Vec<f32> = (0..300u16)
        .flat_map(|row| {
            let (left, top) = (rng.f32() * 200.0, rng.f32() * 200.0);
            let score = 0.3 - f32::from(row) / 1000.0;
            [
                left,
                top,
                left + 50.0,
                top + 80.0,
                score,
                f32::from(row % 2),
            ]
        })
        .collect();
    assert_eq!(decided(&both, &[1, 300, 6], &selected), Some(End2end));
    let queries: Vec<f32> = (0..1800).map(|_| rng.f32() * 0.9 + 0.01).collect();
    assert_eq!(decided(&both, &[1, 300, 6], &queries), Some(Detr));
    assert_eq!(decided(&both, &[1, 300, 6], &[0.0; 1800]), None);
    let mut one = [0.0; 1800];
    one[..6].copy_from_slice(&[0.5, 0.5, 0.2, 0.2, 0.9, 0.05]);
    assert_eq!(decided(&both, &[1, 300, 6], &one), None);
    // One object in the corner: it may be either.
    one[..6].copy_from_slice(&[100.0, 100.0, 200.0, 300.0, 0.9, 0.0]);
    assert_eq!(decided(&both, &[1, 300, 6], &one), None);
}

proptest::proptest! {
    #[test]
    fn no_numbers_make_it_panic(
        numbers in proptest::collection::vec(proptest::num::f32::ANY, 0..600),
        rows in 0usize..50,
        columns in 6usize..9,
    ) {
        let _ = decided(&ALL, &[1, rows, columns], &numbers);
    }
}
