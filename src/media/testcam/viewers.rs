//! The viewers of a test camera: each access unit goes to every viewer, by the camera's own clock.
//!
//! A viewer that takes no data loses whole groups of pictures; memory does not grow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::CameraOptions;
use crate::base::sync::{self, lock};

/// The state of a camera that the server's callbacks use.
#[derive(Debug)]
pub(super) struct CameraState {
    /// NTP time by the camera's clock, in nanoseconds since 1900.
    pub(super) clock: gst::Clock,
    state: Mutex<ViewerList>,
    changed: Condvar,
    silent: AtomicBool,
}

#[derive(Debug, Default)]
struct ViewerList {
    viewers: Vec<Viewer>,
    next_viewer: u64,
    closed: bool,
}

#[derive(Debug)]
struct Viewer {
    key: u64,
    source: gst_app::AppSrc,
    /// Its pipeline asks for data.
    running: bool,
    /// Its pipeline has the caps.
    greeted: bool,
    /// Its client has sent PLAY. Data sent earlier would wait, and then arrive as a burst of old pictures.
    playing: bool,
    /// It has a key frame and all pictures since.
    decodable: bool,
}

/// An access unit on its way to the viewers.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) buffer: gst::Buffer,
    /// Capture time by the camera's clock.
    pub(super) shown: gst::ClockTime,
    /// Likewise in the order of decoding.
    pub(super) sent: gst::ClockTime,
    pub(super) key: bool,
}

/// From 1900, the start of NTP time, to 1970.
const NTP_EPOCH: Duration = Duration::from_secs(2_208_988_800);
/// A viewer with more waiting access units than this is stuck and loses everything up to a key frame. Two seconds at 25
/// fps, because pipelines take up to one second to start.
const MOST_WAITING: u64 = 50;

impl CameraState {
    /// A camera without viewers; its clock starts now.
    pub(super) fn new(options: &CameraOptions) -> Self {
        Self {
            clock: camera_clock(options.clock_offset_ms),
            state: Mutex::default(),
            changed: Condvar::new(),
            silent: AtomicBool::new(options.silent),
        }
    }

    /// Ends the playback for the viewers.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Adds the pipeline of a viewer.
    pub(super) fn add_viewer(self: &Arc<Self>, source: gst_app::AppSrc) -> u64 {
        let mut state = self.lock();
        let key = state.next_viewer;
        state.next_viewer += 1;
        let weak = Arc::downgrade(self);
        source.set_callbacks(
            gst_app::AppSrcCallbacks::builder()
                .need_data(move |_, _| {
                    if let Some(camera) = weak.upgrade() {
                        camera.viewer_runs(key);
                    }
                })
                .build(),
        );
        state.viewers.push(Viewer {
            key,
            source,
            running: false,
            greeted: false,
            playing: false,
            decodable: false,
        });
        drop(state);
        self.changed.notify_all();
        key
    }

    /// Notes that the viewer's client has sent PLAY, or has stopped.
    pub(super) fn viewer_plays(&self, key: u64, playing: bool) {
        let mut state = self.lock();
        if let Some(viewer) = state.viewers.iter_mut().find(|viewer| viewer.key == key) {
            viewer.playing = playing;
            viewer.decodable = false;
        }
    }

    /// Removes a viewer whose pipeline ended.
    pub(super) fn remove_viewer(&self, key: u64) {
        let mut state = self.lock();
        state.viewers.retain(|viewer| viewer.key != key);
        drop(state);
        self.changed.notify_all();
    }

    /// The number of pipelines.
    pub(super) fn viewers(&self) -> usize {
        self.lock().viewers.len()
    }

