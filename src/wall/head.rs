//! One monitor: a thread that composes what is due and presents it, paced by the display and by what changed.
//!
//! Nothing is composed while nothing changed; a picture that comes while the last scene is still on its way waits for the
//! next one, and the one before it is dropped and counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::base::sync::lock;
use crate::base::{Heartbeat, SourceId, Stop, Waker};
use crate::config::{HeadSettings, WallSettings};
use crate::display::{Display, DisplayError, Wait};
use crate::render::layout::{FocusChoice, Plan};
use crate::render::{Camera, Canvas, Composer, Look, Outlook, Rect, ViewKey};

/// States and ages are looked at this often where no picture comes: a tile turns stale within it.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How a display does its work changes with what it is given: what is told of it is no older.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
/// A head whose monitor is off composes for those who look at the page for so long after they asked.
const VIEWED_FOR: Duration = Duration::from_secs(3);

/// What a head's thread shares with the rest of the wall.
pub(super) struct Head {
    pub(super) index: usize,
    pub(super) settings: HeadSettings,
    pub(super) waker: Waker,
    pub(super) stop: Stop,
    gallery: Mutex<Gallery>,
    deposited: Condvar,
    facts: Mutex<HeadFacts>,
}

/// What is known of a head from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct HeadFacts {
    pub(super) outlook: Option<Outlook>,
    pub(super) report: serde_json::Value,
    pub(super) page: usize,
    pub(super) pages: usize,
    pub(super) scenes: u64,
}

#[derive(Default)]
struct Gallery {
    wanted: bool,
    asked: Option<Instant>,
    newest: Option<Arc<Canvas>>,
    /// Which scene that is.
    scene: u64,
    deposits: u64,
}

impl Head {
    pub(super) fn new(index: usize, settings: HeadSettings) -> std::io::Result<Self> {
        Ok(Self {
            index,
            settings,
            waker: Waker::new()?,
            stop: Stop::default(),
            gallery: Mutex::default(),
            deposited: Condvar::new(),
            facts: Mutex::default(),
        })
    }

    /// The newest scene as a picture. Blocks until the head's thread has copied it, at most `limit`.
    pub(super) fn picture(&self, limit: Duration) -> Option<Arc<Canvas>> {
        let deadline = Instant::now() + limit;
        let mut gallery = lock(&self.gallery);
        let before = gallery.deposits;
        gallery.wanted = true;
        gallery.asked = Some(Instant::now());
        self.waker.wake();
        while gallery.deposits == before {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            gallery = self
                .deposited
                .wait_timeout(gallery, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        gallery.newest.clone()
    }

    pub(super) fn facts(&self) -> HeadFacts {
        lock(&self.facts).clone()
    }

    fn is_viewed(&self) -> bool {
        lock(&self.gallery)
            .asked
            .is_some_and(|asked| asked.elapsed() < VIEWED_FOR)
    }

    fn deposit(&self, composer: &Composer, scene: u64) {
        let mut gallery = lock(&self.gallery);
        if gallery.wanted {
            gallery.wanted = false;
            // The same picture stays the same Arc: whoever looks at it again need not encode it again.
            if gallery.newest.is_none() || gallery.scene != scene {
                gallery.newest = Some(Arc::new(composer.flattened()));
                gallery.scene = scene;
            }
            gallery.deposits += 1;
            self.deposited.notify_all();
        } else if gallery
            .asked
            .is_some_and(|asked| asked.elapsed() >= VIEWED_FOR)
        {
            // Nobody looks any more: eight megabytes for nothing.
            gallery.newest = None;
        }
    }
}

/// The thread's own state.
pub(super) struct HeadThread {
    pub(super) head: Arc<Head>,
    pub(super) shared: Arc<Shared>,
    pub(super) heart: Heartbeat,
}

/// How the screen is divided at present.
struct Division {
    cameras: Vec<SourceId>,
    page: usize,
    focus: Option<SourceId>,
    tiles: Vec<(Rect, Option<SourceId>)>,
    /// What each tile was last looked at for, and when.
    looked: Vec<Option<(Glance, Duration)>>,
}

/// What makes a tile worth another look before its time: everything else about it may be a [`LOOK_INTERVAL`] old.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Glance {
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
        for camera in self.shared.cameras().values() {
            camera.show(self.head.index, None);
        }
        self.heart.idle();
        outcome
    }

