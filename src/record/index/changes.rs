//! The files that changed since the index last looked. The recorder notes them without waiting for the disk or the index.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::base::sync::lock;
use crate::record::file_key::FileKey;

/// The last change of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It is about to be created, or is open.
    Opened,
    /// It is closed, was given up, or was not created.
    Closed,
    /// It was deleted.
    Removed,
}

/// The changes that the index has not seen. Only the last one of each file is kept, because the index reads the file itself: so there
/// are at most as many as files, also while the index can't be written.
#[derive(Debug, Default)]
pub(in crate::record) struct Changes {
    files: Mutex<BTreeMap<FileKey, Change>>,
}

impl Changes {
    /// A file is about to be created.
    pub(in crate::record) fn opened(&self, key: FileKey) {
        self.note(key, Change::Opened);
    }

    /// A file is closed, was given up, or was not created.
    pub(in crate::record) fn closed(&self, key: FileKey) {
        self.note(key, Change::Closed);
    }

    /// A file was deleted.
    pub(in crate::record) fn removed(&self, key: FileKey) {
        self.note(key, Change::Removed);
    }

    /// The changes since the last call.
    pub(super) fn take(&self) -> BTreeMap<FileKey, Change> {
        std::mem::take(&mut lock(&self.files))
    }

    fn note(&self, key: FileKey, change: Change) {
        lock(&self.files).insert(key, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SourceId;

    #[test]
    fn the_last_change_of_each_file_is_kept_until_it_is_taken() {
        let changes = Changes::default();
        let [first, second] = [1, 2].map(|start_ms| FileKey::new(SourceId(7), start_ms, 0));
        changes.opened(first);
        changes.opened(second);
        changes.closed(first);
        changes.removed(first);
        changes.opened(first);
        let wanted = [(first, Change::Opened), (second, Change::Opened)];
        assert_eq!(changes.take(), wanted.into());
        assert_eq!(changes.take(), BTreeMap::new());
    }
}
