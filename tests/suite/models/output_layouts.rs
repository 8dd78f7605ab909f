//! Outputs whose shape fits several formats: refused with all of them and the option that decides, unless the file or a
//! run decides.

use nvr::base::Size;
use nvr::detect::{DetectError, ImportRequest, InstalledModel, OutputFormat, import};

use super::ModelDir;
use crate::support::onnx::TinyNetwork;

const LARGE: Size = Size::new(640, 640);

/// A network with this output shape that finds nothing, with the names of its classes in its metadata.
fn silent(shape: [usize; 3], names: &str) -> TinyNetwork {
    let count = shape.iter().product();
    TinyNetwork {
        input: LARGE,
        shape,
        constant: vec![0.0; count],
        slope: vec![0.0; count],
        metadata: vec![("names".to_owned(), names.to_owned())],
    }
}

fn row(network: &mut TinyNetwork, index: usize, values: &[f32]) {
    let start = index * network.shape[2];
    network.constant[start..start + values.len()].copy_from_slice(values);
}

fn imported(
    network: &TinyNetwork,
    format: Option<OutputFormat>,
) -> Result<InstalledModel, DetectError> {
    let place = ModelDir::with(network);
    let request = ImportRequest {
        file: place.onnx(),
        id: "tiny".to_owned(),
        format,
        ..ImportRequest::default()
    };
    import(&request, &[place.models()]).map(|imported| imported.model)
}

fn refused(network: &TinyNetwork) -> String {
    let error = imported(network, None).expect_err("its format is in doubt");
    let text = error.to_string();
    let reason = text
        .split_once(" can't be imported: ")
        .map(|(_, reason)| reason);
    reason.unwrap_or(&text).to_owned()
}

#[test]
fn shapes_of_several_formats_are_refused_with_all_of_them() {
    let mut yolov7 = silent([1, 25_200, 6], "{0: 'rat'}");
    row(&mut yolov7, 7, &[60.0, 50.0, 100.0, 200.0, 0.9, 0.95]);
    assert_eq!(
        refused(&yolov7),
        "its output, 1x25200x6, can be YOLOv5 or YOLOv7 (1 class) or DeepStream-Yolo, and nothing in the file tells which; \
         if you know that it is, say --output-format yolov5 (the others can't be read)"
    );
    let mut detr = silent([1, 300, 6], "{0: 'a', 1: 'b'}");
    row(&mut detr, 0, &[0.5, 0.5, 0.2, 0.2, 0.9, 0.05]);
    assert_eq!(
        refused(&detr),
        "its output, 1x300x6, can be end2end or RT-DETR (2 classes), and nothing in the file tells which; if you know \
         that it is, say --output-format end2end or --output-format detr"
    );
    let mut deepstream = silent([1, 8400, 6], "{0: 'person'}");
    row(&mut deepstream, 0, &[100.0, 100.0, 200.0, 300.0, 0.9, 0.0]);
    assert_eq!(
        refused(&deepstream),
        "its output, 1x8400x6, can be yolox (1 class), YOLOX with decode_in_inference or YOLOv6 (1 class) or \
         DeepStream-Yolo, and nothing in the file tells which; if you know that it is, say --output-format yolox or \
         --output-format yolov5 (the others can't be read)"
    );
    let turned = silent([1, 8400, 84], "");
    assert_eq!(
        refused(&turned),
        "the class names in its metadata can't be read: it names no class, in ``; name its classes with --labels"
    );
}

#[test]
fn the_option_and_the_exporter_decide() {
    let mut network = silent([1, 300, 6], "{0: 'a', 1: 'b'}");
    let model = imported(&network, Some(OutputFormat::End2end)).expect("it is said");
    assert_eq!(model.manifest.output.format, OutputFormat::End2end);
    let error = imported(&network, Some(OutputFormat::Yolox)).expect_err("it can't be");
    assert!(
        error.to_string().ends_with(
            "--output-format yolox needs 1x8400x(5+classes) (yolox at 640x640), but its output is 1x300x6"
        ),
        "{error}"
    );
    network
        .metadata
        .push(("end2end".to_owned(), "True".to_owned()));
    let model = imported(&network, None).expect("the exporter says it");
    assert_eq!(model.manifest.output.format, OutputFormat::End2end);
    let three = silent([1, 300, 6], "{0: 'a', 1: 'b', 2: 'c'}");
    let model = imported(&three, None).expect("no other format has three classes");
    assert_eq!(model.manifest.output.format, OutputFormat::End2end);
    for (shape, names) in [
        ([1, 5, 8400], "{0: 'a'}"),
        ([1, 6, 8400], "{0: 'a', 1: 'b'}"),
    ] {
        let model = imported(&silent(shape, names), None).expect("one format has it");
        assert_eq!(model.manifest.output.format, OutputFormat::Yolov8);
    }
}

