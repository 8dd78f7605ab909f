//! The memory of attempts: which documents this box has tried, and how each attempt ended.
//!
//! The broker sends the retained document again at every connection. A document that has failed must not be tried again then.
//! Therefore an attempt is recorded durably before the document is applied. Pure; `store` keeps it on flash.

use serde::{Deserialize, Serialize};

use super::document::DocumentId;
use crate::fleet::DocumentError;

/// Maximum number of remembered attempts. A document older than the oldest remembered one is refused for its generation alone.
pub const ATTEMPTS_KEPT: usize = 16;
/// Maximum number of log lines of a failure.
pub const LOG_LINES: usize = 20;
/// Maximum length of a log line of a failure in bytes. With [`LOG_LINES`] it keeps `reported` below 8 KiB.
pub const LOG_LINE_BYTES: usize = 256;

/// Why a document failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The checks that failed.
    pub errors: Vec<DocumentError>,
    /// The last log lines of the roles, without secrets.
    pub log: Vec<String>,
}

impl From<DocumentError> for Failure {
    fn from(problem: DocumentError) -> Self {
        Self {
            errors: vec![problem],
            log: Vec::new(),
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not yet: the document is being applied, or the box went down meanwhile.
    Begun,
    /// The document became the last known good one.
    Good,
    /// The document was reverted.
    Failed,
    /// An outcome of newer firmware. It counts as failed.
    #[serde(other)]
    Unknown,
}

/// The attempts with one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The document.
    #[serde(flatten)]
    pub id: DocumentId,
    /// How many times its apply was begun since it was last good.
    pub count: u32,
    /// The end of the last one.
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(default)]
    pub failure: Failure,
}

/// The answer of the memory about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be tried: it is newer than all others, was begun less often than the limit, or was good.
    New,
    /// It has failed as often as the limit allows.
    Failed(Failure),
    /// Another document of this generation was tried.
    Conflict(DocumentId),
    /// A document of this newer generation was tried, or all documents up to it were erased.
    Old(u64),
}

/// All remembered attempts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempts {
    /// The highest generation that was tried or erased. Older unknown documents are refused.
    pub highest: u64,
    /// Set while all documents are being erased. A start that finds it completes the erasure.
    pub erasing: bool,
    entries: Vec<Attempt>,
}

impl Attempts {
    /// The verdict on `id` with `limit` attempts.
    pub fn verdict(&self, id: &DocumentId, limit: u32) -> Verdict {
        let same = |entry: &&Attempt| entry.id.generation == id.generation;
        match self.entries.iter().find(same) {
            Some(entry) if entry.id != *id => Verdict::Conflict(entry.id.clone()),
            Some(entry) => match entry.outcome {
                Outcome::Good => Verdict::New,
                Outcome::Begun if entry.count < limit => Verdict::New,
                Outcome::Failed if entry.count < limit => Verdict::New,
                _ => Verdict::Failed(entry.failure.clone()),
            },
            None if id.generation <= self.highest => Verdict::Old(self.highest),
            None => Verdict::New,
        }
    }

    /// The attempt with `id`.
    pub fn find(&self, id: &DocumentId) -> Option<&Attempt> {
        self.entries.iter().find(|entry| entry.id == *id)
    }

    /// The documents of all remembered attempts.
    pub fn ids(&self) -> impl Iterator<Item = &DocumentId> {
        self.entries.iter().map(|entry| &entry.id)
    }

    /// Whether an attempt with `id` has begun and not ended.
    pub fn is_begun(&self, id: &DocumentId) -> bool {
        self.has_outcome(id, Outcome::Begun)
    }

    /// Whether `id` was promoted.
    pub fn is_good(&self, id: &DocumentId) -> bool {
        self.has_outcome(id, Outcome::Good)
    }

    fn has_outcome(&self, id: &DocumentId, outcome: Outcome) -> bool {
        self.find(id).is_some_and(|entry| entry.outcome == outcome)
    }

