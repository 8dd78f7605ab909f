//! A running processor: start, changes and stop of its parts.
//!
//! Mailbox, sources, worker and link are created only here. Changes take a lock that the threads of the frames never take, so
//! frames and results do not wait for them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::change::{between, needs_new_detector, needs_new_link};
use super::claims::watch_claims;
use super::detector::{DetectorInfo, open_detector, thresholds};
use super::parts::{connect, lane_heartbeats};
use super::pipeline::Pipeline;
use super::recording::{Recording, RecordingFigures};
use super::running::Running;
use super::sink::EventSink;
use super::upgrade::{Upgrading, begin};
use crate::base::sync::lock;
use crate::base::{Clock, Heartbeats, SessionId, SourceId, Stop};
use crate::config::Settings;
use crate::control::{Change, Changes, DetectorStatus, Problem};
use crate::detect::{LoadedDetector, Upgrade, Worker};
use crate::media;
use crate::role::{Sources, StartError, changes};

/// A running processor.
pub struct Processor {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) heartbeats: Heartbeats,
    runtime: Handle,
    running: Mutex<Option<Running>>,
}

impl Processor {
    /// Loads the detector, then starts the link, the worker and every source. Needs no camera and no broker to be present.
    /// Blocks while the model is loaded.
    ///
    /// # Errors
    /// When the model can't be loaded, or the link's settings can't be used.
    pub fn start(
        settings: Settings,
        runtime: Handle,
        clock: Clock,
    ) -> Result<Arc<Self>, StartError> {
        media::init()?;
        let heartbeats = Heartbeats::new(clock.clone());
        let mut opened = open_detector(&settings)?;
        let upgrade = opened.upgrade.take();
        let session = SessionId::random();
        let sink = connect(&settings, &session, &runtime, &heartbeats)?;
        sink.link.set_classes(&opened.labels);
        let pipeline = Arc::new(Pipeline {
            clock,
            session,
            sources: ArcSwap::default(),
            sink: ArcSwap::new(sink.clone()),
            mailbox: Arc::default(),
        });
        let detector = DetectorInfo::of(&opened);
        let worker = {
            let pipeline = pipeline.clone();
            Worker::spawn(
                opened,
                pipeline.mailbox.clone(),
                thresholds(&settings),
                lane_heartbeats(&heartbeats, settings.processor.stage_limit),
                move |result, _| pipeline.publish(&result),
            )?
        };
        let processor = Arc::new(Self {
            pipeline,
            heartbeats,
            runtime,
            running: Mutex::new(None),
        });
        let recording = Recording::of(&settings, &processor.pipeline);
        let mut running = Running {
            settings,
            detector,
            worker,
            paused: BTreeSet::new(),
            upgrading: None,
            sources: Sources::new(
                processor.heartbeats.clone(),
                processor.pipeline.clock.clone(),
            ),
            recording,
        };
        for source in running.settings.sources.clone().into_values() {
            running.detector.warn_of_unknown_classes(&source);
            running.add(&processor.pipeline, source);
        }
        let mut guard = processor.lock();
        // Under the lock: the upgrade's thread waits for it before it hands over a detector.
        running.upgrading = processor.begin_upgrade(upgrade);
        *guard = Some(running);
        drop(guard);
        processor.follow_claims(sink);
        Ok(processor)
    }

    /// Applies the difference between the present settings and `new`. Sources that did not change do not lose a frame.
    /// Blocks while a new model is loaded; the old one works meanwhile.
    ///
    /// # Errors
    /// When the new model or the new link can't be used; nothing has changed then.
    pub fn apply(self: &Arc<Self>, new: Settings) -> Result<Changes, Problem> {
        let mut guard = self.lock();
        let Some(running) = guard.as_mut() else {
            return Err(Problem::new("", "the processor is ending"));
        };
        let follows_sources = running.detector.follows_sources;
        let opened = needs_new_detector(&running.settings, &new, follows_sources)
            .then(|| open_detector(&new))
            .transpose()
            .map_err(|err| Problem::new("processor.model", err))?;
        let sink = needs_new_link(&running.settings, &new)
            .then(|| {
                connect(
                    &new,
                    &self.pipeline.session,
                    &self.runtime,
                    &self.heartbeats,
                )
            })
            .transpose()
            .map_err(|err| Problem::new("mqtt", err))?;
        let records_otherwise = running.settings.record != new.record;
        let changes = changes(
            &running.settings,
            &new,
            |old, new| match records_otherwise {
                true => Change::Restarted,
                false => between(old, new),
            },
        );
        let other_classes = opened.is_some();
        if let Some(mut opened) = opened {
            let upgrade = opened.upgrade.take();
            running
                .swap(&self.pipeline, opened)
                .map_err(|err| Problem::new("processor.lanes", err))?;
            running.upgrading = self.begin_upgrade(upgrade);
        }
        let old = std::mem::replace(&mut running.settings, new);
        running.worker.set_thresholds(thresholds(&running.settings));
        if records_otherwise {
            // The old one closes its files first: both may write to one directory.
            running.recording = None;
            running.recording = Recording::of(&running.settings, &self.pipeline);
        }
        for (id, change) in &changes {
            if let Some(source) = running.settings.sources.get(id)
                && (other_classes || *change != Change::Unchanged)
            {
                running.detector.warn_of_unknown_classes(source);
            }
            running.change_source(&self.pipeline, &old, *id, *change);
        }
        let sources = running.settings.sources.keys().copied().collect();
        self.pipeline.sink.load().want(sources);
        if let Some(sink) = sink {
            self.replace_sink(&old, running, sink);
        }
        info!(?changes, "configuration applied");
        Ok(changes)
    }

