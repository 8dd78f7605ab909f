//! The parts of a running processor that changes start, replace and end: its detector and its sources.
//!
//! Used under the processor's lock, which the threads of the frames never take.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::info;

use super::detector::{DetectorInfo, is_idle};
use super::parts::timing;
use super::pipeline::Pipeline;
use super::recording::{Recording, recorded};
use super::source::Source;
use super::upgrade::Upgrading;
use crate::base::SourceId;
use crate::config::{Settings, SourceSettings};
use crate::control::Change;
use crate::detect::{LoadedDetector, Worker};
use crate::media::{OpenOptions, UnitSink};
use crate::role::Sources;

/// The parts of a running processor, and the settings by which they run.
pub(super) struct Running {
    pub(super) settings: Settings,
    pub(super) detector: DetectorInfo,
    pub(super) worker: Worker,
    /// Sources that the operator has paused. They stay paused when their session is restarted.
    pub(super) paused: BTreeSet<SourceId>,
    /// The preparation of a faster detector, if one is running.
    pub(super) upgrading: Option<Upgrading>,
    pub(super) sources: Sources,
    /// The recorder, if recordings are configured. Dropped after the sources have ended.
    pub(super) recording: Option<Recording>,
}

impl Running {
    /// Whether a source is not analysed: the operator has paused it, or there is no detector.
    pub(super) fn is_paused(&self, id: SourceId) -> bool {
        self.paused.contains(&id) || is_idle(&self.settings)
    }

    /// Carries out the change of a source. Its new settings are in place already; `old` are those before.
    pub(super) fn change_source(
        &mut self,
        pipeline: &Arc<Pipeline>,
        old: &Settings,
        id: SourceId,
        change: Change,
    ) {
        match change {
            Change::Unchanged
                if old.processor.tracking == self.settings.processor.tracking
                    && is_idle(old) == is_idle(&self.settings) => {}
            Change::Unchanged | Change::Updated => self.update(pipeline, id),
            Change::Restarted => {
                self.take_down(pipeline, id);
                self.add_again(pipeline, id);
            }
            Change::Added => self.add_again(pipeline, id),
            Change::Removed => {
                self.paused.remove(&id);
                self.take_down(pipeline, id);
                pipeline.sink.load().clear(id);
            }
        }
    }

    /// Replaces the detector.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn swap(
        &mut self,
        pipeline: &Pipeline,
        opened: LoadedDetector,
    ) -> std::io::Result<()> {
        let detector = DetectorInfo::of(&opened);
        info!(
            model = detector.model,
            backend = detector.backend,
            "changing the detector"
        );
        self.worker.swap(opened)?;
        self.detector = detector;
        let link = &pipeline.sink.load().link;
        link.set_classes(&self.detector.labels);
        for source in pipeline.sources.load().values() {
            self.detector.request_from(source);
        }
        Ok(())
    }

    /// Starts a source that is in the settings.
    pub(super) fn add_again(&mut self, pipeline: &Arc<Pipeline>, id: SourceId) {
        if let Some(settings) = self.settings.sources.get(&id).cloned() {
            self.add(pipeline, settings);
        }
    }

    /// Starts a source, unless another processor holds it.
    pub(super) fn add(&mut self, pipeline: &Arc<Pipeline>, settings: SourceSettings) {
        let id = settings.id;
        if pipeline.sink.load().refusal(id).is_some() {
            return;
        }
        let counters = self.sources.counters(id);
        let recorded = recorded(self.recording.as_ref(), &settings);
        let shared = Arc::downgrade(pipeline);
        let source = Arc::new(Source::new(
            settings.clone(),
            self.settings.processor.tracking,
            counters,
            pipeline.clock.clone(),
            pipeline.mailbox.clone(),
            recorded.clone(),
            Box::new(move |source| {
                if let Some(pipeline) = shared.upgrade() {
                    pipeline.sink.load().status(source);
                }
            }),
        ));
        source.pause(self.is_paused(id));
        pipeline.with_sources(|sources| {
            sources.insert(id, source.clone());
        });
        pipeline.sink.load().status(&source);
        self.detector.request_from(&source);
        let options = OpenOptions {
            output: source.output(),
            units: recorded.map(|recorded| recorded as Arc<dyn UnitSink>),
            ..OpenOptions::default()
        };
        let timing = timing(&self.settings);
        self.sources.start(&settings, timing, options, source);
    }

    /// Gives a source its new settings without a restart.
    fn update(&self, pipeline: &Pipeline, id: SourceId) {
        let source = pipeline.sources.load().get(&id).cloned();
        if let (Some(source), Some(settings)) = (source, self.settings.sources.get(&id)) {
            source.update(settings.clone(), self.settings.processor.tracking);
            source.pause(self.is_paused(id));
            self.detector.request_from(&source);
        }
    }

    /// Ends the session of a source and its recording, and forgets it.
    pub(super) fn take_down(&mut self, pipeline: &Pipeline, id: SourceId) {
        self.sources.end(id);
        if let Some(recording) = &self.recording {
            recording.remove(id);
        }
        let source = pipeline.with_sources(|sources| sources.remove(&id));
        if let Some(source) = source {
            source.forget();
        }
    }
}
