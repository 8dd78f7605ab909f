//! The event sink: the link to the broker with its topics, and the claims of other processors on sources.

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

/// Publishes events and statuses over one link. Replaced as a whole when the broker or the topics change.
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
    /// Sources whose retained claims have been read. Before that, nothing may be published about them.
    settled: BTreeSet<SourceId>,
    /// Sources that another online processor holds, and its instance id.
    refused: BTreeMap<SourceId, String>,
}

/// The sources that changed hands between this processor and others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClaimChanges {
    /// Sources that another processor holds, and its instance id.
    pub(super) refused: Vec<(SourceId, String)>,
    /// Sources that this processor publishes from now on.
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

    /// Publishes one event in the configured encodings. Never blocks.
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

    /// Publishes the present status of a source as a retained message.
    pub(super) fn status(&self, source: &Source) {
        if self.publishes(source.id) {
            let status = self.publisher.status(source);
            self.link
                .retain(&self.topics.source(source.id), status.to_json());
        }
    }

    /// Clears the retained status of a source that this processor has no longer.
    pub(super) fn clear(&self, id: SourceId) {
        if self.publishes(id) {
            self.link.clear(&self.topics.source(id));
        }
    }

    /// The sources of this processor, and each change of them.
    pub(super) fn wanted(&self) -> watch::Receiver<BTreeSet<SourceId>> {
        self.wanted.subscribe()
    }

    /// Sets the sources of this processor. Nothing is published about new ones until their claims have been read.
    pub(super) fn want(&self, sources: BTreeSet<SourceId>) {
        self.lock().settled.retain(|id| sources.contains(id));
        self.wanted.send_if_modified(|wanted| {
            let changed = *wanted != sources;
            *wanted = sources;
            changed
        });
    }

    /// Records the claims of other processors on `sources`. Returns the changes, if there are any.
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

    /// The other processor that holds this source, if there is one.
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
