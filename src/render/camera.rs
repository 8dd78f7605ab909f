//! One camera of the wall: its frames at the size of each tile that shows it, held for as long as their boxes may take.
//!
//! Frames come on the camera's own decoder thread, which scales them and drops what nobody shows; events come on the link's
//! task; composers ask what is due. No lock is held while pixels are touched.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::state::{Reason, VideoFacts};
use super::{Placement, TilePicture, TileScaler};
use crate::align::{AlignFigures, AlignSettings, Aligner, Drawing, FrameTimes};
use crate::base::sync::lock;
use crate::base::{Clock, Frame, Size, SourceId, Waker};
use crate::config::{Fit, SourceSettings};
use crate::event::DetectionEvent;
use crate::media::{Health, Need, Output, OutputControl, SourceListener, SourceSnapshot};

/// Pictures held for one tile: a second, which is the longest delay, of 60 frames, and some slack.
const MOST_HELD: usize = 72;
/// Frames a second are counted over this long: frames come in bursts where a network or a machine is busy.
const RATE_WINDOW: Duration = Duration::from_secs(3);
/// What a session begins with comes at once: a rate of less time than this is one of the network's.
const RATE_LEAST: Duration = Duration::from_secs(1);
/// Of slow cameras at least so many frames are looked at, of fast ones at most.
const RATE_FRAMES: std::ops::RangeInclusive<usize> = 4..=256;

/// One camera: shared by its session, the link's task and the composers.
pub(crate) struct Camera {
    pub(crate) id: SourceId,
    clock: Clock,
    settings: Mutex<Arc<SourceSettings>>,
    aligner: Mutex<Aligner>,
    views: Mutex<Vec<View>>,
    /// Only the decoder's thread locks this one.
    scalers: Mutex<Vec<(ViewKey, TileScaler)>>,
    facts: Mutex<Facts>,
    counters: Counters,
    /// What its session is asked for.
    output: OutputControl,
}

/// Which tile, of which head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ViewKey {
    /// The head's number.
    pub(crate) head: usize,
    /// The tile's pixels.
    pub(crate) tile: Size,
    /// How the picture is fitted.
    pub(crate) fit: Fit,
}

/// A frame at the size of a tile.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Its number among this camera's frames: tells two pictures apart.
    pub(crate) number: u64,
    pub(crate) times: FrameTimes,
    pub(crate) placement: Placement,
    pub(crate) picture: Arc<TilePicture>,
}

/// What is due on a tile.
pub(crate) struct Due {
    /// The picture to show; none yet, or none any more.
    pub(crate) picture: Option<Held>,
    /// When the next one is due, where it is here already.
    pub(crate) next: Option<Duration>,
}

struct View {
    key: ViewKey,
    since: Duration,
    waker: Waker,
    line: VecDeque<Held>,
    shown: Option<Held>,
}

