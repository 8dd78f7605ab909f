//! A wall while it runs: what it is made of, how it changes, how it ends.
//!
//! Cameras, link and heads are made here and nowhere else. Pictures never wait for what this file does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;
use tracing::{error, info};

use super::ear;
use super::screens::Screens;
use super::shared::Shared;
use crate::align::AlignSettings;
use crate::base::{Clock, Heartbeats, SourceId};
use crate::bus::{BusError, Link, LinkOptions, Role};
use crate::config::{ReferenceChoice, Settings, SourceSettings, WallSettings};
use crate::control::Problem;
use crate::media::{
    self, MediaError, OpenOptions, ReferenceTime, Runner, RunnerOptions, SourceCounters,
};
use crate::render::Camera;

/// Why a wall can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The broker's settings (not its absence).
    #[error(transparent)]
    Link(#[from] BusError),
    /// GStreamer.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// No thread or descriptor.
    #[error("the system gives no thread: {0}; free memory or raise the limit of tasks")]
    Thread(#[from] std::io::Error),
}

/// A running wall.
pub struct Wall {
    pub(super) shared: Arc<Shared>,
    pub(super) heartbeats: Heartbeats,
    pub(super) started: Duration,
    runtime: Handle,
    running: Mutex<Option<Running>>,
}

pub(super) struct Running {
    pub(super) link: Link,
    pub(super) screens: Screens,
    runners: BTreeMap<SourceId, Runner>,
    /// Of every camera that ever was: the numbers of its frames go on when it comes back.
    counters: BTreeMap<SourceId, Arc<SourceCounters>>,
}

impl Running {
    /// How often a camera's session was begun anew. Of the runner itself: a listener hears of changes alone, and one
    /// attempt that fails like the one before is none.
    pub(super) fn reconnects(&self, id: SourceId) -> u64 {
        let runner = self.runners.get(&id);
        runner.map_or(0, |runner| runner.snapshot().reconnects)
    }
}

/// What happens to one camera when the configuration changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing: it does not lose a frame.
    Unchanged,
    /// A new name, taken over in place.
    Updated,
    /// Its stream is another one: its session ends and a new one begins.
    Restarted,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

impl Wall {
    /// Starts link, cameras and screens. Needs no camera, no broker and no monitor to be there.
    ///
    /// # Errors
    /// When the link's settings can't be used, or the system gives no threads.
    pub fn start(
        settings: Settings,
        runtime: Handle,
        clock: Clock,
    ) -> Result<Arc<Self>, StartError> {
        media::init()?;
        let heartbeats = Heartbeats::new(clock.clone());
        let shared = Arc::new(Shared::new(settings.clone(), clock.clone()));
        let link = connect(&shared, &settings, &runtime, &heartbeats)?;
        let wall = Arc::new(Self {
            shared,
            heartbeats: heartbeats.clone(),
            started: clock.now(),
            runtime,
            running: Mutex::new(None),
        });
        let mut runners = BTreeMap::new();
        let mut counters = BTreeMap::new();
        let mut cameras = BTreeMap::new();
        for source in settings.sources.values() {
            cameras.insert(source.id, wall.camera(source.clone(), &settings.wall));
        }
        wall.shared.replace(settings.clone(), cameras.clone());
        for camera in cameras.into_values() {
            wall.run_camera(camera, &settings.wall, &mut runners, &mut counters);
        }
        let screens = Screens::start(&wall.shared, &heartbeats)?;
        *wall.lock() = Some(Running {
            link,
            screens,
            runners,
            counters,
        });
        Ok(wall)
    }

    /// Applies the difference between what runs and `new`: cameras that did not change do not lose a frame, screens whose
    /// outputs did not change are not opened anew.
    ///
    /// # Errors
    /// When the new link or the new screens can't be used: nothing has changed then.
    pub fn apply(self: &Arc<Self>, new: Settings) -> Result<BTreeMap<SourceId, Change>, Problem> {
        let mut guard = self.lock();
        let Some(running) = guard.as_mut() else {
            return Err(problem("", "the wall is ending"));
        };
        let old = self.shared.settings();
        let link = (old.mqtt != new.mqtt
            || old.instance_id != new.instance_id
            || old.wall.topic_pattern != new.wall.topic_pattern)
            .then(|| connect(&self.shared, &new, &self.runtime, &self.heartbeats))
            .transpose()
            .map_err(|err| problem("mqtt", err))?;
        let changes = changes(&old, &new);
        let mut cameras = BTreeMap::clone(&self.shared.cameras());
        let mut fresh = Vec::new();
        for (id, change) in &changes {
            if matches!(change, Change::Removed | Change::Restarted) {
                if let Some(runner) = running.runners.remove(id) {
                    runner.stop(CAMERA_LIMIT);
                }
                cameras.remove(id);
            }
            let Some(wanted) = new.sources.get(id) else {
                continue;
            };
            match change {
                Change::Added | Change::Restarted => {
                    let camera = self.camera(wanted.clone(), &new.wall);
                    cameras.insert(*id, camera.clone());
                    fresh.push(camera);
                }
                _ => {
                    if let Some(camera) = cameras.get(id) {
                        camera.update(wanted.clone(), align(&new.wall));
                    }
                }
            }
        }
        self.shared.replace(new.clone(), cameras);
        for camera in fresh {
            self.run_camera(
                camera,
                &new.wall,
                &mut running.runners,
                &mut running.counters,
            );
        }
        if let Some(link) = link {
            let before = std::mem::replace(&mut running.link, link);
            self.runtime
                .spawn(async move { before.stop(CAMERA_LIMIT).await });
        }
        running.screens.follow(&old.wall, &new.wall);
        info!(?changes, "configuration applied");
        Ok(changes)
    }

    /// Restarts one camera's session at once; the others notice nothing. False where there is none of that number.
    pub fn restart(&self, id: SourceId) -> bool {
        let guard = self.lock();
        let runner = guard.as_ref().and_then(|running| running.runners.get(&id));
        if let Some(runner) = runner {
            runner.restart();
        }
        runner.is_some()
    }

    /// Ends cameras, screens and link, in this order. Names what did not end within `limit`.
    pub async fn stop(&self, limit: Duration) {
        let Some(running) = self.lock().take() else {
            return;
        };
        let Running {
            link,
            screens,
            runners,
            ..
        } = running;
        let ended = tokio::task::spawn_blocking(move || {
            // All are told before any is waited for; the monitor goes back to its console first.
            runners.values().for_each(Runner::begin_stop);
            screens.stop(limit / 2);
            let deadline = Instant::now() + limit / 2;
            for runner in runners.into_values() {
                runner.stop(deadline.saturating_duration_since(Instant::now()));
            }
        });
        if ended.await.is_err() {
            error!("a camera's end panicked");
        }
        if !link.stop(limit / 4).await {
            tracing::warn!("the broker was not told of the stop in time");
        }
    }

    /// What is asked of the running parts, where they run.
    pub(super) fn with_running<T>(&self, ask: impl FnOnce(&Running) -> T) -> Option<T> {
        self.lock().as_ref().map(ask)
    }

    fn camera(&self, source: SourceSettings, wall: &WallSettings) -> Arc<Camera> {
        Arc::new(Camera::new(source, align(wall), self.shared.clock.clone()))
    }

    fn run_camera(
        &self,
        camera: Arc<Camera>,
        wall: &WallSettings,
        runners: &mut BTreeMap<SourceId, Runner>,
        counters: &mut BTreeMap<SourceId, Arc<SourceCounters>>,
    ) {
        let (id, stream) = (camera.id, camera.settings().stream.clone());
        let options = RunnerOptions {
            id,
            heartbeats: self.heartbeats.clone(),
            stage_limit: wall.stage_limit,
            retry_first: wall.retry_first,
            retry_longest: wall.retry_longest,
            login_waits: media::LOGIN_WAITS,
            descriptors: media::descriptors_of(&stream),
            counters: counters.entry(id).or_default().clone(),
        };
        let clock = self.shared.clock.clone();
        let reference = match wall.reference_time {
            ReferenceChoice::Auto => ReferenceTime::Auto,
            ReferenceChoice::Meta => ReferenceTime::Meta,
            ReferenceChoice::Rtcp => ReferenceTime::Rtcp,
        };
        let asked = OpenOptions {
            reference,
            output: camera.output(),
        };
        let open = move || media::open(id, &stream, &clock, asked.clone());
        match Runner::spawn(options, open, camera) {
            Ok(runner) => {
                runners.insert(id, runner);
            }
            Err(err) => {
                error!(source_id = %id, %err, "no thread for this camera; free memory or raise the limit of tasks")
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a camera that goes may take.
const CAMERA_LIMIT: Duration = Duration::from_secs(3);

/// The camera whose heartbeat has this name; `media` gives it.
pub(super) fn source_of(stage: &str) -> Option<SourceId> {
    stage.strip_prefix("source ")?.parse().ok().map(SourceId)
}

fn align(wall: &WallSettings) -> AlignSettings {
    AlignSettings {
        sync: wall.sync,
        ttl: wall.detection_ttl,
        budget: wall.delay_budget,
    }
}

fn connect(
    shared: &Arc<Shared>,
    settings: &Settings,
    runtime: &Handle,
    heartbeats: &Heartbeats,
) -> Result<Link, BusError> {
    let options = LinkOptions {
        retry_first: settings.wall.retry_first,
        retry_longest: settings.wall.retry_longest,
        ..LinkOptions::new(
            settings.mqtt.clone(),
            Role::Wall,
            &settings.instance_id,
            &shared.session,
        )
    };
    let heartbeat = heartbeats.stage("mqtt", settings.wall.stage_limit);
    let link = Link::start(options, runtime, Some(heartbeat))?;
    ear::listen(shared, &link, settings, runtime);
    Ok(link)
}

fn changes(old: &Settings, new: &Settings) -> BTreeMap<SourceId, Change> {
    let (had, wanted) = (&old.sources, &new.sources);
    let reference_changed = old.wall.reference_time != new.wall.reference_time;
    let gone = had
        .keys()
        .filter(|id| !wanted.contains_key(id))
        .map(|id| (*id, Change::Removed));
    let others = wanted.iter().map(|(id, new)| {
        let change = match had.get(id) {
            None => Change::Added,
            Some(old) if old.stream != new.stream || reference_changed => Change::Restarted,
            Some(old) if old.name != new.name => Change::Updated,
            Some(_) => Change::Unchanged,
        };
        (*id, change)
    });
    gone.chain(others).collect()
}

fn problem(path: &str, message: impl std::fmt::Display) -> Problem {
    Problem {
        path: path.to_owned(),
        message: message.to_string(),
    }
}
