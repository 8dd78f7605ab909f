//! The checks of the recording's table.

use std::path::PathBuf;

use super::check::Checker;
use super::{RawRecord, RecordSettings};

impl Checker<'_> {
    /// The settings of the recording, if there is a directory for it.
    pub(super) fn record(&mut self, raw: &RawRecord) -> Option<RecordSettings> {
        let budget = self.within("record", raw.budget());
        let settings = RecordSettings {
            dir: PathBuf::new(),
            budget_bytes: budget,
            min_free_bytes: self.within("record", raw.min_free()),
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
