//! The checks of the recording's table.

use std::path::PathBuf;

use super::check::Checker;
use super::{RawRecord, RecordSettings};

impl Checker<'_> {
    /// The settings of the recording, if there is a directory for it.
    pub(super) fn record(&mut self, raw: &RawRecord) -> Option<RecordSettings> {
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
            durable_every: self.within("record", raw.durable_every()),
            file_length: self.within("record", raw.file_length()),
            accept_wear: raw.accept_wear,
        };
        let dir = raw.dir.as_deref()?;
        if dir.is_empty() {
            self.report(
                "record.dir",
                "must name a directory; remove the key to record nothing",
            );
        }
        Some(RecordSettings {
            dir: self.base.join(dir),
            ..settings
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::config::{ConfigSource, Environment, ProcessorFlags};

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
