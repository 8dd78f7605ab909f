//! The worker with detectors by script: fairness, swaps, failures.

use std::sync::mpsc::{Receiver, channel};

use super::super::test_frames::pattern_frame;
use super::*;
use crate::base::{Clock, Heartbeats, Size};
use crate::detect::Detector;

const PATIENCE: Duration = Duration::from_secs(20);
const THRESHOLDS: Thresholds = Thresholds {
    confidence: 0.5,
    iou: 0.45,
};

/// A detector whose answers the test gives, one a call.
struct Told {
    answers: Receiver<Result<f32, Fault>>,
    batch: usize,
    asked: std::sync::mpsc::Sender<(usize, Thresholds)>,
}

enum Fault {
    Transient,
    Final,
    Panic,
}

impl Detector for Told {
    fn input_size(&self) -> Size {
        Size::new(64, 64)
    }

    fn max_batch(&self) -> usize {
        self.batch
    }

    fn detect(
        &mut self,
        pictures: &[Picture<'_>],
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        self.asked
            .send((pictures.len(), thresholds))
            .expect("the test listens");
        match self.answers.recv().expect("the test answers") {
            Ok(confidence) => Ok(pictures
                .iter()
                .map(|picture| {
                    let source = picture.letterbox.source;
                    let (width, height) = (source.width as f32, source.height as f32);
                    vec![Detection {
                        class_name: "person".into(),
                        confidence,
                        bbox: crate::base::BBox::from_corners(0.0, 0.0, width, height),
                    }]
                })
                .collect()),
            Err(Fault::Transient) => Err(DetectError::Inference {
                backend: "told",
                model: "told".to_owned(),
                message: "out of memory".to_owned(),
            }),
            Err(Fault::Final) => Err(DetectError::output_shape("told", "1x84xN", &[1])),
            Err(Fault::Panic) => panic!("an engine's assertion"),
        }
    }
}

/// The test's side of a detector.
struct Script {
    answers: std::sync::mpsc::Sender<Result<f32, Fault>>,
    asked: Receiver<(usize, Thresholds)>,
}

struct Bench {
    worker: Worker,
    script: Script,
    found: Receiver<Inferred>,
    clock: Clock,
    beats: Heartbeats,
}

fn told(model: &str, batch: usize) -> (Opened, Script) {
    let ((answers, answered), (asks, asked)) = (channel(), channel());
    let detector = Told {
        answers: answered,
        batch,
        asked: asks,
    };
    let opened = Opened {
        detector: Box::new(detector),
        model_id: model.into(),
        backend: "told",
        labels: Arc::from([]),
        upgrade: None,
    };
    (opened, Script { answers, asked })
}

fn bench(batch: usize) -> Bench {
    let (opened, script) = told("first", batch);
    let clock = Clock::by_hand();
    let beats = Heartbeats::new(clock.clone());
    let (finds, found) = channel();
    let worker = Worker::spawn(
        opened,
        Arc::default(),
        THRESHOLDS,
        beats.stage("detect", Duration::from_secs(5)),
        move |inferred, _| finds.send(inferred).expect("the test listens"),
    )
    .expect("a thread");
    Bench {
        worker,
        script,
        found,
        clock,
        beats,
    }
}

impl Bench {
    fn post(&self, source: u32) {
        let (_, frame) = pattern_frame(Size::new(160, 120), 1, 0);
        self.worker.mailbox.post(SourceId(source), frame);
    }

    fn answer(&self, answer: Result<f32, Fault>) {
        self.script.answers.send(answer).expect("the worker asks");
    }

    fn found(&self) -> Inferred {
        self.found
            .recv_timeout(PATIENCE)
            .expect("the worker finds something")
    }

