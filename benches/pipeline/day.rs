//! A day of recordings, made in seconds: what a camera would send is recorded at full speed, with its times.
//!
//! The files have the names, the number of fragments and the tails of real ones; the pictures are small. Each camera is recorded
//! in memory and copied to the disk, because a recorder waits for the disk at each file.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nvr::base::{CaptureClock, Clock, Size, SourceId, raise_descriptor_limit};
use nvr::media::{Codec, CodedFormat, CodedUnit, UnitSink};
use nvr::record::{RecordSettings, Recorder};

/// 2026-01-01T00:00:00Z.
pub(crate) const STARTED_UNIX: Duration = Duration::from_secs(1_767_225_600);
/// From one key frame to the next, and so the length of a fragment.
const GROUP: Duration = Duration::from_secs(2);
const GROUPS: u32 = 24 * 3600 / 2;
/// Groups after which the files are waited for: six hours. Files that are not durable yet are open.
const PORTION: u32 = 6 * 3600 / 2;
/// Bytes of a picture: a day of 16 cameras has 1 GB.
const PICTURE_BYTES: usize = 1024;
/// The longest time for the disk.
const LIMIT: Duration = Duration::from_secs(60);

/// Records a day of `cameras` cameras to `dir`.
pub(crate) fn record(dir: &Path, cameras: u32) {
    let _ = raise_descriptor_limit();
    for id in 0..cameras {
        let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let memory = memory.expect("a folder for a day of a camera");
        record_camera(memory.path(), SourceId(id));
        let copied = Command::new("cp")
            .arg("-r")
            .arg(memory.path().join(id.to_string()))
            .arg(dir)
            .status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "the day can't be copied to {}",
            dir.display()
        );
    }
}

fn record_camera(dir: &Path, id: SourceId) {
    let settings = RecordSettings {
        durable_every: Duration::ZERO,
        source_queue_bytes: 64 << 20,
        ..RecordSettings::new(dir)
    };
    let recorder = Recorder::start(settings, Clock::system()).expect("a recorder");
    let source = recorder.source(id);
    let format = Arc::new(CodedFormat {
        codec: Codec::H264,
        record: Bytes::from_static(b"\x01\x64\x00\x1f\xff\xe0\x00"),
        size: Size::new(1280, 720),
    });
    for number in 0..GROUPS {
        source.unit(picture(&format, number));
        if number % PORTION == PORTION - 1 {
            // The last group is written when the next one comes, and its file is open.
            let until = STARTED_UNIX + GROUP * (number - 1);
            let deadline = Instant::now() + LIMIT;
            while recorder.report().sources[&id].durable_until < Some(until) {
                assert!(Instant::now() < deadline, "a day can't be recorded");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    let dropped = recorder.report().sources[&id].dropped_groups;
    assert!(recorder.stop(LIMIT) && dropped == 0, "a day has gaps");
}

/// A key frame that no decoder would take.
fn picture(format: &Arc<CodedFormat>, number: u32) -> CodedUnit {
    let since_start = GROUP * number;
    let mut data = vec![0x65; PICTURE_BYTES];
    let length = PICTURE_BYTES as u32 - 4;
    data[..4].copy_from_slice(&length.to_be_bytes());
    CodedUnit {
        format: format.clone(),
        data: data.into(),
        is_key: true,
        session: 1,
        pts_ns: since_start.as_nanos() as u64,
        arrival: since_start,
        captured_unix: STARTED_UNIX + since_start,
        clock: CaptureClock::Arrival,
        ntp_ns: None,
    }
}
