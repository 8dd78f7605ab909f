//! Networks that propose a box for each cell of a grid, with duplicates.

use super::super::nms::Candidate;
use super::super::tensor::OutputTensor;
use super::strongest::strongest_class;
use crate::base::{BBox, Size};

/// YOLOX's grids.
const STRIDES: [u32; 3] = [8, 16, 32];

/// The number of boxes that YOLOX proposes for an input of this size: one per cell of its grids.
pub(in crate::detect) fn yolox_cells(input: Size) -> usize {
    STRIDES
        .iter()
        .map(|stride| (input.width / stride) as usize * (input.height / stride) as usize)
        .sum()
}

/// Geometry, objectness and the scores of the classes; a box in each row, or in each column.
pub(super) fn yolov5(
    output: &OutputTensor<'_>,
    classes: usize,
    confidence: f32,
    found: &mut Vec<Candidate>,
) {
    let values = 5 + classes;
    let [.., rows, columns] = *output.shape else {
        return;
    };
    let data = output.numbers;
    // The place of a value of a box. If both axes have this length, boxes are in rows, as in most files.
    let (boxes, of_box, of_value) = match columns == values {
        true => (rows, values, 1),
        false => (columns, 1, columns),
    };
    for index in 0..boxes {
        let at = |value: usize| data[index * of_box + value * of_value];
        let objectness = at(4);
        // The score of a class is at most 1: most boxes end here.
        if objectness.is_nan() || objectness < confidence {
            continue;
        }
        let best = (0..classes)
            .map(|class| (class, at(5 + class)))
            .max_by(|(_, one), (_, other)| one.total_cmp(other));
        if let Some((class, score)) = best
            && objectness * score >= confidence
        {
            found.push(Candidate {
                bbox: BBox {
                    x: at(0),
                    y: at(1),
                    width: at(2),
                    height: at(3),
                },
                confidence: objectness * score,
                class,
            });
        }
    }
}

/// Geometry and the scores of the classes; a box in each column, or in each row. `best` is memory to be reused.
pub(super) fn yolov8(
    output: &OutputTensor<'_>,
    classes: usize,
    confidence: f32,
    best: &mut Vec<f32>,
    found: &mut Vec<Candidate>,
) {
    let values = 4 + classes;
    let [.., rows, columns] = *output.shape else {
        return;
    };
    if rows == values {
        in_columns(columns, output.numbers, confidence, best, found);
        return;
    }
    for row in output.numbers.chunks_exact(values) {
        if let Some((class, score)) = strongest_class(&row[4..])
            && score >= confidence
        {
            found.push(Candidate {
                bbox: BBox {
                    x: row[0],
                    y: row[1],
                    width: row[2],
                    height: row[3],
                },
                confidence: score,
                class,
            });
        }
    }
}

fn in_columns(
    boxes: usize,
    data: &[f32],
    confidence: f32,
    best: &mut Vec<f32>,
    found: &mut Vec<Candidate>,
) {
    if boxes == 0 {
        return;
    }
    best.resize(boxes, 0.0);
    let (geometry, scores) = data.split_at(4 * boxes);
    // A row of scores for each class. The few boxes with a sufficient score are processed afterwards.
    nvr_pixels::column_maxima(scores, best);
    for (index, best) in best.iter().copied().enumerate() {
        if best < confidence {
            continue;
        }
        let class = scores
            .chunks_exact(boxes)
            .position(|row| row[index] == best)
            .unwrap_or_default();
        found.push(Candidate {
            bbox: BBox {
                x: geometry[index],
                y: geometry[boxes + index],
                width: geometry[2 * boxes + index],
                height: geometry[3 * boxes + index],
            },
            confidence: best,
            class,
        });
    }
}

/// Geometry relative to the cells of grids, objectness and the scores of the classes.
pub(super) fn yolox(
    data: &[f32],
    input: Size,
    classes: usize,
    confidence: f32,
    found: &mut Vec<Candidate>,
) {
    let mut rows = data.chunks_exact(5 + classes);
    for stride in STRIDES {
        let (columns, lines) = (input.width / stride, input.height / stride);
        let stride = stride as f32;
        for line in 0..lines {
            for (column, row) in (0..columns).zip(rows.by_ref()) {
                let objectness = row[4];
                // The score of a class is at most 1: most cells end here.
                if objectness.is_nan() || objectness < confidence {
                    continue;
                }
                if let Some((class, score)) = strongest_class(&row[5..])
                    && objectness * score >= confidence
                {
                    found.push(Candidate {
                        bbox: BBox {
                            x: (row[0] + column as f32) * stride,
                            y: (row[1] + line as f32) * stride,
                            width: row[2].exp() * stride,
                            height: row[3].exp() * stride,
                        },
                        confidence: objectness * score,
                        class,
                    });
                }
            }
        }
    }
}