    fn compose(&self, display: &mut dyn Display) -> Result<(), DisplayError> {
        let mut outlook = display.outlook();
        let mut composer = Composer::new(&outlook, &self.shared.settings().wall);
        let mut division: Option<Division> = None;
        let mut alarms = Alarms::new(&self.shared.settings().wall);
        let mut generation = self.shared.generation();
        let mut lit = true;
        let started = self.shared.clock.now();
        let mut limit = Duration::ZERO;
        self.note(display, &outlook, None, 0);
        let mut noted = started;
        let mut scenes = 0;
        while !self.head.stop.is_raised() {
            let wait = display.wait(std::os::fd::AsFd::as_fd(&self.head.waker), limit)?;
            self.head.waker.answered();
            self.heart.beat();
            let now = self.shared.clock.now();
            let changed = self.shared.generation() != generation;
            if changed || wait == Wait::Changed || display.outlook() != outlook {
                generation = self.shared.generation();
                outlook = display.outlook();
                let settings = self.shared.settings();
                composer = Composer::new(&outlook, &settings.wall);
                alarms.set(&settings.wall);
                division = None;
                self.note(display, &outlook, None, scenes);
            }
            let settings = self.shared.settings();
            let wanted_lit = !settings
                .wall
                .monitor_off
                .is_some_and(|span| super::hours::is_within(&span));
            if wanted_lit != lit {
                display.power(wanted_lit)?;
                lit = wanted_lit;
                // What a monitor shows when it comes on again is nobody's business but ours.
                division = None;
            }
            if now.saturating_sub(noted) >= NOTE_INTERVAL {
                self.note(display, &outlook, None, scenes);
                noted = now;
            }
            limit = LOOK_INTERVAL;
            let seen = outlook.visible && lit;
            if !seen && !self.head.is_viewed() {
                continue;
            }
            let cameras = self.shared.cameras();
            let plan = self.plan(&cameras, &outlook);
            let promoted = alarms.promoted(plan.cameras(), &cameras, now);
            let wanted = self.divide(&plan, promoted, now.saturating_sub(started));
            if division.as_ref().is_none_or(|present| {
                present.tiles != wanted.tiles || present.cameras != wanted.cameras
            }) {
                self.assign(&wanted, &cameras);
                let rects: Vec<Rect> = wanted.tiles.iter().map(|(rect, _)| *rect).collect();
                composer.lay_out(&rects);
                self.note(display, &outlook, Some((wanted.page, plan.pages())), scenes);
                division = Some(wanted);
            }
            if let Some(division) = &mut division {
                let next = self.look(&mut composer, division, &cameras, now);
                limit = next.map_or(LOOK_INTERVAL, |next| {
                    next.saturating_sub(now).min(LOOK_INTERVAL)
                });
            }
            if composer.is_damaged() && wait != Wait::Busy {
                display.present(&composer.scene())?;
                composer.presented();
                scenes += 1;
                self.shared.count_scene();
            }
            self.head.deposit(&composer, scenes);
        }
        Ok(())
    }

    fn plan(&self, cameras: &BTreeMap<SourceId, Arc<Camera>>, outlook: &Outlook) -> Plan {
        let settings = self.shared.settings();
        let wanted = settings
            .wall
            .heads
            .get(self.head.index)
            .unwrap_or(&self.head.settings);
        let known: Vec<SourceId> = cameras.keys().copied().collect();
        let exact = outlook.exact_tiles.then_some(settings.wall.tile);
        Plan::new(wanted, outlook.size, exact, &known)
    }