#[derive(Default)]
struct Facts {
    /// When the newest frames were decoded.
    recent: VecDeque<Duration>,
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

impl ViewKey {
    /// How large the pictures have to be for it.
    fn need(&self) -> Need {
        match self.fit {
            Fit::Contain => Need::Within(self.tile),
            Fit::Cover | Fit::Stretch => Need::Covering(self.tile),
        }
    }
}

impl Camera {
    pub(crate) fn new(settings: SourceSettings, align: AlignSettings, clock: Clock) -> Self {
        Self {
            id: settings.id,
            clock,
            settings: Mutex::new(Arc::new(settings)),
            aligner: Mutex::new(Aligner::new(align)),
            views: Mutex::default(),
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

    /// Shows it on a tile of `head`, or takes it off there. What is held for a tile of another size is let go.
    pub(crate) fn show(&self, head: usize, wanted: Option<(ViewKey, Waker)>) {
        let mut views = lock(&self.views);
        let same = views.iter().any(|view| {
            view.key.head == head && wanted.as_ref().is_some_and(|(key, _)| *key == view.key)
        });
        if same {
            return;
        }
        let gone: Vec<View> = views.extract_if(.., |view| view.key.head == head).collect();
        if let Some((key, waker)) = wanted {
            views.push(View {
                key,
                since: self.clock.now(),
                waker,
                line: VecDeque::new(),
                shown: None,
            });
        }
        let needs: Vec<_> = views.iter().map(|view| view.key.need()).collect();
        drop(views);
        drop(gone);
        // A camera of another page is as before: it will be back.
        if !needs.is_empty() {
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

    /// What is due on its tile of `head` at `now`.
    pub(crate) fn due(&self, head: usize, now: Duration) -> Due {
        let delay = lock(&self.aligner).delay();
        let mut views = lock(&self.views);
        let Some(view) = views.iter_mut().find(|view| view.key.head == head) else {
            return Due {
                picture: None,
                next: None,
            };
        };
        let mut passed = 0u64;
        while let Some(first) = view.line.front()
            && first.times.arrival + delay <= now
        {
            view.shown = view.line.pop_front();
            passed += 1;
        }
        self.counters
            .shown
            .fetch_add(passed.min(1), Ordering::Relaxed);
        self.counters
            .dropped
            .fetch_add(passed.saturating_sub(1), Ordering::Relaxed);
        Due {
            picture: view.shown.clone(),
            next: view.line.front().map(|next| next.times.arrival + delay),
        }
    }

    /// What was found on a frame that is shown at `now`.
    pub(crate) fn drawing(&self, frame: &FrameTimes, now: Duration) -> Drawing {
        lock(&self.aligner).boxes(frame, now)
    }

    /// How well events and frames fit together.
    pub(crate) fn align_figures(&self) -> AlignFigures {
        lock(&self.aligner).figures()
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
        for view in lock(&self.views).iter() {
            view.waker.wake();
        }
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
        let blank_for = self.blank_for(head, now);
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
            last_frame: facts.recent.back().copied(),
            interval: facts.interval(),
            failed,
            blank_for,
        }
    }

    /// For how long nothing has been due on its tile of `head`, or on any of its tiles.
    fn blank_for(&self, head: Option<usize>, now: Duration) -> Option<Duration> {
        let delay = lock(&self.aligner).delay();
        let views = lock(&self.views);
        let mut shortest = None;
        for view in views
            .iter()
            .filter(|view| head.is_none_or(|head| view.key.head == head))
        {
            let next = view.line.front();
            let is_due = next.is_some_and(|next| next.times.arrival + delay <= now);
            if view.shown.is_some() || is_due {
                return None;
            }
            let blank = now.saturating_sub(view.since);
            shortest = Some(shortest.map_or(blank, |least: Duration| least.min(blank)));
        }
        shortest
    }

    /// Frames a second, by their usual interval; none while they don't come, and none of a session that has just begun.
    pub(crate) fn fps(&self) -> Option<f64> {
        lock(&self.facts).fps()
    }

    fn note_frame(&self, frame: &Frame, now: Duration) -> FrameTimes {
        let times = FrameTimes {
            arrival: frame.meta.arrival,
            ntp_ns: frame.meta.ntp_ns,
            size: frame.meta.size,
        };
        lock(&self.facts).note(now);
        lock(&self.aligner).frame(&times);
        times
    }

    fn hold(&self, key: ViewKey, held: Held) {
        let mut views = lock(&self.views);
        let Some(view) = views.iter_mut().find(|view| view.key == key) else {
            return;
        };
        view.line.push_back(held);
        let overrun = (view.line.len() > MOST_HELD).then(|| view.line.pop_front());
        view.waker.wake();
        drop(views);
        if overrun.is_some() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn keys(&self) -> Vec<ViewKey> {
        lock(&self.views).iter().map(|view| view.key).collect()
    }
}

impl SourceListener for Camera {
    fn frame(&self, frame: Frame) {
        let number = self.counters.frames.fetch_add(1, Ordering::Relaxed);
        let times = self.note_frame(&frame, self.clock.now());
        let keys = self.keys();
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
                Ok(picture) => self.hold(
                    key,
                    Held {
                        number,
                        times,
                        placement,
                        picture: Arc::new(picture),
                    },
                ),
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
            // The pause is no interval; the last frame's age goes on counting.
            let last = facts.recent.pop_back();
            facts.recent.clear();
            facts.recent.extend(last);
            facts.refused = false;
        }
        drop(facts);
        if again {
            lock(&self.aligner).session_ended();
        }
        self.wake();
    }
}

impl Facts {
    fn note(&mut self, now: Duration) {
        self.recent.push_back(now);
        while self.recent.len() > *RATE_FRAMES.end()
            || (self.recent.len() > *RATE_FRAMES.start()
                && self
                    .recent
                    .front()
                    .is_some_and(|first| now.saturating_sub(*first) > RATE_WINDOW))
        {
            self.recent.pop_front();
        }
    }

    fn fps(&self) -> Option<f64> {
        let span = self.recent.back()?.saturating_sub(*self.recent.front()?);
        let interval = self.interval().filter(|_| span >= RATE_LEAST)?;
        Some(1.0 / interval.as_secs_f64())
    }

    /// Usual time between two frames.
    fn interval(&self) -> Option<Duration> {
        let (first, last) = (self.recent.front()?, self.recent.back()?);
        let intervals = u32::try_from(self.recent.len()).ok()?.checked_sub(1)?;
        last.saturating_sub(*first).checked_div(intervals)
    }
}

/// Unix time as it is shown and published.
pub(crate) fn timestamp(unix: Duration) -> Timestamp {
    crate::event::unix_time(unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(times_ms: impl IntoIterator<Item = u64>) -> Facts {
        let mut facts = Facts::default();
        for time in times_ms {
            facts.note(Duration::from_millis(time));
        }
        facts
    }

    #[test]
    fn bursts_do_not_change_the_rate() {
        // Ten frames at once, every 400 ms: 25 a second.
        let facts = after((0..50).flat_map(|burst| (0..10).map(move |frame| burst * 400 + frame)));
        let fps = facts.fps();
        assert!(
            fps.is_some_and(|fps| (23.0..32.0).contains(&fps)),
            "{fps:?}"
        );
    }

    #[test]
    fn a_slow_camera_has_an_interval_too() {
        let facts = after([0, 5_000, 10_000, 15_000, 20_000]);
        assert_eq!(facts.interval(), Some(Duration::from_secs(5)));
        assert_eq!(after([7]).interval(), None);
    }

    #[test]
    fn the_burst_at_a_session_s_start_is_no_rate() {
        assert_eq!(after((0..10).map(|frame| frame * 2)).fps(), None);
        let settled = after([0, 2, 4, 500, 1_000]);
        assert_eq!(settled.fps(), Some(4.0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        assert!(after(0..10_000).recent.len() <= *RATE_FRAMES.end());
    }
}
