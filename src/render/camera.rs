//! One camera of the wall: its frames at the size of each tile that shows it, held for as long as their boxes may take.
//!
//! Frames come on the camera's own decoder thread, which scales them and drops what nobody shows; events come on the link's
//! task; composers ask what is due. No lock is held while pixels are touched.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::frame_cache::{CachedFrame, DueFrame, FrameCache, TileKey};
use super::frame_rate::FrameRate;
use super::state::{Reason, VideoFacts};
use super::{Placement, TileScaler};
use crate::align::{AlignSettings, AlignStats, Aligner, Drawing, FrameTimes};
use crate::base::sync::lock;
use crate::base::{Clock, Frame, SourceId, Waker};
use crate::config::SourceSettings;
use crate::event::DetectionEvent;
use crate::media::{Health, Output, OutputControl, SourceListener, SourceSnapshot};

/// One camera: shared by its session, the link's task and the composers.
pub(crate) struct Camera {
    pub(crate) id: SourceId,
    clock: Clock,
    settings: Mutex<Arc<SourceSettings>>,
    aligner: Mutex<Aligner>,
    cache: FrameCache,
    /// Only the decoder's thread locks this one.
    scalers: Mutex<Vec<(TileKey, TileScaler)>>,
    facts: Mutex<Facts>,
    counters: Counters,
    /// What its session is asked for.
    output: OutputControl,
}

#[derive(Default)]
struct Facts {
    rate: FrameRate,
    session: Option<SourceSnapshot>,
    last_event: Option<(Duration, Arc<DetectionEvent>)>,
    /// Told once a session, not once a frame.
    refused: bool,
}

/// Counted since the wall's start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Frames that were decoded.
    pub(crate) frames: AtomicU64,
    /// Pictures that a tile showed.
    pub(crate) shown: AtomicU64,
    /// Pictures that a newer one replaced before they were shown.
    pub(crate) dropped: AtomicU64,
    /// Events that were read.
    pub(crate) events: AtomicU64,
}

impl Camera {
    pub(crate) fn new(settings: SourceSettings, align: AlignSettings, clock: Clock) -> Self {
        Self {
            id: settings.id,
            clock,
            settings: Mutex::new(Arc::new(settings)),
            aligner: Mutex::new(Aligner::new(align)),
            cache: FrameCache::default(),
            scalers: Mutex::default(),
            facts: Mutex::default(),
            counters: Counters::default(),
            output: OutputControl::default(),
        }
    }

    /// Takes new settings over; the session is the caller's business.
    pub(crate) fn update(&self, settings: SourceSettings, align: AlignSettings) {
        *lock(&self.settings) = Arc::new(settings);
        lock(&self.aligner).set(align);
    }