    fn divide(&self, plan: &Plan, focus: Option<SourceId>, running: Duration) -> Division {
        let page = plan.page_at(running, self.shared.settings().wall.page_time);
        let tiles: Vec<_> = plan
            .tiles(page, focus)
            .into_iter()
            .map(|tile| (tile.rect, tile.source))
            .collect();
        Division {
            cameras: plan.cameras().to_vec(),
            page,
            focus,
            looked: vec![None; tiles.len()],
            tiles,
        }
    }

    /// Tells each camera which tile it has to fill.
    fn assign(&self, division: &Division, cameras: &BTreeMap<SourceId, Arc<Camera>>) {
        let fit = self.shared.settings().wall.fit;
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
            let key = tile.map(|(rect, _)| ViewKey {
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
    fn look(
        &self,
        composer: &mut Composer,
        division: &mut Division,
        cameras: &BTreeMap<SourceId, Arc<Camera>>,
        now: Duration,
    ) -> Option<Duration> {
        if division.cameras.is_empty() {
            composer.welcome(self.shared.welcome());
            return None;
        }
        let settings = self.shared.settings();
        let corner_tile = corner_tile(&division.tiles);
        let corner = corner_tile.and_then(|_| self.shared.corner());
        let mut next = None;
        let tiles = division.tiles.iter().zip(&mut division.looked);
        for (index, ((_, source), looked)) in tiles.enumerate() {
            let Some(camera) = source.and_then(|source| cameras.get(&source)) else {
                continue;
            };
            let due = camera.due(self.head.index, now);
            next = [next, due.next].into_iter().flatten().min();
            let glance = Glance {
                picture: due.picture.as_ref().map(|held| held.number),
                event: camera.last_event().map(|(at, _)| at),
            };
            let is_known = |(of, at): (Glance, Duration)| {
                of == glance && now.saturating_sub(at) < LOOK_INTERVAL
            };
            if looked.is_some_and(is_known) {
                continue;
            }
            *looked = Some((glance, now));
            let condition = self.shared.condition(camera, Some(self.head.index), now);
            let mut look = Look::of(camera, due, condition, now, &settings.wall);
            if corner_tile == Some(index) {
                look.corner.clone_from(&corner);
            }
            composer.show(index, look);
        }
        next
    }

    fn note(
        &self,
        display: &dyn Display,
        outlook: &Outlook,
        page: Option<(usize, usize)>,
        scenes: u64,
    ) {
        let report = display.report();
        let mut facts = lock(&self.head.facts);
        if facts.outlook.as_ref() != Some(outlook) {
            tracing::info!(
                head = self.head.index,
                display = outlook.description,
                overlay = outlook.overlay,
                "display is ready"
            );
        }
        facts.outlook = Some(outlook.clone());
        facts.report = report;
        facts.scenes = scenes;
        if let Some((page, pages)) = page {
            (facts.page, facts.pages) = (page, pages);
        }
    }
}

/// What cameras see that moves them to the focus tile.
struct Alarms {
    choice: FocusChoice,
    seen: BTreeMap<SourceId, Duration>,
}

impl Alarms {
    fn new(wall: &WallSettings) -> Self {
        Self {
            choice: FocusChoice::new(wall.alarm_classes.clone(), wall.alarm_hold),
            seen: BTreeMap::new(),
        }
    }

    fn set(&mut self, wall: &WallSettings) {
        self.choice.set(wall.alarm_classes.clone(), wall.alarm_hold);
    }

    /// The camera to be promoted at `now`, by the events that came since the last call.
    fn promoted(
        &mut self,
        shown: &[SourceId],
        cameras: &BTreeMap<SourceId, Arc<Camera>>,
        now: Duration,
    ) -> Option<SourceId> {
        for id in shown {
            let newest = cameras.get(id).and_then(|camera| camera.last_event());
            let Some((at, event)) = newest else {
                continue;
            };
            if self.seen.insert(*id, at) != Some(at) {
                let classes = event.detections.iter().map(|found| &*found.class_name);
                self.choice.observe(now, *id, classes);
            }
        }
        self.choice.promoted(now)
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
