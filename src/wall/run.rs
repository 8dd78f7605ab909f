//! Starts, changes and stops the wall.
//!
//! Only this file creates cameras, the link and heads. Frames never wait for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::Handle;
use tracing::{error, info};

use super::context::WallContext;
use super::head_supervisor::HeadSupervisor;
use super::subscriber;
use crate::align::AlignSettings;
use crate::base::sync::lock;
use crate::base::{Clock, Heartbeats, SourceId};
use crate::bus::{BusError, ClientRole, Link};
use crate::config::{ReferenceChoice, Settings, SourceSettings, WallSettings};
use crate::control::{Change, Changes, Problem};
use crate::media::{self, OpenOptions, ReferenceTime};
use crate::render::Camera;
use crate::role::{self, Sources, StartError, Timing, changes};

/// A running wall.
pub struct Wall {
    pub(super) context: Arc<WallContext>,
    pub(super) heartbeats: Heartbeats,
    pub(super) started: Duration,
    pub(super) runtime: Handle,
    running: Mutex<Option<Running>>,
}

pub(super) struct Running {
    pub(super) link: Link,
    pub(super) heads: HeadSupervisor,
    pub(super) sources: Sources,
}

impl Wall {
    /// Starts the link, the cameras and the displays. Cameras, broker and monitors need not be present.
    ///
    /// # Errors
    /// If the settings of the link can't be used, or the system refuses threads.
    pub fn start(
        settings: Settings,
        runtime: Handle,
        clock: Clock,
    ) -> Result<Arc<Self>, StartError> {
        let heartbeats = Heartbeats::new(clock.clone());
        let context = Arc::new(WallContext::new(settings.clone(), clock.clone()));
        let cameras: BTreeMap<_, _> = settings
            .sources
            .values()
            .map(|source| (source.id, camera(&context, source.clone(), &settings.wall)))
            .collect();
        context.replace(settings.clone(), cameras.clone());
        let link = connect(&context, &settings, &runtime, &heartbeats)?;
        // Before GStreamer and the cameras, which take seconds on a slow box: meanwhile the tiles say CONNECTING.
        let heads = HeadSupervisor::start(&context, &heartbeats)?;
        media::init()?;
        let mut sources = Sources::new(heartbeats.clone(), clock.clone());
        for camera in cameras.into_values() {
            run_camera(camera, &settings.wall, &mut sources);
        }
        let wall = Arc::new(Self {
            started: clock.now(),
            context,
            heartbeats,
            runtime,
            running: Mutex::new(None),
        });
        *wall.lock() = Some(Running {
            link,
            heads,
            sources,
        });
        Ok(wall)
    }

