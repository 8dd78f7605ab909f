//! What the threads of one session share: counters, times between parser and sink, and the way out to the listener.
//!
//! GStreamer's streaming threads write, the session's own thread reads. When the session ends the session is closed: what an
//! abandoned thread still delivers goes nowhere.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::capture_time::{PtsMap, UnitTime, captured};
use super::declared_shape::{DeclaredShape, Picture};
use super::dmabuf_frame::{FrameView, pixels_of};
use super::host_frame::size_of;
use super::source::{FrameSink, StreamFacts};
use crate::base::{Clock, Crop, Frame, FrameMeta, Size, unix_now};

/// An access unit that reaches the decoder later than this after its arrival is one of a queue that grows: the decoder
/// is too slow for its camera, and what it would decode is of no use. It skips to the next key frame instead.
const LONGEST_BACKLOG: Duration = Duration::from_secs(2);
/// A media time that is further from the present than this has nothing to do with the arrival.
const PLAUSIBLE_AGE: Duration = Duration::from_secs(30);
/// "Not yet", for the instants below.
const NEVER: u64 = u64::MAX;

/// A reason for which a session's callbacks end it.
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

/// Who wants to know more of a session than its frames. Called from the session's own threads; must not block.
pub(super) trait Observer: Send + Sync {
    /// The camera offers a stream, `video` in `H264` for one; it may be taken or not.
    fn offered(&self, media: &str, encoding: &str);

    /// The camera asks for a login.
    fn asked_for_login(&self);

    /// An access unit has arrived.
    fn unit(&self, unit: &ObservedUnit);
}

/// What is known of an access unit before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObservedUnit {
    pub(super) key: bool,
    pub(super) bytes: usize,
    /// When it arrived, by the session's clock and since the Unix epoch.
    pub(super) arrival: Duration,
    pub(super) arrival_unix: Duration,
    /// RTCP NTP time as Unix nanoseconds.
    pub(super) ntp_ns: Option<u64>,
}

/// Shared by the threads of one session.
pub(super) struct SessionState {
    sink: Arc<dyn FrameSink>,
    clock: Clock,
    closed: AtomicBool,
    reopen: AtomicBool,
    units: AtomicU64,
    units_at_key: AtomicU64,
    frames: AtomicU64,
    playing_ns: AtomicU64,
    last_unit_ns: AtomicU64,
    first_key_ns: AtomicU64,
    first_frame_ns: AtomicU64,
    last_frame_ns: AtomicU64,
    skipping: AtomicBool,
    skipped: AtomicU64,
    times: Mutex<PtsMap<UnitTime>>,
    facts: Mutex<StreamFacts>,
    failure: Mutex<Option<Failure>>,
    refused_stream: Mutex<Option<Failure>>,
    bus: Mutex<Option<gst::Bus>>,
    observer: OnceLock<Arc<dyn Observer>>,
}

/// How far a session has come, read by its own thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// When PLAY was sent.
    pub(super) playing: Option<Duration>,
    /// Access units so far, and since the first key frame.
    pub(super) units: u64,
    pub(super) units_since_key: u64,
    pub(super) last_unit: Option<Duration>,
    pub(super) first_key: Option<Duration>,
    pub(super) first_frame: Option<Duration>,
    pub(super) last_frame: Option<Duration>,
}

/// What becomes of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitAction {
    /// It goes to the decoder.
    Decode,
    /// The decoder is too slow: it is dropped.
    Skip,
}

impl SessionState {
    pub(super) fn new(sink: Arc<dyn FrameSink>, clock: Clock) -> Arc<Self> {
        let never = || AtomicU64::new(NEVER);
        Arc::new(Self {
            sink,
            clock,
            closed: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            units: AtomicU64::new(0),
            units_at_key: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            playing_ns: never(),
            last_unit_ns: never(),
            first_key_ns: never(),
            first_frame_ns: never(),
            last_frame_ns: never(),
            skipping: AtomicBool::new(false),
            skipped: AtomicU64::new(0),
            times: Mutex::default(),
            facts: Mutex::default(),
            failure: Mutex::default(),
            refused_stream: Mutex::default(),
            bus: Mutex::default(),
            observer: OnceLock::new(),
        })
    }

    /// Takes an observer on, before the session starts; the first one stays.
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

    /// The session's own thread has moved.
    pub(super) fn alive(&self) {
        if !self.is_closed() {
            self.sink.alive();
        }
    }

    /// The source was asked to send: limits for a first frame count from here.
    pub(super) fn playing(&self) {
        self.first(&self.playing_ns);
    }

    /// Names the bus that the session's thread sleeps on from now on.
    pub(super) fn wakes(&self, bus: &gst::Bus) {
        *lock(&self.bus) = Some(bus.clone());
    }

