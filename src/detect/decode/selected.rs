//! Networks that remove duplicates themselves.

use super::super::nms::Candidate;
use super::super::tensor::OutputTensor;
use crate::base::BBox;

/// Rows of left, top, right, bottom, score, class.
pub(super) fn end2end(data: &[f32], classes: usize, confidence: f32, found: &mut Vec<Candidate>) {
    for row in data.chunks_exact(6) {
        keep(&row[..4], row[4], row[5], classes, confidence, found);
    }
}

/// Rows of the number of the picture, left, top, right, bottom, class, score.
pub(super) fn end2end7(data: &[f32], classes: usize, confidence: f32, found: &mut Vec<Candidate>) {
    for row in data.chunks_exact(7) {
        if row[0] == 0.0 {
            keep(&row[1..5], row[6], row[5], classes, confidence, found);
        }
    }
}

/// Boxes, scores and labels in tensors of their own.
pub(super) fn dfine(
    outputs: &[OutputTensor<'_>],
    classes: usize,
    confidence: f32,
    found: &mut Vec<Candidate>,
) {
    let [boxes, scores, labels] = outputs else {
        return;
    };
    let rows = boxes.numbers.chunks_exact(4);
    for ((corners, score), class) in rows.zip(scores.numbers).zip(labels.numbers) {
        keep(corners, *score, *class, classes, confidence, found);
    }
}

fn keep(
    corners: &[f32],
    score: f32,
    class: f32,
    classes: usize,
    confidence: f32,
    found: &mut Vec<Candidate>,
) {
    // Unused rows are zeros in some exports and -1 in others.
    if score >= confidence && score > 0.0 && class >= 0.0 && (class as usize) < classes {
        found.push(Candidate {
            bbox: BBox::from_corners(corners[0], corners[1], corners[2], corners[3]),
            confidence: score,
            class: class as usize,
        });
    }
}
