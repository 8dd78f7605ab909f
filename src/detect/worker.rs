//! The detection thread for all sources: it takes the newest frame of each source in turn, letterboxes and infers it,
//! and passes the result on.
//!
//! It drops nothing itself: frames that arrive too fast are replaced in the mailbox. A frame's pixels are released as
//! soon as they are drawn into the model's input, so that no decoder waits for an inference.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::{Canvas, DetectError, Detection, Letterboxer, LoadedDetector, Picture, Thresholds};
use crate::base::sync::lock;
use crate::base::{Collected, Frame, FrameMeta, Heartbeat, Mailbox, SourceId};

/// The result of one frame.
#[derive(Debug, Clone)]
pub struct Inferred {
    /// The source of the frame.
    pub source_id: SourceId,
    /// The frame's number, size and times.
    pub meta: FrameMeta,
    /// The detections by falling confidence, down to the worker's threshold, not the source's.
    pub detections: Vec<Detection>,
    /// The time in the detector, for the whole batch if there was one; without the letterbox.
    pub inference_time: Duration,
    /// The model's id.
    pub model_id: Arc<str>,
}

/// The detection thread. Dropping it ends it after the current frame.
pub struct Worker {
    mailbox: Arc<Mailbox<SourceId, Frame>>,
    state: Arc<WorkerState>,
    thread: Option<JoinHandle<()>>,
}

/// Counters since the start of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerStats {
    /// Inferred frames.
    pub inferred: u64,
    /// Frames that were not inferred because of an error.
    pub failed: u64,
    /// Time spent on letterboxes.
    pub letterbox_time: Duration,
    /// Time spent in the detector.
    pub inference_time: Duration,
}

/// The work of the running detector since it was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkDone {
    /// The id of its model.
    pub model_id: Arc<str>,
    /// Its backend.
    pub backend: &'static str,
    /// The thread's time with frames: letterbox, inference and sink.
    pub busy: Duration,
    /// Frames that were inferred in batches of the largest useful size.
    pub full_frames: u64,
    /// The thread's time with these frames.
    pub full_time: Duration,
}

impl WorkDone {
    fn none_of(opened: &LoadedDetector) -> Self {
        Self {
            model_id: opened.model_id.clone(),
            backend: opened.backend,
            busy: Duration::ZERO,
            full_frames: 0,
            full_time: Duration::ZERO,
        }
    }
}

struct WorkerState {
    work: Mutex<WorkDone>,
    thresholds: ArcSwap<Thresholds>,
    next: Mutex<Option<LoadedDetector>>,
    inferred: AtomicU64,
    failed: AtomicU64,
    letterbox_ns: AtomicU64,
    inference_ns: AtomicU64,
}

/// How long a batch waits for frames of more sources: less than a batch saves.
const BATCH_WINDOW: Duration = Duration::from_millis(5);

/// How long the thread sleeps without frames. Only a frame or the end wakes it earlier.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The minimum interval between reports of failures; each failure is counted.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

impl Worker {
    /// Starts the thread `detect`, which serves `mailbox` until it is closed, and passes each result with its picture
    /// to `sink`.
    ///
    /// `heartbeat` beats around every inference and is idle without work. If the detector panics or fails finally, it
    /// stops beating, so that the supervision sees it. [`Worker::swap`] starts it again.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(
        opened: LoadedDetector,
        mailbox: Arc<Mailbox<SourceId, Frame>>,
        thresholds: Thresholds,
        heartbeat: Heartbeat,
        sink: impl FnMut(Inferred, &Picture<'_>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let state = Arc::new(WorkerState {
            work: Mutex::new(WorkDone::none_of(&opened)),
            thresholds: ArcSwap::from_pointee(thresholds),
            next: Mutex::default(),
            inferred: AtomicU64::default(),
            failed: AtomicU64::default(),
            letterbox_ns: AtomicU64::default(),
            inference_ns: AtomicU64::default(),
        });
        let work = WorkerThread {
            active: ActiveDetector::new(opened),
            state: state.clone(),
            heartbeat,
            sink,
            last_report: None,
        };
        let served = mailbox.clone();
        let thread = std::thread::Builder::new()
            .name("detect".to_owned())
            .spawn(move || work.run(&served))?;
        Ok(Self {
            mailbox,
            state,
            thread: Some(thread),
        })
    }

    /// Sets the thresholds for the next frames.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.state.thresholds.store(Arc::new(thresholds));
    }

    /// Sets the detector for the next frames. The caller loads it while the current one works.
    pub fn swap(&self, opened: LoadedDetector) {
        let displaced = self.next().replace(opened);
        drop(displaced);
    }

    /// The counters so far.
    pub fn stats(&self) -> WorkerStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkerStats {
            inferred: read(&self.state.inferred),
            failed: read(&self.state.failed),
            letterbox_time: Duration::from_nanos(read(&self.state.letterbox_ns)),
            inference_time: Duration::from_nanos(read(&self.state.inference_ns)),
        }
    }

    /// The work of the detector that runs.
    pub fn work(&self) -> WorkDone {
        lock(&self.state.work).clone()
    }

    /// Closes the mailbox and waits for the current frame. Blocks for one inference at most.
    pub fn stop(self) {
        drop(self);
    }

    fn next(&self) -> std::sync::MutexGuard<'_, Option<LoadedDetector>> {
        lock(&self.state.next)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.mailbox.close();
        if let Some(thread) = self.thread.take() {
            // Panics are caught and logged on the thread itself.
            let _ = thread.join();
        }
    }
}

struct WorkerThread<S> {
    active: ActiveDetector,
    state: Arc<WorkerState>,
    heartbeat: Heartbeat,
    sink: S,
    last_report: Option<Instant>,
}

