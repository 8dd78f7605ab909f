//! Turns the output tensor of a network into candidates, by the format in its manifest.
//!
//! Formats: YOLOv8 and relatives (Ultralytics' `Detect` head as exported to ONNX), YOLOX (Megvii's, exported without
//! `decode_in_inference`), and the end-to-end heads of YOLOv10 and later. Scores are probabilities already.

use super::DetectError;
use super::manifest::OutputFormat;
use super::nms::{self, Candidate};
use crate::base::{BBox, Size};

/// Turns the output tensors of one model into boxes. Its buffer is reused for every frame.
#[derive(Debug)]
pub struct Decoder {
    format: OutputFormat,
    input: Size,
    classes: usize,
    /// The best score of each proposed box.
    best: Vec<f32>,
}

/// YOLOX's grids.
const STRIDES: [u32; 3] = [8, 16, 32];

impl Decoder {
    /// A decoder for a model with this input size and number of classes.
    pub fn new(format: OutputFormat, input: Size, classes: usize) -> Self {
        Self {
            format,
            input,
            classes,
            best: Vec::new(),
        }
    }

    /// Checks the dimensions of an output against the format, the number of classes and the input size.
    ///
    /// # Errors
    /// With the expected and the found dimensions.
    pub fn check(&self, model: &str, shape: &[usize]) -> Result<(), DetectError> {
        let fits = match (self.format, shape) {
            (OutputFormat::Yolov8, &[1, rows, _]) => rows == 4 + self.classes,
            (OutputFormat::Yolox, &[1, boxes, columns]) => {
                boxes == yolox_cells(self.input) && columns == 5 + self.classes
            }
            (OutputFormat::End2end, &[1, _, columns]) => columns == 6,
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(DetectError::output_shape(model, self.expected(), shape))
        }
    }

    /// Puts the boxes with at least `confidence` into `found`, without duplicates (by `iou`), by falling confidence.
    ///
    /// `data` has the dimensions `shape`, which [`Decoder::check`] accepted. End-to-end networks remove duplicates
    /// themselves and ignore `iou`.
    pub fn decode(
        &mut self,
        shape: &[usize],
        data: &[f32],
        confidence: f32,
        iou: f32,
        found: &mut Vec<Candidate>,
    ) {
        found.clear();
        match self.format {
            OutputFormat::Yolov8 => self.yolov8(shape[2], data, confidence, found),
            OutputFormat::Yolox => self.yolox(data, confidence, found),
            OutputFormat::End2end => self.end2end(data, confidence, found),
        }
        found.retain(|candidate| candidate.bbox.corners().iter().all(|edge| edge.is_finite()));
        match self.format {
            OutputFormat::End2end => nms::strongest_detections(found),
            _ => nms::suppress(found, iou),
        }
    }

