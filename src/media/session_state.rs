//! The state that all threads of a session share: progress, times between parser and sink, and the connection to the
//! listener.
//!
//! GStreamer's streaming threads write it, the session's own thread reads it. The state is closed at the end of the
//! session: frames from an abandoned thread are then discarded.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::backlog::{Backlog, UnitAction};
use super::capture_time::{PtsMap, UnitTime, captured};
use super::declared_shape::{DeclaredShape, Picture};
use super::dmabuf_frame::{FrameView, pixels_of};
use super::host_frame::size_of;
use super::observer::{ObservedUnit, Observer};
use super::session_progress::{Progress, SessionProgress};
use super::source::{FrameSink, StreamFacts};
use crate::base::sync::lock;
use crate::base::{Clock, Crop, Frame, FrameMeta, Size, unix_now};

/// A media time that differs from the present by more than this does not describe the arrival.
const PLAUSIBLE_AGE: Duration = Duration::from_secs(30);

/// The reason for which a callback ends the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// The state that the threads of one session share.
pub(super) struct SessionState {
    sink: Arc<dyn FrameSink>,
    clock: Clock,
    closed: AtomicBool,
    reopen: AtomicBool,
    progress: SessionProgress,
    /// Access units from the first key frame on that were not decoded.
    skipped: AtomicU64,
    frames: AtomicU64,
    next_frame_id: AtomicU64,
    backlog: Backlog,
    times: Mutex<PtsMap<UnitTime>>,
    facts: Mutex<StreamFacts>,
    failure: Mutex<Option<Failure>>,
    refused_stream: Mutex<Option<Failure>>,
    bus: Mutex<Option<gst::Bus>>,
    observer: OnceLock<Arc<dyn Observer>>,
}

