//! A lane of the detection worker: one thread with one instance of the network.
//!
//! It drops nothing itself: frames that arrive too fast are replaced in the mailbox. A frame's pixels are released as
//! soon as they are drawn into the model's input, so that no decoder waits for an inference.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::inferred::{Inferred, WorkDone, WorkerStats};
use super::{Canvas, DetectError, Detection, Detector, Letterboxer, Picture, Thresholds};
use crate::base::sync::lock;
use crate::base::{Collected, Frame, Heartbeat, Mailbox, SourceId};

/// How long a batch waits for frames of more sources: less than a batch saves.
const BATCH_WINDOW: Duration = Duration::from_millis(5);

/// How long the thread sleeps without frames. Only a frame or the end wakes it earlier.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The minimum interval between reports of failures; each failure is counted.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Takes the results of all lanes.
pub(super) type Sink = dyn Fn(Inferred, &Picture<'_>) + Send + Sync;

/// What all lanes of a worker share, also those of former detectors.
pub(super) struct Shared {
    pub(super) mailbox: Arc<Mailbox<SourceId, Frame>>,
    pub(super) thresholds: ArcSwap<Thresholds>,
    sink: Box<Sink>,
    inferred: AtomicU64,
    failed: AtomicU64,
    letterbox_ns: AtomicU64,
    inference_ns: AtomicU64,
}

/// What the lanes of one detector share.
pub(super) struct Group {
    model_id: Arc<str>,
    backend: &'static str,
    /// The detector failed finally and is not called any more.
    broken: AtomicBool,
    last_report: Mutex<Option<Instant>>,
    work: Mutex<Work>,
}

/// The work of all lanes of a detector; times are sums.
#[derive(Default)]
struct Work {
    busy: Duration,
    full_frames: u64,
    full_time: Duration,
}

/// A running lane. Dropping it ends it after the current frame, and waits for that.
pub(super) struct Lane {
    shared: Arc<Shared>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Shared {
    pub(super) fn new(
        mailbox: Arc<Mailbox<SourceId, Frame>>,
        thresholds: Thresholds,
        sink: Box<Sink>,
    ) -> Self {
        Self {
            mailbox,
            thresholds: ArcSwap::from_pointee(thresholds),
            sink,
            inferred: AtomicU64::default(),
            failed: AtomicU64::default(),
            letterbox_ns: AtomicU64::default(),
            inference_ns: AtomicU64::default(),
        }
    }

    pub(super) fn stats(&self) -> WorkerStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkerStats {
            inferred: read(&self.inferred),
            failed: read(&self.failed),
            letterbox_time: Duration::from_nanos(read(&self.letterbox_ns)),
            inference_time: Duration::from_nanos(read(&self.inference_ns)),
        }
    }

    fn count_failed(&self, frames: usize) {
        self.failed.fetch_add(frames as u64, Ordering::Relaxed);
    }
}

impl Group {
    pub(super) fn new(model_id: Arc<str>, backend: &'static str) -> Self {
        Self {
            model_id,
            backend,
            broken: AtomicBool::new(false),
            last_report: Mutex::default(),
            work: Mutex::default(),
        }
    }

    /// The work of the detector, which has `lanes` lanes.
    pub(super) fn work(&self, lanes: usize) -> WorkDone {
        let work = lock(&self.work);
        let lanes = u32::try_from(lanes.max(1)).unwrap_or(u32::MAX);
        WorkDone {
            model_id: self.model_id.clone(),
            backend: self.backend,
            busy: work.busy / lanes,
            full_frames: work.full_frames,
            full_time: work.full_time / lanes,
        }
    }

    fn note_work(&self, frames: u64, time: Duration, is_full: bool) {
        let mut work = lock(&self.work);
        work.busy += time;
        if is_full {
            work.full_frames += frames;
            work.full_time += time;
        }
    }
}

impl Lane {
    /// Starts the thread `detect-NUMBER`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn spawn(
        number: usize,
        detector: Box<dyn Detector>,
        shared: Arc<Shared>,
        group: Arc<Group>,
        heartbeat: Heartbeat,
    ) -> std::io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let work = LaneThread {
            letterboxer: Letterboxer::new(detector.input_size(), detector.padding()),
            canvases: std::iter::repeat_with(Canvas::default)
                .take(detector.max_batch().max(1))
                .collect(),
            detector,
            shared: shared.clone(),
            group,
            heartbeat,
            ended: ended.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("detect-{number}"))
            .spawn(move || work.run())?;
        Ok(Self {
            shared,
            ended,
            thread: Some(thread),
        })
    }

    /// Ends it after the current frame. Does not wait.
    pub(super) fn end(&self) {
        self.shared.mailbox.end(&self.ended);
    }

    /// Whether its thread has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.end();
        if let Some(thread) = self.thread.take() {
            // Panics are caught and logged on the thread itself.
            let _ = thread.join();
        }
    }
}