    fn yolov8(&mut self, boxes: usize, data: &[f32], confidence: f32, found: &mut Vec<Candidate>) {
        if boxes == 0 {
            return;
        }
        self.best.resize(boxes, 0.0);
        let (geometry, scores) = data.split_at(4 * boxes);
        // A row of scores for each class. The few boxes with a sufficient score are processed afterwards.
        nvr_pixels::column_maxima(scores, &mut self.best);
        for (index, best) in self.best.iter().copied().enumerate() {
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

    fn yolox(&self, data: &[f32], confidence: f32, found: &mut Vec<Candidate>) {
        let mut rows = data.chunks_exact(5 + self.classes);
        for stride in STRIDES {
            let (columns, lines) = (self.input.width / stride, self.input.height / stride);
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

    fn end2end(&self, data: &[f32], confidence: f32, found: &mut Vec<Candidate>) {
        for row in data.chunks_exact(6) {
            let (score, class) = (row[4], row[5]);
            // Unused rows are zeros in some exports and -1 in others.
            if score >= confidence && score > 0.0 && class >= 0.0 && (class as usize) < self.classes
            {
                found.push(Candidate {
                    bbox: BBox::from_corners(row[0], row[1], row[2], row[3]),
                    confidence: score,
                    class: class as usize,
                });
            }
        }
    }

    fn expected(&self) -> String {
        let classes = self.classes;
        match self.format {
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
        }
    }
}

/// The number of boxes that YOLOX proposes for an input of this size: one per cell of its grids.
pub(super) fn yolox_cells(input: Size) -> usize {
    STRIDES
        .iter()
        .map(|stride| (input.width / stride) as usize * (input.height / stride) as usize)
        .sum()
}

fn strongest_class(scores: &[f32]) -> Option<(usize, f32)> {
    scores
        .iter()
        .copied()
        .enumerate()
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .filter(|(_, score)| !score.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INPUT: Size = Size::new(64, 32);

    fn decode(decoder: &mut Decoder, shape: &[usize], data: &[f32]) -> Vec<Candidate> {
        decoder.check("tiny", shape).expect("the right shape");
        let mut found = Vec::new();
        decoder.decode(shape, data, 0.25, 0.45, &mut found);
        found
    }

    #[test]
    fn yolov8_columns_are_boxes_with_the_score_of_their_best_class() {
        let mut decoder = Decoder::new(OutputFormat::Yolov8, INPUT, 2);
        // Three boxes: a weak one, a strong one of class 1, and its weaker duplicate.
        #[rustfmt::skip]
        let data = [
            10.0, 30.0, 31.0,
            10.0, 16.0, 16.0,
             4.0, 20.0, 20.0,
             4.0, 10.0, 10.0,
             0.2,  0.1,  0.1,
             0.1,  0.9,  0.8,
        ];
        assert_eq!(
            decode(&mut decoder, &[1, 6, 3], &data),
            [Candidate {
                bbox: BBox {
                    x: 30.0,
                    y: 16.0,
                    width: 20.0,
                    height: 10.0
                },
                confidence: 0.9,
                class: 1
            }]
        );
    }

    #[test]
    fn yolox_cells_are_relative_to_their_grids() {
        let mut decoder = Decoder::new(OutputFormat::Yolox, INPUT, 2);
        // 8x4 + 4x2 + 2x1 cells.
        let mut data = vec![0.0; 42 * 7];
        let row = |cell: usize| cell * 7..cell * 7 + 7;
        // Second row, third column of the stride 8 grid.
        data[row(10)].copy_from_slice(&[0.5, 0.25, 0.0, 2f32.ln(), 0.9, 0.1, 0.8]);
        // Last cell of the stride 32 grid.
        data[row(41)].copy_from_slice(&[0.5, 0.5, 0.5f32.ln(), 0.0, 0.5, 0.6, 0.0]);
        let found = decode(&mut decoder, &[1, 42, 7], &data);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].class, found[1].class), (1, 0));
        assert!((found[0].confidence - 0.72).abs() < 1e-6);
        let close = |bbox: &BBox, wanted: [f32; 4]| {
            [bbox.x, bbox.y, bbox.width, bbox.height]
                .iter()
                .zip(wanted)
                .all(|(found, wanted)| (found - wanted).abs() < 1e-4)
        };
        assert!(close(&found[0].bbox, [20.0, 10.0, 8.0, 16.0]), "{found:?}");
        assert!(close(&found[1].bbox, [48.0, 16.0, 16.0, 32.0]), "{found:?}");
    }

    #[test]
    fn end_to_end_rows_are_taken_as_they_are() {
        let mut decoder = Decoder::new(OutputFormat::End2end, INPUT, 2);
        #[rustfmt::skip]
        let data = [
            2.0, 4.0, 10.0, 20.0, 0.5, 1.0,
            2.0, 4.0, 10.0, 20.0, 0.8, 1.0, // overlaps, and stays: the network has selected
            0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 9.0, 9.0, 0.9, 7.0, // a class without a label
            0.0, 0.0, 9.0, 9.0, 0.9, -1.0,
        ];
        let found = decode(&mut decoder, &[1, 5, 6], &data);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].confidence, 0.8);
        assert_eq!(found[1].bbox.corners(), [2.0, 4.0, 10.0, 20.0]);
    }

    #[test]
    fn a_wrong_shape_is_told_with_the_expected_and_the_found_one() {
        let refusal = |format, shape: &[usize]| {
            Decoder::new(format, Size::new(640, 640), 80)
                .check("yolo12n-640", shape)
                .expect_err("a wrong shape")
                .to_string()
        };
        assert_eq!(
            refusal(OutputFormat::Yolov8, &[1, 8400, 85]),
            "model yolo12n-640: output should be 1x84xN (yolov8, 80 labels), but is 1x8400x85; correct its manifest, or \
             import the model again"
        );
        assert_eq!(
            refusal(OutputFormat::Yolox, &[1, 3549, 85]),
            "model yolo12n-640: output should be 1x8400x85 (yolox, 640x640 input, 80 labels), but is 1x3549x85; correct \
             its manifest, or import the model again"
        );
        assert_eq!(
            refusal(OutputFormat::End2end, &[300, 6]),
            "model yolo12n-640: output should be 1xNx6 (end2end), but is 300x6; correct its manifest, or import the \
             model again"
        );
    }

    proptest! {
        #[test]
        fn no_numbers_make_the_decoder_panic_or_keep_what_is_too_weak(
            data in proptest::collection::vec(proptest::num::f32::ANY, 42 * 7),
        ) {
            for (format, shape) in [
                (OutputFormat::Yolov8, [1, 6, 49]),
                (OutputFormat::Yolox, [1, 42, 7]),
                (OutputFormat::End2end, [1, 49, 6]),
            ] {
                let mut decoder = Decoder::new(format, INPUT, 2);
                for candidate in decode(&mut decoder, &shape, &data) {
                    prop_assert!(candidate.confidence >= 0.25);
                    prop_assert!(candidate.class < 2);
                    prop_assert!(candidate.bbox.corners().iter().all(|edge| edge.is_finite()));
                }
            }
        }
    }
}
