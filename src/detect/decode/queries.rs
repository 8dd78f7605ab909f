//! Networks of queries: each proposes one box, as shares of the picture, and is trained not to repeat another.

use super::super::manifest::Activation;
use super::super::nms::Candidate;
use super::super::tensor::OutputTensor;
use super::strongest::strongest_class;
use crate::base::{BBox, Size};

/// How the outputs are read.
pub(super) struct Reading {
    pub(super) activation: Option<Activation>,
    pub(super) input: Size,
    pub(super) classes: usize,
}

impl Reading {
    /// Reads boxes and scores, which are in two tensors or in the same rows.
    pub(super) fn read(
        &self,
        outputs: &[OutputTensor<'_>],
        confidence: f32,
        found: &mut Vec<Candidate>,
    ) {
        // At least 1, and 5 where boxes and scores are in one row: `Decoder::check` accepted the shapes.
        let columns = |output: &OutputTensor<'_>| output.shape.last().copied().unwrap_or(1).max(1);
        match outputs {
            [boxes, scores] => {
                let rows = boxes.numbers.chunks_exact(4);
                for (shares, scores) in rows.zip(scores.numbers.chunks_exact(columns(scores))) {
                    self.query(shares, scores, confidence, found);
                }
            }
            [both] => {
                for row in both.numbers.chunks_exact(columns(both)) {
                    let (shares, scores) = row.split_at(4.min(row.len()));
                    self.query(shares, scores, confidence, found);
                }
            }
            _ => {}
        }
    }

    fn query(&self, shares: &[f32], scores: &[f32], confidence: f32, found: &mut Vec<Candidate>) {
        // A score behind those of the classes is that of no object, or not used.
        let of_classes = scores.get(..self.classes).unwrap_or_default();
        let Some((class, score)) = strongest_class(of_classes) else {
            return;
        };
        let probability = match self.activation {
            None => score,
            Some(Activation::Sigmoid) => 1.0 / (1.0 + (-score).exp()),
            Some(Activation::Softmax) => {
                let sum: f32 = scores.iter().map(|other| (other - score).exp()).sum();
                1.0 / sum
            }
        };
        // False also for NaN.
        if probability >= confidence {
            let (width, height) = (self.input.width as f32, self.input.height as f32);
            found.push(Candidate {
                bbox: BBox {
                    x: shares[0] * width,
                    y: shares[1] * height,
                    width: shares[2] * width,
                    height: shares[3] * height,
                },
                confidence: probability,
                class,
            });
        }
    }
}