impl SessionState {
    pub(super) fn new(sink: Arc<dyn FrameSink>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            sink,
            clock,
            closed: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            progress: SessionProgress::new(),
            skipped: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            next_frame_id: AtomicU64::new(0),
            backlog: Backlog::default(),
            times: Mutex::default(),
            facts: Mutex::default(),
            failure: Mutex::default(),
            refused_stream: Mutex::default(),
            bus: Mutex::default(),
            observer: OnceLock::new(),
        })
    }

    /// Registers an observer before the session starts. Only the first one is kept.
    pub(super) fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.observer.set(observer);
    }

    /// The camera offers a stream.
    pub(super) fn offered(&self, media: &str, encoding: &str) {
        if let Some(observer) = self.observer.get().filter(|_| !self.is_closed()) {
            observer.offered(media, encoding);
        }
    }

    /// The session's clock.
    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Reports progress of the session's own thread.
    pub(super) fn alive(&self) {
        if !self.is_closed() {
            self.sink.alive();
        }
    }

    /// Calls `choose`, which finds a decoder and may try several. The time limit for the connection starts again
    /// afterwards.
    pub(super) fn while_choosing<T>(&self, choose: impl FnOnce() -> T) -> T {
        self.progress.begin_choice();
        let chosen = choose();
        self.progress.end_choice(self.clock.now());
        self.wake();
        chosen
    }

    /// Notes that the source sends. The time limit for the first frame starts now.
    pub(super) fn playing(&self) {
        self.progress.playing(self.clock.now());
    }

    /// Sets the bus on which the session's thread waits.
    pub(super) fn set_bus(&self, bus: &gst::Bus) {
        *lock(&self.bus) = Some(bus.clone());
    }

    /// Wakes the session's thread, which then checks its limits again.
    pub(super) fn wake(&self) {
        let bus = lock(&self.bus).clone();
        let message = || gst::message::Application::new(gst::Structure::new_empty("nvr-wake"));
        if bus.is_some_and(|bus| bus.post(message()).is_err()) {
            tracing::trace!("a session that ends could not be woken");
        }
    }

    /// Ends the session with a reason. Only the first reason is kept.
    pub(super) fn fail(&self, failure: Failure) {
        lock(&self.failure).get_or_insert(failure);
        self.wake();
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        lock(&self.failure).clone()
    }

    /// Ends the session, so that the next one starts immediately with new elements.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn wants_reopen(&self) -> bool {
        self.reopen.load(Ordering::Acquire)
    }

    /// Notes why an offered stream was not taken. This is the session's reason if no other stream is taken either.
    pub(super) fn refuse_stream(&self, failure: Failure) {
        lock(&self.refused_stream).get_or_insert(failure);
    }

    pub(super) fn refused_stream(&self) -> Option<Failure> {
        lock(&self.refused_stream).clone()
    }

    /// Stops all calls to the listener.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Changes the facts about the stream, and tells the listener if they differ.
    pub(super) fn describe(&self, change: impl FnOnce(&mut StreamFacts)) {
        let mut facts = lock(&self.facts);
        let mut changed = facts.clone();
        change(&mut changed);
        if *facts != changed {
            *facts = changed.clone();
            drop(facts);
            if !self.is_closed() {
                self.sink.described(&changed);
            }
        }
    }

    /// The time since the arrival of a unit, from the time since its media time; zero if that does not describe it.
    pub(super) fn plausible(age: Option<Duration>) -> Duration {
        age.filter(|age| *age <= PLAUSIBLE_AGE).unwrap_or_default()
    }

    /// Processes an access unit on its way to the decoder. `age` is the time since its media time, by the pipeline's
    /// clock. `is_wanted`: whether the consumer needs it.
    pub(super) fn unit(
        &self,
        buffer: &gst::BufferRef,
        age: Option<Duration>,
        ntp_ns: Option<u64>,
        is_wanted: bool,
    ) -> UnitAction {
        if self.is_closed() {
            return UnitAction::Skip;
        }
        let now = self.clock.now();
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if self.progress.unit(key, now) {
            self.wake();
        }
        self.sink.access_unit(buffer.size());
        let age = Self::plausible(age);
        if let Some(observer) = self.observer.get() {
            observer.unit(&ObservedUnit {
                key,
                bytes: buffer.size(),
                arrival: now.saturating_sub(age),
                arrival_unix: unix_now().saturating_sub(age),
                ntp_ns,
            });
        }
        if let Some(pts) = buffer.pts() {
            let time = UnitTime {
                arrival: now.saturating_sub(age),
                ntp_ns,
                skipped: self.skipped.load(Ordering::Acquire),
            };
            lock(&self.times).note(pts.nseconds(), time);
        }
        let action = match is_wanted {
            true => self.backlog.admit(key, age, self.progress.has_frame()),
            false => UnitAction::Skip,
        };
        match action {
            UnitAction::Decode => self.progress.decoded_unit(now),
            UnitAction::Skip => {
                let counts = self.progress.has_key();
                self.skipped.fetch_add(u64::from(counts), Ordering::AcqRel);
            }
        }
        action
    }

    /// The number of the next picture, before which `skipped` units were not decoded. Reordered pictures have rising numbers, too.
    fn next_frame_id(&self, skipped: u64) -> u64 {
        let number = self.frames.fetch_add(1, Ordering::AcqRel) + skipped;
        let number = number.max(self.next_frame_id.load(Ordering::Acquire));
        self.next_frame_id.store(number + 1, Ordering::Release);
        number
    }

    /// Processes a picture from the decoder: wraps it in a frame, numbers it within the session and passes it on.
    /// `picture` is the picture before scaling, if it was scaled; `declared` is the shape that the stream states.
    pub(super) fn frame(
        &self,
        sample: &gst::SampleRef,
        picture: Option<Picture>,
        declared: &DeclaredShape,
    ) {
        if self.is_closed() {
            return;
        }
        let info = sample
            .caps()
            .and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok());
        let (Some(info), Some(buffer)) = (info, sample.buffer_owned()) else {
            return;
        };
        let pts = buffer.pts();
        let decoded = picture.unwrap_or_else(|| Picture::of(&info));
        // The scaler has applied the crop already.
        let crop = picture.is_none().then(|| crop_of(&buffer)).flatten();
        let shape = declared.shape(&decoded, crop);
        let (size, colorimetry) = (shape.picture(), decoded.colorimetry);
        let view = FrameView::new(&shape, decoded.size, size_of(&info));
        let Some(pixels) = pixels_of(buffer, &info, &view) else {
            return;
        };
        self.describe(|facts| facts.size = Some(size));
        let now = self.clock.now();
        let time = pts.and_then(|pts| lock(&self.times).find(pts.nseconds()));
        let arrival = time.map_or(now, |time| time.arrival);
        let ntp_ns = time.and_then(|time| time.ntp_ns);
        let skipped = time.map_or(0, |time| time.skipped);
        let arrival_unix = unix_now().saturating_sub(now.saturating_sub(arrival));
        let (captured_unix, clock) = captured(arrival_unix, ntp_ns);
        if self.progress.frame(now) {
            self.wake();
        }
        let meta = FrameMeta {
            frame_id: self.next_frame_id(skipped),
            size,
            colorimetry,
            pts: pts.map(|pts| Duration::from_nanos(pts.nseconds())),
            arrival,
            captured_unix,
            clock,
            ntp_ns,
        };
        self.sink.frame(Frame { meta, pixels });
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.read()
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// The part of the decoder's buffer that holds the picture, if the buffer states one.
fn crop_of(buffer: &gst::BufferRef) -> Option<Crop> {
    let (left, top, width, height) = buffer.meta::<gst_video::VideoCropMeta>()?.rect();
    Some(Crop {
        left,
        top,
        size: Size::new(width, height),
    })
}
