//! Opening the store: reads every record, completes what a power cut interrupted, and finds damage.

use super::contents::{
    ATTEMPTS, ATTEMPTS_COPY, Contents, LAST_KNOWN_GOOD, PENDING, PREVIOUS, Stale,
};
use super::error::Finding;
use super::files::StoreFiles;
use super::record::{self, RecordError};
use crate::agent::attempts::{Attempts, Outcome};

/// A record that was looked for.
enum Found<T> {
    Whole(T),
    Absent,
    Damaged,
}

impl<T> Found<T> {
    fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged)
    }

    fn whole(self) -> Option<T> {
        match self {
            Self::Whole(found) => Some(found),
            Self::Absent | Self::Damaged => None,
        }
    }
}

struct Reader<'a> {
    files: &'a dyn StoreFiles,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn read<T>(
        &mut self,
        name: &str,
        decode: impl Fn(&[u8]) -> Result<T, RecordError>,
        used: &'static str,
    ) -> Found<T> {
        let path = self.files.path(name);
        let finding = match self.files.read(name) {
            Ok(None) => return Found::Absent,
            Ok(Some(bytes)) => match decode(&bytes) {
                Ok(found) => return Found::Whole(found),
                Err(reason) => Finding::Damaged { path, reason, used },
            },
            Err(source) => Finding::Unreadable { path, source, used },
        };
        self.findings.push(finding);
        Found::Damaged
    }

    fn missing(&mut self, name: &str, used: &'static str) {
        let path = self.files.path(name);
        self.findings.push(Finding::Missing { path, used });
    }
}

const PREVIOUS_USED: &str = "the good document before it is used, where there is one";
const COPY_USED: &str = "its copy is used";
const NOTHING_LEFT: &str = "nothing takes its place until a document is good again";
const AS_TRIED: &str = "all documents up to the newest one here count as tried";

/// The contents, the files that are to be brought in line with them, and the damage.
pub(super) fn open(files: &dyn StoreFiles) -> (Contents, Stale, Vec<Finding>) {
    let mut reader = Reader {
        files,
        findings: Vec::new(),
    };
    let mut stale = Stale::default();
    let mut contents = contents(&mut reader, &mut stale);
    complete(&mut reader, &mut contents, &mut stale);
    (contents, stale, reader.findings)
}

/// Reads all records. What is to be changed on the disk is marked stale.
fn contents(reader: &mut Reader<'_>, stale: &mut Stale) -> Contents {
    let retained = "the retained document of the broker brings it again";
    let pending = reader.read(PENDING, record::document, retained);
    let good = reader.read(LAST_KNOWN_GOOD, record::document, PREVIOUS_USED);
    let previous = reader.read(PREVIOUS, record::document, NOTHING_LEFT);
    stale.pending = pending.is_damaged();
    stale.last_known_good = good.is_damaged();
    stale.previous = previous.is_damaged();
    let mut contents = Contents {
        pending: pending.whole(),
        last_known_good: good.whole(),
        previous: previous.whole(),
        attempts: Attempts::default(),
    };
    attempts(reader, stale, &mut contents);
    contents
}

fn attempts(reader: &mut Reader<'_>, stale: &mut Stale, contents: &mut Contents) {
    let first = reader.read(ATTEMPTS, record::attempts, COPY_USED);
    let copy = reader.read(ATTEMPTS_COPY, record::attempts, "it is written again");
    let is_lost = first.is_damaged() || copy.is_damaged();
    let (first, copy) = (first.whole(), copy.whole());
    stale.attempts = first.is_none();
    stale.attempts_copy = first.is_none() || first != copy;
    if let Some(attempts) = first.or(copy) {
        contents.attempts = attempts;
        return;
    }
    let good = [&contents.last_known_good, &contents.previous];
    if !is_lost && good.iter().all(|good| good.is_none()) {
        // A box that has not tried a document yet.
        stale.attempts = false;
        stale.attempts_copy = false;
        return;
    }
    if !is_lost {
        reader.missing(ATTEMPTS, AS_TRIED);
    }
    // Nothing tells whether the pending document has crashed this box before. The next generation is tried.
    let documents = good.into_iter().chain([&contents.pending]).flatten();
    let newest = documents.map(|document| document.id.generation).max();
    contents.attempts.assume_tried(newest.unwrap_or_default());
    contents.drop_pending(stale);
}

/// Completes a promotion or an erasure, drops a document that has failed, and replaces a good one that is damaged.
fn complete(reader: &mut Reader<'_>, contents: &mut Contents, stale: &mut Stale) {
    if contents.attempts.erasing {
        contents.drop_documents(stale);
        return;
    }
    let pending = contents.pending.as_ref();
    let attempt = pending.and_then(|pending| contents.attempts.find(&pending.id));
    match attempt.map(|attempt| attempt.outcome) {
        Some(Outcome::Good) => contents.promote(stale),
        Some(Outcome::Failed | Outcome::Unknown) => contents.drop_pending(stale),
        Some(Outcome::Begun) | None => {}
    }
    if contents.last_known_good.is_none() && contents.previous.is_some() {
        if !stale.last_known_good {
            reader.missing(LAST_KNOWN_GOOD, PREVIOUS_USED);
        }
        contents.last_known_good = contents.previous.clone();
        stale.last_known_good = true;
    }
}
