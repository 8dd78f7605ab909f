//! A processor while it runs: what it is made of, how it changes, how it ends.
//!
//! Mailbox, sources, worker and link are made here and nowhere else. Frames and results never wait for what this file
//! does: changes take a lock that the picture's way does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::change::{between, needs_new_detector, needs_new_link};
use super::claims::watch_claims;
use super::detector::{DetectorFacts, open_detector, thresholds};
use super::outlet::Outlet;
use super::publish::Publisher;
use super::source::Source;
use super::upgrade::{Upgrading, begin};
use crate::base::{Clock, Frame, Heartbeats, Mailbox, SessionId, SourceId, Stop};
use crate::bus::{BusError, ClientRole, Topics};
use crate::config::{Settings, SourceSettings};
use crate::control::{Change, Changes, Problem};
use crate::detect::{Inferred, LoadedDetector, Upgrade, Worker};
use crate::media::{self, OpenOptions};
use crate::role::{self, Sources, StartError, Timing, changes};

/// A running processor.
pub struct Processor {
    pub(super) shared: Arc<Shared>,
    pub(super) heartbeats: Heartbeats,
    runtime: Handle,
    running: Mutex<Option<Running>>,
}

/// What the threads of a picture's way share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) session: SessionId,
    pub(super) sources: ArcSwap<BTreeMap<SourceId, Arc<Source>>>,
    pub(super) outlet: ArcSwap<Outlet>,
    mailbox: Arc<Mailbox<SourceId, Frame>>,
}