    /// Applies the difference between the present settings and `new`. Unchanged cameras lose no frame; displays are not opened
    /// again unless their outputs have changed.
    ///
    /// # Errors
    /// If the new link can't be used. Nothing has changed then.
    pub fn apply(self: &Arc<Self>, new: Settings) -> Result<Changes, Problem> {
        let mut guard = self.lock();
        let Some(running) = guard.as_mut() else {
            return Err(Problem::new("", "the wall is ending"));
        };
        let old = self.context.settings();
        let link = (old.mqtt != new.mqtt
            || old.instance_id != new.instance_id
            || old.wall.topic_pattern != new.wall.topic_pattern)
            .then(|| connect(&self.context, &new, &self.runtime, &self.heartbeats))
            .transpose()
            .map_err(|err| Problem::new("mqtt", err))?;
        let other_reference = old.wall.reference_time != new.wall.reference_time;
        let changes = changes(&old, &new, |old, new| {
            camera_change(old, new, other_reference)
        });
        let mut cameras = BTreeMap::clone(&self.context.cameras());
        let mut fresh = Vec::new();
        for (id, change) in &changes {
            if matches!(change, Change::Removed | Change::Restarted) {
                running.sources.end(*id);
                cameras.remove(id);
            }
            let Some(wanted) = new.sources.get(id) else {
                continue;
            };
            match change {
                Change::Added | Change::Restarted => {
                    let camera = camera(&self.context, wanted.clone(), &new.wall);
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
        self.context.replace(new.clone(), cameras);
        for camera in fresh {
            run_camera(camera, &new.wall, &mut running.sources);
        }
        if let Some(link) = link {
            let before = std::mem::replace(&mut running.link, link);
            self.runtime
                .spawn(async move { before.stop(LINK_LIMIT).await });
        }
        running.heads.follow(&old.wall, &new.wall);
        info!(?changes, "configuration applied");
        Ok(changes)
    }

    /// Ends the session of a source and starts a new one at once. False if the source does not run.
    pub fn restart(&self, id: SourceId) -> bool {
        let guard = self.lock();
        let running = guard.as_ref();
        running.is_some_and(|running| running.sources.restart(id))
    }

    /// Stops displays, cameras and link, in this order. Logs each part that does not end within `limit`.
    pub async fn stop(&self, limit: Duration) {
        let Some(running) = self.lock().take() else {
            return;
        };
        let Running {
            link,
            heads,
            sources,
        } = running;
        let ended = tokio::task::spawn_blocking(move || {
            // All sources are asked to stop before any is waited for.
            sources.begin_stop();
            heads.stop(limit / 2);
            sources.stop(limit / 2);
        });
        if ended.await.is_err() {
            error!("stopping the cameras panicked");
        }
        if !link.stop(limit / 4).await {
            tracing::warn!("the presence `stopped` was not published in time");
        }
    }

    /// Calls `ask` with the running parts. `None` if the wall has been stopped.
    pub(super) fn with_running<T>(&self, ask: impl FnOnce(&Running) -> T) -> Option<T> {
        self.lock().as_ref().map(ask)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        lock(&self.running)
    }
}

/// Time limit for the end of a link that was replaced.
const LINK_LIMIT: Duration = Duration::from_secs(3);

fn camera(context: &WallContext, source: SourceSettings, wall: &WallSettings) -> Arc<Camera> {
    Arc::new(Camera::new(source, align(wall), context.clock.clone()))
}

/// Starts the sessions of a camera.
fn run_camera(camera: Arc<Camera>, wall: &WallSettings, sources: &mut Sources) {
    let reference = match wall.reference_time {
        ReferenceChoice::Auto => ReferenceTime::Auto,
        ReferenceChoice::Meta => ReferenceTime::Meta,
        ReferenceChoice::Rtcp => ReferenceTime::Rtcp,
    };
    let options = OpenOptions {
        reference,
        output: camera.output(),
        units: None,
    };
    sources.start(&camera.settings(), timing(wall), options, camera);
}

fn timing(wall: &WallSettings) -> Timing {
    Timing {
        stage_limit: wall.stage_limit,
        retry_first: wall.retry_first,
        retry_longest: wall.retry_longest,
    }
}

fn align(wall: &WallSettings) -> AlignSettings {
    AlignSettings {
        sync: wall.sync,
        ttl: wall.detection_ttl,
        budget: wall.delay_budget,
    }
}

fn connect(
    context: &Arc<WallContext>,
    settings: &Settings,
    runtime: &Handle,
    heartbeats: &Heartbeats,
) -> Result<Link, BusError> {
    let link = role::connect(
        ClientRole::Wall,
        settings,
        &context.session,
        timing(&settings.wall),
        runtime,
        heartbeats,
    )?;
    subscriber::subscribe(context, &link, settings, runtime);
    Ok(link)
}

/// The change of a camera that is in both configurations. Settings of the analysis do not concern a wall.
fn camera_change(old: &SourceSettings, new: &SourceSettings, other_reference: bool) -> Change {
    if old.stream != new.stream || other_reference {
        Change::Restarted
    } else if old.name != new.name {
        Change::Updated
    } else {
        Change::Unchanged
    }
}