    /// Ends the session of one source and starts the next one at once. False if it does not run.
    pub fn restart(&self, id: SourceId) -> bool {
        let guard = self.lock();
        let running = guard.as_ref();
        running.is_some_and(|running| running.sources.restart(id))
    }

    /// Ends sources, worker and link, in this order. Names each part that did not end within `limit`.
    pub async fn stop(&self, limit: Duration) {
        let Some(running) = self.lock().take() else {
            return;
        };
        let sink = self.pipeline.sink.load_full();
        let ended = tokio::task::spawn_blocking(move || {
            if let Some(upgrading) = running.upgrading {
                upgrading.end();
            }
            running.sources.stop(limit / 2);
            running.worker.stop();
            drop(running.recording);
        });
        if ended.await.is_err() {
            warn!("stopping the sources panicked");
        }
        if !sink.link.stop(limit / 4).await {
            warn!("the stop was not published in time");
        }
    }

    /// Publishes the status of every source again.
    pub(super) fn publish_statuses(&self) {
        let sink = self.pipeline.sink.load();
        for source in self.pipeline.sources.load().values() {
            sink.status(source);
        }
    }

    /// Stops sources that another processor holds, and starts sources that became free.
    fn apply_claims(self: &Arc<Self>, sink: &Arc<EventSink>) {
        let mut guard = self.lock();
        let Some(running) = guard.as_mut() else {
            return;
        };
        let ids: Vec<_> = running.settings.sources.keys().copied().collect();
        for id in ids {
            match (sink.refusal(id).is_some(), running.sources.runs(id)) {
                (true, true) => running.take_down(&self.pipeline, id),
                (false, false) => running.add_again(&self.pipeline, id),
                _ => {}
            }
        }
        drop(guard);
        self.publish_statuses();
    }

    pub(super) fn settings(&self) -> Option<Settings> {
        self.lock().as_ref().map(|running| running.settings.clone())
    }

    pub(super) fn detector(&self) -> Option<DetectorStatus> {
        let guard = self.lock();
        let running = guard.as_ref();
        running.map(|running| running.detector.status(&running.worker.work()))
    }

    /// How the recording goes, if there is one.
    pub(super) fn recording(&self) -> Option<RecordingFigures> {
        let guard = self.lock();
        let recording = guard.as_ref()?.recording.as_ref()?;
        Some(recording.figures(&self.pipeline.sources.load()))
    }

    /// Replaces the running detector by the upgraded one, unless `stop` is raised.
    fn take_upgrade(&self, opened: LoadedDetector, stop: &Stop) {
        let mut guard = self.lock();
        // Under the lock: `apply` raises `stop` under the same lock when it installs another detector.
        if let Some(running) = guard.as_mut()
            && !stop.is_raised()
            && let Err(err) = running.swap(&self.pipeline, opened)
        {
            warn!(%err, "the faster detector can't be used: the system gives no thread");
        }
    }

    /// Starts to prepare a faster detector, if there is one, and installs it when it is ready.
    fn begin_upgrade(self: &Arc<Self>, upgrade: Option<Upgrade>) -> Option<Upgrading> {
        let processor = Arc::downgrade(self);
        begin(upgrade?, move |opened, stop| {
            if let Some(processor) = processor.upgrade() {
                processor.take_upgrade(opened, stop);
            }
        })
    }

    /// Follows the claims of other processors while `sink` is the one in use.
    fn follow_claims(self: &Arc<Self>, sink: Arc<EventSink>) {
        let processor = Arc::downgrade(self);
        watch_claims(sink, &self.runtime, move |sink| {
            if let Some(processor) = processor.upgrade() {
                processor.apply_claims(sink);
            }
        });
    }

    fn replace_sink(self: &Arc<Self>, old: &Settings, running: &Running, sink: Arc<EventSink>) {
        const LIMIT: Duration = Duration::from_secs(2);
        sink.link.set_classes(&running.detector.labels);
        let before = self.pipeline.sink.swap(sink.clone());
        if old.mqtt.topic_root != running.settings.mqtt.topic_root {
            for id in old.sources.keys() {
                before.clear(*id);
            }
        }
        self.runtime
            .spawn(async move { before.link.stop(LIMIT).await });
        self.follow_claims(sink);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        lock(&self.running)
    }
}
