//! Where a processor's words go: one link to the broker, its topics, and the claims that others have on sources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use super::publish::Publisher;
use super::source::Source;
use crate::base::SourceId;
use crate::base::sync::lock;
use crate::bus::{Link, Topics};
use crate::config::Encoding;
use crate::event::DetectionEvent;

/// One connection's worth of publishing; replaced as a whole when the broker or the topics change.
pub(super) struct EventSink {
    pub(super) link: Link,
    pub(super) topics: Topics,
    pub(super) publisher: Publisher,
    pub(super) encoding: Encoding,
    wanted: watch::Sender<BTreeSet<SourceId>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Sources of which the broker's retained claims have been read: before, nothing of ours may overwrite them.
    settled: BTreeSet<SourceId>,
    /// Sources that another processor, online and there before us, already has, and its instance id.
    refused: BTreeMap<SourceId, String>,
}

/// What has changed between this processor and others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClaimChanges {
    /// Sources that another one has, and its instance id.
    pub(super) refused: Vec<(SourceId, String)>,
    /// Sources that this one publishes from here on.
    pub(super) ours: Vec<SourceId>,
}

impl EventSink {
    pub(super) fn new(
        sources: BTreeSet<SourceId>,
        link: Link,
        topics: Topics,
        publisher: Publisher,
        encoding: Encoding,
    ) -> Arc<Self> {
        Arc::new(Self {
            link,
            topics,
            publisher,
            encoding,
            wanted: watch::Sender::new(sources),
            state: Mutex::default(),
        })
    }

    /// Publishes one event, in the encodings that were asked for. Never waits.
    pub(super) fn event(&self, event: &DetectionEvent) {
        if !self.publishes(event.source_id) {
            return;
        }
        if matches!(self.encoding, Encoding::Json | Encoding::Both) {
            self.link
                .publish_event(&self.topics.detections(event.source_id), event.to_json());
        }
        if matches!(self.encoding, Encoding::Postcard | Encoding::Both) {
            self.link.publish_event(
                &self.topics.detections_postcard(event.source_id),
                event.to_postcard(),
            );
        }
    }

    /// Publishes a source's present status, retained.
    pub(super) fn status(&self, source: &Source) {
        if self.publishes(source.id) {
            let status = self.publisher.status(source);
            self.link
                .retain(&self.topics.source(source.id), status.to_json());
        }
    }

    /// Clears what is retained of a source that is ours no longer.
    pub(super) fn clear(&self, id: SourceId) {
        if self.publishes(id) {
            self.link.clear(&self.topics.source(id));
        }
    }

    /// The sources of this processor, and every change of them.
    pub(super) fn wanted(&self) -> watch::Receiver<BTreeSet<SourceId>> {
        self.wanted.subscribe()
    }

    /// This processor has these sources from here on. Of new ones nothing is published until it is known who claims them.
    pub(super) fn want(&self, sources: BTreeSet<SourceId>) {
        self.lock().settled.retain(|id| sources.contains(id));
        self.wanted.send_if_modified(|wanted| {
            let changed = *wanted != sources;
            *wanted = sources;
            changed
        });
    }

    /// Takes over what is known of other processors' claims to `sources`; what that changed, where it changed anything.
    pub(super) fn settle(
        &self,
        sources: BTreeSet<SourceId>,
        refused: BTreeMap<SourceId, String>,
    ) -> Option<ClaimChanges> {
        let mut state = self.lock();
        if state.settled == sources && state.refused == refused {
            return None;
        }
        let was_ours =
            |id: &SourceId| state.settled.contains(id) && !state.refused.contains_key(id);
        let changes = ClaimChanges {
            refused: refused
                .iter()
                .filter(|(id, holder)| state.refused.get(id) != Some(holder))
                .map(|(id, holder)| (*id, holder.clone()))
                .collect(),
            ours: sources
                .iter()
                .filter(|id| !refused.contains_key(id) && !was_ours(id))
                .copied()
                .collect(),
        };
        state.settled = sources;
        state.refused = refused;
        Some(changes)
    }

    /// The processor that has this source, where that is another one.
    pub(super) fn refusal(&self, id: SourceId) -> Option<String> {
        self.lock().refused.get(&id).cloned()
    }

    /// Whether this processor publishes the source.
    pub(super) fn publishes(&self, id: SourceId) -> bool {
        let state = self.lock();
        state.settled.contains(&id) && !state.refused.contains_key(&id)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
