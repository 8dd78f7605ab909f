//! Keeps the contents of files that were read last, bounded by bytes.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use lru::LruCache;

use super::contents::Contents;
use super::name::RecordingName;

/// What tells that a file is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// Whether this may be the same file before it grew.
    pub(super) fn is_before(&self, later: &Self) -> bool {
        self.inode == later.inode && self.bytes <= later.bytes
    }
}

/// The contents of some files. The one that was not asked for longest goes first.
#[derive(Debug)]
pub(super) struct Cache {
    files: LruCache<RecordingName, (Stamp, Arc<Contents>)>,
    bytes: usize,
    most_bytes: usize,
}

impl Cache {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            files: LruCache::unbounded(),
            bytes: 0,
            most_bytes,
        }
    }

    pub(super) fn get(&mut self, name: &RecordingName) -> Option<(Stamp, Arc<Contents>)> {
        self.files.get(name).cloned()
    }

    pub(super) fn put(&mut self, name: &RecordingName, stamp: Stamp, contents: Arc<Contents>) {
        self.bytes += memory_bytes(name, &contents);
        if let Some((_, old)) = self.files.put(name.clone(), (stamp, contents)) {
            self.bytes -= memory_bytes(name, &old);
        }
        while self.bytes > self.most_bytes
            && let Some((name, (_, old))) = self.files.pop_lru()
        {
            self.bytes -= memory_bytes(&name, &old);
        }
    }
}

/// What an entry takes in memory, with its share of the table.
fn memory_bytes(name: &RecordingName, contents: &Contents) -> usize {
    contents.memory_bytes() + name.stem().len() + 192
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::mp4::FragmentPlace;
    use super::*;
    use crate::base::SourceId;

    fn contents(fragments: usize) -> Arc<Contents> {
        let place = FragmentPlace {
            offset: 0,
            bytes: 1,
            sequence: 1,
            first_tick: 0,
            ticks: 1,
            captured_unix: Duration::ZERO,
            frames: 1,
            begins_with_key: true,
        };
        Arc::new(Contents {
            id: 1,
            is_closed: true,
            sound_bytes: 1,
            fragments: vec![place; fragments],
        })
    }

    const STAMP: Stamp = Stamp {
        inode: 1,
        bytes: 1,
        modified: (1, 0),
    };

    fn name(number: u32) -> RecordingName {
        RecordingName::new(SourceId(1), Duration::from_secs(1), number)
    }

    #[test]
    fn the_file_that_was_not_asked_for_longest_goes_first() {
        let each = memory_bytes(&name(1), &contents(30));
        let mut cache = Cache::new(3 * each);
        for number in 1..=3 {
            cache.put(&name(number), STAMP, contents(30));
        }
        assert!(cache.get(&name(1)).is_some());
        cache.put(&name(4), STAMP, contents(30));
        let kept = [1, 2, 3, 4].map(|number| cache.get(&name(number)).is_some());
        assert_eq!(kept, [true, false, true, true]);
        // One that is read again takes no more room.
        for _ in 0..10 {
            cache.put(&name(4), STAMP, contents(30));
        }
        assert_eq!(cache.bytes, 3 * each);
        assert_eq!(cache.files.len(), 3);
    }

    #[test]
    fn a_file_beyond_the_bound_is_not_kept() {
        let mut cache = Cache::new(10_000);
        cache.put(&name(1), STAMP, contents(10));
        cache.put(&name(2), STAMP, contents(1000));
        assert_eq!((cache.files.len(), cache.bytes), (0, 0));
    }

    #[test]
    fn a_file_that_shrank_or_was_replaced_is_another_one() {
        let longer = Stamp { bytes: 2, ..STAMP };
        let other = Stamp { inode: 2, ..longer };
        assert!(STAMP.is_before(&longer));
        assert!(!longer.is_before(&STAMP));
        assert!(!STAMP.is_before(&other));
    }
}
