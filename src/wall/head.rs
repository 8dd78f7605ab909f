//! One monitor: a thread that composes due frames and presents the scenes, at the pace of the display and of the changes.
//!
//! Nothing is composed while nothing changes. A frame that becomes due while the last scene is still on its way to the
//! monitor waits for the next scene; it replaces an older waiting frame, which is counted as dropped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::alarms::Alarms;
use super::context::{Applied, WallContext};
use super::division::{Division, TileVersion};
use super::schedule;
use super::viewer_picture::ViewerPicture;
use crate::base::sync::lock;
use crate::base::{Heartbeat, Size, SourceId, Stop, Waker};
use crate::config::{HeadSettings, Settings};
use crate::display::{Display, DisplayError, Wait};
use crate::render::layout::{self, Plan};
use crate::render::{Canvas, Composer, DisplayInfo, Rect, TileContent, TileKey};

/// Tiles without new pictures are checked this often, so that the tile of a silent camera turns stale in time.
const REVIEW_INTERVAL: Duration = Duration::from_millis(250);
/// The report of the display is updated this often. It changes with the scenes, for example when planes are assigned.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// The part of a head that its thread shares with the rest of the wall.
pub(super) struct Head {
    pub(super) index: usize,
    pub(super) settings: HeadSettings,
    pub(super) waker: Waker,
    pub(super) stop: Stop,
    viewers: ViewerPicture,
    facts: Mutex<HeadFacts>,
}

/// The state of a head as reported in statuses.
#[derive(Debug, Clone, Default)]
pub(super) struct HeadFacts {
    pub(super) display: Option<DisplayInfo>,
    pub(super) report: serde_json::Value,
    pub(super) page: usize,
    pub(super) pages: usize,
    pub(super) scenes: u64,
}

impl Head {
    pub(super) fn new(index: usize, settings: HeadSettings) -> std::io::Result<Self> {
        Ok(Self {
            index,
            settings,
            waker: Waker::new()?,
            stop: Stop::default(),
            viewers: ViewerPicture::default(),
            facts: Mutex::default(),
        })
    }

    /// The newest scene as a picture. Blocks until the head's thread has copied it, for at most `limit`.
    pub(super) fn picture(&self, limit: Duration) -> Option<Arc<Canvas>> {
        self.viewers.picture(limit, &self.waker)
    }

    pub(super) fn facts(&self) -> HeadFacts {
        lock(&self.facts).clone()
    }
}

/// The thread of a head.
pub(super) struct HeadThread {
    pub(super) head: Arc<Head>,
    pub(super) context: Arc<WallContext>,
    pub(super) heart: Heartbeat,
}

/// The state of the thread from one scene to the next.
struct ComposeState {
    /// The properties of the display.
    info: DisplayInfo,
    composer: Composer,
    /// `None` until the tiles are assigned.
    division: Option<Division>,
    alarms: Alarms,
    /// The settings and cameras with which the composer was made. A change during an iteration counts for the next one only.
    applied: Arc<Applied>,
    /// Whether a text is shown in place of the cameras.
    identifies: bool,
    /// Whether the monitor is switched on.
    is_on: bool,
    started: Duration,
    /// Time of the last report of the display.
    noted: Duration,
    scenes: u64,
}

impl ComposeState {
    fn new(applied: Arc<Applied>, info: DisplayInfo, now: Duration) -> Self {
        let wall = &applied.settings.wall;
        Self {
            composer: Composer::new(&info, wall),
            info,
            division: None,
            alarms: Alarms::new(wall),
            applied,
            identifies: false,
            is_on: true,
            started: now,
            noted: now,
            scenes: 0,
        }
    }

    /// Starts again with new settings or another display.
    fn begin(&mut self, applied: Arc<Applied>, info: DisplayInfo) {
        self.composer = Composer::new(&info, &applied.settings.wall);
        self.alarms.set(&applied.settings.wall);
        self.applied = applied;
        self.info = info;
        self.identifies = false;
        self.division = None;
    }
}

impl HeadThread {
    /// Composes and presents until the head is stopped.
    ///
    /// # Errors
    /// If the display fails. It has to be opened again.
    pub(super) fn run(&self, display: &mut dyn Display) -> Result<(), DisplayError> {
        let outcome = self.compose(display);
        for camera in self.context.cameras().values() {
            camera.show(self.head.index, None);
        }
        self.heart.idle();
        outcome
    }

