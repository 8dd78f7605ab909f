//! The worker with scripted detectors: fairness, swaps, failures.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::super::test_frames::pattern_frame;
use super::*;
use crate::base::{Clock, Heartbeats, Size};
use crate::detect::{DetectError, Detection};

const PATIENCE: Duration = Duration::from_secs(20);
const THRESHOLDS: Thresholds = Thresholds {
    confidence: 0.5,
    iou: 0.45,
};

/// A detector with scripted answers, one per call.
struct ScriptedAnswers {
    answers: Receiver<Result<f32, Fault>>,
    batch: usize,
    asked: std::sync::mpsc::Sender<(usize, Thresholds)>,
}

enum Fault {
    Transient,
    Final,
    Panic,
}

impl Detector for ScriptedAnswers {
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
                backend: "scripted",
                model: "scripted".to_owned(),
                message: "out of memory".to_owned(),
            }),
            Err(Fault::Final) => Err(DetectError::output_shape("scripted", "1x84xN", &[&[1]])),
            Err(Fault::Panic) => panic!("an engine's assertion"),
        }
    }
}

/// The test's side of a detector.
struct Script {
    answers: std::sync::mpsc::Sender<Result<f32, Fault>>,
    asked: Receiver<(usize, Thresholds)>,
}

struct Fixture {
    worker: Worker,
    script: Script,
    found: Receiver<Inferred>,
    clock: Clock,
    beats: Heartbeats,
}

fn scripted(model: &str, batch: usize) -> (LoadedDetector, Script) {
    let ((answers, answered), (asks, asked)) = (channel(), channel());
    let detector = ScriptedAnswers {
        answers: answered,
        batch,
        asked: asks,
    };
    let opened = LoadedDetector {
        detector: Box::new(detector),
        more: Vec::new(),
        model_id: model.into(),
        backend: "scripted",
        labels: Arc::from([]),
        upgrade: None,
        follows_sources: false,
    };
    (opened, Script { answers, asked })
}

fn fixture(batch: usize) -> Fixture {
    let (opened, script) = scripted("first", batch);
    fixture_of(opened, script)
}

fn fixture_of(opened: LoadedDetector, script: Script) -> Fixture {
    let clock = Clock::by_hand();
    let beats = Heartbeats::new(clock.clone());
    let (finds, found) = channel();
    let worker = Worker::spawn(
        opened,
        Arc::default(),
        THRESHOLDS,
        {
            let beats = beats.clone();
            move |_| beats.stage("detect", Duration::from_secs(5))
        },
        move |inferred, _| finds.send(inferred).expect("the test listens"),
    )
    .expect("a thread");
    Fixture {
        worker,
        script,
        found,
        clock,
        beats,
    }
}