#[test]
fn a_run_tells_yolox_from_the_same_with_decoded_boxes() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut network = silent([1, 2100, 7], "{0: 'a', 1: 'b'}");
    network.input = Size::new(320, 320);
    for cell in 0..2100 {
        let raw: Vec<f32> = (0..7)
            .map(|column| {
                if column < 4 {
                    2.0 * rng.f32() - 0.5
                } else {
                    0.1 * rng.f32()
                }
            })
            .collect();
        row(&mut network, cell, &raw);
    }
    let model = imported(&network, None).expect("its numbers are no pixels");
    assert_eq!(model.manifest.output.format, OutputFormat::Yolox);
    let mut cell = 0;
    for stride in [8, 16, 32] {
        for line in 0..320 / stride {
            for column in 0..320 / stride {
                let [x, y] = [column, line].map(|place| (place * stride) as f32 + rng.f32());
                row(&mut network, cell, &[x, y, 20.0, 30.0, 0.1 * rng.f32()]);
                cell += 1;
            }
        }
    }
    let model = imported(&network, None).expect("its boxes are at their cells");
    assert_eq!(model.manifest.output.format, OutputFormat::Yolov5);
}

#[test]
fn numbers_that_contradict_the_only_format_of_a_shape_are_refused() {
    let names = "{0: 'a', 1: 'b', 2: 'c'}";
    let mut swapped = silent([1, 300, 6], names);
    for (index, place) in (0u16..300).enumerate() {
        let left = f32::from(place);
        let score = 0.3 - f32::from(place) / 1001.0;
        row(
            &mut swapped,
            index,
            &[left, 10.0, left + 40.0, 90.0, 1.0, score],
        );
    }
    let told = |output: &str, format: &str, reason: &str| {
        format!(
            "its output, {output}, has the shape of {format}, but in a run on noise {reason}; export it in that format, with \
             boxes in pixels and scores from 0 to 1, or say --output-format {format} if it has it all the same"
        )
    };
    assert_eq!(
        refused(&swapped),
        told(
            "1x300x6",
            "end2end",
            "its last column is not the number of a class"
        )
    );
    let model = imported(&swapped, Some(OutputFormat::End2end)).expect("it is said");
    assert_eq!(model.manifest.output.format, OutputFormat::End2end);
    let mut shares = silent([1, 7, 8400], names);
    for (row, value) in [0.5, 0.4, 0.2, 0.3, 0.1, 0.1, 0.1].into_iter().enumerate() {
        shares.constant[row * 8400..(row + 1) * 8400].fill(value);
    }
    assert_eq!(
        refused(&shares),
        told(
            "1x7x8400",
            "yolov8",
            "its boxes are shares of the picture, not pixels"
        )
    );
    shares.constant[..8400].fill(320.0);
    shares.constant[4 * 8400..].fill(-7.0);
    assert_eq!(
        refused(&shares),
        told("1x7x8400", "yolov8", "its scores are not between 0 and 1")
    );
}

#[test]
fn a_network_of_another_task_and_one_of_many_classes_are_taken_for_what_they_are() {
    let mut pose = silent([1, 300, 57], "{0: 'person'}");
    for (key, value) in [("author", "Ultralytics"), ("task", "pose")] {
        pose.metadata.push((key.to_owned(), value.to_owned()));
    }
    assert_eq!(
        refused(&pose),
        "it is a network for the task `pose`, as its metadata says, and only `detect` can be read; export one that was \
         trained for detection"
    );
    assert_eq!(
        refused(&silent([1, 100, 5], "{0: 'a', 1: 'b'}")),
        "its output, 1x100x5, is that of mmdetection with its classes in another output, which can't be read; export it as \
         yolov8 or with its duplicates removed (end2end), or name the format with --output-format if it has one that can be \
         read all the same"
    );
    let names: Vec<String> = (0..2000).map(|index| format!("k{index}")).collect();
    let mut many = silent([1, 2004, 84], &names.join(","));
    many.input = Size::new(64, 64);
    let model = imported(&many, None).expect("its names give the number of classes");
    assert_eq!(model.manifest.output.format, OutputFormat::Yolov8);
}