    fn compose(&self, display: &mut dyn Display) -> Result<(), DisplayError> {
        let applied = self.context.applied();
        // The settings may have changed since the display was opened.
        display.resize(self.screen_without_monitor(&applied));
        let mut scene = ComposeState::new(applied, display.info(), self.context.clock.now());
        let mut limit = Duration::ZERO;
        self.note(display, &scene, None);
        while !self.head.stop.is_raised() {
            let wait = display.wait(std::os::fd::AsFd::as_fd(&self.head.waker), limit)?;
            self.head.waker.answered();
            self.heart.beat();
            let now = self.context.clock.now();
            let applied = self.context.applied();
            let is_reconfigured = applied.generation != scene.applied.generation;
            if is_reconfigured {
                display.resize(self.screen_without_monitor(&applied));
            }
            if is_reconfigured || wait == Wait::Changed || display.info() != scene.info {
                scene.begin(applied, display.info());
                self.note(display, &scene, None);
            }
            self.follow_schedule(display, &mut scene)?;
            if now.saturating_sub(scene.noted) >= NOTE_INTERVAL {
                self.note(display, &scene, None);
                scene.noted = now;
            }
            limit = REVIEW_INTERVAL;
            let is_seen = scene.info.visible && scene.is_on;
            if !is_seen && !self.head.viewers.has_viewers() {
                continue;
            }
            limit = self.fill(display, &mut scene, now);
            if scene.composer.is_damaged() && wait != Wait::Busy {
                display.present(&scene.composer.scene())?;
                scene.composer.presented();
                scene.scenes += 1;
                if scene.scenes == 1 {
                    tracing::info!(head = self.head.index, "first picture is on the display");
                }
                self.context.count_scene();
            }
            let composer = &scene.composer;
            self.head
                .viewers
                .offer(scene.scenes, || composer.flattened());
        }
        Ok(())
    }

    /// Switches the monitor off and on by the schedule of the configuration (`monitor_off`).
    fn follow_schedule(
        &self,
        display: &mut dyn Display,
        scene: &mut ComposeState,
    ) -> Result<(), DisplayError> {
        let off = scene.applied.settings.wall.monitor_off;
        let is_on = !off.is_some_and(|span| schedule::is_within(&span));
        if is_on != scene.is_on {
            display.power(is_on)?;
            scene.is_on = is_on;
            // Everything is drawn again when the monitor is switched on.
            scene.division = None;
        }
        Ok(())
    }

    /// Divides the screen again if its tiles have changed, and updates every tile. Gives the time until the next frame is due.
    fn fill(&self, display: &dyn Display, scene: &mut ComposeState, now: Duration) -> Duration {
        if let Some(text) = self.context.identification(now) {
            if !std::mem::replace(&mut scene.identifies, true) {
                scene.composer.lay_out(&[]);
            }
            scene.composer.welcome(vec![text]);
            return REVIEW_INTERVAL;
        }
        if std::mem::take(&mut scene.identifies) {
            scene.division = None;
        }
        let applied = scene.applied.clone();
        let (wall, cameras) = (&applied.settings.wall, &*applied.cameras);
        let notice_px = scene.composer.set_notice(self.context.notice(now));
        let plan = self.plan(&applied, &scene.info, notice_px);
        let promoted = scene.alarms.promoted(plan.cameras(), cameras, now);
        let page = plan.page_at(now.saturating_sub(scene.started), wall.page_time);
        let wanted = Division::new(&plan, page, promoted);
        let present = scene.division.as_ref();
        if !present.is_some_and(|present| present.is_same(&wanted)) {
            self.assign(&wanted, &applied);
            let rects: Vec<Rect> = wanted.tiles.iter().map(|(rect, _)| *rect).collect();
            scene.composer.lay_out(&rects);
            self.note(display, scene, Some((wanted.page, plan.pages())));
            scene.division = Some(wanted);
        }
        let composer = &mut scene.composer;
        let next = scene
            .division
            .as_mut()
            .and_then(|division| self.update_tiles(composer, division, &applied, now));
        if !plan.cameras().is_empty() {
            composer.show_notice();
        }
        next.map_or(REVIEW_INTERVAL, |next| {
            next.saturating_sub(now).min(REVIEW_INTERVAL)
        })
    }

