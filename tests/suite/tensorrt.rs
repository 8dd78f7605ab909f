//! The TensorRT backend on doubles of NVIDIA's libraries: what runs, what comes back, what is refused, what is freed.
//!
//! The libraries are opened once a process, so that each case is a separate process. The doubles do nothing before somebody
//! waits, check every address and every slot, and count what lives.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nvr::base::{BBox, Letterbox, Size};
use nvr::config::{Backend, ModelChoice, OpenVinoPrecision};
use nvr::detect::{
    Detection, Detector, DetectorRequest, LoadedDetector, ModelStore, Parallelism, Picture,
    Thresholds, open,
};

mod counters;
mod lanes;
mod refusals;
mod shapes;

use self::counters::Counters;
use crate::support::alone::{alone, is_alone};
use crate::support::onnx::TinyNetwork;
use crate::support::tensorrt::{DoubleEngine, Site, van};

const INPUT: Size = Size::new(96, 64);
const SERVED: [u32; 4] = [8, 9, 10, 11];

/// A van whose score is the mean byte of the picture, in 256ths.
fn network() -> TinyNetwork {
    van([0.0, 1.0 / 256.0])
}

/// Runs a child test, named below this module, on `site`, with more variables of the environment.
pub(crate) fn child(site: &Site, name: &str, extra: &[(&str, &str)]) -> String {
    let environment = site.environment();
    let own = environment
        .iter()
        .map(|(key, value)| (*key, value.as_os_str()));
    let extra = extra.iter().map(|(key, value)| (*key, (*value).as_ref()));
    alone(&format!("tensorrt::{name}"), own.chain(extra))
}

fn site_dir() -> PathBuf {
    std::env::var_os("TEST_SITE")
        .expect("the parent says it")
        .into()
}

fn opened_in(site: &Path, backend: Backend) -> Result<LoadedDetector, String> {
    opened_with_lanes(site, backend, 1)
}

fn opened_with_lanes(
    site: &Path,
    backend: Backend,
    lanes: usize,
) -> Result<LoadedDetector, String> {
    let wanted = DetectorRequest {
        model: ModelChoice::Named("tiny".to_owned()),
        backend,
        openvino_precision: OpenVinoPrecision::F32,
        parallelism: Parallelism {
            threads: Some(1),
            lanes: Some(lanes),
            ..Parallelism::default()
        },
        scripted_delay: Duration::ZERO,
    };
    open(&wanted, &ModelStore::new(vec![site.join("models")])).map_err(|error| error.to_string())
}

fn opened() -> LoadedDetector {
    use clap::ValueEnum;
    let name = std::env::var("TEST_BACKEND").unwrap_or_else(|_| "tensorrt".to_owned());
    let backend = Backend::from_str(&name, false).expect("a backend");
    let opened = opened_in(&site_dir(), backend).expect("it opens");
    assert_eq!(opened.backend, name);
    opened
}

/// Detects in pictures that are all of one byte each.
fn see(opened: &mut LoadedDetector, bytes: &[u8]) -> Result<Vec<Vec<Detection>>, String> {
    see_with(opened.detector.as_mut(), bytes)
}

fn see_with(detector: &mut dyn Detector, bytes: &[u8]) -> Result<Vec<Vec<Detection>>, String> {
    let pixels: Vec<Vec<u8>> = bytes.iter().map(|byte| vec![*byte; 96 * 64 * 3]).collect();
    let pictures: Vec<Picture<'_>> = pixels
        .iter()
        .map(|rgb| Picture {
            rgb,
            letterbox: Letterbox::fit(INPUT, INPUT),
        })
        .collect();
    let thresholds = Thresholds {
        confidence: 0.001,
        iou: 0.45,
    };
    detector
        .detect(&pictures, thresholds)
        .map_err(|error| error.to_string())
}

/// What the network finds in such pictures, to the last bit.
fn vans(bytes: &[u8]) -> Vec<Vec<Detection>> {
    let van = |byte: &u8| Detection {
        class_name: "van".into(),
        confidence: f32::from(*byte) / 256.0,
        bbox: BBox {
            x: 24.0,
            y: 32.0,
            width: 16.0,
            height: 24.0,
        },
    };
    bytes.iter().map(|byte| vec![van(byte)]).collect()
}

