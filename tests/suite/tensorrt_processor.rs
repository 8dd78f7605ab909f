//! A processor on the doubles of NVIDIA's libraries, end to end; and one that begins without an engine.

use nvr::base::{BBox, Size};
use nvr::detect::OutputFormat;
use nvr::media::testcam::Testcam;
use serde_json::Value;

use crate::support::broker::{Broker, Kind};
use crate::support::onnx::{TinyNetwork, TinyObject};
use crate::support::process::{Running, nvr};
use crate::support::stage::{arguments, documents, pattern_cameras};
use crate::support::tensorrt::{DoubleEngine, Site};
use crate::support::wait::{SOON, until};

/// Finds one object of `class`, in any picture.
fn network(class: usize) -> TinyNetwork {
    let object = TinyObject {
        bbox: BBox {
            x: 48.0,
            y: 36.0,
            width: 24.0,
            height: 16.0,
        },
        class,
        score: [0.75, 0.75],
    };
    TinyNetwork::finding(OutputFormat::Yolov8, Size::new(96, 72), 2, &[object])
}

struct Scene {
    _broker: Broker,
    _cameras: Testcam,
    reader: Running,
    processor: Running,
}

impl Scene {
    fn start(site: &Site, backend: &str, cameras: usize) -> Self {
        Self::start_with(site, backend, cameras, &[])
    }

    fn start_with(site: &Site, backend: &str, cameras: usize, extra: &[(&str, &str)]) -> Self {
        let broker = Broker::start(Kind::Mosquitto);
        let cameras = Testcam::start(&pattern_cameras(cameras)).expect("cameras start");
        let reader = broker.observe("nvr/#");
        let mut command = nvr();
        let arguments = arguments(&broker, &cameras);
        command.args(arguments.into_iter().map(|word| match word.as_str() {
            "scripted" => backend.to_owned(),
            _ => word,
        }));
        command.args(["--model", "tiny", "--threads", "1", "--models-dir"]);
        command.arg(site.models()).envs(site.environment());
        command.envs(extra.iter().copied());
        Self {
            processor: Running::start(command),
            reader,
            _broker: broker,
            _cameras: cameras,
        }
    }

    /// Waits for an event of source `id` in which `class` was found, and for no other class before it in `after`.
    fn event(&self, id: u32, class: &str) -> Value {
        until(&format!("a {class} of source {id}"), SOON * 2, || {
            documents(&self.reader, &format!("nvr/detections/{id}"))
                .into_iter()
                .find(|event| event["detections"][0]["class_name"] == class)
        })
    }

    fn logged(&self, words: &str) -> String {
        self.processor
            .err()
            .find(words, SOON * 2, |line| line.contains(words))
    }
}

#[test]
fn a_processor_publishes_what_an_engine_finds() {
    for major in [8, 10] {
        let (site, network) = (Site::new(major), network(1));
        let model = site.import(&network);
        let mut engine = DoubleEngine::of(&network, major);
        engine.tensors[0] = DoubleEngine::input(&network, 1, -1);
        engine.tensors[1] = DoubleEngine::output(&network, 1, -1);
        engine.batch = (1, 2);
        site.keep(&engine, &site.key(&model));
        let mut scene = Scene::start(&site, "tensorrt", 2);
        for id in [0, 1] {
            let event = scene.event(id, "van");
            let found = event["detections"].as_array().expect("a list");
            assert_eq!(found.len(), 1, "{event}");
            assert_eq!(found[0]["confidence"], 0.75);
            // The frame is 320x240, the network's input 96x72.
            for (key, expected) in [
                ("x", 160.0),
                ("y", 120.0),
                ("width", 80.0),
                ("height", 160.0 / 3.0),
            ] {
                let value = found[0]["bbox"][key].as_f64().unwrap_or(-1.0);
                assert!((value - expected).abs() < 0.01, "{key} is {value}");
            }
            assert_eq!(event["model_id"], "tiny");
        }
        // TensorRT's own log is in ours.
        scene.logged("the double warns: it is none");
        scene.processor.signal("TERM");
        assert_eq!(scene.processor.end(SOON).code(), Some(0));
    }
}

