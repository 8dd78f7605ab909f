//! The store: changes its contents in memory and brings the files in line with them.

use super::contents::{
    ATTEMPTS, ATTEMPTS_COPY, Contents, LAST_KNOWN_GOOD, NEW, PENDING, PREVIOUS, Stale,
};
use super::error::{Finding, StoreError};
use super::files::StoreFiles;
use super::open;
use super::record::{self, LONGEST_DOCUMENT};
use crate::agent::attempts::Failure;
use crate::agent::document::{DocumentId, StoredDocument};

/// The store of a box.
pub struct Store {
    files: Box<dyn StoreFiles>,
    contents: Contents,
    stale: Stale,
}

impl Store {
    /// Reads the store, completes a change that a power cut interrupted, and reports damage. Never fails: the box boots with
    /// what is left, also with nothing.
    pub fn open(files: Box<dyn StoreFiles>) -> (Self, Vec<Finding>) {
        let (contents, stale, mut findings) = open::open(files.as_ref());
        let mut store = Self {
            files,
            contents,
            stale,
        };
        // What an interrupted write has left.
        let _ = store.files.remove(NEW);
        if let Err(error) = store.flush() {
            findings.push(Finding::Unfinished(error));
        }
        (store, findings)
    }

    /// The contents, in memory.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Whether the disk has all of the contents.
    pub fn is_saved(&self) -> bool {
        !self.stale.any() && !self.contents.attempts.erasing
    }

    /// Saves a received document as the pending one, in place of another.
    ///
    /// # Errors
    /// When it is too long, or the disk refuses it. The former pending document stays.
    pub fn save_pending(&mut self, document: StoredDocument) -> Result<(), StoreError> {
        let bytes = document.bytes.len();
        if bytes > LONGEST_DOCUMENT {
            return Err(StoreError::TooLong { bytes });
        }
        // An erasure that is not complete would take the new document with it.
        self.flush()?;
        if self.contents.pending.as_ref() == Some(&document) {
            return Ok(());
        }
        let former = self.contents.pending.replace(document);
        self.stale.pending = true;
        self.flush().inspect_err(|_| {
            self.contents.pending = former;
            self.stale.pending = true;
        })
    }

    /// Records that the apply of the pending document begins. Only after that may it be applied.
    ///
    /// # Errors
    /// When `id` is not the pending document, or the disk refuses the record. Then it must not be applied.
    pub fn begin_attempt(&mut self, id: &DocumentId) -> Result<(), StoreError> {
        self.expect_pending(id)?;
        // What the disk has refused before comes first: it may refuse that again.
        self.flush()?;
        let former = self.contents.attempts.clone();
        self.contents.attempts.begin(id);
        self.stale.mark_attempts();
        self.flush().inspect_err(|_| {
            self.contents.attempts = former;
            self.stale.mark_attempts();
        })
    }

    /// Makes the pending document the last known good one, and keeps the former as the previous one.
    ///
    /// # Errors
    /// When `id` is not the pending document. When the disk refuses it, it is promoted in memory alone.
    pub fn promote(&mut self, id: &DocumentId) -> Result<(), StoreError> {
        self.expect_pending(id)?;
        self.contents.promote(&mut self.stale);
        self.flush()
    }

    /// Records that a document has failed, and drops it if it is the pending one.
    ///
    /// # Errors
    /// When the disk refuses it. In memory it has failed all the same.
    pub fn fail(&mut self, id: &DocumentId, failure: Failure) -> Result<(), StoreError> {
        self.contents.attempts.fail(id, failure);
        self.stale.mark_attempts();
        self.drop_pending(id)
    }

    /// Drops a pending document whose apply has not begun.
    ///
    /// # Errors
    /// When the disk refuses it. In memory it is gone all the same.
    pub fn drop_pending(&mut self, id: &DocumentId) -> Result<(), StoreError> {
        if self
            .contents
            .pending
            .as_ref()
            .is_some_and(|pending| pending.id == *id)
        {
            self.contents.drop_pending(&mut self.stale);
        }
        self.flush()
    }

