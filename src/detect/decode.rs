//! Turns the output tensors of a network into candidates, by the format in its manifest.
//!
//! | file | formats |
//! |---|---|
//! | `yolo` | a box for each cell of a grid: `yolov5`, `yolov8`, `yolox` |
//! | `selected` | duplicates removed by the network: `end2end`, `end2end7`, `dfine` |
//! | `queries` | `detr` |

mod queries;
mod selected;
mod strongest;
mod yolo;

pub(super) use yolo::yolox_cells;

use super::manifest::{Activation, OutputFormat};
use super::nms::{self, Candidate};
use super::tensor::OutputTensor;
use super::{DetectError, Output};
use crate::base::Size;

/// Turns the output tensors of one model into boxes. Its buffer is reused for every frame.
#[derive(Debug)]
pub struct Decoder {
    format: OutputFormat,
    /// For `detr`: whether the scores are in a tensor of their own.
    has_scores: bool,
    activation: Option<Activation>,
    input: Size,
    classes: usize,
    /// The best score of each proposed box.
    best: Vec<f32>,
}

impl Decoder {
    /// A decoder for a model with this output, input size and number of classes.
    pub fn new(output: &Output, input: Size, classes: usize) -> Self {
        Self {
            format: output.format,
            has_scores: output.scores.is_some(),
            activation: output.activation,
            input,
            classes,
            best: Vec::new(),
        }
    }

    /// Checks the dimensions of the outputs against the format, the number of classes and the input size.
    ///
    /// The outputs are the boxes alone, or for `detr` with scores the boxes and the scores, or for `dfine` the boxes, the
    /// scores and the labels.
    ///
    /// # Errors
    /// With the expected and the found dimensions.
    pub fn check(&self, model: &str, shapes: &[&[usize]]) -> Result<(), DetectError> {
        let classes = self.classes;
        let fits_scores = |found: usize| match self.activation {
            None => found == classes,
            // Some networks have one score more than classes, which is not used.
            Some(Activation::Sigmoid) => found == classes || found == classes + 1,
            Some(Activation::Softmax) => found == classes + 1,
        };
        let fits = match (self.format, shapes) {
            (OutputFormat::Yolov8, [[1, one, other]]) => [one, other].contains(&&(4 + classes)),
            (OutputFormat::Yolov5, [[1, one, other]]) => [one, other].contains(&&(5 + classes)),
            (OutputFormat::Yolox, [[1, boxes, columns]]) => {
                *boxes == yolox_cells(self.input) && *columns == 5 + classes
            }
            (OutputFormat::End2end, [[1, _, columns]]) => *columns == 6,
            (OutputFormat::End2end7, [[1, _, 7] | [_, 7]]) => true,
            (OutputFormat::Detr, [[1, boxes, 4], [1, scores, found]]) => {
                self.has_scores && boxes == scores && fits_scores(*found)
            }
            (OutputFormat::Detr, [[1, _, found]]) => {
                !self.has_scores && found.checked_sub(4).is_some_and(fits_scores)
            }
            (OutputFormat::Dfine, [[1, boxes, 4], [1, scores], [1, labels]]) => {
                boxes == scores && boxes == labels
            }
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(DetectError::output_shape(model, self.expected(), shapes))
        }
    }

    /// Puts the boxes with at least `confidence` into `found`, without duplicates (by `iou`), by falling confidence.
    ///
    /// `outputs` have the dimensions that [`Decoder::check`] accepted. Networks that remove duplicates themselves ignore
    /// `iou`.
    pub fn decode(
        &mut self,
        outputs: &[OutputTensor<'_>],
        confidence: f32,
        iou: f32,
        found: &mut Vec<Candidate>,
    ) {
        found.clear();
        let Some(first) = outputs.first() else {
            return;
        };
        match self.format {
            OutputFormat::Yolov5 => yolo::yolov5(first, self.classes, confidence, found),
            OutputFormat::Yolov8 => {
                yolo::yolov8(first, self.classes, confidence, &mut self.best, found);
            }
            OutputFormat::Yolox => {
                yolo::yolox(first.numbers, self.input, self.classes, confidence, found);
            }
            OutputFormat::End2end => {
                selected::end2end(first.numbers, self.classes, confidence, found);
            }
            OutputFormat::End2end7 => {
                selected::end2end7(first.numbers, self.classes, confidence, found);
            }
            OutputFormat::Detr => {
                let reading = queries::Reading {
                    activation: self.activation,
                    input: self.input,
                    classes: self.classes,
                };
                reading.read(outputs, confidence, found);
            }
            OutputFormat::Dfine => selected::dfine(outputs, self.classes, confidence, found),
        }
        found.retain(|candidate| candidate.bbox.corners().iter().all(|edge| edge.is_finite()));
        if self.format.removes_duplicates() {
            nms::strongest_detections(found);
        } else {
            nms::suppress(found, iou);
        }
    }

    fn expected(&self) -> String {
        let classes = self.classes;
        let columns = match self.activation {
            Some(Activation::Softmax) => format!("{classes}+1"),
            _ => classes.to_string(),
        };
        match self.format {
            OutputFormat::Yolov5 => format!("1xNx{} (yolov5, {classes} labels)", 5 + classes),
            OutputFormat::Yolov8 => {
                format!("1x{}xN (yolov8, {classes} labels)", 4 + classes)
            }
            OutputFormat::Yolox => format!(
                "1x{}x{} (yolox, {} input, {classes} labels)",
                yolox_cells(self.input),
                5 + classes,
                self.input
            ),
            OutputFormat::End2end => "1xNx6 (end2end)".to_owned(),
            OutputFormat::End2end7 => "Nx7 (end2end7)".to_owned(),
            OutputFormat::Detr if self.has_scores => {
                format!("1xNx4 and 1xNx{columns} (detr, {classes} labels)")
            }
            OutputFormat::Detr => format!("1xNx(4+{columns}) (detr, {classes} labels)"),
            OutputFormat::Dfine => "1xNx4, 1xN and 1xN (dfine)".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
