//! The TensorRT backend on doubles of NVIDIA's libraries: what runs, what comes back, what is refused, what is freed.
//!
//! The libraries are opened once a process, so that each case is a separate process. The doubles do nothing before somebody
//! waits, check every address and every slot, and count what lives.
#![expect(unsafe_code, reason = "the doubles' counters are C functions")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use nvr::base::{BBox, Letterbox, Size};
use nvr::config::{Backend, ModelChoice, OpenVinoPrecision};
use nvr::detect::{
    Detection, Detector, DetectorRequest, LoadedDetector, ModelStore, Parallelism, Picture,
    Thresholds, open,
};

use crate::support::alone::{alone, is_alone};
use crate::support::onnx::TinyNetwork;
use crate::support::tensorrt::{DoubleEngine, Site, number, van};

const INPUT: Size = Size::new(96, 64);
const SERVED: [u32; 4] = [8, 9, 10, 11];

/// A van whose score is the mean byte of the picture, in 256ths.
fn network() -> TinyNetwork {
    van([0.0, 1.0 / 256.0])
}

/// Runs a child test on `site`, with more variables of the environment.
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

/// The doubles' counters.
struct Counters {
    cuda: libloading::Library,
    tensorrt: libloading::Library,
}

impl Counters {
    fn new() -> Self {
        let library = std::env::var("TEST_LIBRARY").unwrap_or_else(|_| {
            let major = std::env::var("TEST_MAJOR").expect("the parent says it");
            format!("libnvinfer.so.{major}")
        });
        let open = |name: String| {
            let path = site_dir().join("libs").join(name);
            // SAFETY: the library is open already; this only counts one user more.
            unsafe { libloading::Library::new(path) }.expect("it is open")
        };
        Self {
            cuda: open("libcudart.so.12".to_owned()),
            tensorrt: open(library),
        }
    }

    fn read(library: &libloading::Library, name: &str) -> i64 {
        // SAFETY: `long double_…(void)` of tests/tensorrt, called while the library is held.
        unsafe {
            let counter = library.get::<unsafe extern "C" fn() -> std::ffi::c_long>(name);
            counter.expect("the double has it")()
        }
    }

    fn of_cuda(&self, name: &str) -> i64 {
        Self::read(&self.cuda, name)
    }

    fn of_tensorrt(&self, name: &str) -> i64 {
        Self::read(&self.tensorrt, name)
    }

