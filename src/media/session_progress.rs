//! The progress of a session: how many access units have arrived, and when its units and pictures did.
//!
//! GStreamer's streaming threads write it, the session's own thread reads it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The value of an instant below that has not been reached.
const NEVER: u64 = u64::MAX;

/// The progress of a session, as its own thread reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Whether decoders are being tried for the stream.
    pub(super) choosing: bool,
    /// The time at which a decoder was chosen, or none was found.
    pub(super) chosen: Option<Duration>,
    /// The time at which the source began to send: PLAY was answered.
    pub(super) playing: Option<Duration>,
    /// The number of access units so far, and since the first key frame.
    pub(super) units: u64,
    pub(super) units_since_key: u64,
    pub(super) last_unit: Option<Duration>,
    pub(super) first_key: Option<Duration>,
    pub(super) first_frame: Option<Duration>,
    pub(super) last_frame: Option<Duration>,
}

/// The progress of a session, as all its threads share it. All times are those of the session's clock.
pub(super) struct SessionProgress {
    choosing: AtomicBool,
    chosen_ns: AtomicU64,
    playing_ns: AtomicU64,
    units: AtomicU64,
    units_at_key: AtomicU64,
    last_unit_ns: AtomicU64,
    last_decoded_unit_ns: AtomicU64,
    first_key_ns: AtomicU64,
    first_frame_ns: AtomicU64,
    last_frame_ns: AtomicU64,
}

impl SessionProgress {
    pub(super) fn new() -> Self {
        let never = || AtomicU64::new(NEVER);
        Self {
            choosing: AtomicBool::new(false),
            chosen_ns: never(),
            playing_ns: never(),
            units: AtomicU64::new(0),
            units_at_key: AtomicU64::new(0),
            last_unit_ns: never(),
            last_decoded_unit_ns: never(),
            first_key_ns: never(),
            first_frame_ns: never(),
            last_frame_ns: never(),
        }
    }

    /// Decoders are being tried from now on.
    pub(super) fn begin_choice(&self) {
        self.choosing.store(true, Ordering::Release);
    }

    /// A decoder was chosen, or none was found.
    pub(super) fn end_choice(&self, now: Duration) {
        self.chosen_ns.store(nanoseconds(now), Ordering::Release);
        self.choosing.store(false, Ordering::Release);
    }

    /// The source sends.
    pub(super) fn playing(&self, now: Duration) {
        set_once(&self.playing_ns, now);
    }

    /// An access unit has arrived. Returns whether it is the first key frame.
    pub(super) fn unit(&self, key: bool, now: Duration) -> bool {
        let units = self.units.fetch_add(1, Ordering::AcqRel) + 1;
        self.last_unit_ns.store(nanoseconds(now), Ordering::Release);
        let is_first = key && set_once(&self.first_key_ns, now);
        if is_first {
            self.units_at_key.store(units, Ordering::Release);
        }
        is_first
    }

    /// The unit that arrived at `now` goes to the decoder.
    pub(super) fn decoded_unit(&self, now: Duration) {
        self.last_decoded_unit_ns
            .store(nanoseconds(now), Ordering::Release);
    }

    /// The decoder has given a picture. Returns whether it is the first one.
    pub(super) fn frame(&self, now: Duration) -> bool {
        self.last_frame_ns
            .store(nanoseconds(now), Ordering::Release);
        set_once(&self.first_frame_ns, now)
    }

    /// Whether a key frame has arrived.
    pub(super) fn has_key(&self) -> bool {
        instant(&self.first_key_ns).is_some()
    }

    /// Whether the decoder has given a picture.
    pub(super) fn has_frame(&self) -> bool {
        instant(&self.first_frame_ns).is_some()
    }

    /// The progress so far.
    pub(super) fn read(&self) -> Progress {
        let units = self.units.load(Ordering::Acquire);
        let first_key = instant(&self.first_key_ns);
        let at_key = self.units_at_key.load(Ordering::Acquire);
        let last_unit = instant(&self.last_unit_ns);
        let last_frame = instant(&self.last_frame_ns);
        // A decoder that has given all that it got owes nothing: the units since then were not wanted.
        let owes_nothing = last_frame >= instant(&self.last_decoded_unit_ns);
        Progress {
            // Before the time: it is set when this ends.
            choosing: self.choosing.load(Ordering::Acquire),
            chosen: instant(&self.chosen_ns),
            playing: instant(&self.playing_ns),
            units,
            units_since_key: first_key.map_or(0, |_| units.saturating_sub(at_key)),
            last_unit,
            first_key,
            first_frame: instant(&self.first_frame_ns),
            last_frame: match owes_nothing {
                true => last_frame.and_then(|at| Some(at.max(last_unit?))),
                false => last_frame,
            },
        }
    }
}

/// Sets an instant that is not set yet. Returns whether this call set it.
fn set_once(instant_ns: &AtomicU64, now: Duration) -> bool {
    instant_ns
        .compare_exchange(NEVER, nanoseconds(now), Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
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
