//! Detection with real weights, real footage and the engines on the CPU.

use std::collections::BTreeMap;
use std::time::Duration;

use nvr::base::{Frame, Letterbox, models_dirs};
use nvr::config::{Backend, ModelChoice, OpenVinoPrecision};
use nvr::detect::{
    Canvas, Detection, DetectorRequest, Letterboxer, LoadedDetector, ModelStore, Parallelism,
    Picture, Thresholds, open,
};

use crate::support::alone::{alone, is_alone};
use crate::support::footage::{asset, frames};

fn opened(model: &str, backend: Backend) -> LoadedDetector {
    let wanted = DetectorRequest {
        model: ModelChoice::Named(model.to_owned()),
        backend,
        openvino_precision: OpenVinoPrecision::F32,
        parallelism: Parallelism {
            threads: None,
            lanes: Some(1),
            ..Parallelism::default()
        },
        scripted_delay: Duration::ZERO,
    };
    open(&wanted, &ModelStore::new(models_dirs(&[]))).expect("the model loads; run `make setup`")
}

/// Detects as the worker does: letterbox, then the network.
struct FrameDetector {
    opened: LoadedDetector,
    letterboxer: Letterboxer,
    canvas: Canvas,
}

impl FrameDetector {
    fn open(model: &str, backend: Backend) -> Self {
        Self::new(opened(model, backend))
    }

    fn new(opened: LoadedDetector) -> Self {
        let letterboxer = Letterboxer::new(opened.detector.input_size(), opened.detector.padding());
        Self {
            opened,
            letterboxer,
            canvas: Canvas::default(),
        }
    }

    fn detect(&mut self, frame: &Frame, confidence: f32) -> Vec<Detection> {
        let picture = self
            .letterboxer
            .draw(frame, &mut self.canvas)
            .expect("a picture");
        let thresholds = Thresholds {
            confidence,
            iou: 0.45,
        };
        self.opened
            .detector
            .detect(&[picture], thresholds)
            .expect("an inference")
            .remove(0)
    }
}

/// The number of persons in every 20th frame of vtest.avi.
fn persons(detector: &mut FrameDetector, confidence: f32) -> usize {
    frames(&asset("footage/vtest.avi"), 20)
        .flat_map(|frame| detector.detect(&frame, confidence))
        .filter(|detection| &*detection.class_name == "person")
        .count()
}

/// Asserts `found` within 3 % of the result of the reference implementation.
fn assert_near(found: usize, reference: usize) {
    let difference = found.abs_diff(reference) as f64 / reference as f64;
    assert!(
        difference <= 0.03,
        "{found} persons, the reference finds {reference}"
    );
}

#[test]
fn onnxruntime_finds_the_persons_of_the_reference() {
    let mut detector = FrameDetector::open("yolo12n-640", Backend::Onnxruntime);
    assert_eq!(detector.opened.backend, "onnxruntime");
    assert_near(persons(&mut detector, 0.4), 230);
}

#[test]
fn rten_finds_the_persons_of_the_reference() {
    let mut detector = FrameDetector::open("yolo12n-640", Backend::Rten);
    assert_eq!(detector.opened.backend, "rten");
    assert_near(persons(&mut detector, 0.4), 230);
}

#[test]
fn both_engines_see_the_same_in_the_same_frame() {
    assert_alike(Backend::Onnxruntime, Backend::Rten);
}

/// Asserts that two engines see the same objects in the same frames.
fn assert_alike(one: Backend, other: Backend) {
    let mut one = FrameDetector::open("yolo12n-640", one);
    let mut other = FrameDetector::open("yolo12n-640", other);
    let (name, other_name) = (one.opened.backend, other.opened.backend);
    let mut seen = BTreeMap::<String, usize>::new();
    for frame in frames(&asset("footage/vtest.avi"), 120) {
        let (mut found, wanted) = (one.detect(&frame, 0.3), other.detect(&frame, 0.3));
        // A score at the threshold may fall on either side of it.
        found.retain(|detection| detection.confidence > 0.31);
        for detection in &found {
            let twin = wanted
                .iter()
                .filter(|twin| twin.class_name == detection.class_name)
                .find(|twin| twin.bbox.iou(&detection.bbox) >= 0.99);
            let twin = twin.unwrap_or_else(|| panic!("{other_name} does not see {detection:?}"));
            let difference = (twin.confidence - detection.confidence).abs();
            assert!(difference <= 0.01, "{twin:?} is not {detection:?}");
            *seen.entry(detection.class_name.to_string()).or_default() += 1;
        }
        let strong = wanted.iter().filter(|twin| twin.confidence > 0.32).count();
        assert!(strong <= found.len(), "{other_name} sees more than {name}");
    }
    assert!(seen["person"] > 20, "{seen:?}");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn openvino_sees_what_the_other_engines_see() {
    asset("openvino/libonnxruntime.so");
    alone("detect::child_sees_with_openvino", []);
}

#[test]
#[ignore = "needs a separate process: the first library of ONNX Runtime that opens stays; another test here runs it"]
fn child_sees_with_openvino() {
    if !is_alone() {
        return;
    }
    let mut detector = FrameDetector::open("yolo12n-640", Backend::Openvino);
    assert_eq!(detector.opened.backend, "openvino");
    assert_near(persons(&mut detector, 0.4), 230);
    assert_alike(Backend::Openvino, Backend::Onnxruntime);
    assert_alike(Backend::Openvino, Backend::Rten);
}

/// Maximum memory of an engine with YOLO12n in MB: a processor may take 250, and four decoders take 118 of them.
const ROOM_MB: u64 = 250 - 118;

/// The highest resident memory of this process so far.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.expect("VmHWM in kB") / 1024
}

#[test]
fn either_engine_leaves_room_for_four_decoders() {
    for backend in ["onnxruntime", "rten"] {
        // What the engine needs: each large block is the kernel's own and given back whole. The holes that malloc's heap leaves
        // otherwise are up to 25 MB more, by the order in which threads happen to give back; `make bench` has the limit of the
        // whole processor.
        alone(
            "detect::child_takes_little_memory",
            [
                ("BACKEND", backend.as_ref()),
                ("MALLOC_ARENA_MAX", "1".as_ref()),
                ("MALLOC_MMAP_THRESHOLD_", "131072".as_ref()),
            ],
        );
    }
}

#[test]
#[ignore = "needs a separate process: memory is counted by process; another test here runs it"]
fn child_takes_little_memory() {
    if !is_alone() {
        return;
    }
    let backend = match std::env::var("BACKEND").as_deref() {
        Ok("rten") => Backend::Rten,
        _ => Backend::Onnxruntime,
    };
    let before = peak_mb();
    let mut opened = opened("yolo12n-640", backend);
    let loaded = peak_mb();
    let size = opened.detector.input_size();
    let grey = vec![
        opened.detector.padding().unwrap_or_default();
        (3 * size.width * size.height) as usize
    ];
    let picture = Picture {
        rgb: &grey,
        letterbox: Letterbox::fit(size, size),
    };
    let thresholds = Thresholds {
        confidence: 0.1,
        iou: 0.45,
    };
    for _ in 0..3 {
        opened
            .detector
            .detect(&[picture], thresholds)
            .expect("an inference");
    }
    let peak = peak_mb();
    assert!(
        peak <= ROOM_MB,
        "{backend:?}: {before} MB at the start, {loaded} MB loaded, {peak} MB at the peak"
    );
}
