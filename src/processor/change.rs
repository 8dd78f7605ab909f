//! Decides which parts of a processor a new configuration replaces. No side effects.

use super::detector::analysed_sources;
use crate::config::{RecordChoice, Settings, SourceSettings};
use crate::control::Change;

/// The change of a source that both configurations have.
pub(super) fn between(old: &SourceSettings, new: &SourceSettings) -> Change {
    let records_otherwise = old.record != new.record
        || (new.record != RecordChoice::Off && old.event_classes != new.event_classes);
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
    let has_many = |settings: &Settings| analysed_sources(settings) > 1;
    let (had, wanted) = (&old.processor, &new.processor);
    had.model != wanted.model
        || had.backend != wanted.backend
        || had.threads != wanted.threads
        || had.openvino_precision != wanted.openvino_precision
        || had.lanes != wanted.lanes
        || had.scripted_delay != wanted.scripted_delay
        || old.models_dirs != new.models_dirs
        || (follows_sources && has_many(old) != has_many(new))
}

/// Whether a new connection to the broker is needed.
pub(super) fn needs_new_link(old: &Settings, new: &Settings) -> bool {
    old.instance_id != new.instance_id || old.mqtt != new.mqtt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SourceId;
    use crate::config::{ConfigSource, Environment, ProcessorFlags};

    fn source(keys: &str) -> SourceSettings {
        let source = ConfigSource::new(ProcessorFlags::default(), Environment::default());
        let file = format!("[[camera]]\nid = 1\nuri = \"rtsp://a/\"\n{keys}\n");
        let settings = source.with_toml(&file).load().expect("no problem");
        settings.sources[&SourceId(1)].clone()
    }

    #[test]
    fn other_classes_of_events_restart_a_source_that_is_recorded() {
        let change = |record: &str| {
            let of_class = |class: &str| source(&format!("{record}\nevent_classes = [{class}]"));
            between(&of_class("\"person\""), &of_class("\"car\""))
        };
        assert_eq!(change("record = \"events\""), Change::Restarted);
        assert_eq!(change("record = \"continuous\""), Change::Restarted);
        assert_eq!(change("record = \"off\""), Change::Updated);
        let same = source("event_classes = [\"car\"]");
        assert_eq!(between(&same, &same.clone()), Change::Unchanged);
    }
}