    /// Stops or resumes sending; sessions stay.
    pub(super) fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::Release);
    }

    /// Whether nothing is sent.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }

    fn viewer_runs(&self, key: u64) {
        let mut state = self.lock();
        let Some(viewer) = state.viewers.iter_mut().find(|viewer| viewer.key == key) else {
            return;
        };
        if !viewer.running {
            viewer.running = true;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Time by the camera's clock.
    pub(super) fn now(&self) -> Duration {
        self.clock.time().into()
    }

    /// Waits for a viewer. Returns false when the camera is closed.
    pub(super) fn wait_for_viewer(&self) -> bool {
        let mut state = self.lock();
        while state.viewers.is_empty() && !state.closed {
            state = sync::wait(&self.changed, state, None);
        }
        !state.closed
    }

    /// Waits until `due` by the camera's clock, and sends the caps to new viewers meanwhile. Returns false when no
    /// viewer is left.
    pub(super) fn wait_until(&self, due: Duration, caps: Option<&gst::Caps>) -> bool {
        let mut state = self.lock();
        loop {
            if state.closed || state.viewers.is_empty() {
                return false;
            }
            if let Some(caps) = caps {
                state.send_caps(caps);
            }
            let left = due.saturating_sub(self.now());
            if left.is_zero() {
                return true;
            }
            state = sync::wait(&self.changed, state, Some(left));
        }
    }

    /// Sends an access unit to every viewer that can decode it.
    pub(super) fn send(&self, unit: &Outgoing) {
        let silent = self.is_silent();
        for viewer in &mut self.lock().viewers {
            if silent {
                viewer.decodable = false;
            } else {
                viewer.send(unit);
            }
        }
    }

    /// Whether a viewer waits for a key frame that it would take. It then need not wait for the end of the group of
    /// pictures.
    pub(super) fn wants_key_frame(&self) -> bool {
        let state = self.lock();
        let waits = |viewer: &Viewer| {
            viewer.playing && !viewer.decodable && viewer.source.current_level_buffers() == 0
        };
        !self.is_silent() && state.viewers.iter().any(waits)
    }

    fn lock(&self) -> MutexGuard<'_, ViewerList> {
        lock(&self.state)
    }
}

impl ViewerList {
    fn send_caps(&mut self, caps: &gst::Caps) {
        for viewer in &mut self.viewers {
            if viewer.running && !viewer.greeted {
                viewer.send_caps(caps);
            }
        }
    }
}

impl Viewer {
    /// DESCRIBE is answered when the payloader knows the format and something has passed. A gap is sufficient, so that
    /// the response comes immediately, also from a silent camera.
    fn send_caps(&mut self, caps: &gst::Caps) {
        self.source.set_caps(Some(caps));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        self.source.send_event(gst::event::Segment::new(&segment));
        self.source
            .send_event(gst::event::Gap::builder(gst::ClockTime::ZERO).build());
        self.greeted = true;
    }

    fn send(&mut self, unit: &Outgoing) {
        if !self.greeted || !self.playing {
            return;
        }
        if self.source.current_level_buffers() > MOST_WAITING {
            self.decodable = false;
        }
        if !self.decodable && !unit.key {
            return;
        }
        // A pipeline that does not play has no base time. One that started just now may be later than the unit.
        let Some(base) = self.source.base_time() else {
            return;
        };
        let (Some(pts), Some(dts)) = (unit.shown.checked_sub(base), unit.sent.checked_sub(base))
        else {
            return;
        };
        if self.source.current_state() != gst::State::Playing {
            return;
        }
        let mut buffer = unit.buffer.copy();
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(pts);
            buffer.set_dts(dts);
        }
        self.decodable = self.source.push_buffer(buffer).is_ok();
    }
}

/// A clock that shows NTP time by the camera's clock. Monotonic: a step of the system's clock does not change it.
fn camera_clock(offset_ms: i64) -> gst::Clock {
    let clock: gst::SystemClock = gst::glib::Object::builder()
        .property("clock-type", gst::ClockType::Monotonic)
        .build();
    let internal = clock.internal_time();
    let ntp = crate::base::unix_now() + NTP_EPOCH;
    let offset = Duration::from_millis(offset_ms.unsigned_abs());
    let shown = if offset_ms < 0 {
        ntp.saturating_sub(offset)
    } else {
        ntp + offset
    };
    let shown = gst::ClockTime::try_from(shown).unwrap_or(internal);
    clock.set_calibration(internal, shown, 1, 1);
    clock.upcast()
}
