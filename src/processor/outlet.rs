//! Where a processor's words go: one link to the broker, its topics, and the claims that others have on sources.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::publish::Publisher;
use super::source::Source;
use crate::base::SourceId;
use crate::bus::{Link, Topics};
use crate::config::Encoding;
use crate::event::DetectionEvent;

/// One connection's worth of publishing; replaced as a whole when the broker or the topics change.
pub(super) struct Outlet {
    pub(super) link: Link,
    pub(super) topics: Topics,
    pub(super) publisher: Publisher,
    pub(super) encoding: Encoding,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Until the broker's retained claims have been read, nothing of ours may overwrite them.
    settled: bool,
    /// Sources that another processor, online and there before us, already has, and its instance id.
    refused: BTreeMap<SourceId, String>,
}

impl Outlet {
    pub(super) fn new(
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
            state: Mutex::default(),
        })
    }

    /// Publishes one event, in the encodings that were asked for. Never waits.
    pub(super) fn event(&self, event: &DetectionEvent) {
        if !self.speaks_of(event.source_id) {
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
        if self.speaks_of(source.id) {
            let status = self.publisher.status(source);
            self.link
                .retain(&self.topics.source(source.id), status.to_json());
        }
    }

    /// Clears what is retained of a source that is ours no longer.
    pub(super) fn clear(&self, id: SourceId) {
        if self.speaks_of(id) {
            self.link.clear(&self.topics.source(id));
        }
    }

    /// Takes over what is known of other processors' claims; true where that changed anything.
    pub(super) fn settle(&self, refused: BTreeMap<SourceId, String>) -> bool {
        let mut state = self.lock();
        let changed = !state.settled || state.refused != refused;
        state.settled = true;
        state.refused = refused;
        changed
    }

    /// The processor that has this source, where that is another one.
    pub(super) fn refusal(&self, id: SourceId) -> Option<String> {
        self.lock().refused.get(&id).cloned()
    }

    /// Whether this processor publishes the source.
    pub(super) fn speaks_of(&self, id: SourceId) -> bool {
        let state = self.lock();
        state.settled && !state.refused.contains_key(&id)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
