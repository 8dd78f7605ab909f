//! Files for the tests of playback.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::mp4::{self, FileHead};
use super::super::scene::Scene;
use super::name::RecordingName;
use crate::base::{CaptureClock, Size, SourceId};
use crate::media::{Codec, CodedFormat, CodedUnit};

/// 2026-11-28T08:30:00.123Z.
pub(super) const STARTED_UNIX: Duration = Duration::from_millis(1_795_854_600_123);
const SOURCE: SourceId = SourceId(7);

/// A frame: ms of its presentation since the start of its file, and whether it is a key frame.
pub(super) type Shown = (u64, bool);

/// A recording, as the recorder writes it.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) name: RecordingName,
    /// The head, the fragments and the tail.
    pub(super) blocks: Vec<Vec<u8>>,
}

/// The time so many ms after [`STARTED_UNIX`].
pub(super) fn at(ms: u64) -> Duration {
    STARTED_UNIX + Duration::from_millis(ms)
}

impl Recording {
    /// A recording that starts so many ms after [`STARTED_UNIX`].
    pub(super) fn new(start_ms: u64, fragments: &[&[Shown]]) -> Self {
        Self::with_scenes(start_ms, fragments, &[])
    }

    /// One with scenes: those of each fragment, as ms of their frames after [`STARTED_UNIX`].
    pub(super) fn with_scenes(start_ms: u64, fragments: &[&[Shown]], scenes: &[&[u64]]) -> Self {
        let started_unix = at(start_ms);
        let head = FileHead {
            id: start_ms + 1,
            source: SOURCE,
            started_unix,
            format: format(),
        };
        let mut blocks = vec![mp4::head(&head)];
        for (index, frames) in fragments.iter().enumerate() {
            let units: Vec<CodedUnit> = frames
                .iter()
                .map(|&(ms, is_key)| unit(started_unix, ms, is_key))
                .collect();
            let next = fragments.get(index + 1).and_then(|next| next.first());
            let next_pts_ns = next.map(|&(ms, is_key)| unit(started_unix, ms, is_key).pts_ns);
            let scenes: Vec<Scene> = scenes
                .get(index)
                .map_or(&[][..], |scenes| scenes)
                .iter()
                .map(|&ms| scene(at(ms)))
                .collect();
            let sequence = index as u32 + 1;
            let fragment =
                mp4::fragment_with_scenes(head.id, sequence, 0, &units, next_pts_ns, &scenes);
            blocks.push(fragment.expect("a fragment").bytes);
        }
        let written = mp4::read(&mut blocks.concat().as_slice()).expect("a recording");
        blocks.push(mp4::tail(head.id, blocks.len() as u32, &written.fragments));
        Self {
            name: RecordingName::new(SOURCE, started_unix, 0),
            blocks,
        }
    }

    /// Writes its first blocks.
    pub(super) fn write(&self, dir: &Path, blocks: usize) {
        self.write_bytes(dir, &self.blocks[..blocks].concat());
    }

    /// Writes all of it.
    pub(super) fn write_closed(&self, dir: &Path) {
        self.write(dir, self.blocks.len());
    }

    pub(super) fn write_bytes(&self, dir: &Path, bytes: &[u8]) {
        let path = self.name.path(dir);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    /// The first byte of a block in the file.
    pub(super) fn offset(&self, block: usize) -> u64 {
        self.blocks[..block].concat().len() as u64
    }
}

/// The format of all frames.
pub(super) fn format() -> CodedFormat {
    CodedFormat {
        codec: Codec::H264,
        record: Bytes::from_static(b"\x01\x64\x00\x1f\xff\xe0\x00"),
        size: Size::new(640, 480),
    }
}

fn scene(captured_unix: Duration) -> Scene {
    Scene {
        captured_unix,
        ntp_ns: None,
        frame_size: Size::new(640, 480),
        objects: Vec::new(),
    }
}

fn unit(started_unix: Duration, ms: u64, is_key: bool) -> CodedUnit {
    let since_start = Duration::from_millis(ms);
    CodedUnit {
        format: Arc::new(format()),
        data: Bytes::from(format!("\0\0\0\x08unit{ms:04}")),
        is_key,
        session: 1,
        pts_ns: since_start.as_nanos() as u64,
        arrival: since_start,
        captured_unix: started_unix + since_start,
        clock: CaptureClock::Ntp,
        ntp_ns: None,
    }
}