    fn asked(&self) -> (usize, Thresholds) {
        self.script
            .asked
            .recv_timeout(PATIENCE)
            .expect("the worker asks")
    }
}

#[test]
fn what_is_found_comes_with_its_source_and_model() {
    let bench = bench(1);
    bench.answer(Ok(0.9));
    bench.post(7);
    let found = bench.found();
    assert_eq!(found.source_id, SourceId(7));
    assert_eq!(&*found.model_id, "first");
    assert_eq!(found.meta.size, Size::new(160, 120));
    assert_eq!(found.detections.len(), 1);
    let stats = bench.worker.stats();
    assert_eq!((stats.inferred, stats.failed), (1, 0));
    assert!(stats.inference_time >= found.inference_time);
}

#[test]
fn thresholds_change_between_two_frames() {
    let bench = bench(1);
    for confidence in [0.5, 0.1] {
        let thresholds = Thresholds {
            confidence,
            ..THRESHOLDS
        };
        bench.worker.set_thresholds(thresholds);
        bench.answer(Ok(0.9));
        bench.post(0);
        assert_eq!(bench.asked(), (1, thresholds));
        bench.found();
    }
}

#[test]
fn another_model_takes_over_between_two_frames() {
    let bench = bench(1);
    bench.post(0);
    bench.asked();
    // The first model is at work on the first frame: the second waits for its turn.
    let (opened, second) = told("second", 1);
    bench.worker.swap(opened);
    second.answers.send(Ok(0.8)).expect("it is alive");
    bench.post(0);
    bench.answer(Ok(0.9));
    assert_eq!(&*bench.found().model_id, "first");
    assert_eq!(&*bench.found().model_id, "second");
}

#[test]
fn a_batch_takes_what_there_is_of_every_source() {
    let bench = bench(4);
    bench.post(0);
    bench.asked();
    for source in [0, 1, 2] {
        bench.post(source);
    }
    bench.answer(Ok(0.9));
    bench.answer(Ok(0.9));
    assert_eq!(bench.asked().0, 3);
    let sources: Vec<u32> = (0..4).map(|_| bench.found().source_id.0).collect();
    assert_eq!(sources, [0, 1, 2, 0]);
}

#[test]
fn a_passing_failure_costs_its_frame_only() {
    let bench = bench(1);
    bench.answer(Err(Fault::Transient));
    bench.answer(Ok(0.9));
    bench.post(0);
    bench.asked();
    bench.post(1);
    assert_eq!(bench.found().source_id, SourceId(1));
    let stats = bench.worker.stats();
    assert_eq!((stats.inferred, stats.failed), (1, 1));
}

#[test]
fn a_detector_that_failed_for_good_is_seen_by_the_watchdog_and_can_be_replaced() {
    for fault in [Fault::Final, Fault::Panic] {
        let bench = bench(1);
        bench.answer(Err(fault));
        bench.post(0);
        bench.asked();
        // Frames that come later are counted, not asked about.
        let deadline = Instant::now() + PATIENCE;
        while bench.worker.stats().failed < 2 {
            assert!(Instant::now() < deadline, "frames are not counted");
            bench.post(0);
            std::thread::yield_now();
        }
        bench.clock.advance(Duration::from_secs(6));
        assert_eq!(bench.beats.stuck().len(), 1);
        let (opened, second) = told("second", 1);
        second.answers.send(Ok(0.8)).expect("it is alive");
        bench.worker.swap(opened);
        bench.post(3);
        assert_eq!(&*bench.found().model_id, "second");
    }
}

#[test]
fn a_worker_without_frames_is_not_stuck() {
    let bench = bench(1);
    bench.answer(Ok(0.9));
    bench.post(0);
    bench.found();
    let deadline = Instant::now() + PATIENCE;
    bench.clock.advance(Duration::from_secs(600));
    while !bench.beats.stuck().is_empty() {
        assert!(Instant::now() < deadline, "the worker is taken for stuck");
        std::thread::yield_now();
    }
}

#[test]
fn stopping_waits_for_the_frame_at_hand() {
    let bench = bench(1);
    bench.answer(Ok(0.9));
    bench.post(0);
    bench.asked();
    bench.worker.stop();
    assert_eq!(bench.found.try_iter().count(), 1);
}
