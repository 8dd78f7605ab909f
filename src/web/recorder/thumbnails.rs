//! Thumbnails: small pictures of single frames, made when they are asked for and kept for the next viewer.
//!
//! For one, up to some seconds of video are read and decoded. So few are made at once; further requests wait for their turn, and are
//! refused after a while. A client that leaves while it waits costs nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;

use super::calls::{CallError, Calls};
use super::view::RecorderView;
use crate::base::SourceId;
use crate::base::sync::lock;

/// Maximum number of thumbnails that are made at once: a part of a small machine's cores.
pub(super) const AT_ONCE: usize = 2;
/// The longest wait for a turn, and then the longest time for a thumbnail.
const LIMIT: Duration = Duration::from_secs(10);
/// The most that the kept thumbnails take: some 1000 of the usual width.
const KEPT_BYTES: usize = 16 << 20;
/// About what a kept thumbnail takes besides its bytes.
const ENTRY_BYTES: usize = 128;

/// The frame and the size that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) source: SourceId,
    /// Capture time of the frame.
    pub(super) at_ms: u64,
    /// Maximum width in pixels.
    pub(super) width: u32,
}

/// Makes thumbnails, and keeps them.
pub(super) struct Thumbnails {
    calls: Calls,
    kept: Arc<Mutex<Kept>>,
}

impl Thumbnails {
    pub(super) fn new(view: Arc<dyn RecorderView>) -> Self {
        Self::with(Calls::within(view, AT_ONCE, LIMIT))
    }

    fn with(calls: Calls) -> Self {
        Self {
            calls,
            kept: Arc::new(Mutex::new(Kept::new(KEPT_BYTES))),
        }
    }

    /// The JPEG of a frame. Nothing if it is not recorded.
    pub(super) async fn get(&self, wanted: Wanted) -> Result<Option<Bytes>, CallError> {
        if let Some(jpeg) = lock(&self.kept).get(&wanted) {
            return Ok(Some(jpeg));
        }
        let kept = self.kept.clone();
        let made = self.calls.run(move |view| {
            // Meanwhile another viewer may have got it.
            if let Some(jpeg) = lock(&kept).get(&wanted) {
                return Ok(Some(jpeg));
            }
            let made = view.thumbnail(wanted.source, wanted.at_ms, wanted.width)?;
            if let Some(jpeg) = &made {
                lock(&kept).put(wanted, jpeg.clone());
            }
            Ok(made)
        });
        made.await.map_err(|error| match error {
            CallError::Busy => CallError::ManyThumbnails,
            error => error,
        })
    }
}

/// The thumbnails that were asked for last.
struct Kept {
    jpegs: LruCache<Wanted, Bytes>,
    bytes: usize,
    most_bytes: usize,
}

impl Kept {
    fn new(most_bytes: usize) -> Self {
        Self {
            jpegs: LruCache::unbounded(),
            bytes: 0,
            most_bytes,
        }
    }

    fn get(&mut self, wanted: &Wanted) -> Option<Bytes> {
        self.jpegs.get(wanted).cloned()
    }

    fn put(&mut self, wanted: Wanted, jpeg: Bytes) {
        self.bytes += jpeg.len() + ENTRY_BYTES;
        let replaced = self.jpegs.put(wanted, jpeg);
        let mut gone = replaced;
        loop {
            self.bytes -= gone.map_or(0, |jpeg| jpeg.len() + ENTRY_BYTES);
            if self.bytes <= self.most_bytes {
                return;
            }
            gone = self.jpegs.pop_lru().map(|(_, jpeg)| jpeg);
        }
    }
}

#[cfg(test)]
#[path = "thumbnails_tests.rs"]
mod tests;
