//! A smoke test with a tiny network, through all steps of a model on a board: `trtexec` builds its engine, TensorRT
//! loads it, the GPU runs it, and the numbers are compared with the expected ones.
//!
//! The network's output is `constant + slope × mean brightness` (ReduceMean, Mul, Add; opset 13), in the format of
//! YOLOv8: it finds a van in every picture and a person in bright ones only. `smoke.onnx` holds it; the tests generate
//! it again and compare.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::super::{
    DetectError, Detection, Detector, InstalledModel, ModelStore, Parallelism, Picture, Thresholds,
};
use super::build::build_in;
use super::cache::EngineCache;
use super::product::Product;
use crate::base::{Letterbox, Size, Stop};

/// The network's file.
pub const SMOKE_ONNX: &[u8] = include_bytes!("smoke.onnx");

const ID: &str = "smoke-test";
const SIZE: Size = Size::new(96, 64);

/// 16-bit floats have eleven binary digits.
const TOLERANCE: f32 = 0.01;
/// Tolerance of boxes in pixels.
const TOLERANCE_PX: f32 = 0.5;

/// The number of pictures in the measurement.
const CALLS: u32 = 50;

/// One step of the smoke test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmokeStep {
    /// `build`, `load`, `run`.
    pub what: &'static str,
    /// Its duration.
    pub took: Duration,
    /// The result; or why the test ends here, with the remedy after a semicolon.
    pub outcome: Result<String, String>,
}

/// The grey of the picture, and the expected objects: class and confidence, the most confident first.
const SCENES: [(u8, &[(&str, f32)]); 3] = [
    (0, &[("van", 0.875)]),
    (255, &[("van", 0.875), ("person", 0.75)]),
    (128, &[("van", 0.875), ("person", 0.75 * 128.0 / 255.0)]),
];

/// The expected box: left, top, right, bottom.
const PLACES: [(&str, [f32; 4]); 2] = [
    ("van", [16.0, 20.0, 32.0, 44.0]),
    ("person", [66.0, 32.0, 78.0, 48.0]),
];

/// Builds, loads and runs the network's engine, and calls `report` after each step. It ends at the first step that fails.
/// Blocks for a minute or more on a board.
pub fn smoke_test(product: Product, report: &mut dyn FnMut(SmokeStep)) {
    let mut step = |what, since: Instant, outcome: Result<String, String>| {
        let went_well = outcome.is_ok();
        report(SmokeStep {
            what,
            took: since.elapsed(),
            outcome,
        });
        went_well
    };
    let since = Instant::now();
    let folder = TempFolder::new();
    let built = install(&folder.0).and_then(|model| {
        let cache = EngineCache::in_dir(folder.0.join("engines"));
        let place = (&cache, product);
        build_in(place, &model, None, true, &mut |_| {}, &Stop::default())
            .map(|built| (model, cache, built))
            .map_err(|error| error.to_string())
    });
    let (model, cache, built) = match built {
        Ok(built) => built,
        Err(reason) => {
            step("build", since, Err(reason));
            return;
        }
    };
    let bytes = std::fs::metadata(&built.path).map_or(0, |meta| meta.len());
    step(
        "build",
        since,
        Ok(format!("there is an engine of {bytes} bytes")),
    );
    let since = Instant::now();
    let one_lane = Parallelism {
        lanes: Some(1),
        ..Parallelism::default()
    };
    let opened = model
        .labels()
        .and_then(|labels| super::open_in((&cache, product), &model, labels, one_lane));
    let mut detectors = match opened {
        Ok(detectors) => detectors,
        Err(error) => {
            step("load", since, Err(error.to_string()));
            return;
        }
    };
    step("load", since, Ok(format!("{product} loads it")));
    let since = Instant::now();
    step("run", since, run(detectors[0].as_mut()));
}

/// Runs every scene, then measures the speed.
fn run(detector: &mut dyn Detector) -> Result<String, String> {
    for (grey, wanted) in SCENES {
        let found = see(detector, grey).map_err(|error| error.to_string())?;
        compare(&found, wanted).map_err(|difference| {
            format!(
                "in a picture of brightness {grey} {difference}; the libraries do not fit this GPU or each other: install \
                 TensorRT and CUDA of one JetPack"
            )
        })?;
    }
    let since = Instant::now();
    for _ in 0..CALLS {
        see(detector, 255).map_err(|error| error.to_string())?;
    }
    let each = since.elapsed() / CALLS;
    Ok(format!(
        "finds what it has to find in {} pictures, {:.2} ms each",
        SCENES.len(),
        each.as_secs_f64() * 1e3
    ))
}

