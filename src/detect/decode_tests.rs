//! What each format makes of its numbers.

use super::*;
use proptest::prelude::*;

use super::super::nms::Candidate;
use crate::base::BBox;

const INPUT: Size = Size::new(64, 32);

fn decoder(format: OutputFormat) -> Decoder {
    Decoder::new(&format.into(), INPUT, 2)
}

fn decode(decoder: &mut Decoder, shape: &[usize], data: &[f32]) -> Vec<Candidate> {
    decode_all(decoder, &[(shape, data)])
}

fn decode_all(decoder: &mut Decoder, outputs: &[(&[usize], &[f32])]) -> Vec<Candidate> {
    let outputs: Vec<OutputTensor<'_>> = outputs
        .iter()
        .map(|(shape, numbers)| OutputTensor { shape, numbers })
        .collect();
    let shapes: Vec<&[usize]> = outputs.iter().map(|output| output.shape).collect();
    decoder.check("tiny", &shapes).expect("the right shapes");
    let mut found = Vec::new();
    decoder.decode(&outputs, 0.25, 0.45, &mut found);
    found
}

fn is_near(bbox: &BBox, wanted: [f32; 4]) -> bool {
    let found = [bbox.x, bbox.y, bbox.width, bbox.height];
    let mut pairs = found.iter().zip(wanted);
    pairs.all(|(found, wanted)| (found - wanted).abs() < 1e-4)
}

/// The same numbers with rows and columns exchanged.
fn turned(columns: usize, data: &[f32]) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| data.iter().skip(column).step_by(columns).copied())
        .collect()
}

#[test]
fn yolov8_columns_are_boxes_with_the_score_of_their_best_class() {
    let mut decoder = decoder(OutputFormat::Yolov8);
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
    let mut decoder = decoder(OutputFormat::Yolox);
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
    assert!(
        is_near(&found[0].bbox, [20.0, 10.0, 8.0, 16.0]),
        "{found:?}"
    );
    assert!(
        is_near(&found[1].bbox, [48.0, 16.0, 16.0, 32.0]),
        "{found:?}"
    );
}