    pub(crate) fn settings(&self) -> Arc<SourceSettings> {
        lock(&self.settings).clone()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What people call it: its name behind its number.
    pub(crate) fn title(&self) -> String {
        match &self.settings().name {
            Some(name) => format!("{} {name}", self.id),
            None => format!("camera {}", self.id),
        }
    }

    /// Shows it on a tile of `head`, or takes it off that head. Frames of another tile size are dropped.
    pub(crate) fn show(&self, head: usize, wanted: Option<(TileKey, Waker)>) {
        let needs = self.cache.assign(head, wanted, self.clock.now());
        // A camera without a tile keeps its output: another page will show it again.
        if let Some(needs) = needs.filter(|needs| !needs.is_empty()) {
            self.output.set(Output {
                needs,
                max_fps: None,
            });
        }
    }

    /// What its session is to be opened with.
    pub(crate) fn output(&self) -> OutputControl {
        self.output.clone()
    }

    /// The frame that is due on its tile of `head` at `now`.
    pub(crate) fn due(&self, head: usize, now: Duration) -> DueFrame {
        let delay = lock(&self.aligner).delay();
        let due = self.cache.due(head, now, delay);
        let counters = &self.counters;
        counters
            .shown
            .fetch_add(due.is_new.into(), Ordering::Relaxed);
        counters.dropped.fetch_add(due.dropped, Ordering::Relaxed);
        due
    }

    /// What was found on a frame that is shown at `now`.
    pub(crate) fn drawing(&self, frame: &FrameTimes, now: Duration) -> Drawing {
        lock(&self.aligner).boxes(frame, now)
    }

    /// How well events and frames fit together.
    pub(crate) fn align_stats(&self) -> AlignStats {
        lock(&self.aligner).stats()
    }

    /// An event of this camera came over the broker.
    pub(crate) fn event(&self, event: DetectionEvent) {
        self.counters.events.fetch_add(1, Ordering::Relaxed);
        let (event, now) = (Arc::new(event), self.clock.now());
        lock(&self.aligner).event(event.clone(), now);
        lock(&self.facts).last_event = Some((now, event));
        // Without new frames nothing else would make a composer look.
        self.wake();
    }

    /// Makes every composer that shows it look again.
    pub(crate) fn wake(&self) {
        self.cache.wake();
    }

    /// The newest event, and when it came.
    pub(crate) fn last_event(&self) -> Option<(Duration, Arc<DetectionEvent>)> {
        lock(&self.facts).last_event.clone()
    }

    /// Its session's own account.
    pub(crate) fn session(&self) -> Option<SourceSnapshot> {
        lock(&self.facts).session.clone()
    }

    /// Why it has no pictures, where that is known.
    pub(crate) fn failed(&self) -> Option<Reason> {
        self.video_facts(None, Duration::ZERO).failed
    }

    /// Whether events come later than frames can be held back for them.
    pub(crate) fn is_late(&self, now: Duration) -> bool {
        lock(&self.aligner).is_late(now)
    }

    /// What is known of its pictures at `now`, on its tile of `head`; without one, on the tile that shows most.
    pub(crate) fn video_facts(&self, head: Option<usize>, now: Duration) -> VideoFacts {
        let delay = lock(&self.aligner).delay();
        let blank_for = self.cache.blank_for(head, now, delay);
        let facts = lock(&self.facts);
        let failed = facts.session.as_ref().and_then(|session| {
            let wanting = matches!(session.health, Health::Failed | Health::Stalled);
            session
                .reason
                .as_ref()
                .filter(|_| wanting)
                .map(|reason| Reason {
                    code: reason.code.to_owned(),
                    message: reason.message.clone(),
                    since: timestamp(session.since),
                })
        });
        VideoFacts {
            last_frame: facts.rate.last(),
            interval: facts.rate.interval(),
            failed,
            blank_for,
        }
    }

    /// Frames a second, by their usual interval; none while they don't come, and none of a session that has just begun.
    pub(crate) fn fps(&self) -> Option<f64> {
        lock(&self.facts).rate.fps()
    }

    fn note_frame(&self, frame: &Frame, now: Duration) -> FrameTimes {
        let times = FrameTimes {
            arrival: frame.meta.arrival,
            ntp_ns: frame.meta.ntp_ns,
            size: frame.meta.size,
        };
        lock(&self.facts).rate.note(now);
        lock(&self.aligner).frame(&times);
        times
    }
}

impl SourceListener for Camera {
    fn frame(&self, frame: Frame) {
        let number = self.counters.frames.fetch_add(1, Ordering::Relaxed);
        let times = self.note_frame(&frame, self.clock.now());
        let keys = self.cache.keys();
        let mut scalers = lock(&self.scalers);
        scalers.retain(|(key, _)| keys.contains(key));
        for key in keys {
            let index = match scalers.iter().position(|(of, _)| *of == key) {
                Some(index) => index,
                None => {
                    scalers.push((key, TileScaler::default()));
                    scalers.len() - 1
                }
            };
            let placement = Placement::new(frame.meta.size, key.tile, key.fit);
            match scalers[index].1.scale(&frame, &placement) {
                Ok(picture) => {
                    let frame = CachedFrame {
                        number,
                        times,
                        placement,
                        picture: Arc::new(picture),
                    };
                    if !self.cache.add(key, frame) {
                        self.counters.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(err) => {
                    let mut facts = lock(&self.facts);
                    if !std::mem::replace(&mut facts.refused, true) {
                        tracing::error!(source_id = %self.id, %err, "a frame can't be shown");
                    }
                }
            }
        }
    }

    fn status(&self, snapshot: &SourceSnapshot) {
        let mut facts = lock(&self.facts);
        let again = facts
            .session
            .as_ref()
            .is_some_and(|before| before.health == Health::Live && snapshot.health != Health::Live);
        facts.session = Some(snapshot.clone());
        if again {
            facts.rate.session_ended();
            facts.refused = false;
        }
        drop(facts);
        if again {
            lock(&self.aligner).session_ended();
        }
        self.wake();
    }
}

/// Unix time as it is shown and published.
pub(crate) fn timestamp(unix: Duration) -> Timestamp {
    crate::event::unix_time(unix)
}
