//! The checks of the recording's table.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::check::{Checker, name_list};
use super::{
    Backend, NextDirectory, RawRecord, RecordChoice, RecordPlace, RecordSettings, SourceSettings,
};
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
        let next_budget = self.within("record", raw.next_budget());
        for (key, budget) in [
            (RecordPlace::First.budget_key(), raw.budget),
            (RecordPlace::Next.budget_key(), raw.next_budget),
        ] {
            if let Some(budget) = budget.filter(|budget| raw.min_per_camera.0 > budget.0) {
                self.report(
                    "record.min_per_camera",
                    format!(
                        "must be at most {key}, {budget}, got {}; lower it, or raise the budget",
                        raw.min_per_camera
                    ),
                );
            }
        }
        let next = self.next_directory(raw, next_budget);
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
            place: RecordPlace::First,
            next,
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

    /// The directory that takes over, if there is one.
    fn next_directory(
        &mut self,
        raw: &RawRecord,
        budget_bytes: Option<u64>,
    ) -> Option<NextDirectory> {
        let Some(dir) = raw.next_dir.as_deref() else {
            if raw.next_budget.is_some() {
                self.warnings.push(
                    "record.next_budget: has no effect without record.next_dir; name a directory, or remove the key"
                        .to_owned(),
                );
            }
            return None;
        };
        if dir.is_empty() {
            self.report(
                "record.next_dir",
                "must name a directory; remove the key if none is to take over",
            );
            return None;
        }
        let next = plain(&self.base.join(dir));
        match raw.dir.as_deref() {
            None => self.report(
                "record.next_dir",
                "takes over from record.dir, which is not set; set that one, or remove this one",
            ),
            Some("") => {}
            Some(first) => {
                let first = plain(&self.base.join(first));
                if next.starts_with(&first) || first.starts_with(&next) {
                    self.report(
                        "record.next_dir",
                        format!(
                            "must be neither record.dir, {}, nor inside it or around it, got {}; name a directory on another disk",
                            first.display(),
                            next.display()
                        ),
                    );
                }
            }
        }
        Some(NextDirectory {
            dir: self.base.join(dir),
            budget_bytes,
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
            .filter(|source| source.record == RecordChoice::Events && !source.is_only_recorded());
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

/// A path without `.` and `..`, by its text alone: the directories may not be there yet.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
#[path = "check_record_tests.rs"]
mod tests;