struct LaneThread {
    detector: Box<dyn Detector>,
    letterboxer: Letterboxer,
    canvases: Vec<Canvas>,
    shared: Arc<Shared>,
    group: Arc<Group>,
    heartbeat: Heartbeat,
    ended: Arc<AtomicBool>,
}

impl LaneThread {
    fn run(mut self) {
        let most = self.canvases.len();
        let window = match most {
            1 => Duration::ZERO,
            _ => BATCH_WINDOW,
        };
        let shared = self.shared.clone();
        // A lane that has seen the failure beats no more, so that the supervision sees it too.
        let mut failed = false;
        loop {
            if !failed {
                self.heartbeat.idle();
            }
            let frames = match shared.mailbox.collect(most, window, MAX_WAIT, &self.ended) {
                Collected::Closed => return,
                Collected::Nothing => continue,
                Collected::Items(frames) => frames,
            };
            let sources: Vec<SourceId> = frames.iter().map(|(id, _)| *id).collect();
            if self.group.broken.load(Ordering::Relaxed) {
                shared.count_failed(frames.len());
            } else {
                self.heartbeat.beat();
                let started = Instant::now();
                // A panic comes from the engine or from the sink; it must not end this thread silently.
                match catch_unwind(AssertUnwindSafe(|| self.infer(frames))) {
                    Ok(inferred) => {
                        let time = started.elapsed();
                        self.group
                            .note_work(inferred as u64, time, inferred == most);
                    }
                    Err(panic) => {
                        let message = panic_message(&*panic);
                        self.fail_finally(sources.len(), format_args!("it panicked: {message}"));
                    }
                }
            }
            failed |= self.group.broken.load(Ordering::Relaxed);
            shared.mailbox.finish(&sources);
        }
    }

    /// Gives the number of inferred frames.
    fn infer(&mut self, frames: Vec<(SourceId, Frame)>) -> usize {
        let started = Instant::now();
        let mut drawn = Vec::with_capacity(frames.len());
        for (source_id, frame) in frames {
            let canvas = &mut self.canvases[drawn.len()];
            match self.letterboxer.draw(&frame, canvas) {
                Ok(_) => drawn.push((source_id, frame.meta)),
                Err(err) => self.report_failure(1, &err, Some(source_id)),
            }
        }
        count(&self.shared.letterbox_ns, started.elapsed());
        let inferred = drawn.len();
        if inferred == 0 {
            return 0;
        }
        let started = Instant::now();
        let found = self.detect(inferred);
        let inference_time = started.elapsed();
        count(&self.shared.inference_ns, inference_time);
        self.heartbeat.beat();
        match found {
            Ok(found) => {
                let counter = &self.shared.inferred;
                counter.fetch_add(inferred as u64, Ordering::Relaxed);
                let pictures = self.canvases.iter().filter_map(Canvas::picture);
                for (((source_id, meta), detections), picture) in
                    drawn.into_iter().zip(found).zip(pictures)
                {
                    let result = Inferred {
                        source_id,
                        meta,
                        detections,
                        inference_time,
                        model_id: self.group.model_id.clone(),
                    };
                    (self.shared.sink)(result, &picture);
                }
                return inferred;
            }
            Err(err) if err.is_transient() => self.report_failure(inferred, &err, None),
            Err(err) => self.fail_finally(inferred, err),
        }
        0
    }

    fn detect(&mut self, pictures: usize) -> Result<Vec<Vec<Detection>>, DetectError> {
        let pictures: Vec<_> = self.canvases[..pictures]
            .iter()
            .filter_map(Canvas::picture)
            .collect();
        let thresholds = **self.shared.thresholds.load();
        self.detector.detect(&pictures, thresholds)
    }

    /// Reports a failure after which the next frames may succeed.
    fn report_failure(&self, frames: usize, err: &DetectError, source_id: Option<SourceId>) {
        self.shared.count_failed(frames);
        let mut last = lock(&self.group.last_report);
        if last.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL) {
            *last = Some(Instant::now());
            let failed = self.shared.failed.load(Ordering::Relaxed);
            let source_id = source_id.map(|id| id.0);
            tracing::warn!(%err, source_id, failed, "a frame could not be analysed");
        }
    }

    /// The other lanes run the same network: none of them calls it again.
    fn fail_finally(&self, frames: usize, err: impl std::fmt::Display) {
        self.shared.count_failed(frames);
        // The last beat: from now on the stage counts as stuck.
        self.heartbeat.beat();
        if !self.group.broken.swap(true, Ordering::Relaxed) {
            tracing::error!(
                model = %self.group.model_id,
                backend = self.group.backend,
                %err,
                "the detector failed finally; nothing is analysed until it is replaced"
            );
        }
    }
}

fn count(counter: &AtomicU64, time: Duration) {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    counter.fetch_add(nanoseconds, Ordering::Relaxed);
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}
