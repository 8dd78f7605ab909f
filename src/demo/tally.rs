//! Counts the events of each source and formats a line per source.

use std::collections::BTreeMap;

use crate::base::SourceId;
use crate::event::DetectionEvent;

/// The events by source.
#[derive(Debug)]
pub(super) struct Tally {
    sources: BTreeMap<SourceId, Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    total: u64,
    newest: Option<DetectionEvent>,
}

impl Tally {
    pub(super) fn new(sources: impl IntoIterator<Item = SourceId>) -> Self {
        Self {
            sources: sources
                .into_iter()
                .map(|id| (id, Counted::default()))
                .collect(),
        }
    }

    pub(super) fn count(&mut self, event: DetectionEvent) {
        let counted = self.sources.entry(event.source_id).or_default();
        counted.total += 1;
        counted.newest = Some(event);
    }

    /// A line for each source with its newest event since the last call.
    pub(super) fn lines(&mut self) -> Vec<String> {
        self.sources
            .iter_mut()
            .map(|(id, counted)| match counted.newest.take() {
                Some(event) => {
                    let figure = |value: Option<f32>| {
                        value.map_or_else(|| "?".to_owned(), |value| format!("{value:.1}"))
                    };
                    format!(
                        "camera {id} {:>6} fps {:>7} ms   {}",
                        figure(event.fps),
                        figure(event.latency_ms),
                        event.summary()
                    )
                }
                None => format!("camera {id}      – fps       – ms   no event"),
            })
            .collect()
    }

    /// Sources without any event.
    pub(super) fn silent(&self) -> Vec<SourceId> {
        let never = self
            .sources
            .iter()
            .filter(|(_, counted)| counted.total == 0);
        never.map(|(id, _)| *id).collect()
    }
}
