//! Decides which parts of a processor a new configuration replaces. No side effects.

use crate::config::{RecordChoice, Settings, SourceSettings};
use crate::control::Change;

/// The change of a source that both configurations have.
pub(super) fn between(old: &SourceSettings, new: &SourceSettings) -> Change {
    let records_otherwise = old.record != new.record
        || (new.record == RecordChoice::Events && old.event_classes != new.event_classes);
    if old.stream != new.stream || records_otherwise {
        Change::Restarted
    } else if old != new {
        Change::Updated
    } else {
        Change::Unchanged
    }
}

/// Whether another detector must be loaded. Thresholds do not count: they change in place. `follows_sources`: the present one has other
/// lanes for one source than for several.
pub(super) fn needs_new_detector(old: &Settings, new: &Settings, follows_sources: bool) -> bool {
    let has_many = |settings: &Settings| settings.sources.len() > 1;
    let (had, wanted) = (&old.processor, &new.processor);
    had.model != wanted.model
        || had.backend != wanted.backend
        || had.threads != wanted.threads
        || had.lanes != wanted.lanes
        || had.scripted_delay != wanted.scripted_delay
        || old.models_dirs != new.models_dirs
        || (follows_sources && has_many(old) != has_many(new))
}

/// Whether a new connection to the broker is needed.
pub(super) fn needs_new_link(old: &Settings, new: &Settings) -> bool {
    old.instance_id != new.instance_id || old.mqtt != new.mqtt
}