fn see(detector: &mut dyn Detector, grey: u8) -> Result<Vec<Detection>, DetectError> {
    let rgb = vec![grey; 3 * SIZE.width as usize * SIZE.height as usize];
    let picture = Picture {
        rgb: &rgb,
        letterbox: Letterbox::fit(SIZE, SIZE),
    };
    let thresholds = Thresholds {
        confidence: 0.25,
        iou: 0.45,
    };
    let mut found = detector.detect(&[picture], thresholds)?;
    Ok(found.pop().unwrap_or_default())
}

fn compare(found: &[Detection], wanted: &[(&str, f32)]) -> Result<(), String> {
    let found_texts: Vec<String> = found
        .iter()
        .map(|one| format!("{} {:.3}", one.class_name, one.confidence))
        .collect();
    let differs = || {
        let wanted: Vec<String> = wanted
            .iter()
            .map(|(class, confidence)| format!("{class} {confidence:.3}"))
            .collect();
        Err(format!(
            "it finds [{}] instead of [{}]",
            found_texts.join(", "),
            wanted.join(", ")
        ))
    };
    if found.len() != wanted.len() {
        return differs();
    }
    for (one, (class, confidence)) in std::iter::zip(found, wanted) {
        let place = PLACES.iter().find(|(name, _)| name == class);
        let place = place.map_or([0.0; 4], |(_, place)| *place);
        let corners = one.bbox.corners();
        let near =
            std::iter::zip(corners, place).all(|(is, wanted)| (is - wanted).abs() < TOLERANCE_PX);
        if &*one.class_name != *class || (one.confidence - confidence).abs() > TOLERANCE {
            return differs();
        }
        if !near {
            return Err(format!(
                "its {class} is at {corners:?} instead of {place:?}"
            ));
        }
    }
    Ok(())
}

/// Writes the network as an installed model.
fn install(folder: &Path) -> Result<InstalledModel, String> {
    let place = folder.join("models").join(ID);
    let manifest = format!(
        "description = \"a network of known numbers\"\nlabels = [\"person\", \"van\"]\n\
         [[files]]\nname = \"model.onnx\"\nsha256 = \"{:x}\"\n\
         [input]\nname = \"images\"\nwidth = {}\nheight = {}\n\
         [output]\nformat = \"yolov8\"\n",
        Sha256::digest(SMOKE_ONNX),
        SIZE.width,
        SIZE.height
    );
    std::fs::create_dir_all(&place)
        .and_then(|()| std::fs::write(place.join("model.onnx"), SMOKE_ONNX))
        .and_then(|()| std::fs::write(place.join("model.toml"), manifest))
        .map_err(|error| {
            format!(
                "can't write {}: {error}; let TMPDIR name a folder that can be written",
                place.display()
            )
        })?;
    ModelStore::new(vec![folder.join("models")])
        .find(ID)
        .map_err(|error| error.to_string())
}

/// A folder for this test only, which is removed at its end.
struct TempFolder(PathBuf);

impl TempFolder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("nvr-smoke-test-{}", std::process::id())))
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BBox;

    #[test]
    fn the_network_is_an_installed_model() {
        let folder = tempfile::tempdir().expect("a folder");
        let model = install(folder.path()).expect("it is installed");
        model.verify().expect("its hash is right");
        assert_eq!(model.manifest.input_size(), SIZE);
        assert_eq!(model.labels().expect("it has some").len(), 2);
    }

    #[test]
    fn another_class_confidence_or_place_is_a_difference() {
        let van = |confidence: f32, x: f32| Detection {
            class_name: "van".into(),
            confidence,
            bbox: BBox {
                x,
                y: 32.0,
                width: 16.0,
                height: 24.0,
            },
        };
        let wanted = SCENES[0].1;
        assert_eq!(compare(&[van(0.876, 24.1)], wanted), Ok(()));
        assert_eq!(
            compare(&[van(0.9, 24.0)], wanted),
            Err("it finds [van 0.900] instead of [van 0.875]".to_owned())
        );
        assert!(
            compare(&[van(0.875, 26.0)], wanted)
                .is_err_and(|words| words.starts_with("its van is at [18.0,"))
        );
        assert!(compare(&[], wanted).is_err());
    }
}
