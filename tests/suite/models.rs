//! Models of every format through both CPU engines, and their installation: with tiny networks of known output, so that
//! no weights are needed.

mod class_names;
mod fetching;
mod foreign_files;
mod libraries;
#[cfg(target_arch = "x86_64")]
mod openvino;
mod output_layouts;
mod readings;
mod trying;
mod weights;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use nvr::base::Size;
use nvr::config::{Backend, ModelChoice, OpenVinoPrecision};
use nvr::detect::{
    DetectError, DetectorRequest, ImportRequest, InstalledModel, LoadedDetector, ModelStore,
    OutputFormat, Parallelism, Range, import, open,
};

use crate::support::onnx::TinyNetwork;
use crate::support::tiny::{OBJECTS, assert_sees, lit, see};

const INPUT: Size = Size::new(96, 64);
const FORMATS: [OutputFormat; 3] = [
    OutputFormat::Yolov8,
    OutputFormat::Yolox,
    OutputFormat::End2end,
];
const ENGINES: [Backend; 2] = [Backend::Rten, Backend::Onnxruntime];

/// A directory with one file, `tiny.onnx`.
struct ModelDir {
    dir: tempfile::TempDir,
    /// The statement about its format.
    format: Option<OutputFormat>,
}

impl ModelDir {
    fn with(network: &TinyNetwork) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("tiny.onnx"), network.onnx()).expect("written");
        Self { dir, format: None }
    }

    fn finding(format: OutputFormat) -> Self {
        let mut place = Self::with(&TinyNetwork::finding(format, INPUT, 2, &OBJECTS));
        // The shapes of the others fit further formats, and two objects prove nothing.
        place.format = (format != OutputFormat::Yolov8).then_some(format);
        place
    }

    fn onnx(&self) -> PathBuf {
        self.dir.path().join("tiny.onnx")
    }

    fn models(&self) -> PathBuf {
        self.dir.path().join("models")
    }

    fn import(&self) -> Result<InstalledModel, DetectError> {
        let request = ImportRequest {
            file: self.onnx(),
            id: "tiny".to_owned(),
            format: self.format,
            // The value that tiny networks take for white, whatever is usual in their format.
            range: Some(Range::Unit),
            labels: Some(vec!["person".to_owned(), "van".to_owned()]),
            ..ImportRequest::default()
        };
        import(&request, &[self.models()]).map(|imported| imported.model)
    }

    fn open(&self, backend: Backend) -> Result<LoadedDetector, DetectError> {
        open_in(&self.models(), backend)
    }

    /// Runs `nvr model …` with this directory as the cache.
    fn nvr(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_nvr"))
            .arg("model")
            .args(args)
            .env("NVR_CACHE", self.dir.path())
            .env_remove("NVR_MODELS_DIR")
            .current_dir(std::env::temp_dir())
            .output()
            .expect("nvr runs")
    }
}

/// Opens `tiny` of the folder `models`, with one thread.
fn open_in(models: &Path, backend: Backend) -> Result<LoadedDetector, DetectError> {
    let wanted = DetectorRequest {
        model: ModelChoice::Named("tiny".to_owned()),
        backend,
        openvino_precision: OpenVinoPrecision::F32,
        parallelism: Parallelism {
            threads: Some(1),
            lanes: Some(1),
            ..Parallelism::default()
        },
        scripted_delay: Duration::ZERO,
    };
    open(&wanted, &ModelStore::new(vec![models.to_owned()]))
}

#[test]
fn every_format_gives_the_same_boxes_in_both_engines() {
    every_format_gives_the_same_boxes(&ENGINES);
}