impl Fixture {
    fn post(&self, source: u32) {
        let (_, frame) = pattern_frame(Size::new(160, 120), 1, 0);
        self.worker.shared.mailbox.post(SourceId(source), frame);
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
    let fixture = fixture(1);
    fixture.answer(Ok(0.9));
    fixture.post(7);
    let found = fixture.found();
    assert_eq!(found.source_id, SourceId(7));
    assert_eq!(&*found.model_id, "first");
    assert_eq!(found.meta.size, Size::new(160, 120));
    assert_eq!(found.detections.len(), 1);
    let stats = fixture.worker.stats();
    assert_eq!((stats.inferred, stats.failed), (1, 0));
    assert!(stats.inference_time >= found.inference_time);
}

#[test]
fn thresholds_change_between_two_frames() {
    let fixture = fixture(1);
    for confidence in [0.5, 0.1] {
        let thresholds = Thresholds {
            confidence,
            ..THRESHOLDS
        };
        fixture.worker.set_thresholds(thresholds);
        fixture.answer(Ok(0.9));
        fixture.post(0);
        assert_eq!(fixture.asked(), (1, thresholds));
        fixture.found();
    }
}

#[test]
fn another_model_takes_over_between_two_frames() {
    let fixture = fixture(1);
    fixture.post(0);
    fixture.asked();
    // The first model works on the first frame: the second one waits.
    let (opened, second) = scripted("second", 1);
    fixture.worker.swap(opened).expect("a thread");
    second.answers.send(Ok(0.8)).expect("it is alive");
    fixture.post(0);
    fixture.answer(Ok(0.9));
    assert_eq!(&*fixture.found().model_id, "first");
    assert_eq!(&*fixture.found().model_id, "second");
}

#[test]
fn a_batch_takes_what_there_is_of_every_source() {
    let fixture = fixture(4);
    fixture.post(0);
    fixture.asked();
    for source in [0, 1, 2] {
        fixture.post(source);
    }
    fixture.answer(Ok(0.9));
    fixture.answer(Ok(0.9));
    assert_eq!(fixture.asked().0, 3);
    let sources: Vec<u32> = (0..4).map(|_| fixture.found().source_id.0).collect();
    assert_eq!(sources, [0, 1, 2, 0]);
}

#[test]
fn a_passing_failure_costs_its_frame_only() {
    let fixture = fixture(1);
    fixture.answer(Err(Fault::Transient));
    fixture.answer(Ok(0.9));
    fixture.post(0);
    fixture.asked();
    fixture.post(1);
    assert_eq!(fixture.found().source_id, SourceId(1));
    let stats = fixture.worker.stats();
    assert_eq!((stats.inferred, stats.failed), (1, 1));
}

#[test]
fn a_detector_that_failed_for_good_is_seen_by_the_watchdog_and_can_be_replaced() {
    for fault in [Fault::Final, Fault::Panic] {
        let fixture = fixture(1);
        fixture.answer(Err(fault));
        fixture.post(0);
        fixture.asked();
        // Later frames are counted as failed, without a call of the detector.
        let deadline = Instant::now() + PATIENCE;
        while fixture.worker.stats().failed < 2 {
            assert!(Instant::now() < deadline, "frames are not counted");
            fixture.post(0);
            std::thread::yield_now();
        }
        fixture.clock.advance(Duration::from_secs(6));
        assert_eq!(fixture.beats.stuck().len(), 1);
        let (opened, second) = scripted("second", 1);
        second.answers.send(Ok(0.8)).expect("it is alive");
        fixture.worker.swap(opened).expect("a thread");
        fixture.post(3);
        assert_eq!(&*fixture.found().model_id, "second");
    }
}

#[test]
fn a_worker_without_frames_is_not_stuck() {
    let fixture = fixture(1);
    fixture.answer(Ok(0.9));
    fixture.post(0);
    fixture.found();
    let deadline = Instant::now() + PATIENCE;
    fixture.clock.advance(Duration::from_secs(600));
    while !fixture.beats.stuck().is_empty() {
        assert!(Instant::now() < deadline, "the worker is taken for stuck");
        std::thread::yield_now();
    }
}

#[test]
fn stopping_waits_for_the_frame_at_hand() {
    let fixture = fixture(1);
    fixture.answer(Ok(0.9));
    fixture.post(0);
    fixture.asked();
    fixture.worker.stop();
    assert_eq!(fixture.found.try_iter().count(), 1);
}

/// A worker with two lanes, whose detectors answer separately.
fn two_lanes() -> (Fixture, Script) {
    let (mut opened, script) = scripted("first", 1);
    let (second, second_script) = scripted("first", 1);
    opened.more.push(second.detector);
    (fixture_of(opened, script), second_script)
}

#[test]
fn two_lanes_work_at_once() {
    let (fixture, second) = two_lanes();
    fixture.post(0);
    fixture.post(1);
    // Both are asked before one of them answers.
    fixture.asked();
    second.asked.recv_timeout(PATIENCE).expect("the lane asks");
    fixture.answer(Ok(0.9));
    second.answers.send(Ok(0.9)).expect("the lane asks");
    let mut sources = [fixture.found().source_id.0, fixture.found().source_id.0];
    sources.sort_unstable();
    assert_eq!(sources, [0, 1]);
    assert_eq!(fixture.worker.lanes(), 2);
}

#[test]
fn the_frames_of_one_source_are_finished_in_their_order() {
    let (fixture, second) = two_lanes();
    fixture.post(0);
    let first_was_asked = fixture
        .script
        .asked
        .recv_timeout(Duration::from_millis(500));
    let (busy, idle) = match first_was_asked {
        Ok(_) => (&fixture.script, &second),
        Err(_) => (&second, &fixture.script),
    };
    fixture.post(0);
    let early = idle.asked.recv_timeout(Duration::from_millis(200));
    assert!(
        early.is_err(),
        "a lane took the next frame of a source that another lane has"
    );
    busy.answers.send(Ok(0.9)).expect("the lane asks");
    busy.answers.send(Ok(0.8)).expect("the lane lives");
    idle.answers.send(Ok(0.8)).expect("the lane lives");
    let confidences = [0, 1].map(|_| fixture.found().detections[0].confidence);
    assert_eq!(confidences, [0.9, 0.8]);
}

#[test]
fn a_failure_of_one_lane_ends_the_detector() {
    let (fixture, second) = two_lanes();
    for script in [&fixture.script, &second] {
        script.answers.send(Err(Fault::Final)).expect("it is alive");
    }
    let deadline = Instant::now() + PATIENCE;
    while fixture.worker.stats().failed < 3 {
        assert!(Instant::now() < deadline, "frames are not counted");
        fixture.post(0);
        fixture.post(1);
        std::thread::yield_now();
    }
    fixture.clock.advance(Duration::from_secs(6));
    assert!(!fixture.beats.stuck().is_empty());
    assert_eq!(fixture.worker.stats().inferred, 0);
}

#[test]
fn work_counts_time_with_frames_and_frames_of_full_batches() {
    let fixture = fixture(2);
    fixture.post(0);
    fixture.asked();
    for source in [0, 1] {
        fixture.post(source);
    }
    fixture.answer(Ok(0.9));
    fixture.answer(Ok(0.9));
    for _ in 0..3 {
        fixture.found();
    }
    let deadline = Instant::now() + PATIENCE;
    let work = loop {
        let work = fixture.worker.work();
        if work.full_frames > 0 {
            break work;
        }
        assert!(Instant::now() < deadline, "{work:?}");
        std::thread::yield_now();
    };
    assert_eq!(work.full_frames, 2, "not the single frame before");
    assert!(work.busy > work.full_time && work.full_time > Duration::ZERO);
    assert_eq!(&*work.model_id, "first");
    let (opened, second) = scripted("second", 2);
    second.answers.send(Ok(0.8)).expect("it is alive");
    fixture.worker.swap(opened).expect("a thread");
    fixture.post(0);
    fixture.found();
    let work = fixture.worker.work();
    assert_eq!((&*work.model_id, work.full_frames), ("second", 0));
}
