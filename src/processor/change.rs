//! What a new configuration changes, source by source. Pure: it decides, the processor does.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::SourceId;
use crate::config::{Settings, SourceSettings};

/// What happens to one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing: it does not lose a frame.
    Unchanged,
    /// New thresholds, classes, rate or name, taken over between two frames.
    Updated,
    /// Its stream is another one: its session ends and a new one begins.
    Restarted,
    /// It is new.
    Added,
    /// It is gone; its retained status is cleared.
    Removed,
}

/// The change of every source of either configuration.
pub(super) fn source_changes(old: &Settings, new: &Settings) -> BTreeMap<SourceId, Change> {
    let mut changes: BTreeMap<_, _> = old
        .sources
        .keys()
        .filter(|id| !new.sources.contains_key(id))
        .map(|id| (*id, Change::Removed))
        .collect();
    for (id, wanted) in &new.sources {
        let change = old
            .sources
            .get(id)
            .map_or(Change::Added, |had| between(had, wanted));
        changes.insert(*id, change);
    }
    changes
}

fn between(old: &SourceSettings, new: &SourceSettings) -> Change {
    if old.stream != new.stream {
        Change::Restarted
    } else if old != new {
        Change::Updated
    } else {
        Change::Unchanged
    }
}

/// Whether another detector has to be loaded. Thresholds are no reason: they change in place.
pub(super) fn needs_new_detector(old: &Settings, new: &Settings) -> bool {
    let (had, wanted) = (&old.processor, &new.processor);
    had.model != wanted.model
        || had.backend != wanted.backend
        || had.threads != wanted.threads
        || had.scripted_delay != wanted.scripted_delay
        || old.models_dirs != new.models_dirs
}

/// Whether the broker has to be connected to anew.
pub(super) fn needs_new_link(old: &Settings, new: &Settings) -> bool {
    old.instance_id != new.instance_id || old.mqtt != new.mqtt
}
