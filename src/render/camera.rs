//! One camera of the wall: its frames at the size of each tile that shows it, delayed until their boxes have arrived.
//!
//! The camera's decoder thread delivers frames and scales them for the tiles that show the camera. The link's task delivers
//! events. The threads of the heads take the frames that are due. No other lock than that of the scalers is held while
//! pixels are scaled.

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
use crate::media::{Health, NextFrame, Output, OutputControl, SourceListener, SourceSnapshot};

/// One camera, shared by its session, the link's task and the threads of the heads.
pub(crate) struct Camera {
    pub(crate) id: SourceId,
    clock: Clock,
    settings: Mutex<Arc<SourceSettings>>,
    aligner: Mutex<Aligner>,
    cache: FrameCache,
    /// Locked by the decoder's thread only.
    scalers: Mutex<Vec<(TileKey, TileScaler)>>,
    facts: Mutex<Facts>,
    counters: Counters,
    /// The output that the session has to produce.
    output: OutputControl,
    /// Frames for those who ask for a picture of this camera alone.
    next: NextFrame,
}

#[derive(Default)]
struct Facts {
    rate: FrameRate,
    session: Option<SourceSnapshot>,
    last_event: Option<(Duration, Arc<DetectionEvent>)>,
    /// Whether an error about unusable frames was logged in this session. It is logged once per session.
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
            next: NextFrame::default(),
        }
    }

    /// Applies new settings. The caller restarts the session if necessary.
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

    /// The title for people: the id and, if set, the name.
    pub(crate) fn title(&self) -> String {
        match &self.settings().name {
            Some(name) => format!("{} {name}", self.id),
            None => format!("camera {}", self.id),
        }
    }

    /// Shows the camera on a tile of `head`, or removes it from that head. A tile of another size keeps its frames.
    pub(crate) fn show(&self, head: usize, wanted: Option<(TileKey, Waker)>) {
        let Some(assigned) = self.cache.assign(head, wanted, self.clock.now()) else {
            return;
        };
        let dropped = &self.counters.dropped;
        dropped.fetch_add(assigned.dropped, Ordering::Release);
        // A camera without a tile keeps its output, because another page will show it again.
        if !assigned.needs.is_empty() {
            self.output.set(Output {
                needs: assigned.needs,
                ..Output::default()
            });
        }
    }

    /// Its next frame, without boxes. Blocks for at most `limit`.
    pub(crate) fn next_frame(&self, limit: Duration) -> Option<Frame> {
        self.next.wait(limit)
    }

    /// The output control for its session.
    pub(crate) fn output(&self) -> OutputControl {
        self.output.clone()
    }

    /// The frame that is due at `now` on its tile of `head`.
    pub(crate) fn due(&self, head: usize, now: Duration) -> DueFrame {
        let delay = lock(&self.aligner).delay();
        let mut due = self.cache.due(head, now, delay);
        if let Some(key) = due.other_size {
            due.picture = due.picture.and_then(|frame| self.scale_again(&frame, key));
        }
        let counters = &self.counters;
        counters
            .shown
            .fetch_add(due.is_new.into(), Ordering::Release);
        counters.dropped.fetch_add(due.dropped, Ordering::Release);
        due
    }

    /// A frame that was scaled for another size of its tile, at the present size. `None` if it can't be scaled.
    fn scale_again(&self, frame: &CachedFrame, key: TileKey) -> Option<CachedFrame> {
        let placement = frame
            .placement
            .again(frame.picture.size(), key.tile, key.fit);
        let scaled = frame.picture.scale_again(key.tile, key.fit);
        let picture = scaled
            .inspect_err(
                |err| tracing::debug!(source_id = %self.id, %err, "a frame can't be scaled again"),
            )
            .ok()?;
        let frame = CachedFrame {
            key,
            placement,
            picture: Arc::new(picture),
            ..*frame
        };
        self.cache.replace_shown(frame.clone());
        Some(frame)
    }

    /// The boxes for a frame that is shown at `now`.
    pub(crate) fn drawing(&self, frame: &FrameTimes, now: Duration) -> Drawing {
        lock(&self.aligner).boxes(frame, now)
    }

    /// Statistics of the alignment of events and frames.
    pub(crate) fn align_stats(&self) -> AlignStats {
        lock(&self.aligner).stats()
    }

    /// An event of this camera came over the broker.
    pub(crate) fn event(&self, event: DetectionEvent) {
        self.counters.events.fetch_add(1, Ordering::Relaxed);
        let (event, now) = (Arc::new(event), self.clock.now());
        lock(&self.aligner).event(event.clone(), now);
        lock(&self.facts).last_event = Some((now, event));
        // Boxes must also be updated while no new frames arrive.
        self.wake();
    }

    /// Wakes every head that shows the camera.
    pub(crate) fn wake(&self) {
        self.cache.wake();
    }

    /// The newest event and the monotonic time of its arrival.
    pub(crate) fn last_event(&self) -> Option<(Duration, Arc<DetectionEvent>)> {
        lock(&self.facts).last_event.clone()
    }

    /// The last status of its session.
    pub(crate) fn session(&self) -> Option<SourceSnapshot> {
        lock(&self.facts).session.clone()
    }

    /// The reason why the session failed. `None` if it did not.
    pub(crate) fn failed(&self) -> Option<Reason> {
        self.video_facts(None, Duration::ZERO).failed
    }

    /// Whether events arrive later than frames can be delayed for them.
    pub(crate) fn is_late(&self, now: Duration) -> bool {
        lock(&self.aligner).is_late(now)
    }

    /// The facts of its video at `now` on its tile of `head`. With `None`, on the tile that has been empty for the shortest time.
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

    /// Frames per second. `None` before a session has lasted a second.
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
        self.next.offer(&frame);
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
                        key,
                        placement,
                        picture: Arc::new(picture),
                    };
                    if !self.cache.add(frame) {
                        self.counters.dropped.fetch_add(1, Ordering::Release);
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

/// Converts Unix time to a timestamp for display and publication.
pub(crate) fn timestamp(unix: Duration) -> Timestamp {
    crate::event::unix_time(unix)
}