struct Running {
    settings: Settings,
    detector: DetectorFacts,
    worker: Worker,
    /// The build of a quicker detector, where one is under way.
    upgrading: Option<Upgrading>,
    sources: Sources,
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
        let outlet = connect(&settings, &session, &runtime, &heartbeats)?;
        let shared = Arc::new(Shared {
            clock,
            session,
            sources: ArcSwap::default(),
            outlet: ArcSwap::new(outlet.clone()),
            mailbox: Arc::default(),
        });
        let detector = DetectorFacts::of(&opened);
        let worker = {
            let shared = shared.clone();
            Worker::spawn(
                opened,
                shared.mailbox.clone(),
                thresholds(&settings),
                heartbeats.stage("detect", settings.processor.stage_limit),
                move |result, _| shared.publish(&result),
            )?
        };
        let processor = Arc::new(Self {
            shared,
            heartbeats,
            runtime,
            running: Mutex::new(None),
        });
        let mut running = Running {
            settings,
            detector,
            worker,
            upgrading: None,
            sources: Sources::new(processor.heartbeats.clone(), processor.shared.clock.clone()),
        };
        for source in running.settings.sources.clone().into_values() {
            running.detector.tell_unknown_classes(&source);
            processor.add(&mut running, source);
        }
        let mut guard = processor.lock();
        // With the lock held, for which the thread waits when it has something to hand over.
        running.upgrading = processor.begin_upgrade(upgrade);
        *guard = Some(running);
        drop(guard);
        processor.follow_claims(outlet);
        Ok(processor)
    }

    /// Applies the difference between the present settings and `new`: sources that did not change do not lose a frame.
    /// Blocks while a new model is loaded, which happens beside the running one.
    ///
    /// # Errors
    /// When the new model or the new link can't be used; nothing has changed then.
    pub fn apply(self: &Arc<Self>, new: Settings) -> Result<Changes, Problem> {
        let mut guard = self.lock();
        let Some(running) = guard.as_mut() else {
            return Err(Problem::new("", "the processor is ending"));
        };
        let opened = needs_new_detector(&running.settings, &new)
            .then(|| open_detector(&new))
            .transpose()
            .map_err(|err| Problem::new("processor.model", err))?;
        let outlet = needs_new_link(&running.settings, &new)
            .then(|| connect(&new, &self.shared.session, &self.runtime, &self.heartbeats))
            .transpose()
            .map_err(|err| Problem::new("mqtt", err))?;
        let changes = changes(&running.settings, &new, between);
        let other_classes = opened.is_some();
        if let Some(mut opened) = opened {
            running.upgrading = self.begin_upgrade(opened.upgrade.take());
            self.swap(running, opened);
        }
        let old = std::mem::replace(&mut running.settings, new);
        running.worker.set_thresholds(thresholds(&running.settings));
        for (id, change) in &changes {
            if let Some(source) = running.settings.sources.get(id)
                && (other_classes || *change != Change::Unchanged)
            {
                running.detector.tell_unknown_classes(source);
            }
            match change {
                Change::Unchanged
                    if old.processor.tracking == running.settings.processor.tracking => {}
                Change::Unchanged | Change::Updated => self.update(running, *id),
                Change::Restarted => {
                    self.take_down(running, *id);
                    self.add_again(running, *id);
                }
                Change::Added => self.add_again(running, *id),
                Change::Removed => {
                    self.take_down(running, *id);
                    self.shared.outlet.load().clear(*id);
                }
            }
        }
        let sources = running.settings.sources.keys().copied().collect();
        self.shared.outlet.load().want(sources);
        if let Some(outlet) = outlet {
            self.replace_outlet(&old, running, outlet);
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
        let outlet = self.shared.outlet.load_full();
        let ended = tokio::task::spawn_blocking(move || {
            if let Some(upgrading) = running.upgrading {
                upgrading.end();
            }
            running.sources.stop(limit / 2);
            running.worker.stop();
        });
        if ended.await.is_err() {
            warn!("a source's end panicked");
        }
        if !outlet.link.stop(limit / 4).await {
            warn!("the broker was not told of the stop in time");
        }
    }

    /// Publishes the status of every source again.
    pub(super) fn publish_figures(&self) {
        let outlet = self.shared.outlet.load();
        for source in self.shared.sources.load().values() {
            outlet.status(source);
        }
    }

    /// Stops sources that another processor has, and starts those that it has no longer.
    fn settle_claims(self: &Arc<Self>, outlet: &Arc<Outlet>) {
        let mut guard = self.lock();
        let Some(running) = guard.as_mut() else {
            return;
        };
        let ids: Vec<_> = running.settings.sources.keys().copied().collect();
        for id in ids {
            match (outlet.refusal(id).is_some(), running.sources.runs(id)) {
                (true, true) => self.take_down(running, id),
                (false, false) => self.add_again(running, id),
                _ => {}
            }
        }
        drop(guard);
        self.publish_figures();
    }

    pub(super) fn settings(&self) -> Option<Settings> {
        self.lock().as_ref().map(|running| running.settings.clone())
    }

    pub(super) fn detector(&self) -> Option<DetectorFacts> {
        self.lock().as_ref().map(|running| running.detector.clone())
    }

    /// Lets a detector that was built beside the running one take over, unless `stop` says that it is not wanted any more.
    fn take_upgrade(&self, opened: LoadedDetector, stop: &Stop) {
        let mut guard = self.lock();
        // Under the lock: whoever raises it for another detector's sake holds the lock too.
        if let Some(running) = guard.as_mut()
            && !stop.is_raised()
        {
            self.swap(running, opened);
        }
    }

    /// Makes a quicker detector ready, where there is one, and takes it over then.
    fn begin_upgrade(self: &Arc<Self>, upgrade: Option<Upgrade>) -> Option<Upgrading> {
        let processor = Arc::downgrade(self);
        begin(upgrade?, move |opened, stop| {
            if let Some(processor) = processor.upgrade() {
                processor.take_upgrade(opened, stop);
            }
        })
    }

    /// Follows the claims of other processors while `outlet` is the one in use.
    fn follow_claims(self: &Arc<Self>, outlet: Arc<Outlet>) {
        let processor = Arc::downgrade(self);
        watch_claims(outlet, &self.runtime, move |outlet| {
            if let Some(processor) = processor.upgrade() {
                processor.settle_claims(outlet);
            }
        });
    }

    fn swap(&self, running: &mut Running, opened: LoadedDetector) {
        running.detector = DetectorFacts::of(&opened);
        info!(
            model = running.detector.model,
            backend = running.detector.backend,
            "swapping the detector"
        );
        running.worker.swap(opened);
        for source in self.shared.sources.load().values() {
            source.want(running.detector.input);
        }
    }

    fn add_again(&self, running: &mut Running, id: SourceId) {
        if let Some(settings) = running.settings.sources.get(&id).cloned() {
            self.add(running, settings);
        }
    }

    fn add(&self, running: &mut Running, settings: SourceSettings) {
        let id = settings.id;
        if self.shared.outlet.load().refusal(id).is_some() {
            return;
        }
        let counters = running.sources.counters(id);
        let shared = Arc::downgrade(&self.shared);
        let source = Arc::new(Source::new(
            settings.clone(),
            running.settings.processor.tracking,
            counters,
            self.shared.clock.clone(),
            self.shared.mailbox.clone(),
            Box::new(move |source| {
                if let Some(shared) = shared.upgrade() {
                    shared.outlet.load().status(source);
                }
            }),
        ));
        self.shared.with_sources(|sources| {
            sources.insert(id, source.clone());
        });
        self.shared.outlet.load().status(&source);
        source.want(running.detector.input);
        let options = OpenOptions {
            output: source.output(),
            ..OpenOptions::default()
        };
        let timing = timing(&running.settings);
        running.sources.start(&settings, timing, options, source);
    }

    fn update(&self, running: &Running, id: SourceId) {
        let source = self.shared.sources.load().get(&id).cloned();
        if let (Some(source), Some(settings)) = (source, running.settings.sources.get(&id)) {
            source.update(settings.clone(), running.settings.processor.tracking);
            source.want(running.detector.input);
        }
    }

    fn take_down(&self, running: &mut Running, id: SourceId) {
        running.sources.end(id);
        let source = self.shared.with_sources(|sources| sources.remove(&id));
        if let Some(source) = source {
            source.forget();
        }
    }

    fn replace_outlet(self: &Arc<Self>, old: &Settings, running: &Running, outlet: Arc<Outlet>) {
        const LIMIT: Duration = Duration::from_secs(2);
        let before = self.shared.outlet.swap(outlet.clone());
        if old.mqtt.topic_root != running.settings.mqtt.topic_root {
            for id in old.sources.keys() {
                before.clear(*id);
            }
        }
        self.runtime
            .spawn(async move { before.link.stop(LIMIT).await });
        self.follow_claims(outlet);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// One result of the detection worker, on its thread: track, compose, publish.
    fn publish(&self, result: &Inferred) {
        let Some(source) = self.sources.load().get(&result.source_id).cloned() else {
            return;
        };
        let finding = source.analyse(result);
        let outlet = self.outlet.load();
        let event = outlet.publisher.event(result, finding, self.clock.now());
        outlet.event(&event);
    }

    /// Changes the set of sources; those who read it go on with the old one meanwhile.
    fn with_sources<T>(&self, change: impl Fn(&mut BTreeMap<SourceId, Arc<Source>>) -> T) -> T {
        let mut outcome = None;
        self.sources.rcu(|sources| {
            let mut sources = BTreeMap::clone(sources);
            outcome = Some(change(&mut sources));
            sources
        });
        outcome.expect("invariant: rcu runs its function at least once")
    }
}

pub(super) fn timing(settings: &Settings) -> Timing {
    let processor = &settings.processor;
    Timing {
        stage_limit: processor.stage_limit,
        retry_first: processor.retry_first,
        retry_longest: processor.retry_longest,
    }
}

fn connect(
    settings: &Settings,
    session: &SessionId,
    runtime: &Handle,
    heartbeats: &Heartbeats,
) -> Result<Arc<Outlet>, BusError> {
    let publisher = Publisher {
        instance_id: settings.instance_id.as_str().into(),
        session: session.clone(),
    };
    Ok(Outlet::new(
        settings.sources.keys().copied().collect(),
        role::connect(
            ClientRole::Processor,
            settings,
            session,
            timing(settings),
            runtime,
            heartbeats,
        )?,
        Topics::of(&settings.mqtt),
        publisher,
        settings.mqtt.encoding,
    ))
}