fn every_format_gives_the_same_boxes(engines: &[Backend]) {
    for format in FORMATS {
        let place = ModelDir::finding(format);
        let model = place.import().expect("it is installed");
        assert_eq!(model.manifest.output.format, format);
        for backend in engines.iter().copied() {
            let mut opened = place.open(backend).expect("it loads");
            assert_eq!(&*opened.model_id, "tiny");
            // One of the input's shape, and a square one, which has 16 columns of grey on both sides.
            let (light, dark) = (Size::new(192, 128), Size::new(128, 128));
            let van = ("van", 0.875, [32.0, 40.0, 64.0, 88.0]);
            let person = ("person", 0.75, [132.0, 64.0, 156.0, 96.0]);
            assert_sees(&see(&mut opened, &lit(light, 1.0)), &[van, person]);
            let van = ("van", 0.875, [0.0, 40.0, 32.0, 88.0]);
            assert_sees(&see(&mut opened, &lit(dark, 0.0)), &[van]);
        }
    }
}

#[test]
fn a_network_of_16_bit_floats_gives_the_same_boxes_in_both_engines() {
    a_network_of_16_bit_floats_gives_the_same_boxes(&ENGINES);
}

fn a_network_of_16_bit_floats_gives_the_same_boxes(engines: &[Backend]) {
    let network = TinyNetwork::finding(OutputFormat::Yolov8, INPUT, 2, &OBJECTS);
    let place = ModelDir::with(&network);
    std::fs::write(place.onnx(), network.onnx_half()).expect("written");
    place.import().expect("it is installed");
    for backend in engines.iter().copied() {
        let mut opened = place.open(backend).expect("it loads");
        let van = ("van", 0.875, [32.0, 40.0, 64.0, 88.0]);
        let person = ("person", 0.75, [132.0, 64.0, 156.0, 96.0]);
        let found = see(&mut opened, &lit(Size::new(192, 128), 1.0));
        assert_sees(&found, &[van, person]);
    }
}

#[test]
fn a_manifest_that_promises_another_tensor_is_refused_with_both_shapes() {
    let place = ModelDir::finding(OutputFormat::Yolov8);
    let model = place.import().expect("it is installed");
    let text = std::fs::read_to_string(&model.manifest_path).expect("the manifest");
    for (from, to, wanted) in [
        (
            "labels = [\"person\", \"van\"]",
            "labels = [\"person\"]",
            "model tiny: output should be 1x5xN (yolov8, 1 labels), but is 1x6x126; correct its manifest, or import the \
             model again",
        ),
        (
            "width = 96",
            "width = 128",
            "model tiny: input `images` should be 1x3x64x128 of f32, but is 1x3x64x96 of f32; correct its manifest, or \
             import the model again",
        ),
        (
            "name = \"output0\"",
            "name = \"boxes\"",
            "model tiny: the list of outputs should be boxes, but is 1 (output0); correct its manifest, or import the \
             model again",
        ),
    ] {
        assert!(text.contains(from), "{text}");
        std::fs::write(&model.manifest_path, text.replace(from, to)).expect("written");
        for backend in ENGINES {
            let error = place.open(backend).expect_err("another tensor");
            assert_eq!(error.to_string(), wanted);
            assert!(!error.is_transient());
        }
    }
}

#[test]
fn a_damaged_model_is_not_loaded() {
    let place = ModelDir::finding(OutputFormat::Yolov8);
    let model = place.import().expect("it is installed");
    let mut bytes = std::fs::read(model.onnx()).expect("the graph");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(model.onnx(), bytes).expect("written");
    let error = place.open(Backend::Auto).expect_err("damaged").to_string();
    let begin = format!(
        "{} is damaged or another file: expected SHA-256 {}, found ",
        model.onnx().display(),
        model.manifest.files[0].sha256
    );
    assert!(error.starts_with(&begin), "{error}");
    assert!(
        error.ends_with("reinstall it with `nvr model import`"),
        "{error}"
    );
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).expect("UTF-8")
}

