//! One monitor: a thread that composes what is due and presents it, paced by the display and by what changed.
//!
//! Nothing is composed while nothing changed; a picture that comes while the last scene is still on its way waits for the
//! next one, and the one before it is dropped and counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::alarms::Alarms;
use super::context::WallContext;
use super::schedule;
use super::viewer_picture::ViewerPicture;
use crate::base::sync::lock;
use crate::base::{Heartbeat, SourceId, Stop, Waker};
use crate::config::HeadSettings;
use crate::display::{Display, DisplayError, Wait};
use crate::render::layout::Plan;
use crate::render::{Camera, Canvas, Composer, DisplayInfo, Rect, TileContent, TileKey};

/// States and ages are drawn at this often where no picture comes: a tile turns stale within it.
const REVIEW_INTERVAL: Duration = Duration::from_millis(250);
/// How a display does its work changes with what it is given: what is told of it is no older.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
/// What a head's thread shares with the rest of the wall.
pub(super) struct Head {
    pub(super) index: usize,
    pub(super) settings: HeadSettings,
    pub(super) waker: Waker,
    pub(super) stop: Stop,
    viewers: ViewerPicture,
    facts: Mutex<HeadFacts>,
}

/// What is known of a head from outside.
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

    /// The newest scene as a picture. Blocks until the head's thread has copied it, at most `limit`.
    pub(super) fn picture(&self, limit: Duration) -> Option<Arc<Canvas>> {
        self.viewers.picture(limit, &self.waker)
    }

    pub(super) fn facts(&self) -> HeadFacts {
        lock(&self.facts).clone()
    }
}

/// The thread's own state.
pub(super) struct HeadThread {
    pub(super) head: Arc<Head>,
    pub(super) context: Arc<WallContext>,
    pub(super) heart: Heartbeat,
}

/// The thread's state from one scene to the next.
struct ComposeState {
    /// What the display offers.
    info: DisplayInfo,
    composer: Composer,
    /// `None` until the tiles are assigned.
    division: Option<Division>,
    alarms: Alarms,
    /// Of the settings that the composer was made with.
    generation: u64,
    /// Whether the monitor is switched on.
    is_on: bool,
    started: Duration,
    /// When the display was last reported on.
    noted: Duration,
    scenes: u64,
}

impl ComposeState {
    fn new(context: &WallContext, info: DisplayInfo) -> Self {
        let settings = context.settings();
        let now = context.clock.now();
        Self {
            composer: Composer::new(&info, &settings.wall),
            info,
            division: None,
            alarms: Alarms::new(&settings.wall),
            generation: context.generation(),
            is_on: true,
            started: now,
            noted: now,
            scenes: 0,
        }
    }

    /// Takes over new settings or another display.
    fn begin(&mut self, context: &WallContext, info: DisplayInfo) {
        self.generation = context.generation();
        let settings = context.settings();
        self.composer = Composer::new(&info, &settings.wall);
        self.alarms.set(&settings.wall);
        self.info = info;
        self.division = None;
    }
}

/// How the screen is divided at present.
struct Division {
    cameras: Vec<SourceId>,
    page: usize,
    focus: Option<SourceId>,
    tiles: Vec<(Rect, Option<SourceId>)>,
    /// What each tile was last drawn at for, and when.
    drawn: Vec<Option<(TileVersion, Duration)>>,
}

/// What makes a tile worth another look before its time: everything else about it may be a [`REVIEW_INTERVAL`] old.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TileVersion {
    picture: Option<u64>,
    event: Option<Duration>,
}

impl HeadThread {
    /// Composes and presents until the head is stopped.
    ///
    /// # Errors
    /// When the display fails: it has to be opened anew.
    pub(super) fn run(&self, display: &mut dyn Display) -> Result<(), DisplayError> {
        let outcome = self.compose(display);
        for camera in self.context.cameras().values() {
            camera.show(self.head.index, None);
        }
        self.heart.idle();
        outcome
    }

    fn compose(&self, display: &mut dyn Display) -> Result<(), DisplayError> {
        let mut scene = ComposeState::new(&self.context, display.info());
        let mut limit = Duration::ZERO;
        self.note(display, &scene, None);
        while !self.head.stop.is_raised() {
            let wait = display.wait(std::os::fd::AsFd::as_fd(&self.head.waker), limit)?;
            self.head.waker.answered();
            self.heart.beat();
            let now = self.context.clock.now();
            let is_reconfigured = self.context.generation() != scene.generation;
            if is_reconfigured || wait == Wait::Changed || display.info() != scene.info {
                scene.begin(&self.context, display.info());
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
                self.context.count_scene();
            }
            let composer = &scene.composer;
            self.head
                .viewers
                .offer(scene.scenes, || composer.flattened());
        }
        Ok(())
    }

