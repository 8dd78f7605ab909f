//! Outputs made for the tests, and the layouts that they prove.

use super::*;

const SIDE: u32 = 320;
const CELLS: usize = 2100;

fn decided(candidates: &[OutputLayout], shape: &[usize], numbers: &[f32]) -> Option<OutputLayout> {
    by_run(candidates, shape, numbers, Size::new(SIDE, SIDE))
}

/// One number per row and column, from the row's stride and its cell's centre.
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
    // Empty, or the same everywhere: nothing is proven.
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
    // One object in the corner: both are possible.
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
        let _ = decided(&[Yolox, End2end, DecodedCells, Yolov8Turned, DeepStream, Detr], &[1, rows, columns], &numbers);
    }
}
