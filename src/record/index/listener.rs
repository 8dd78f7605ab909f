//! Whom the index tells about events, so that recordings without any are deleted first.

use std::fmt;
use std::sync::Arc;

use crate::base::SourceId;
use crate::record::file_key::FileKey;

/// A time in which an object was seen. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct SeenEvent {
    pub(in crate::record) source: SourceId,
    pub(in crate::record) class: Arc<str>,
    /// Capture time of its first frame.
    pub(in crate::record) from_ms: u64,
    /// Capture time of its last frame.
    pub(in crate::record) to_ms: u64,
}

/// What hears about events, on the thread of the index. It must not wait for a disk.
pub(in crate::record) trait EventListener: fmt::Debug + Send + Sync {
    /// Objects were seen: first those of all rows of a former run, then each as it is read. The same time may be told again, and a
    /// part of it before.
    fn seen(&self, events: &[SeenEvent]);

    /// All recordings that there were at the start are read, and so are these, which were closed since. Called again and again.
    fn read(&self, closed: &[FileKey]);
}

/// Nobody.
impl EventListener for () {
    fn seen(&self, _: &[SeenEvent]) {}
    fn read(&self, _: &[FileKey]) {}
}