#[test]
fn a_gpu_for_which_threads_do_not_sleep_is_used_and_named_in_the_log() {
    let (site, network) = (Site::new(10), network(1));
    let key = site.key(&site.import(&network));
    site.keep(&DoubleEngine::of(&network, 10), &key);
    let refused = [("DOUBLE_FLAGS_FAIL", "1")];
    let scene = Scene::start_with(&site, "tensorrt", 1, &refused);
    scene.event(0, "van");
    let warning = scene.logged("each lane uses a core while it waits for the GPU");
    assert!(warning.contains("invalid argument (error 1)"), "{warning}");
}

#[test]
fn a_processor_without_an_engine_builds_one_and_runs_on_another_backend_meanwhile() {
    for backend in ["tensorrt", "auto"] {
        let site = Site::new(10);
        site.import(&network(1));
        site.add_trtexec("--fp16 --skipInference");
        std::fs::write(site.path("trtexec.hold"), "").expect("written");
        // What the engine finds is not what the ONNX file finds, so that one can be told from the other.
        let engine = DoubleEngine::of(&network(0), 10).text();
        std::fs::write(site.path("trtexec.engine"), engine).expect("written");
        let mut scene = Scene::start(&site, backend, 1);
        scene.logged("an engine must be built");
        scene.event(0, "van");
        std::fs::remove_file(site.path("trtexec.hold")).expect("removed");
        scene.event(0, "person");
        scene.logged("the detector was replaced");
        assert_eq!(site.trtexec_calls().len(), 1);
        assert!(site.trtexec_calls()[0].contains("--fp16"));
        scene.processor.signal("TERM");
        assert_eq!(scene.processor.end(SOON).code(), Some(0));

        // The second time it is there.
        let scene = Scene::start(&site, backend, 1);
        scene.event(0, "person");
        assert_eq!(site.trtexec_calls().len(), 1);
    }
}

/// As pip installs TensorRT: without trtexec. A child of the processor builds.
#[test]
fn without_trtexec_a_processor_builds_by_the_onnx_parser() {
    for major in [10, 11] {
        let site = Site::new(major);
        site.import(&network(1));
        site.add_builder();
        let engine = DoubleEngine::of(&network(0), major).text();
        std::fs::write(site.path("trtexec.engine"), engine).expect("written");
        let mut scene = Scene::start(&site, "auto", 1);
        scene.logged("an engine must be built");
        scene.event(0, "person");
        assert_eq!(site.builder_calls().len(), 1);
        scene.processor.signal("TERM");
        assert_eq!(scene.processor.end(SOON).code(), Some(0));
    }
}

#[test]
fn a_build_that_fails_leaves_the_other_backend_at_work() {
    let site = Site::new(10);
    site.import(&network(1));
    site.add_trtexec("--fp16 --skipInference");
    let scene = Scene::start(&site, "auto", 1);
    let line = scene.logged("the engine could not be built");
    assert!(line.contains("no such layer"), "{line}");
    scene.event(0, "van");
}

#[test]
fn a_stop_ends_the_build_too() {
    let site = Site::new(10);
    site.import(&network(1));
    site.add_trtexec("--fp16 --skipInference");
    std::fs::write(site.path("trtexec.hold"), "").expect("written");
    let mut scene = Scene::start(&site, "auto", 1);
    scene.event(0, "van");
    until("the tool begins", SOON, || {
        (site.trtexec_calls().len() == 1).then_some(())
    });
    let tool = std::fs::read_to_string(site.path("trtexec.pid")).expect("its process");
    let tool = std::path::Path::new("/proc").join(tool.trim());
    assert!(tool.exists());
    scene.processor.signal("TERM");
    assert_eq!(scene.processor.end(SOON).code(), Some(0));
    assert!(!tool.exists(), "the tool outlives the processor");
    let left: Vec<_> = std::fs::read_dir(site.engines())
        .expect("the cache")
        .flatten()
        .collect();
    assert_eq!(left.len(), 0, "{left:?}");
}

#[test]
fn where_tensorrt_is_absent_one_line_says_so() {
    let site = Site::without_tensorrt(10);
    site.import(&network(1));
    let scene = Scene::start(&site, "auto", 1);
    let line = scene.logged("TensorRT is not used");
    assert!(
        line.contains("the library of TensorRT could not be opened"),
        "{line}"
    );
    scene.event(0, "van");
    let told = scene.processor.err().all();
    let lines = told.iter().filter(|line| line.contains("TensorRT")).count();
    assert_eq!(lines, 1, "{told:#?}");
}
