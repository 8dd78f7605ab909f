//! A real network in the forms of all exporters: the import tells them apart by what it finds in the built-in picture, and
//! both engines then find what the original finds.

use std::time::Duration;

use nvr::base::{Frame, models_dirs};
use nvr::config::{Backend, ModelChoice, OpenVinoPrecision};
use nvr::detect::{
    Activation, ColorOrder, Detection, DetectorRequest, ImportRequest, Imported, ModelStore,
    Normalize, OutputFormat, Parallelism, Range, Resize, import, open,
};

use super::ENGINES;
use crate::support::footage::{asset, frames};
use crate::support::rewrapped::{Form, Taken, rewrapped};
use crate::support::tiny::see;

const COCO: [&str; 4] = ["person", "cat", "cup", "dining table"];

struct Installed {
    dir: tempfile::TempDir,
}

impl Installed {
    fn of(form: Form, taken: Taken) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("net.onnx"), rewrapped(form, taken)).expect("written");
        Self { dir }
    }

    fn request(&self) -> ImportRequest {
        ImportRequest {
            file: self.dir.path().join("net.onnx"),
            id: "net".to_owned(),
            // As the original was trained, whatever is usual for the form.
            resize: Some(Resize::Letterbox),
            ..ImportRequest::default()
        }
    }

    fn import(&self, request: &ImportRequest) -> Result<Imported, String> {
        let models = self.dir.path().join("models");
        import(request, &[models]).map_err(|error| error.to_string())
    }

    fn found(&self, backend: Backend, frame: &Frame) -> Vec<Detection> {
        found(
            "net",
            backend,
            ModelStore::new(vec![self.dir.path().join("models")]),
            frame,
        )
    }
}

fn found(model: &str, backend: Backend, store: ModelStore, frame: &Frame) -> Vec<Detection> {
    let wanted = DetectorRequest {
        model: ModelChoice::Named(model.to_owned()),
        backend,
        openvino_precision: OpenVinoPrecision::F32,
        parallelism: Parallelism {
            threads: Some(1),
            lanes: Some(1),
            ..Parallelism::default()
        },
        scripted_delay: Duration::ZERO,
    };
    see(&mut open(&wanted, &store).expect("it loads"), frame)
}

/// Persons alone: a car that is a truck as well has a row for each only where the classes are told apart after the network.
fn assert_same(form: Form, found: &[Detection], wanted: &[Detection]) {
    let persons = |all: &[Detection]| -> Vec<Detection> {
        let persons = all.iter().filter(|one| &*one.class_name == "person");
        persons.cloned().collect()
    };
    let (found, wanted) = (persons(found), persons(wanted));
    // A score at the threshold may fall on either side of it.
    for wanted in wanted.iter().filter(|one| one.confidence > 0.3) {
        let twin = found
            .iter()
            .find(|one| one.bbox.iou(&wanted.bbox) >= 0.95)
            .unwrap_or_else(|| panic!("{form:?}: {wanted:?} is not in {found:?}"));
        assert!((twin.confidence - wanted.confidence).abs() < 0.01);
    }
    let strong = found.iter().filter(|one| one.confidence > 0.3).count();
    assert!(strong <= wanted.len(), "{form:?}: {found:?}");
}

