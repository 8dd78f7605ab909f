//! Checks the numbers of one run on noise against the format of an output. Other layouts have the same shape: with other
//! columns, boxes as shares of the picture, or scores that are no probabilities. They would be read without an error,
//! and wrong.

use super::output_layout::OutputLayout;
use crate::base::Size;

/// The number of non-empty boxes that a contradiction needs.
const ENOUGH_BOXES: usize = 20;
/// The share of boxes that must agree: single boxes of a network that sees noise may have any values.
const NEARLY_ALL: f64 = 0.95;
/// Boxes in shares of the picture end at 1, those of a network that sees noise a little beyond.
const LARGEST_SHARE: f32 = 2.0;
/// In a smaller picture, boxes that are as wide as their distance from the left may be usual.
const LARGE_SIDE: u32 = 160;

/// The reason why `numbers`, the output of `shape` for noise, are not in `layout`; none if they may be.
pub(super) fn contradiction(
    layout: OutputLayout,
    shape: &[usize],
    numbers: &[f32],
    input: Size,
) -> Option<&'static str> {
    let &[1, rows, columns] = shape else {
        return None;
    };
    if rows.checked_mul(columns) != Some(numbers.len()) {
        return None;
    }
    match layout {
        OutputLayout::Yolov8 | OutputLayout::AnchorsTurned if rows > 4 => {
            let (geometry, scores) = numbers.split_at(4 * columns);
            let all =
                (0..columns).map(|index| [0, 1, 2, 3].map(|row| geometry[row * columns + index]));
            of_cells(all, scores, input)
        }
        OutputLayout::Yolov8Turned | OutputLayout::Anchors | OutputLayout::DecodedCells
            if columns > 4 =>
        {
            let all = numbers.chunks_exact(columns);
            let scores: Vec<f32> = all.clone().flat_map(|row| row[4..].to_vec()).collect();
            of_cells(
                all.map(|row| [row[0], row[1], row[2], row[3]]),
                &scores,
                input,
            )
        }
        OutputLayout::End2end if columns == 6 => end2end(numbers),
        _ => None,
    }
}

/// Of a centre and a size in pixels for each cell, and scores.
fn of_cells(
    all: impl Iterator<Item = [f32; 4]>,
    scores: &[f32],
    input: Size,
) -> Option<&'static str> {
    let boxes: Vec<[f32; 4]> = all.filter(|of_box| has_content(of_box)).collect();
    if boxes.len() < ENOUGH_BOXES {
        return None;
    }
    let is_corners = |of_box: &[f32; 4]| of_box[2] >= of_box[0] && of_box[3] >= of_box[1];
    let is_large = input.width.min(input.height) >= LARGE_SIDE;
    if share(scores.iter(), |score| is_score(**score)) < NEARLY_ALL {
        Some("its scores are not between 0 and 1")
    } else if are_shares(&boxes) {
        Some("its boxes are shares of the picture, not pixels")
    } else if is_large && share(boxes.iter(), |of_box| is_corners(of_box)) >= NEARLY_ALL {
        Some("its boxes are two corners, not a centre and a size")
    } else {
        None
    }
}

fn end2end(numbers: &[f32]) -> Option<&'static str> {
    let rows: Vec<&[f32]> = numbers
        .chunks_exact(6)
        .filter(|row| has_content(row))
        .collect();
    if rows.len() < ENOUGH_BOXES {
        return None;
    }
    let boxes: Vec<[f32; 4]> = rows
        .iter()
        .map(|row| [row[0], row[1], row[2], row[3]])
        .collect();
    let is_turned = |of_box: &[f32; 4]| of_box[2] < of_box[0] || of_box[3] < of_box[1];
    if share(rows.iter(), |row| row[5].fract() == 0.0) < NEARLY_ALL {
        Some("its last column is not the number of a class")
    } else if share(rows.iter(), |row| is_score(row[4])) < NEARLY_ALL {
        Some("its fifth column is not a score between 0 and 1")
    } else if are_shares(&boxes) {
        Some("its boxes are shares of the picture, not pixels")
    } else if share(boxes.iter(), |of_box| is_turned(of_box)) > 0.5 {
        Some("its boxes are not left, top, right and bottom")
    } else {
        None
    }
}

fn has_content(numbers: &[f32]) -> bool {
    numbers.iter().any(|number| *number != 0.0)
}

/// A little beyond 0 and 1, as 16-bit floats round. Some exports fill unused rows with -1.
fn is_score(number: f32) -> bool {
    (-0.01..=1.01).contains(&number) || number == -1.0 || number.is_nan()
}

fn are_shares(boxes: &[[f32; 4]]) -> bool {
    boxes
        .iter()
        .flatten()
        .all(|number| number.abs() <= LARGEST_SHARE)
}