    /// Wakes the session's thread: it looks at its limits anew.
    pub(super) fn wake(&self) {
        let bus = lock(&self.bus).clone();
        let message = || gst::message::Application::new(gst::Structure::new_empty("nvr-wake"));
        if bus.is_some_and(|bus| bus.post(message()).is_err()) {
            tracing::trace!("a closing session is not woken");
        }
    }

    /// Ends the session with a reason; the first one counts.
    pub(super) fn fail(&self, failure: Failure) {
        lock(&self.failure).get_or_insert(failure);
        self.wake();
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        lock(&self.failure).clone()
    }

    /// Ends the session so that the next one begins at once, with the elements made anew.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn wants_reopen(&self) -> bool {
        self.reopen.load(Ordering::Acquire)
    }

    /// Notes why an offered stream was not taken: the session's reason, should no other stream be taken either.
    pub(super) fn refuse_stream(&self, failure: Failure) {
        lock(&self.refused_stream).get_or_insert(failure);
    }

    pub(super) fn refused_stream(&self) -> Option<Failure> {
        lock(&self.refused_stream).clone()
    }

    /// Ends all deliveries.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Changes what is known of the stream, and tells the listener if it did change.
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

    /// An access unit on its way to the decoder. `age` is how long ago its media time was, by the pipeline's clock.
    pub(super) fn unit(
        &self,
        buffer: &gst::BufferRef,
        age: Option<Duration>,
        ntp_ns: Option<u64>,
    ) -> UnitAction {
        if self.is_closed() {
            return UnitAction::Skip;
        }
        let now = self.clock.now();
        let units = self.units.fetch_add(1, Ordering::AcqRel) + 1;
        self.last_unit_ns.store(nanoseconds(now), Ordering::Release);
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if key && self.first(&self.first_key_ns) {
            self.units_at_key.store(units, Ordering::Release);
            self.wake();
        }
        self.sink.access_unit(buffer.size());
        let age = age.filter(|age| *age <= PLAUSIBLE_AGE);
        if let Some(observer) = self.observer.get() {
            observer.unit(&ObservedUnit {
                key,
                bytes: buffer.size(),
                arrival: now.saturating_sub(age.unwrap_or_default()),
                arrival_unix: unix_now().saturating_sub(age.unwrap_or_default()),
                ntp_ns,
            });
        }
        if let Some(pts) = buffer.pts() {
            let time = UnitTime {
                arrival: now.saturating_sub(age.unwrap_or_default()),
                ntp_ns,
            };
            lock(&self.times).note(pts.nseconds(), time);
        }
        self.admit(key, age.unwrap_or_default())
    }

    fn admit(&self, key: bool, age: Duration) -> UnitAction {
        let late = age > LONGEST_BACKLOG;
        if late && !key && !self.skipping.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                backlog_ms = age.as_millis(),
                "the decoder is too slow for this stream; skipping to the next key frame"
            );
        }
        if key {
            self.skipping.store(false, Ordering::Release);
        }
        if self.skipping.load(Ordering::Acquire) {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return UnitAction::Skip;
        }
        UnitAction::Decode
    }

    /// A picture from the decoder; wrapped, numbered within the session, and handed over. `picture` is what it was
    /// before it was scaled, where it was; `declared` what its stream says of its shape.
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
        // A scaler has cropped what came with it.
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
        let arrival_unix = unix_now().saturating_sub(now.saturating_sub(arrival));
        let (captured_unix, clock) = captured(arrival_unix, ntp_ns);
        self.last_frame_ns
            .store(nanoseconds(now), Ordering::Release);
        if self.first(&self.first_frame_ns) {
            self.wake();
        }
        let meta = FrameMeta {
            frame_id: self.frames.fetch_add(1, Ordering::AcqRel),
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
        let units = self.units.load(Ordering::Acquire);
        let first_key = instant(&self.first_key_ns);
        let at_key = self.units_at_key.load(Ordering::Acquire);
        Progress {
            playing: instant(&self.playing_ns),
            units,
            units_since_key: first_key.map_or(0, |_| units.saturating_sub(at_key)),
            last_unit: instant(&self.last_unit_ns),
            first_key,
            first_frame: instant(&self.first_frame_ns),
            last_frame: instant(&self.last_frame_ns),
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Sets an instant that was not set yet; true where it was this call that did.
    fn first(&self, instant_ns: &AtomicU64) -> bool {
        let now = nanoseconds(self.clock.now());
        instant_ns
            .compare_exchange(NEVER, now, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

/// The part of a decoder's buffer that is the picture, where it says so.
fn crop_of(buffer: &gst::BufferRef) -> Option<Crop> {
    let (left, top, width, height) = buffer.meta::<gst_video::VideoCropMeta>()?.rect();
    Some(Crop {
        left,
        top,
        size: Size::new(width, height),
    })
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER - 1)
}

fn instant(at_ns: &AtomicU64) -> Option<Duration> {
    match at_ns.load(Ordering::Acquire) {
        NEVER => None,
        at_ns => Some(Duration::from_nanos(at_ns)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