#[test]
fn every_form_of_a_real_network_is_read_as_the_original() {
    let frame = &frames(&asset("footage/vtest.avi"), 400)
        .next()
        .expect("a frame");
    let original = ModelStore::new(models_dirs(&[]));
    let wanted = found("yolo12n-320", Backend::Rten, original, frame);
    assert!(wanted.len() >= 3, "{wanted:?}");
    for (form, format, activation) in [
        (Form::Yolov8Rows, OutputFormat::Yolov8, None),
        (Form::Yolov5, OutputFormat::Yolov5, None),
        (Form::Yolov5Columns, OutputFormat::Yolov5, None),
        (Form::End2end, OutputFormat::End2end, None),
        (Form::End2end7, OutputFormat::End2end7, None),
        (Form::DetrRows, OutputFormat::Detr, None),
        (
            Form::DetrSigmoid,
            OutputFormat::Detr,
            Some(Activation::Sigmoid),
        ),
        (
            Form::DetrSoftmax,
            OutputFormat::Detr,
            Some(Activation::Softmax),
        ),
        (Form::Dfine, OutputFormat::Dfine, None),
    ] {
        let installed = Installed::of(form, Taken::Unit);
        let imported = installed
            .import(&installed.request())
            .unwrap_or_else(|reason| panic!("{form:?}: {reason}"));
        let manifest = &imported.model.manifest;
        assert_eq!(manifest.output.format, format, "{form:?}");
        assert_eq!(manifest.output.activation, activation, "{form:?}");
        assert_eq!(manifest.input.normalize, Normalize::Range(Range::Unit));
        for class in COCO {
            assert!(imported.reading.contains(class), "{}", imported.reading);
        }
        for backend in ENGINES {
            assert_same(form, &installed.found(backend, frame), &wanted);
        }
    }
}

#[test]
fn the_range_of_the_input_is_found_too() {
    let bytes = Installed::of(Form::Yolov5, Taken::Bytes);
    let imported = bytes.import(&bytes.request()).expect("told as well");
    // As YOLOX with `decode_in_inference` takes them.
    assert_eq!(imported.model.manifest.input.color_order, ColorOrder::Bgr);
    assert!(
        imported.reading.contains("0-255, blue first"),
        "{}",
        imported.reading
    );
    for (form, taken, range) in [
        (Form::Yolov8Rows, Taken::Bytes, Range::Bytes),
        (Form::Yolov5, Taken::ImageNet, Range::ImageNet),
        (Form::DetrSigmoid, Taken::ImageNet, Range::ImageNet),
    ] {
        let installed = Installed::of(form, taken);
        let imported = installed
            .import(&installed.request())
            .expect("it is told by the picture");
        let normalize = &imported.model.manifest.input.normalize;
        assert_eq!(*normalize, Normalize::Range(range), "{}", imported.reading);
    }
    // The options decide against it, and what comes of it is told.
    let installed = Installed::of(Form::Yolov8Rows, Taken::Bytes);
    let imported = installed
        .import(&ImportRequest {
            format: Some(OutputFormat::Yolov8),
            range: Some(Range::Unit),
            ..installed.request()
        })
        .expect("it is said");
    let normalize = &imported.model.manifest.input.normalize;
    assert_eq!(*normalize, Normalize::Range(Range::Unit));
    assert!(
        imported
            .reading
            .contains("not confirmed by the built-in picture"),
        "{}",
        imported.reading
    );
}

#[test]
fn a_form_that_can_not_be_read_is_refused_and_not_read_wrongly() {
    let installed = Installed::of(Form::Yolov8Shares, Taken::Unit);
    let reason = installed
        .import(&installed.request())
        .expect_err("its boxes are shares");
    assert!(
        reason.contains("boxes are shares of the picture, not pixels"),
        "{reason}"
    );
    // Classes that the picture does not have: the input's range is not known.
    let installed = Installed::of(Form::DetrSigmoid, Taken::Unit);
    let mut request = installed.request();
    request.labels = Some((0..80).map(|index| format!("k{index}")).collect());
    let reason = installed.import(&request).expect_err("nothing decides");
    assert!(
        reason.contains(
            "--output-format detr --normalise 0-1, 0-255 or imagenet, and --activation sigmoid or softmax"
        ),
        "{reason}"
    );
    request.format = Some(OutputFormat::Detr);
    request.range = Some(Range::Unit);
    let imported = installed.import(&request).expect("it is said");
    let output = &imported.model.manifest.output;
    assert_eq!(output.activation, Some(Activation::Sigmoid));
    assert_eq!(output.scores.as_deref(), Some("logits"));
}