    /// Erases all documents and attempts, except the number up to which generations are refused from now on.
    ///
    /// # Errors
    /// When the disk refuses it. In memory all is erased; a start that finds the erasure begun completes it.
    pub fn decommission(&mut self, id: &DocumentId) -> Result<(), StoreError> {
        self.contents.attempts.erase(id);
        self.contents.attempts.erasing = true;
        self.stale.mark_attempts();
        self.contents.drop_documents(&mut self.stale);
        self.flush()
    }

    /// Brings the disk in line with the contents in memory, after an error.
    ///
    /// # Errors
    /// When the disk still refuses it.
    pub fn retry(&mut self) -> Result<(), StoreError> {
        self.flush()
    }

    fn expect_pending(&self, id: &DocumentId) -> Result<(), StoreError> {
        match &self.contents.pending {
            Some(pending) if pending.id == *id => Ok(()),
            _ => Err(StoreError::NotPending {
                name: id.to_string(),
            }),
        }
    }

    /// Writes the files that are stale, each durably before the next. After a power cut at any moment a start can complete the
    /// rest: the attempts come first, which tell what is to be completed, and the pending document last, which a promotion needs
    /// until then.
    fn flush(&mut self) -> Result<(), StoreError> {
        self.flush_attempts()?;
        if self.stale.previous {
            put(
                self.files.as_mut(),
                PREVIOUS,
                self.contents.previous.as_ref(),
            )?;
            self.sync(PREVIOUS)?;
            self.stale.previous = false;
        }
        if self.stale.last_known_good {
            let document = self.contents.last_known_good.as_ref();
            put(self.files.as_mut(), LAST_KNOWN_GOOD, document)?;
            self.sync(LAST_KNOWN_GOOD)?;
            self.stale.last_known_good = false;
        }
        if self.stale.pending {
            put(self.files.as_mut(), PENDING, self.contents.pending.as_ref())?;
            self.sync(PENDING)?;
            self.stale.pending = false;
        }
        if self.contents.attempts.erasing && !self.stale.any_document() {
            self.contents.attempts.erasing = false;
            self.stale.mark_attempts();
            self.flush_attempts().inspect_err(|_| {
                self.contents.attempts.erasing = true;
            })?;
        }
        Ok(())
    }

    fn flush_attempts(&mut self) -> Result<(), StoreError> {
        if !self.stale.attempts && !self.stale.attempts_copy {
            return Ok(());
        }
        let record = record::of_attempts(&self.contents.attempts);
        let files = self.files.as_mut();
        if self.stale.attempts {
            write(files, ATTEMPTS, &record)?;
        }
        // The copy serves a start at which the first one is damaged. Without it the change is durable all the same.
        let copied = write(files, ATTEMPTS_COPY, &record);
        self.sync(ATTEMPTS)?;
        self.stale.attempts = false;
        self.stale.attempts_copy = copied.is_err();
        Ok(())
    }

    /// Makes the new name of a file durable.
    fn sync(&mut self, name: &str) -> Result<(), StoreError> {
        let synced = self.files.sync_names();
        synced.map_err(refused(self.files.as_ref(), name))
    }
}

/// Writes a document, or removes its file.
fn put(
    files: &mut dyn StoreFiles,
    name: &str,
    document: Option<&StoredDocument>,
) -> Result<(), StoreError> {
    match document {
        Some(document) => write(files, name, &record::of_document(document)),
        None => files.remove(name).map_err(refused(files, name)),
    }
}

fn write(files: &mut dyn StoreFiles, name: &str, record: &[u8]) -> Result<(), StoreError> {
    let written = files
        .write(NEW, record)
        .and_then(|()| files.rename(NEW, name));
    written.map_err(|source| {
        // On a full disk a half-written file would take the space that others need.
        let _ = files.remove(NEW);
        let path = files.path(name);
        StoreError::Write { path, source }
    })
}

fn refused(files: &dyn StoreFiles, name: &str) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = files.path(name);
    move |source| StoreError::Write { path, source }
}
