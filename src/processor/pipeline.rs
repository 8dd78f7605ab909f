//! What the decoder threads and the detection worker share, and the way of a result through it: track, compose, publish, record.
//!
//! The worker's thread publishes results. Readers never wait for a change of the sources or the sink. The result of a source
//! that was removed is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::sink::EventSink;
use super::source::Source;
use crate::base::{Clock, Frame, Mailbox, SessionId, SourceId};
use crate::detect::Inferred;

/// The state that the decoder threads and the detection worker share.
pub(super) struct Pipeline {
    pub(super) clock: Clock,
    pub(super) session: SessionId,
    pub(super) sources: ArcSwap<BTreeMap<SourceId, Arc<Source>>>,
    pub(super) sink: ArcSwap<EventSink>,
    pub(super) mailbox: Arc<Mailbox<SourceId, Frame>>,
}

impl Pipeline {
    /// One result of the detection worker, on its thread: track, compose, publish, record. It is recorded also while the broker is
    /// away, and to the main stream too where that is recorded beside the sub-stream.
    pub(super) fn publish(&self, result: &Inferred) {
        let Some(source) = self.sources.load().get(&result.source_id).cloned() else {
            return;
        };
        if source.paused_since().is_some() {
            // It was paused during the inference.
            return;
        }
        let analysed = source.analyse(result);
        let sink = self.sink.load();
        let event = sink.publisher.event(result, analysed, self.clock.now());
        sink.event(&event);
        let main = source.settings().main;
        let main = main.and_then(|id| self.sources.load().get(&id).cloned());
        for recorded in [Some(&source), main.as_ref()].into_iter().flatten() {
            if let Some(recorded) = recorded.recorded() {
                recorded.scene(&result.meta, &event.detections);
            }
        }
    }

    /// Changes the set of sources. Readers see the old set until the change is complete.
    pub(super) fn with_sources<T>(
        &self,
        change: impl Fn(&mut BTreeMap<SourceId, Arc<Source>>) -> T,
    ) -> T {
        let mut outcome = None;
        self.sources.rcu(|sources| {
            let mut sources = BTreeMap::clone(sources);
            outcome = Some(change(&mut sources));
            sources
        });
        outcome.expect("invariant: rcu runs its function at least once")
    }
}