#[test]
fn every_served_version_gives_exact_numbers_in_order_and_frees_all() {
    for major in SERVED {
        let (site, network) = (Site::new(major), network());
        let model = site.import(&network);
        site.keep(&DoubleEngine::of(&network, major), &site.key(&model));
        child(&site, "child_sees_exactly", &[]);
        // Threads that do not sleep while they wait for the GPU are no reason to do without it.
        child(&site, "child_sees_exactly", &[("DOUBLE_FLAGS_FAIL", "1")]);
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_exactly() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    assert_eq!(
        opened.detector.max_batch(),
        2,
        "two requests of one picture"
    );
    let bytes: Vec<u8> = (1..=11).map(|step| step * 23).collect();
    assert_eq!(see(&mut opened, &bytes), Ok(vans(&bytes)));
    assert_eq!(see(&mut opened, &[200]), Ok(vans(&[200])));
    let counters = Counters::new();
    assert_eq!(counters.of_tensorrt("double_runs"), 12);
    assert_eq!(counters.of_cuda("double_most_pending"), 2);
    // Runtime, engine, two contexts; two tensors a lane, on the GPU and pinned; two streams.
    let mut objects = 4;
    if let Ok(wanted) = std::env::var("TEST_COMPILED") {
        let compiled = counters.of_tensorrt("double_compiled");
        assert_eq!(compiled.to_string(), wanted, "compiled kernels");
        // Those, and the settings of two contexts.
        objects += if wanted == "2" { 0 } else { 3 };
    }
    assert_eq!(counters.live(), [objects, 4, 4, 2]);
    drop(opened);
    assert_eq!(counters.live(), [0; 4]);
}

#[test]
fn ten_thousand_inferences_allocate_nothing_and_leak_nothing() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    let mut engine = DoubleEngine::of(&network, 10);
    engine.tensors[0] = DoubleEngine::input(&network, 0, -1);
    engine.tensors[1] = DoubleEngine::output(&network, 0, -1);
    engine.batch = (1, 4);
    site.keep(&engine, &site.key(&model));
    child(&site, "child_infers_ten_thousand_times", &[]);
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_infers_ten_thousand_times() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    let counters = Counters::new();
    let (live, allocations) = (counters.live(), counters.of_cuda("double_allocations"));
    while counters.of_tensorrt("double_runs") < 10_000 {
        // Three runs: four pictures, four, and one.
        let bytes = [9, 8, 7, 6, 5, 4, 3, 2, 1];
        assert_eq!(see(&mut opened, &bytes).map(|found| found.len()), Ok(9));
    }
    assert_eq!(counters.live(), live);
    assert_eq!(counters.of_cuda("double_allocations"), allocations);
    drop(opened);
    assert_eq!(counters.live(), [0; 4]);
}

#[test]
fn a_refused_run_passes_and_a_failed_gpu_does_not() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    site.keep(&DoubleEngine::of(&network, 10), &site.key(&model));
    child(
        &site,
        "child_fails",
        &[
            ("DOUBLE_REFUSE", "1"),
            (
                "TEST_ERROR",
                "tensorrt could not run model tiny: 3: enqueueV3: the double refuses",
            ),
            ("TEST_TRANSIENT", "true"),
        ],
    );
    child(
        &site,
        "child_fails",
        &[
            ("DOUBLE_FAULT", "1"),
            (
                "TEST_ERROR",
                "CUDA could not finish an inference: unspecified launch failure (error 719)",
            ),
            ("TEST_TRANSIENT", "false"),
        ],
    );
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_fails() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    let rgb = vec![1; 96 * 64 * 3];
    let picture = Picture {
        rgb: &rgb,
        letterbox: Letterbox::fit(INPUT, INPUT),
    };
    let thresholds = Thresholds {
        confidence: 0.5,
        iou: 0.45,
    };
    let told = |name: &str| std::env::var(name).expect("the parent says it");
    // What the first failure left under way must not be in the second one's way.
    for _ in 0..2 {
        let error = opened
            .detector
            .detect(&[picture; 3], thresholds)
            .expect_err("the double fails");
        assert!(
            error.to_string().starts_with(&told("TEST_ERROR")),
            "{error}"
        );
        assert_eq!(error.is_transient().to_string(), told("TEST_TRANSIENT"));
    }
    drop(opened);
    assert_eq!(Counters::new().live(), [0; 4]);
}

#[test]
fn a_served_version_is_taken_though_a_newer_one_is_beside_it() {
    let (site, network) = (Site::new(8), network());
    let newer = Site::new(12);
    let name = "libnvinfer.so.12";
    std::fs::copy(newer.libs().join(name), site.libs().join(name)).expect("copied");
    let model = site.import(&network);
    site.keep(&DoubleEngine::of(&network, 8), &site.key(&model));
    child(&site, "child_sees_exactly", &[]);
}

#[test]
fn auto_takes_an_engine_and_does_without_tensorrt_where_there_is_none() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    child(
        &site,
        "child_is_auto",
        &[("TEST_BACKENDS", "onnxruntime rten")],
    );
    site.keep(&DoubleEngine::of(&network, 10), &site.key(&model));
    child(&site, "child_is_auto", &[("TEST_BACKENDS", "tensorrt")]);
    let gone = [("DOUBLE_GPUS", "0"), ("TEST_BACKENDS", "onnxruntime rten")];
    child(&site, "child_is_auto", &gone);
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_is_auto() {
    if !is_alone() {
        return;
    }
    let backends = std::env::var("TEST_BACKENDS").expect("the parent says it");
    let mut opened = opened_in(&site_dir(), Backend::Auto).expect("some backend opens");
    assert!(backends.contains(opened.backend), "{}", opened.backend);
    assert!(opened.upgrade.is_none(), "nothing builds engines here");
    assert_eq!(see(&mut opened, &[64]).map(|found| found.len()), Ok(1));
}