    /// Switches the monitor off and on by the hours of the configuration.
    fn follow_schedule(
        &self,
        display: &mut dyn Display,
        scene: &mut ComposeState,
    ) -> Result<(), DisplayError> {
        let off = self.context.settings().wall.monitor_off;
        let is_on = !off.is_some_and(|span| schedule::is_within(&span));
        if is_on != scene.is_on {
            display.power(is_on)?;
            scene.is_on = is_on;
            // A monitor that comes on again may show anything.
            scene.division = None;
        }
        Ok(())
    }

    /// Divides the screen where its tiles change, and brings every tile up to date. How long until the next picture is due.
    fn fill(&self, display: &dyn Display, scene: &mut ComposeState, now: Duration) -> Duration {
        let cameras = self.context.cameras();
        let plan = self.plan(&cameras, &scene.info);
        let promoted = scene.alarms.promoted(plan.cameras(), &cameras, now);
        let wanted = self.divide(&plan, promoted, now.saturating_sub(scene.started));
        let stays = scene.division.as_ref().is_some_and(|present| {
            present.tiles == wanted.tiles && present.cameras == wanted.cameras
        });
        if !stays {
            self.assign(&wanted, &cameras);
            let rects: Vec<Rect> = wanted.tiles.iter().map(|(rect, _)| *rect).collect();
            scene.composer.lay_out(&rects);
            self.note(display, scene, Some((wanted.page, plan.pages())));
            scene.division = Some(wanted);
        }
        let composer = &mut scene.composer;
        let next = scene
            .division
            .as_mut()
            .and_then(|division| self.update_tiles(composer, division, &cameras, now));
        next.map_or(REVIEW_INTERVAL, |next| {
            next.saturating_sub(now).min(REVIEW_INTERVAL)
        })
    }

    fn plan(&self, cameras: &BTreeMap<SourceId, Arc<Camera>>, info: &DisplayInfo) -> Plan {
        let settings = self.context.settings();
        let wanted = settings
            .wall
            .heads
            .get(self.head.index)
            .unwrap_or(&self.head.settings);
        let known: Vec<SourceId> = cameras.keys().copied().collect();
        let exact = info.exact_tiles.then_some(settings.wall.tile);
        Plan::new(wanted, info.size, exact, &known)
    }

    fn divide(&self, plan: &Plan, focus: Option<SourceId>, running: Duration) -> Division {
        let page = plan.page_at(running, self.context.settings().wall.page_time);
        let tiles: Vec<_> = plan
            .tiles(page, focus)
            .into_iter()
            .map(|tile| (tile.rect, tile.source))
            .collect();
        Division {
            cameras: plan.cameras().to_vec(),
            page,
            focus,
            drawn: vec![None; tiles.len()],
            tiles,
        }
    }

    /// Tells each camera which tile it has to fill.
    fn assign(&self, division: &Division, cameras: &BTreeMap<SourceId, Arc<Camera>>) {
        let fit = self.context.settings().wall.fit;
        tracing::debug!(
            head = self.head.index,
            page = division.page,
            focus = ?division.focus,
            tiles = division.tiles.len(),
            "the screen is divided anew"
        );
        for (id, camera) in cameras {
            let tile = division
                .tiles
                .iter()
                .find(|(_, source)| *source == Some(*id));
            let key = tile.map(|(rect, _)| TileKey {
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

    /// Looks at every tile; says when the next picture is due.
    fn update_tiles(
        &self,
        composer: &mut Composer,
        division: &mut Division,
        cameras: &BTreeMap<SourceId, Arc<Camera>>,
        now: Duration,
    ) -> Option<Duration> {
        if division.cameras.is_empty() {
            composer.welcome(self.context.welcome());
            return None;
        }
        let settings = self.context.settings();
        let corner_tile = corner_tile(&division.tiles);
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
            let mut content = TileContent::of(camera, due, camera_state, now, &settings.wall);
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

/// The tile at the top right corner that shows a camera.
fn corner_tile(tiles: &[(Rect, Option<SourceId>)]) -> Option<usize> {
    tiles
        .iter()
        .enumerate()
        .filter(|(_, (_, source))| source.is_some())
        .min_by_key(|(_, (rect, _))| (rect.y, std::cmp::Reverse(rect.right())))
        .map(|(index, _)| index)
}