    /// Counts one more attempt with `id`.
    pub fn begin(&mut self, id: &DocumentId) {
        let entry = self.entry(id);
        if entry.outcome == Outcome::Good {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.outcome = Outcome::Begun;
        entry.failure = Failure::default();
        self.highest = self.highest.max(id.generation);
    }

    /// `id` has failed. Its failure is cut to [`LOG_LINES`] lines.
    pub fn fail(&mut self, id: &DocumentId, mut failure: Failure) {
        cut(&mut failure);
        let entry = self.entry(id);
        entry.count = entry.count.max(1);
        entry.outcome = Outcome::Failed;
        entry.failure = failure;
        self.highest = self.highest.max(id.generation);
    }

    /// `id` is the last known good document. Attempts with older documents are forgotten: their generation refuses them.
    pub fn promote(&mut self, id: &DocumentId) {
        let entry = self.entry(id);
        entry.outcome = Outcome::Good;
        entry.failure = Failure::default();
        self.highest = self.highest.max(id.generation);
        self.entries
            .retain(|entry| entry.id.generation >= id.generation);
    }

    /// Forgets all attempts for `id`, which erases all documents. Other documents up to its generation and up to the highest one
    /// so far are refused from now on.
    pub fn erase(&mut self, id: &DocumentId) {
        self.entries.clear();
        self.promote(id);
    }

    /// For a memory that was lost: every document up to `generation` counts as tried.
    pub fn assume_tried(&mut self, generation: u64) {
        self.highest = self.highest.max(generation);
    }

    fn entry(&mut self, id: &DocumentId) -> &mut Attempt {
        if !self.entries.iter().any(|entry| entry.id == *id) {
            let entry = Attempt {
                id: id.clone(),
                count: 0,
                outcome: Outcome::Begun,
                failure: Failure::default(),
            };
            self.entries.push(entry);
            self.entries.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            if self.entries.len() > ATTEMPTS_KEPT {
                // The lowest other than `id`: it is refused by `highest`.
                let oldest = usize::from(self.entries[0].id == *id);
                self.entries.remove(oldest);
            }
        }
        let found = self.entries.iter().position(|entry| entry.id == *id);
        let index = found.expect("invariant: it was found or pushed, and is not removed");
        &mut self.entries[index]
    }
}

fn cut(failure: &mut Failure) {
    let surplus = failure.log.len().saturating_sub(LOG_LINES);
    failure.log.drain(..surplus);
    for line in &mut failure.log {
        *line = cut_line(line);
    }
}

/// The start of a line, at most [`LOG_LINE_BYTES`] long.
pub(in crate::agent) fn cut_line(line: &str) -> String {
    line[..line.floor_char_boundary(LOG_LINE_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::codes;
    use crate::fleet::DocumentHash;

    fn id(generation: u64, body: &str) -> DocumentId {
        DocumentId {
            generation,
            sha256: DocumentHash::of(body.as_bytes()),
        }
    }

    #[test]
    fn a_failed_document_stays_failed_and_the_next_generation_is_new() {
        let mut attempts = Attempts::default();
        let bad = id(17, "bad");
        assert_eq!(attempts.verdict(&bad, 1), Verdict::New);
        attempts.begin(&bad);
        assert_eq!(
            attempts.verdict(&bad, 1),
            Verdict::Failed(Failure::default())
        );
        let failure = Failure::from(DocumentError::new("", codes::CRASHED, "signal 11"));
        attempts.fail(&bad, failure.clone());
        assert_eq!(attempts.verdict(&bad, 1), Verdict::Failed(failure));
        assert_eq!(attempts.verdict(&id(18, "bad"), 1), Verdict::New);
        assert_eq!(
            attempts.verdict(&id(17, "other"), 1),
            Verdict::Conflict(bad)
        );
        assert_eq!(attempts.verdict(&id(16, "older"), 1), Verdict::Old(17));
    }

    #[test]
    fn a_higher_limit_allows_as_many_attempts() {
        let mut attempts = Attempts::default();
        let bad = id(17, "bad");
        for _ in 0..3 {
            assert_eq!(attempts.verdict(&bad, 3), Verdict::New);
            attempts.begin(&bad);
            attempts.fail(&bad, Failure::default());
        }
        assert_eq!(
            attempts.verdict(&bad, 3),
            Verdict::Failed(Failure::default())
        );
    }

    #[test]
    fn a_good_document_may_be_tried_again_and_has_forgotten_the_older_ones() {
        let mut attempts = Attempts::default();
        attempts.begin(&id(16, "bad"));
        attempts.fail(&id(16, "bad"), Failure::default());
        attempts.begin(&id(17, "good"));
        attempts.promote(&id(17, "good"));
        assert_eq!(attempts.verdict(&id(17, "good"), 1), Verdict::New);
        assert_eq!(attempts.find(&id(16, "bad")), None);
        assert_eq!(attempts.verdict(&id(16, "bad"), 1), Verdict::Old(17));
    }

    #[test]
    fn only_so_many_attempts_are_kept_and_the_forgotten_ones_are_refused() {
        let mut attempts = Attempts::default();
        for generation in 1..=100 {
            attempts.begin(&id(generation, "bad"));
            attempts.fail(&id(generation, "bad"), Failure::default());
        }
        assert_eq!(attempts.entries.len(), ATTEMPTS_KEPT);
        assert_eq!(attempts.verdict(&id(1, "bad"), 1), Verdict::Old(100));
        assert_eq!(
            attempts.verdict(&id(100, "bad"), 1),
            Verdict::Failed(Failure::default())
        );
    }

    #[test]
    fn a_failure_keeps_the_last_twenty_lines_and_cuts_long_ones() {
        let mut attempts = Attempts::default();
        let line = |number: usize| format!("{number} {}", "é".repeat(200));
        let failure = Failure {
            errors: Vec::new(),
            log: (0..30).map(line).collect(),
        };
        attempts.fail(&id(1, "bad"), failure);
        let log = &attempts
            .find(&id(1, "bad"))
            .expect("it is known")
            .failure
            .log;
        assert_eq!(log.len(), LOG_LINES);
        assert!(log[0].starts_with("10 é"), "{}", log[0]);
        assert!(log.iter().all(|line| line.len() <= LOG_LINE_BYTES));
    }

    #[test]
    fn an_outcome_of_newer_firmware_counts_as_failed() {
        let text = format!(
            r#"{{"highest": 5, "later": true, "entries": [
                {{"generation": 5, "sha256": "{}", "count": 1, "outcome": "postponed", "by": "x"}}]}}"#,
            DocumentHash::of(b"x")
        );
        let attempts: Attempts = serde_json::from_str(&text).expect("readable");
        assert_eq!(
            attempts.verdict(&id(5, "x"), 9),
            Verdict::Failed(Failure::default())
        );
    }
}