#[test]
fn end_to_end_rows_are_taken_as_they_are() {
    let mut decoder = decoder(OutputFormat::End2end);
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
fn boxes_in_rows_and_in_columns_are_the_same() {
    // Three boxes: a weak one, one of class 1, and its weaker duplicate.
    #[rustfmt::skip]
    let of_yolov5 = [
        10.0, 10.0,  4.0,  4.0, 0.9, 0.2, 0.1,
        30.0, 16.0, 20.0, 10.0, 0.9, 0.1, 0.8,
        31.0, 16.0, 20.0, 10.0, 0.5, 0.1, 0.8,
    ];
    let in_rows = decode(&mut decoder(OutputFormat::Yolov5), &[1, 3, 7], &of_yolov5);
    assert_eq!(in_rows.len(), 1);
    assert!(is_near(&in_rows[0].bbox, [30.0, 16.0, 20.0, 10.0]));
    assert_eq!(in_rows[0].class, 1);
    assert!((in_rows[0].confidence - 0.72).abs() < 1e-6);
    let in_columns = turned(7, &of_yolov5);
    assert_eq!(
        decode(&mut decoder(OutputFormat::Yolov5), &[1, 7, 3], &in_columns),
        in_rows
    );
    // The same without the objectness.
    let of_yolov8: Vec<f32> = of_yolov5
        .chunks_exact(7)
        .flat_map(|row| [row[0], row[1], row[2], row[3], row[5], row[6]])
        .collect();
    let in_rows = decode(&mut decoder(OutputFormat::Yolov8), &[1, 3, 6], &of_yolov8);
    let in_columns = turned(6, &of_yolov8);
    assert_eq!(
        decode(&mut decoder(OutputFormat::Yolov8), &[1, 6, 3], &in_columns),
        in_rows
    );
    assert_eq!((in_rows.len(), in_rows[0].confidence), (1, 0.8));
}

#[test]
fn rows_of_seven_begin_with_the_picture_and_end_with_the_score() {
    #[rustfmt::skip]
    let data = [
        0.0, 2.0, 4.0, 10.0, 20.0, 1.0, 0.5,
        0.0, 2.0, 4.0, 10.0, 20.0, 0.0, 0.8,
        1.0, 2.0, 4.0, 10.0, 20.0, 0.0, 0.9, // of another picture
        0.0, 2.0, 4.0, 10.0, 20.0, 7.0, 0.9, // a class without a label
    ];
    for shape in [&[4, 7][..], &[1, 4, 7]] {
        let found = decode(&mut decoder(OutputFormat::End2end7), shape, &data);
        let told: Vec<_> = found
            .iter()
            .map(|found| (found.class, found.confidence))
            .collect();
        assert_eq!(told, [(0, 0.8), (1, 0.5)]);
        assert_eq!(found[0].bbox.corners(), [2.0, 4.0, 10.0, 20.0]);
    }
}

#[test]
fn queries_have_shares_of_the_picture_and_scores_of_three_kinds() {
    let boxes = [0.5, 0.25, 0.25, 0.5, 0.1, 0.1, 0.1, 0.1];
    let with = |activation, scores: &[f32]| {
        let output = Output {
            scores: Some("scores".to_owned()),
            activation,
            ..OutputFormat::Detr.into()
        };
        let mut decoder = Decoder::new(&output, INPUT, 2);
        let (of_boxes, of_scores) = ([1, 2, 4], [1, 2, scores.len() / 2]);
        let found = decode_all(
            &mut decoder,
            &[(&of_boxes[..], &boxes[..]), (&of_scores[..], scores)],
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(is_near(&found[0].bbox, [32.0, 8.0, 16.0, 16.0]));
        assert_eq!(found[0].class, 1);
        found[0].confidence
    };
    assert_eq!(with(None, &[0.1, 0.75, 0.0, 0.2]), 0.75);
    let sigmoid = with(Some(Activation::Sigmoid), &[-3.0, 1.0, -3.0, -2.0]);
    assert!((sigmoid - 0.731_058_6).abs() < 1e-6, "{sigmoid}");
    // The last score is that of no object, which wins for the second query.
    let softmax = with(Some(Activation::Softmax), &[0.0, 2.0, 1.0, 1.0, 0.0, 9.0]);
    assert!((softmax - 0.665_240_9).abs() < 1e-6, "{softmax}");
    // Both in one tensor.
    let mut together = decoder(OutputFormat::Detr);
    let rows = [
        0.5, 0.25, 0.25, 0.5, 0.1, 0.75, 0.1, 0.1, 0.1, 0.1, 0.0, 0.2,
    ];
    let found = decode(&mut together, &[1, 2, 6], &rows);
    assert_eq!((found.len(), found[0].class), (1, 1));
    assert!(is_near(&found[0].bbox, [32.0, 8.0, 16.0, 16.0]));
}

#[test]
fn labels_boxes_and_scores_of_three_tensors_belong_together() {
    let boxes = [2.0, 4.0, 10.0, 20.0, 0.0, 0.0, 8.0, 8.0];
    let found = decode_all(
        &mut decoder(OutputFormat::Dfine),
        &[
            (&[1, 2, 4][..], &boxes[..]),
            (&[1, 2], &[0.5, 0.1]),
            (&[1, 2], &[1.0, 0.0]),
        ],
    );
    assert_eq!((found.len(), found[0].class), (1, 1));
    assert_eq!(found[0].bbox.corners(), [2.0, 4.0, 10.0, 20.0]);
}

#[test]
fn a_wrong_shape_is_told_with_the_expected_and_the_found_one() {
    let refusal = |format, shape: &[usize]| {
        Decoder::new(&OutputFormat::into(format), Size::new(640, 640), 80)
            .check("yolo12n-640", &[shape])
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
            (OutputFormat::Yolov8, [1, 49, 6]),
            (OutputFormat::Yolov5, [1, 42, 7]),
            (OutputFormat::Yolov5, [1, 7, 42]),
            (OutputFormat::End2end7, [1, 42, 7]),
            (OutputFormat::Detr, [1, 49, 6]),
        ] {
            let mut decoder = decoder(format);
            for candidate in decode(&mut decoder, &shape, &data) {
                prop_assert!(candidate.confidence >= 0.25);
                prop_assert!(candidate.class < 2);
                prop_assert!(candidate.bbox.corners().iter().all(|edge| edge.is_finite()));
            }
        }
    }
}