/// A detector with its buffers.
struct ActiveDetector {
    opened: LoadedDetector,
    letterboxer: Letterboxer,
    canvases: Vec<Canvas>,
    /// It failed finally and is not called any more.
    broken: bool,
}

impl ActiveDetector {
    fn new(opened: LoadedDetector) -> Self {
        let batch = opened.detector.max_batch().max(1);
        Self {
            letterboxer: Letterboxer::new(opened.detector.input_size(), opened.detector.padding()),
            canvases: std::iter::repeat_with(Canvas::default)
                .take(batch)
                .collect(),
            opened,
            broken: false,
        }
    }
}

impl<S: FnMut(Inferred, &Picture<'_>)> WorkerThread<S> {
    fn run(mut self, mailbox: &Mailbox<SourceId, Frame>) {
        loop {
            if !self.active.broken {
                self.heartbeat.idle();
            }
            let most = self.active.canvases.len();
            let window = if most > 1 {
                BATCH_WINDOW
            } else {
                Duration::ZERO
            };
            let collected = mailbox.collect(most, window, MAX_WAIT);
            self.take_next();
            match collected {
                Collected::Closed => return,
                Collected::Nothing => {}
                Collected::Items(frames) if self.active.broken => {
                    self.count_failed(frames.len());
                }
                Collected::Items(frames) => {
                    self.heartbeat.beat();
                    let count = frames.len();
                    let started = Instant::now();
                    // A panic comes from the engine or from the sink; it must not end this thread silently.
                    match catch_unwind(AssertUnwindSafe(|| self.infer(frames))) {
                        Ok(inferred) => self.note_work(inferred, started.elapsed()),
                        Err(panic) => self.fail_finally(
                            count,
                            format_args!("it panicked: {}", panic_message(&*panic)),
                        ),
                    }
                }
            }
        }
    }

    fn take_next(&mut self) {
        let next = lock(&self.state.next).take();
        if let Some(opened) = next {
            let (model, backend) = (opened.model_id.clone(), opened.backend);
            *lock(&self.state.work) = WorkDone::none_of(&opened);
            self.active = ActiveDetector::new(opened);
            self.last_report = None;
            self.heartbeat.beat();
            tracing::info!(%model, backend, "the detector was replaced");
        }
    }

    fn note_work(&self, inferred: usize, time: Duration) {
        let mut work = lock(&self.state.work);
        work.busy += time;
        if inferred == self.active.canvases.len() {
            work.full_frames += inferred as u64;
            work.full_time += time;
        }
    }

    /// Gives the number of inferred frames.
    fn infer(&mut self, frames: Vec<(SourceId, Frame)>) -> usize {
        let started = Instant::now();
        let mut drawn = Vec::with_capacity(frames.len());
        for (source_id, frame) in frames {
            let canvas = &mut self.active.canvases[drawn.len()];
            match self.active.letterboxer.draw(&frame, canvas) {
                Ok(_) => drawn.push((source_id, frame.meta)),
                Err(err) => self.report_failure(1, &err, Some(source_id)),
            }
        }
        count(&self.state.letterbox_ns, started.elapsed());
        let inferred = drawn.len();
        if inferred == 0 {
            return 0;
        }
        let started = Instant::now();
        let found = self.active.detect(inferred, **self.state.thresholds.load());
        let inference_time = started.elapsed();
        count(&self.state.inference_ns, inference_time);
        self.heartbeat.beat();
        match found {
            Ok(found) => {
                self.state
                    .inferred
                    .fetch_add(inferred as u64, Ordering::Relaxed);
                let pictures = self.active.canvases.iter().filter_map(Canvas::picture);
                for (((source_id, meta), detections), picture) in
                    drawn.into_iter().zip(found).zip(pictures)
                {
                    let result = Inferred {
                        source_id,
                        meta,
                        detections,
                        inference_time,
                        model_id: self.active.opened.model_id.clone(),
                    };
                    (self.sink)(result, &picture);
                }
                return inferred;
            }
            Err(err) if err.is_transient() => self.report_failure(inferred, &err, None),
            Err(err) => self.fail_finally(inferred, err),
        }
        0
    }

    /// Reports a failure after which the next frames may succeed.
    fn report_failure(&mut self, frames: usize, err: &DetectError, source_id: Option<SourceId>) {
        self.count_failed(frames);
        if self
            .last_report
            .is_none_or(|at| at.elapsed() >= REPORT_INTERVAL)
        {
            self.last_report = Some(Instant::now());
            let failed = self.state.failed.load(Ordering::Relaxed);
            let source_id = source_id.map(|id| id.0);
            tracing::warn!(%err, source_id, failed, "a frame could not be analysed");
        }
    }

    fn fail_finally(&mut self, frames: usize, err: impl std::fmt::Display) {
        self.count_failed(frames);
        self.active.broken = true;
        // The last beat: from now on the stage counts as stuck.
        self.heartbeat.beat();
        tracing::error!(
            model = %self.active.opened.model_id,
            backend = self.active.opened.backend,
            %err,
            "the detector failed finally; nothing is analysed until it is replaced"
        );
    }

    fn count_failed(&self, frames: usize) {
        self.state
            .failed
            .fetch_add(frames as u64, Ordering::Relaxed);
    }
}

impl ActiveDetector {
    fn detect(
        &mut self,
        pictures: usize,
        thresholds: Thresholds,
    ) -> Result<Vec<Vec<Detection>>, DetectError> {
        let pictures: Vec<_> = self.canvases[..pictures]
            .iter()
            .filter_map(Canvas::picture)
            .collect();
        self.opened.detector.detect(&pictures, thresholds)
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

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
