//! The choice between OpenVINO and ONNX Runtime, with detectors whose speed is stated.

use std::cell::RefCell;

use super::*;
use crate::detect::scripted::ScriptedDetector;

const OPENVINO: CpuEngine = CpuEngine::OpenVino(OpenVinoPrecision::F32);
const PLAIN: CpuEngine = CpuEngine::OnnxRuntime;

/// Two engines that take so long for a picture; none can't load the model.
struct Machine {
    openvino_ms: Option<u64>,
    plain_ms: Option<u64>,
}

impl Machine {
    /// The engines in their order, the refusals, and what was loaded.
    fn choose(&self, remembered: &Remembered<Faster>) -> (Vec<CpuEngine>, usize, Vec<CpuEngine>) {
        let loads = RefCell::new(Vec::new());
        let load = |engine: CpuEngine| -> Result<Box<dyn Detector>, DetectError> {
            loads.borrow_mut().push(engine);
            let time = match engine {
                PLAIN => self.plain_ms,
                _ => self.openvino_ms,
            };
            match time {
                Some(_) => Ok(Box::new(ScriptedDetector::new(Duration::ZERO))),
                None => Err(DetectError::Load {
                    backend: engine.name(),
                    path: "model.onnx".into(),
                    message: "an unknown node".to_owned(),
                }),
            }
        };
        // No clock: what else the machine does would count.
        let measure = |_: [&mut dyn Detector; 2], _| {
            let times = [self.openvino_ms, self.plain_ms];
            Ok(times.map(|time| Duration::from_millis(time.expect("it is loaded"))))
        };
        let key = ChoiceKey {
            model: "ab12".to_owned(),
            engine: "openvino 1 or onnxruntime".to_owned(),
            threads: 2,
        };
        let found = faster(remembered, &key, OPENVINO, load, measure).expect("one can be used");
        (found.engines, found.refusals.len(), loads.into_inner())
    }
}

fn remembered() -> (tempfile::TempDir, Remembered<Faster>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("engines.json");
    (folder, Remembered::at(path))
}

#[test]
fn openvino_is_first_where_it_is_faster_by_a_tenth() {
    for (openvino_ms, first, second) in [
        (50, OPENVINO, PLAIN),
        (100, OPENVINO, PLAIN),
        (101, PLAIN, OPENVINO),
        (120, PLAIN, OPENVINO),
    ] {
        let machine = Machine {
            openvino_ms: Some(openvino_ms),
            plain_ms: Some(110),
        };
        let (_folder, remembered) = remembered();
        let both = vec![OPENVINO, PLAIN];
        let sorted = vec![first, second];
        assert_eq!(machine.choose(&remembered), (sorted.clone(), 0, both));
        let other = Machine {
            openvino_ms: Some(220 - openvino_ms),
            ..machine
        };
        assert_eq!(
            other.choose(&remembered),
            (sorted, 0, vec![]),
            "it is known"
        );
    }
}

#[test]
fn an_engine_that_refuses_the_model_is_left_out_and_nothing_is_remembered() {
    let (_folder, remembered) = remembered();
    let machine = |openvino_ms, plain_ms| Machine {
        openvino_ms,
        plain_ms,
    };
    let refused = machine(None, Some(9)).choose(&remembered);
    assert_eq!(refused, (vec![PLAIN], 1, vec![OPENVINO]));
    let refused = machine(Some(9), None).choose(&remembered);
    assert_eq!(refused, (vec![OPENVINO], 1, vec![OPENVINO, PLAIN]));
    assert!(remembered.all().is_empty());
}

#[test]
fn the_calls_of_each_detector_are_timed_apart() {
    let mut detectors = [30, 5].map(|ms| ScriptedDetector::new(Duration::from_millis(ms)));
    let [slow, quick] = &mut detectors;
    let limit = Duration::from_millis(200);
    let [long, short] = median_calls([slow, quick], limit).expect("they run");
    assert!(long >= Duration::from_millis(30), "{long:?}");
    assert!(
        short >= Duration::from_millis(5) && short < long,
        "{short:?}"
    );
}

#[test]
fn the_first_call_does_not_count_if_there_are_others() {
    let of = |times: &[u64]| {
        let times = times.iter().map(|ms| Duration::from_millis(*ms));
        median(times.collect()).as_millis()
    };
    assert_eq!(of(&[90]), 90);
    assert_eq!(of(&[90, 7]), 7);
    assert_eq!(of(&[1, 9, 7, 80]), 9);
}

#[test]
fn the_threads_are_those_of_a_lane() {
    let of = |threads, lanes, has_many_sources| {
        threads_of_a_lane(Parallelism {
            threads: Some(threads),
            lanes,
            has_many_sources,
        })
    };
    assert_eq!(of(4, None, false), 4);
    assert_eq!(of(4, None, true), 1);
    assert_eq!(of(4, Some(2), true), 2);
    assert_eq!(of(2, Some(3), true), 1);
}