    /// The settings of this head. Those of before if it is no longer configured, until it is stopped.
    fn settings<'a>(&'a self, applied: &'a Applied) -> &'a HeadSettings {
        let heads = &applied.settings.wall.heads;
        heads.get(self.head.index).unwrap_or(&self.head.settings)
    }

    /// The size of the scene if there is no monitor.
    fn screen_without_monitor(&self, applied: &Applied) -> Size {
        let Settings { wall, sources, .. } = &*applied.settings;
        layout::headless_screen(self.settings(applied), sources.len(), wall.tile)
    }

    /// The tiles above a notice of `notice_px` rows.
    fn plan(&self, applied: &Applied, info: &DisplayInfo, notice_px: u32) -> Plan {
        let known: Vec<SourceId> = applied.cameras.keys().copied().collect();
        // Above a notice there is no room for exact sizes.
        let is_exact = info.exact_tiles && notice_px == 0;
        let exact = is_exact.then_some(applied.settings.wall.tile);
        let room = Size::new(info.size.width, info.size.height.saturating_sub(notice_px));
        Plan::new(self.settings(applied), room, exact, &known)
    }

    /// Tells each camera which tile shows it.
    fn assign(&self, division: &Division, applied: &Applied) {
        let fit = applied.settings.wall.fit;
        tracing::debug!(
            head = self.head.index,
            page = division.page,
            focus = ?division.focus,
            tiles = division.tiles.len(),
            "screen layout changed"
        );
        for (id, camera) in applied.cameras.iter() {
            let key = division.tile_of(*id).map(|rect| TileKey {
                head: self.head.index,
                tile: rect.size(),
                fit,
            });
            camera.show(
                self.head.index,
                key.map(|key| (key, self.head.waker.clone())),
            );
        }
    }

    /// Updates every tile. Gives the time at which the next frame is due.
    fn update_tiles(
        &self,
        composer: &mut Composer,
        division: &mut Division,
        applied: &Applied,
        now: Duration,
    ) -> Option<Duration> {
        if division.cameras.is_empty() {
            composer.welcome(self.context.welcome(now));
            return None;
        }
        let (wall, cameras) = (&applied.settings.wall, &*applied.cameras);
        let corner_tile = division.corner_tile();
        let corner = corner_tile.and_then(|_| self.context.corner());
        let mut next = None;
        let tiles = division.tiles.iter().zip(&mut division.drawn);
        for (index, ((_, source), drawn)) in tiles.enumerate() {
            let Some(camera) = source.and_then(|source| cameras.get(&source)) else {
                continue;
            };
            let due = camera.due(self.head.index, now);
            next = [next, due.next].into_iter().flatten().min();
            let version = TileVersion {
                picture: due.picture.as_ref().map(|frame| frame.number),
                event: camera.last_event().map(|(at, _)| at),
            };
            let is_known = |(of, at): (TileVersion, Duration)| {
                of == version && now.saturating_sub(at) < REVIEW_INTERVAL
            };
            if drawn.is_some_and(is_known) {
                continue;
            }
            *drawn = Some((version, now));
            let camera_state = self
                .context
                .camera_state(camera, Some(self.head.index), now);
            let mut content = TileContent::of(camera, due, camera_state, now, wall);
            if corner_tile == Some(index) {
                content.corner.clone_from(&corner);
            }
            composer.show(index, content);
        }
        next
    }

    fn note(&self, display: &dyn Display, scene: &ComposeState, page: Option<(usize, usize)>) {
        let report = display.report();
        let info = &scene.info;
        let mut facts = lock(&self.head.facts);
        if facts.display.as_ref() != Some(info) {
            tracing::info!(
                head = self.head.index,
                display = info.description,
                overlay = info.overlay,
                "display is ready"
            );
        }
        facts.display = Some(info.clone());
        facts.report = report;
        facts.scenes = scene.scenes;
        if let Some((page, pages)) = page {
            (facts.page, facts.pages) = (page, pages);
        }
    }
}
