//! Valid manifests, and all problems of invalid ones.

use super::*;
use proptest::prelude::*;

const GOOD: &str = r#"
        labels = ["person", "forklift"]
        [[files]]
        name = "model.onnx"
        sha256 = "e548ab3a406227202334bf5a6623c9814ac6286ff04e68aeb4dc2357732d1a4f"
        [input]
        width = 640
        height = 384
        [output]
        format = "yolov8"
    "#;

fn problems(text: &str) -> Vec<String> {
    match Manifest::parse(text, Path::new("models/x/model.toml")) {
        Err(DetectError::Manifest { problems, .. }) => problems,
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn what_is_not_said_has_the_usual_value() {
    let manifest = Manifest::parse(GOOD, Path::new("model.toml")).expect("a good manifest");
    assert_eq!(manifest.input_size(), Size::new(640, 384));
    assert_eq!(manifest.input.layout, Layout::Nchw);
    assert_eq!(manifest.input.color_order, ColorOrder::Rgb);
    assert_eq!(
        manifest.input.normalize.factors(ColorOrder::Rgb),
        [(1.0 / 255.0, 0.0); 3]
    );
    assert_eq!(manifest.input.padding, 114);
    assert_eq!(manifest.onnx(), "model.onnx");
}

#[test]
fn an_unknown_key_is_rejected_with_its_path() {
    let text = GOOD.replace("height = 384", "height = 384\nstride = 32");
    let found = problems(&text);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("input.stride: unknown field `stride`"),
        "{}",
        found[0]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = r#"
            labels = { file = "labels.txt" }
            files = [
                { name = "../model.onnx", sha256 = "abc" },
                { name = "model.bin", sha256 = "e548ab3a406227202334bf5a6623c9814ac6286ff04e68aeb4dc2357732d1a4f" },
            ]
            [input]
            width = 0
            height = 100
            normalize = { mean = [0, 0, 0], std = [1, 0, 1] }
            [output]
            format = "yolox"
        "#;
    assert_eq!(
        problems(text),
        [
            "files[0].name: must be a path below the model's directory, without `.` and `..`, got `../model.onnx`",
            "files[0].sha256: must be 64 hexadecimal digits, got `abc`",
            "input.width: must be 1 to 8192, got 0",
            "input.height: must be a multiple of 32 for yolox, got 100",
            "input.normalize.std[1]: must be above 0, got 0",
            "labels.file: `labels.txt` must be in files too, with its sha256",
        ]
    );
}

#[test]
fn a_format_that_is_not_said_is_not_guessed() {
    assert_eq!(
        problems(&GOOD.replace("format = \"yolov8\"", "")),
        [
            "output: missing field `format`; it is yolov5, yolov8, yolox, end2end, end2end7, detr or dfine, and the tensor's \
             shape alone does not tell"
        ]
    );
}

#[test]
fn a_file_may_lie_in_a_folder_and_have_a_length() {
    let text = GOOD.replace(
        "[input]",
        &format!(
            "bytes = 5\n[[files]]\nname = \"weights/a.data\"\nsha256 = \"{}\"\n[input]",
            "0".repeat(64)
        ),
    );
    let manifest = Manifest::parse(&text, Path::new("model.toml")).expect("a good manifest");
    assert_eq!(manifest.files[0].bytes, Some(5));
    assert_eq!(manifest.files[1].name, "weights/a.data");
    assert_eq!(manifest.onnx(), "model.onnx");
}

#[test]
fn a_custom_range_is_one_factor_and_one_offset_a_channel() {
    let custom = Normalize::Custom(Custom {
        scale: 0.5,
        mean: [1.0, 2.0, 3.0],
        std: [1.0, 2.0, 4.0],
    });
    assert_eq!(
        custom.factors(ColorOrder::Rgb),
        [(0.5, -1.0), (0.25, -1.0), (0.125, -0.75)]
    );
}

#[test]
fn a_manifest_survives_being_written() {
    let manifest = Manifest::parse(GOOD, Path::new("model.toml")).expect("a good manifest");
    let written = toml::to_string(&manifest).expect("a manifest is TOML");
    assert_eq!(
        Manifest::parse(&written, Path::new("model.toml")).expect("what was written is read"),
        manifest
    );
}

#[test]
fn the_manifests_that_come_with_the_program_are_good() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(models)
        .expect("models/ is there")
        .flatten()
    {
        let manifest = entry.path().join("model.toml");
        if manifest.is_file() {
            Manifest::read(&manifest).expect("a good manifest");
            ids.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    ids.sort();
    assert_eq!(ids, ["yolo12n-320", "yolo12n-640"]);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = Manifest::parse(&text, Path::new("model.toml"));
    }
}