#[test]
fn a_model_is_imported_listed_chosen_and_shown_by_the_command_line() {
    let mut network = TinyNetwork::finding(OutputFormat::Yolov8, INPUT, 2, &OBJECTS);
    network.metadata = vec![("names".to_owned(), "{0: 'person', 1: 'van'}".to_owned())];
    let place = ModelDir::with(&network);
    let models = place.models();
    let file = place.onnx();
    let file = file.to_str().expect("UTF-8");
    let imported = place.nvr(&["import", file, "--id", "tiny", "--license", "CC0-1.0"]);
    assert_eq!(
        text(&imported.stdout).lines().next(),
        Some(
            format!(
                "tiny is installed: 96x64 yolov8, 2 classes, in {}/tiny",
                models.display()
            )
            .as_str()
        ),
        "{}",
        text(&imported.stderr)
    );
    let chosen = place.nvr(&["default", "tiny"]);
    assert!(chosen.status.success(), "{}", text(&chosen.stderr));
    assert_eq!(
        text(&place.nvr(&["default"]).stdout),
        format!("tiny, set in {}/default\n", models.display())
    );
    let listed = text(&place.nvr(&["list", "--format", "json"]).stdout);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed[0]["id"], "tiny");
    assert_eq!(listed[0]["default"], true);
    assert_eq!(listed[0]["format"], "yolov8");
    let shown = place.nvr(&["show", "tiny"]);
    assert!(shown.status.success());
    let shown = text(&shown.stdout);
    assert!(shown.contains("license = \"CC0-1.0\""), "{shown}");
    assert!(shown.contains("labels = [\"person\", \"van\"]"), "{shown}");
    let again = place.nvr(&["import", file, "--id", "tiny"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        text(&again.stderr),
        format!(
            "error: {file} can't be imported: {}/tiny exists already; choose another id, or remove it first\n",
            models.display()
        )
    );
}

#[test]
fn a_file_that_can_not_be_imported_is_refused_with_both_shapes() {
    let mut network = TinyNetwork::finding(OutputFormat::End2end, INPUT, 2, &OBJECTS);
    network.shape = [1, 5, 12];
    let place = ModelDir::with(&network);
    assert_eq!(
        place.import().expect_err("no known shape").to_string(),
        format!(
            "{} can't be imported: --labels names 2 classes, but its output, 1x5x12, can only be yolov8 (1 \
             class)",
            place.onnx().display()
        )
    );
    network.shape = [1, 60, 1];
    let place = ModelDir::with(&network);
    assert_eq!(
        place.import().expect_err("no known shape").to_string(),
        format!(
            "{} can't be imported: its output should be one of 1x(4+classes)xN (yolov8), 1xNx(5+classes) (yolov5), \
             1x126x(5+classes) (yolox at 96x64), 1xNx6 (end2end), Nx7 (end2end7), but is 1x60x1; name the format with \
             --output-format if it is one of them all the same",
            place.onnx().display()
        )
    );
    std::fs::write(place.onnx(), "no ONNX at all").expect("written");
    let error = place.import().expect_err("no ONNX").to_string();
    assert!(
        error.contains("no engine can load it: rten says: "),
        "{error}"
    );
    // The attempts leave no files.
    let left = std::fs::read_dir(place.models()).expect("models").count();
    assert_eq!(left, 0);
}

#[test]
fn a_cache_that_can_not_be_written_is_a_clear_error() {
    let place = ModelDir::finding(OutputFormat::Yolov8);
    // The cache's path is a file: not even the superuser can write below it.
    let cache = place.dir.path().join("cache");
    std::fs::write(&cache, "").expect("written");
    place.import().expect("it is installed");
    for args in [
        &["import", "tiny.onnx", "--id", "other", "--labels", "a,b"][..],
        &["default", "tiny"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_nvr"))
            .arg("model")
            .args(args)
            .env("NVR_CACHE", &cache)
            .env_remove("NVR_MODELS_DIR")
            .current_dir(place.dir.path())
            .output()
            .expect("nvr runs");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            text(&output.stderr),
            format!(
                "error: could not write {}/models: Not a directory (os error 20); name a directory that can be written \
                 with --models-dir DIR, or set NVR_CACHE to one\n",
                cache.display()
            )
        );
    }
}