    /// Objects of TensorRT, buffers of the GPU, pinned buffers, streams.
    fn live(&self) -> [i64; 4] {
        [
            self.of_tensorrt("double_objects"),
            self.of_cuda("double_live_device"),
            self.of_cuda("double_live_pinned"),
            self.of_cuda("double_live_streams"),
        ]
    }
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
fn lanes_share_an_engine_and_infer_at_once() {
    for major in SERVED {
        // TensorRT 8 lets one context alone use the profile of an engine with an open batch.
        for (batch, lanes) in [(1, 3), (-1, if major < 10 { 1 } else { 3 })] {
            let (site, network) = (Site::new(major), network());
            let model = site.import(&network);
            let mut engine = DoubleEngine::of(&network, major);
            engine.tensors[0] = DoubleEngine::input(&network, 0, batch);
            engine.tensors[1] = DoubleEngine::output(&network, 0, batch);
            site.keep(&engine, &site.key(&model));
            let lanes = lanes.to_string();
            child(&site, "child_has_lanes", &[("TEST_LANES", &lanes)]);
        }
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_has_lanes() {
    if !is_alone() {
        return;
    }
    let opened = opened_with_lanes(&site_dir(), Backend::Tensorrt, 3).expect("it opens");
    let mut lanes: Vec<_> = std::iter::once(opened.detector)
        .chain(opened.more)
        .collect();
    let wanted = std::env::var("TEST_LANES").expect("the parent says it");
    assert_eq!(lanes.len().to_string(), wanted);
    let counters = Counters::new();
    let count = lanes.len() as i64;
    if count > 1 {
        // Runtime, engine, a context for each lane; two tensors a lane, on the GPU and pinned; a stream for each lane.
        assert_eq!(counters.live(), [2 + count, 2 * count, 2 * count, count]);
    }
    std::thread::scope(|scope| {
        for (number, lane) in lanes.iter_mut().enumerate() {
            scope.spawn(move || {
                for step in 1..=50 {
                    let byte = (step * 5 + number) as u8;
                    assert_eq!(see_with(lane.as_mut(), &[byte]), Ok(vans(&[byte])));
                }
            });
        }
    });
    assert_eq!(counters.of_tensorrt("double_runs"), 50 * count);
    drop(lanes);
    assert_eq!(counters.live(), [0; 4]);
}

/// Boxes of 32-bit floats and scores of 16 bits are different outputs, and a third one is not read.
#[test]
fn boxes_and_scores_of_two_outputs_belong_together() {
    for major in SERVED {
        for batch in [1, 2] {
            let (site, network) = (Site::new(major), network());
            let model = site.import(&network);
            let manifest = std::fs::read_to_string(&model.manifest_path).expect("a manifest");
            let (before, _) = manifest.split_once("[output]").expect("its output");
            let output = "[output]\nname = \"boxes\"\nformat = \"detr\"\nscores = \"scores\"\n";
            std::fs::write(&model.manifest_path, format!("{before}{output}")).expect("written");
            let share = |index: usize, value: f32| (index, value, 0.0);
            let engine = DoubleEngine {
                tensors: vec![
                    DoubleEngine::input(&network, 0, batch),
                    format!("tensor out hidden 0 3 {batch} 3 5"),
                    format!("tensor out boxes 0 3 {batch} 3 4"),
                    format!("tensor out scores 1 3 {batch} 3 2"),
                ],
                batch: (1, 2),
                // The second query: 15 numbers that are not read, 4 of the first box.
                set: vec![
                    share(3, 9.0),
                    share(19, 0.25),
                    share(20, 0.5),
                    share(21, 0.25),
                    share(22, 0.5),
                    // 12 numbers of boxes, 2 scores of the first query; the van's is the second class.
                    (15 + 12 + 3, 0.0, 1.0 / 256.0),
                ],
                ..DoubleEngine::of(&network, major)
            };
            site.keep(&engine, &site.key(&model));
            child(&site, "child_sees_vans_of_queries", &[]);
        }
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_vans_of_queries() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    let bytes = [16, 32, 48, 200, 8];
    let mut wanted = vans(&bytes);
    for van in wanted.iter_mut().flatten() {
        van.bbox.width = 24.0;
        van.bbox.height = 32.0;
    }
    assert_eq!(see(&mut opened, &bytes), Ok(wanted));
}

#[test]
fn sixteen_bit_tensors_are_converted_on_both_sides() {
    for major in SERVED {
        for (fed, read) in [(1, 1), (0, 1), (1, 0)] {
            let (site, network) = (Site::new(major), network());
            let model = site.import(&network);
            let mut engine = DoubleEngine::of(&network, major);
            engine.tensors[0] = DoubleEngine::input(&network, fed, 1);
            engine.tensors[1] = DoubleEngine::output(&network, read, 1);
            site.keep(&engine, &site.key(&model));
            child(&site, "child_sees_in_halves", &[]);
        }
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_in_halves() {
    if !is_alone() {
        return;
    }
    // Bytes, 256ths of bytes and these edges are exact in 16 bits too.
    let bytes = [255, 1, 77, 128, 200];
    assert_eq!(see(&mut opened(), &bytes), Ok(vans(&bytes)));
}

/// More pictures than all requests take, a few, one, and again many.
const COUNTS: [u8; 5] = [29, 3, 1, 2, 30];

#[test]
fn a_batch_is_as_large_as_the_profile_has_it() {
    // By version: inference requests. TensorRT 8 lets one context alone use a profile.
    for (major, requests) in [(8, 1), (9, 1), (10, 2), (11, 2)] {
        for (declared, batch, largest) in [(-1, (1, 4), 4), (3, (1, 1), 3), (-1, (2, 32), 8)] {
            let (site, network) = (Site::new(major), network());
            let model = site.import(&network);
            let mut engine = DoubleEngine::of(&network, major);
            engine.tensors[0] = DoubleEngine::input(&network, 0, declared);
            engine.tensors[1] = DoubleEngine::output(&network, 0, declared);
            engine.batch = batch;
            site.keep(&engine, &site.key(&model));
            let requests = if declared > 0 { 2 } else { requests };
            let most = (largest * requests).to_string();
            // With an open batch, no more than are there; with a fixed one, always all.
            let least = if declared > 0 {
                largest
            } else {
                batch.0 as usize
            };
            let runs = |count: u8| {
                let (full, rest) = (count as usize / largest, count as usize % largest);
                full * largest + if rest > 0 { rest.max(least) } else { 0 }
            };
            let pictures = COUNTS.map(runs).iter().sum::<usize>().to_string();
            let told = [("TEST_MOST", most.as_str()), ("TEST_PICTURES", &pictures)];
            child(&site, "child_sees_batches", &told);
        }
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_batches() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    let most = std::env::var("TEST_MOST").expect("the parent says it");
    assert_eq!(opened.detector.max_batch().to_string(), most);
    for count in COUNTS {
        let bytes: Vec<u8> = (1..=count).map(|step| step * 8).collect();
        assert_eq!(see(&mut opened, &bytes), Ok(vans(&bytes)));
    }
    let pictures = std::env::var("TEST_PICTURES").expect("the parent says it");
    let inferred = Counters::new().of_tensorrt("double_pictures");
    assert_eq!(inferred.to_string(), pictures);
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
fn two_detectors_infer_at_the_same_time() {
    for major in SERVED {
        let (site, network) = (Site::new(major), network());
        let model = site.import(&network);
        site.keep(&DoubleEngine::of(&network, major), &site.key(&model));
        child(&site, "child_sees_twice", &[("DOUBLE_RENDEZVOUS", "1")]);
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_twice() {
    if !is_alone() {
        return;
    }
    let (mut one, mut other) = (opened(), opened());
    std::thread::scope(|threads| {
        threads.spawn(|| assert_eq!(see(&mut one, &[50]), Ok(vans(&[50]))));
        threads.spawn(|| assert_eq!(see(&mut other, &[90]), Ok(vans(&[90]))));
    });
    assert_eq!(Counters::new().of_tensorrt("double_most_running"), 2);
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

/// Opens on `site` and asserts that the refusal has all of `words`.
fn refused(site: &Site, extra: &[(&str, &str)], words: &[&str]) {
    let words = words.join("\n");
    let extra: Vec<_> = [("TEST_WORDS", words.as_str())]
        .into_iter()
        .chain(extra.iter().copied())
        .collect();
    child(site, "child_is_refused", &extra);
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_is_refused() {
    if !is_alone() {
        return;
    }
    let refusal = opened_in(&site_dir(), Backend::Tensorrt).expect_err("a refusal");
    let words = std::env::var("TEST_WORDS").expect("the parent says it");
    for words in words.lines() {
        assert!(refusal.contains(words), "`{words}` is not in: {refusal}");
    }
}

#[test]
fn a_library_that_is_not_there_or_not_served_is_refused_by_name() {
    let network = network();
    let site = Site::new(10);
    let model = site.import(&network);
    site.keep(&DoubleEngine::of(&network, 10), &site.key(&model));
    refused(
        &site,
        &[("DOUBLE_GPUS", "0")],
        &[
            "no NVIDIA GPU can be used: CUDA says `no CUDA-capable device is detected` (TensorRT 10.3.0 is installed)",
            "--backend auto",
        ],
    );
    refused(
        &site,
        &[("DOUBLE_BOGUS", "1")],
        &[
            "TensorRT 10.3.0 gave no runtime (it answered 0x228)",
            "driver",
        ],
    );
    refused(
        &site,
        &[("DOUBLE_OTHER_TABLE", "1")],
        &[
            "TensorRT 10.3.0 answers that its engine has 0 tensors, so its interface is not the one that is known of TensorRT 10",
            "--backend auto",
        ],
    );
    std::fs::remove_file(site.libs().join("libnvinfer.so.10")).expect("removed");
    refused(
        &site,
        &[],
        &[
            "the library of TensorRT could not be opened (no libnvinfer.so.10, libnvinfer.so.11, libnvinfer.so.8,",
            "NVR_TENSORRT_LIB_DIR",
        ],
    );
    std::fs::remove_file(site.libs().join("libcudart.so.12")).expect("removed");
    refused(
        &site,
        &[],
        &[
            "CUDA's runtime library could not be opened (no libcudart.so.13, libcudart.so.12, libcudart.so.11.0, libcudart.so in /",
            "--backend auto",
        ],
    );
    for (major, define, words) in [
        (8, Some("-DVERSION=8403"), "TensorRT 8.4.3 ("),
        (12, None, "TensorRT 12.3.0 ("),
    ] {
        let site = Site::without_tensorrt(major);
        site.import(&network);
        let defines: Vec<&str> = define.into_iter().collect();
        site.add_tensorrt(&format!("libnvinfer.so.{major}"), &defines);
        let why = match major {
            8 => ") is too old: 8.5 is the oldest supported version; install TensorRT 8.5 or later",
            _ => ") is of a major version that this program does not know",
        };
        refused(&site, &[], &[words, why]);
    }
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
fn an_engine_that_tensorrt_refuses_is_told_by_its_reason() {
    for major in SERVED {
        let (site, network) = (Site::new(major), network());
        let model = site.import(&network);
        let key = site.key(&model);
        let good = DoubleEngine::of(&network, major);
        let version = crate::support::tensorrt::version(major);
        let refused_engine = |engine: &DoubleEngine, words: &[&str]| {
            site.keep(engine, &key);
            refused(&site, &[], words);
        };
        let other = DoubleEngine {
            version: number(major) + 1,
            ..good.clone()
        };
        let words = format!(
            "another version of TensorRT than {version}, which is installed (it says: 6: The engine plan"
        );
        refused_engine(&other, &[&words, "nvr model build"]);
        let other = DoubleEngine {
            compute: "7.2",
            ..good.clone()
        };
        refused_engine(
            &other,
            &[
                "another GPU than Double (compute 8.7, 4 multiprocessors), which is installed",
                "got compute 7.2",
                "nvr model build",
            ],
        );
        let half = DoubleEngine {
            is_whole: false,
            ..good.clone()
        };
        refused_engine(
            &half,
            &[
                "is truncated or damaged (it says: 1: Serialization",
                "nvr model build",
            ],
        );
        let core = DoubleEngine {
            dla: Some(1),
            ..good.clone()
        };
        refused_engine(
            &core,
            &["could not load the engine", "for another DLA core"],
        );
    }
}

#[test]
fn an_engine_for_a_dla_is_loaded_for_its_core() {
    for major in SERVED {
        let (site, network) = (Site::new(major), network());
        let model = site.import(&network);
        let mut key = site.key(&model);
        key.dla = Some(1);
        let mut engine = DoubleEngine::of(&network, major);
        engine.dla = Some(1);
        site.keep(&engine, &key);
        child(&site, "child_sees_exactly", &[("DOUBLE_DLA_CORES", "2")]);
        refused(
            &site,
            &[("DOUBLE_DLA_CORES", "1")],
            &["the engine is for DLA core 1, this board has 1"],
        );
    }
}

#[test]
fn an_engine_of_another_key_is_never_loaded() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    let (engine, key) = (DoubleEngine::of(&network, 10), site.key(&model));
    refused(
        &site,
        &[],
        &[
            "there is no TensorRT engine of model tiny for TensorRT 10.3.0 and Double",
            "`nvr model build tiny`",
        ],
    );
    let mut other = key.clone();
    other.tensorrt = "10.3.1".to_owned();
    site.keep(&engine, &other);
    refused(
        &site,
        &[],
        &["not used: tiny-0123456789abcdef: it is for TensorRT 10.3.1"],
    );
    let mut other = key.clone();
    other.gpu = "Orin (compute 8.7, 8 multiprocessors)".to_owned();
    site.keep(&engine, &other);
    refused(
        &site,
        &[],
        &["not used: tiny-0123456789abcdef: it is for Orin (compute 8.7, 8"],
    );
    let mut other = key.clone();
    other.onnx_sha256 = "0".repeat(64);
    site.keep(&engine, &other);
    refused(
        &site,
        &[],
        &["not used: tiny-0123456789abcdef: it is of another ONNX file"],
    );

    let path = site.keep(&engine, &key);
    let whole = std::fs::read(&path).expect("read");
    std::fs::write(&path, &whole[..whole.len() - 4]).expect("written");
    let words = format!(
        "truncated or damaged (it says: {} bytes instead of {})",
        whole.len() - 4,
        whole.len()
    );
    refused(&site, &[], &[&words]);
    let mut changed = whole.clone();
    changed[20] ^= 1;
    std::fs::write(&path, &changed).expect("written");
    refused(&site, &[], &["truncated or damaged (it says: SHA-256 "]);
    std::fs::remove_file(&path).expect("removed");
    refused(&site, &[], &["could not read", "nvr model build"]);
    std::fs::write(path.with_extension("json"), "{\"model\": 1}").expect("written");
    refused(
        &site,
        &[],
        &["not used: tiny-0123456789abcdef: invalid type"],
    );
}

#[test]
fn tensors_that_the_manifest_does_not_promise_are_refused() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    let good = DoubleEngine::of(&network, 10);
    let (input, output) = (&good.tensors[0], &good.tensors[1]);
    for (tensors, words) in [
        (
            vec!["tensor in picture 0 4 1 3 64 96".to_owned(), output.clone()],
            "the list of inputs should be `images` alone, but is 1 (picture)",
        ),
        (
            vec![input.clone(), "tensor out boxes 0 3 1 6 126".to_owned()],
            "the list of outputs should be output0, but is 1 (boxes)",
        ),
        (
            vec!["tensor in images 0 4 1 3 64 64".to_owned(), output.clone()],
            "input `images` should be 1x3x64x96 of f32, but is 1x3x64x64 of f32",
        ),
        (
            vec!["tensor in images 2 4 1 3 64 96".to_owned(), output.clone()],
            "input `images` should be 1x3x64x96 of f32, but is 1x3x64x96 of i8",
        ),
        (
            vec![input.clone(), "tensor out output0 3 3 1 6 126".to_owned()],
            "output `output0` should be of f32 or f16, but is 1x6x126 of i32",
        ),
        (
            vec![input.clone(), "tensor out output0 0 3 1 7 126".to_owned()],
            "output should be 1x6xN (yolov8, 2 labels), but is 1x7x126",
        ),
        (
            vec![input.clone(), "tensor out output0 0 3 1 6 -1".to_owned()],
            "output `output0` should be of a known shape, but is 1x6x?",
        ),
    ] {
        let engine = DoubleEngine {
            tensors,
            set: Vec::new(),
            ..good.clone()
        };
        site.keep(&engine, &site.key(&model));
        refused(&site, &[], &["model tiny: ", words]);
    }
}

#[test]
fn a_gpu_without_memory_says_so_or_does_with_one_lane() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    site.keep(&DoubleEngine::of(&network, 10), &site.key(&model));
    refused(
        &site,
        &[("DOUBLE_MEMORY", "1000")],
        &["CUDA could not allocate memory of the GPU: out of memory (error 2)"],
    );
    // One lane: 73 728 bytes of picture and 3 024 of boxes.
    child(&site, "child_has_one_lane", &[("DOUBLE_MEMORY", "100000")]);
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_has_one_lane() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    assert_eq!(opened.detector.max_batch(), 1);
    let bytes = [5, 6, 7];
    assert_eq!(see(&mut opened, &bytes), Ok(vans(&bytes)));
    // The lane that was not to be is gone with all that it had.
    assert_eq!(Counters::new().live(), [3, 2, 2, 1]);
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

/// NVIDIA's own libraries, as `make test` fetches them for this architecture.
#[cfg(target_arch = "x86_64")]
pub(crate) fn real(name: &str) -> PathBuf {
    let path = nvr::base::cache_dir().join("tensorrt").join(name);
    assert!(
        path.is_file(),
        "{} is not there: run `tools/setup tests`",
        path.display()
    );
    path
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_real_libraries_are_read_and_refused_where_there_is_no_gpu() {
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let site = Site::without_tensorrt(10);
    site.import(&network());
    let runtime = site.libs().join("libnvinfer.so.10");
    std::os::unix::fs::symlink(real("libnvinfer_lean.so.10"), runtime).expect("linked");
    // With the double of CUDA, which has a GPU, the real TensorRT is asked for a runtime, and answers with a small number.
    let model = nvr::detect::ModelStore::new(vec![site.models()])
        .find("tiny")
        .expect("it is installed");
    let mut key = site.key(&model);
    key.tensorrt = "10.16.1".to_owned();
    site.keep(&DoubleEngine::of(&network(), 10), &key);
    refused(
        &site,
        &[],
        &["TensorRT 10.16.1 gave no runtime (it answered 0x228)"],
    );
    let double = site.libs().join("libcudart.so.12");
    std::fs::remove_file(&double).expect("removed");
    std::os::unix::fs::symlink(real("libcudart.so.12"), double).expect("linked");
    refused(
        &site,
        &[],
        &[
            "no NVIDIA GPU can be used: CUDA says `",
            "(TensorRT 10.16.1 is installed); check the driver",
        ],
    );
}
