//! The checks of the recording's table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::check::{Checker, name_list};
use super::{Backend, RawRecord, RecordChoice, RecordSettings, SourceSettings};
use crate::base::SourceId;

impl Checker<'_> {
    /// The settings of the recording, if there is a directory for it.
    pub(super) fn record(
        &mut self,
        raw: &RawRecord,
        backend: Backend,
        sources: &BTreeMap<SourceId, SourceSettings>,
    ) -> Option<RecordSettings> {
        let budget = self.within("record", raw.budget());
        let min_per_camera = self.within("record", raw.min_per_camera());
        if budget.is_some_and(|budget| min_per_camera > budget) {
            let budget = raw.budget.map(|budget| budget.to_string());
            self.report(
                "record.min_per_camera",
                format!(
                    "must be at most record.budget, {}, got {}; lower it, or raise the budget",
                    budget.unwrap_or_default(),
                    raw.min_per_camera
                ),
            );
        }
        let settings = RecordSettings {
            dir: PathBuf::new(),
            budget_bytes: budget,
            min_free_bytes: self.within("record", raw.min_free()),
            min_per_camera_bytes: min_per_camera,
            prefer_events_after: self.within("record", raw.prefer_events_after()),
            durable_every: self.within("record", raw.durable_every()),
            file_length: self.within("record", raw.file_length()),
            pre_roll: self.within("record", raw.pre_roll()),
            post_roll: self.within("record", raw.post_roll()),
            accept_wear: raw.accept_wear,
        };
        let dir = raw.dir.as_deref()?;
        if dir.is_empty() {
            self.report(
                "record.dir",
                "must name a directory; remove the key to record nothing",
            );
        }
        if !self.for_wall {
            self.warn_of_missing_events(backend, sources);
        }
        Some(RecordSettings {
            dir: self.base.join(dir),
            ..settings
        })
    }

    /// The classes of events.
    pub(super) fn event_classes(&mut self, path: &str, classes: &[String]) -> Vec<String> {
        if classes.is_empty() {
            self.report(
                path,
                "an empty list would record nothing; remove the key for all classes",
            );
        } else if classes.iter().any(|class| class.trim().is_empty()) {
            self.report(path, "contains an empty class name");
        }
        classes.to_vec()
    }

    /// Warns of cameras whose events are to be recorded and that can't have any.
    fn warn_of_missing_events(
        &mut self,
        backend: Backend,
        sources: &BTreeMap<SourceId, SourceSettings>,
    ) {
        let of_events = sources
            .values()
            .filter(|source| source.record == RecordChoice::Events);
        if backend == Backend::None {
            let ids: Vec<_> = of_events.map(|source| source.id).collect();
            if !ids.is_empty() {
                self.warnings.push(format!(
                    "processor.backend: there are no events without a detector, so nothing of cameras {} is recorded; choose \
                     another backend, or set record = \"continuous\" for them",
                    name_list(ids.iter())
                ));
            }
            return;
        }
        for source in of_events {
            if let (Some(wanted), Some(published)) =
                (&source.event_classes, &source.analysis.classes)
                && !wanted.iter().any(|class| published.contains(class))
            {
                self.warnings.push(format!(
                    "event_classes of camera {}: none of {} is published, so nothing is recorded of it; add one to its classes, {}",
                    source.id,
                    name_list(wanted.iter()),
                    name_list(published.iter())
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::base::SourceId;
    use crate::config::{ConfigSource, Environment, ProcessorFlags, RecordChoice};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: ProcessorFlags,
    }

    fn source(record: &str) -> ConfigSource {
        let command = Command::try_parse_from(["nvr"]).expect("good usage");
        let environment = Environment::from_pairs(std::iter::empty::<(&str, &str)>());
        let file = format!(
            "[record]\ndir = \"/rec\"\n{record}\n[[camera]]\nid = 0\nuri = \"rtsp://a/\"\n"
        );
        ConfigSource::new(command.flags, environment).with_toml(&file)
    }

    #[test]
    fn a_camera_has_its_own_classes_of_events_or_those_of_all() {
        let file = "pre_roll = \"0s\"\npost_roll = \"1m 30s\"\nevent_classes = [\"person\", \"car\"]\n[[camera]]\nid = 1\nuri = \"rtsp://b/\"\nrecord = \"events\"\nevent_classes = [\"dog\"]\n";
        let settings = source(file).load().expect("no problem");
        let of = |id| {
            let source = &settings.sources[&SourceId(id)];
            (
                source.record,
                source
                    .event_classes
                    .clone()
                    .map(|classes| classes.join(" ")),
            )
        };
        assert_eq!(
            of(0),
            (RecordChoice::Continuous, Some("person car".to_owned()))
        );
        assert_eq!(of(1), (RecordChoice::Events, Some("dog".to_owned())));
        let record = settings.record.expect("there is a directory");
        assert_eq!(
            (record.pre_roll.as_secs(), record.post_roll.as_secs()),
            (0, 90)
        );
        let settings = source("").load().expect("no problem");
        assert_eq!(settings.sources[&SourceId(0)].event_classes, None);
        let record = settings.record.expect("there is a directory");
        assert_eq!(
            (record.pre_roll.as_secs(), record.post_roll.as_secs()),
            (10, 10)
        );
    }

    #[test]
    fn wrong_times_and_classes_of_events_are_refused() {
        let refused = source("pre_roll = \"61s\"\npost_roll = \"0s\"\nevent_classes = []\n[[camera]]\nid = 1\nuri = \"rtsp://b/\"\nevent_classes = [\" \"]\n").load();
        let problems = refused.expect_err("they are out of range");
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "record.event_classes: an empty list would record nothing; remove the key for all classes [document:5:1]",
                "camera[0].event_classes: contains an empty class name [document:9:1]",
                "record.pre_roll: must be 0s to 1m, got 1m 1s [document:3:1]",
                "record.post_roll: must be 1s to 10m, got 0s [document:4:1]",
            ]
        );
    }

    #[test]
    fn cameras_that_can_have_no_events_are_told() {
        let warnings = |record: &str| {
            let loaded = source(record).load_all().expect("no problem");
            let told = loaded.warnings.into_iter();
            told.filter(|warning| warning.contains("event"))
                .collect::<Vec<_>>()
        };
        let camera = "[[camera]]\nid = 1\nuri = \"rtsp://b/\"\nrecord = \"events\"\n";
        assert_eq!(
            warnings(&format!("{camera}[processor]\nbackend = \"none\"\n")),
            [
                "processor.backend: there are no events without a detector, so nothing of cameras 1 is recorded; choose another backend, or set record = \"continuous\" for them"
            ]
        );
        let classes = "event_classes = [\"car\", \"truck\"]\n";
        assert_eq!(
            warnings(&format!(
                "{classes}{camera}classes = [\"person\", \"dog\"]\n"
            )),
            [
                "event_classes of camera 1: none of car, truck is published, so nothing is recorded of it; add one to its classes, person, dog"
            ]
        );
        for fine in [
            format!("{classes}{camera}classes = [\"person\", \"truck\"]\n"),
            format!("{classes}{camera}"),
            format!("{camera}classes = [\"person\"]\n"),
            format!("{classes}[processor]\nbackend = \"none\"\nclasses = [\"person\"]\n"),
        ] {
            assert_eq!(warnings(&fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn events_are_preferred_after_a_day_or_another_time() {
        for (record, seconds) in [
            ("", 86_400),
            ("prefer_events_after = \"0s\"", 0),
            ("prefer_events_after = \"36h\"", 129_600),
            ("prefer_events_after = \"10years\"", 315_576_000),
        ] {
            let settings = source(record).load().expect("no problem");
            let record = settings.record.expect("there is a directory");
            assert_eq!(record.prefer_events_after.as_secs(), seconds);
        }
        let refused = source("prefer_events_after = \"11years\"").load();
        let problems = refused.expect_err("it is too long");
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["record.prefer_events_after: must be 0s to 10years, got 11years [document:3:1]"]
        );
    }

    #[test]
    fn the_minimum_of_a_camera_fits_into_the_budget() {
        for (record, bytes) in [
            ("", 0),
            ("min_per_camera = \"10 GB\"", 10_000_000_000),
            (
                "budget = \"10 GB\"\nmin_per_camera = \"10 GB\"",
                10_000_000_000,
            ),
        ] {
            let settings = source(record).load().expect("no problem");
            let record = settings.record.expect("there is a directory");
            assert_eq!(record.min_per_camera_bytes, bytes);
        }
        let refused = source("budget = \"10 GB\"\nmin_per_camera = \"11 GB\"").load();
        let problems = refused.expect_err("it does not fit");
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "record.min_per_camera: must be at most record.budget, 10 GB, got 11 GB; lower it, or raise the budget [document:4:1]"
            ]
        );
    }
}