/// The share of the items that agree.
fn share<T>(items: impl ExactSizeIterator<Item = T>, agrees: impl Fn(&T) -> bool) -> f64 {
    let count = items.len().max(1);
    items.filter(agrees).count() as f64 / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Size = Size::new(320, 320);

    /// The boxes of 400 cells: left, top, width and height in pixels.
    fn cells() -> Vec<[f32; 4]> {
        let mut rng = fastrand::Rng::with_seed(11);
        let cell = |index: u16| [index % 20 * 16, index / 20 * 16].map(f32::from);
        (0..400)
            .map(|index| {
                let [x, y] = cell(index);
                [x, y, 8.0 + 40.0 * rng.f32(), 8.0 + 40.0 * rng.f32()]
            })
            .collect()
    }

    fn of_yolov8(
        boxes: impl Fn([f32; 4]) -> [f32; 4],
        score: impl Fn(f32) -> f32,
    ) -> Option<&'static str> {
        let cells = cells();
        let mut rng = fastrand::Rng::with_seed(12);
        let rows = (0..4usize).flat_map(|row| cells.iter().map(move |cell| (row, *cell)));
        let mut numbers: Vec<f32> = rows.map(|(row, cell)| boxes(cell)[row]).collect();
        numbers.extend((0..800).map(|_| score(rng.f32())));
        contradiction(OutputLayout::Yolov8, &[1, 6, 400], &numbers, INPUT)
    }

    #[test]
    fn boxes_and_scores_of_another_kind_contradict_yolov8() {
        let centred = |[x, y, w, h]: [f32; 4]| [x + w / 2.0, y + h / 2.0, w, h];
        let kept = |score: f32| score;
        assert_eq!(of_yolov8(centred, kept), None);
        assert_eq!(
            of_yolov8(centred, |score| 12.0 * score - 10.0),
            Some("its scores are not between 0 and 1")
        );
        assert_eq!(
            of_yolov8(|cell| centred(cell).map(|number| number / 320.0), kept),
            Some("its boxes are shares of the picture, not pixels")
        );
        assert_eq!(
            of_yolov8(|[x, y, w, h]| [x, y, x + w, y + h], kept),
            Some("its boxes are two corners, not a centre and a size")
        );
    }

    #[test]
    fn boxes_in_rows_are_checked_as_those_in_columns() {
        let rows = |score: f32| -> Vec<f32> {
            let centred = cells().into_iter();
            centred
                .flat_map(|[x, y, w, h]| [x + w / 2.0, y + h / 2.0, w, h, score, score / 2.0])
                .collect()
        };
        let shape = [1, 400, 6];
        for layout in [OutputLayout::Yolov8Turned, OutputLayout::Anchors] {
            assert_eq!(contradiction(layout, &shape, &rows(0.5), INPUT), None);
            assert_eq!(
                contradiction(layout, &shape, &rows(7.0), INPUT),
                Some("its scores are not between 0 and 1")
            );
        }
    }

    fn of_end2end(row: impl Fn([f32; 4], f32, f32) -> [f32; 6]) -> Option<&'static str> {
        let cells = cells().into_iter().zip(0u16..).take(300);
        let numbers: Vec<f32> = cells
            .flat_map(|(cell, index)| {
                row(cell, 0.3 - f32::from(index) / 1001.0, f32::from(index % 7))
            })
            .collect();
        contradiction(OutputLayout::End2end, &[1, 300, 6], &numbers, INPUT)
    }

    #[test]
    fn columns_of_another_order_contradict_end2end() {
        let right = |[x, y, w, h]: [f32; 4], score, class| [x, y, x + w, y + h, score, class];
        assert_eq!(of_end2end(right), None);
        let no_class = Some("its last column is not the number of a class");
        assert_eq!(
            of_end2end(|[x, y, w, h], score, class| [x, y, x + w, y + h, class, score]),
            no_class
        );
        assert_eq!(
            of_end2end(|[x, y, w, h], score, class| [class, score, x, y, x + w, y + h]),
            no_class
        );
        assert_eq!(
            of_end2end(|cell, score, class| right(cell, 8.0 * score - 9.0, class)),
            Some("its fifth column is not a score between 0 and 1")
        );
        assert_eq!(
            of_end2end(|cell, score, class| right(cell.map(|edge| edge / 320.0), score, class)),
            Some("its boxes are shares of the picture, not pixels")
        );
        assert_eq!(
            of_end2end(|[x, y, w, h], score, class| [x, y, w, h, score, class]),
            Some("its boxes are not left, top, right and bottom")
        );
    }

    #[test]
    fn few_boxes_contradict_nothing() {
        let mut numbers = [0.0; 1800];
        numbers[..6].copy_from_slice(&[0.5, 0.5, 0.2, 0.2, 0.9, 0.05]);
        let found = contradiction(OutputLayout::End2end, &[1, 300, 6], &numbers, INPUT);
        assert_eq!(found, None);
        assert_eq!(
            contradiction(OutputLayout::End2end, &[1, 300, 6], &[], INPUT),
            None
        );
    }

    proptest::proptest! {
        #[test]
        fn no_numbers_make_it_panic(
            numbers in proptest::collection::vec(proptest::num::f32::ANY, 0..600),
            columns in 1usize..12,
        ) {
            let shape = [1, numbers.len() / columns, columns];
            let numbers = &numbers[..shape[1] * columns];
            for layout in [
                OutputLayout::Yolov8,
                OutputLayout::Yolov8Turned,
                OutputLayout::Anchors,
            ] {
                let _ = contradiction(layout, &shape, numbers, INPUT);
            }
            let _ = contradiction(OutputLayout::End2end, &shape, numbers, INPUT);
        }
    }
}
