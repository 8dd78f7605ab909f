//! Only the pictures are decoded that a processor needs, and frame numbers count what the camera sent.

use std::time::Duration;

use nvr::base::SourceId;
use nvr::control::{Answer, Request, request};
use nvr::media::testcam::Testcam;

use crate::support::broker::{Broker, Kind, free_port};
use crate::support::process::{Running, nvr};
use crate::support::scratch::fresh;
use crate::support::stage::{PATTERN, configuration, documents, page, pattern_cameras};
use crate::support::wait::{SOON, until};

/// The pattern's camera sends a key frame each second.
const PER_KEY: u64 = PATTERN.fps as u64;
/// How long decoded frames are counted.
const WINDOW: Duration = Duration::from_secs(4);

struct Site {
    dir: tempfile::TempDir,
    broker: Broker,
    cameras: Testcam,
    reader: Running,
    address: String,
}

impl Site {
    fn new() -> Self {
        let broker = Broker::start(Kind::Mosquitto);
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            cameras: Testcam::start(&pattern_cameras(1)).expect("a camera starts"),
            reader: broker.observe("nvr/#"),
            address: format!("127.0.0.1:{}", free_port()),
            broker,
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("nvr.toml")
    }

    fn write(&self, camera: &str) {
        let text = configuration(&self.broker, &self.cameras, &[0], camera);
        std::fs::write(self.file(), text).expect("written");
    }

    fn ids(&self) -> Vec<u64> {
        let events = documents(&self.reader, "nvr/detections/0");
        let ids = events.iter().filter_map(|event| event["frame_id"].as_u64());
        ids.collect()
    }

    /// Waits until the numbers of the newest `count` events are each `step` apart.
    fn until_steps(&self, what: &str, count: usize, step: u64) {
        let seen = self.ids().len();
        until(what, SOON * 3, || {
            let ids = self.ids();
            let newest = ids.get(seen.max(ids.len().saturating_sub(count))..)?;
            let are_apart = newest.windows(2).all(|pair| pair[1] - pair[0] == step);
            (newest.len() == count && are_apart).then_some(())
        });
    }

    /// The frames that are decoded within [`WINDOW`].
    fn decoded(&self) -> u64 {
        let read = || {
            let metrics = page(&self.address, "/metrics");
            let mut lines = metrics.lines();
            let line = lines.find(|line| line.starts_with("nvr_frames_decoded_total{"));
            let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            value.unwrap_or_else(|| panic!("no decoded frames in {metrics}")) as u64
        };
        let before = read();
        std::thread::sleep(WINDOW);
        read() - before
    }
}

#[test]
fn key_frames_alone_are_decoded_where_they_suffice() {
    let site = Site::new();
    site.write("max_fps = 1.0");
    let mut command = nvr();
    command.arg("processor").arg("--config").arg(site.file());
    command.args(["--http", &site.address]);
    let processor = Running::start(command);
    site.until_steps("events of key frames", 4, PER_KEY);
    let few = site.decoded();
    assert!((3..=6).contains(&few), "{few} in 4 s");

    // Another setting holds from the next key frame on.
    site.write("max_fps = 1.0\ndecode = \"all\"");
    processor.signal("HUP");
    until("30 decoded frames in 4 s", SOON, || {
        (site.decoded() >= 30).then_some(())
    });

    // Key frames alone, though the processor would take more.
    site.write("max_fps = 5.0\ndecode = \"key\"");
    processor.signal("HUP");
    site.until_steps("events of key frames again", 3, PER_KEY);
}

#[test]
fn without_a_detector_the_decoder_is_open_only_while_somebody_wants_a_picture() {
    let site = Site::new();
    site.write("");
    let runtime = fresh();
    let mut command = nvr();
    command.arg("processor").arg("--config").arg(site.file());
    command.args(["--backend", "none", "--instance-id", "ci"]);
    command
        .env("NVR_RUNTIME_DIR", &runtime)
        .env("NVR_LOG", "info,nvr::media=debug");
    let processor = Running::start(command);
    let changes = |word: &str| {
        let lines = processor.err().all();
        lines.iter().filter(|line| line.contains(word)).count()
    };
    let socket = runtime.join("processor-ci.sock");
    until("a closed decoder", SOON, || {
        (changes("the decoder is closed") >= 1).then_some(())
    });
    let sessions = changes("decoder opens");
    for asked in 1..=3 {
        until("a closed decoder", SOON, || {
            (changes("the decoder is closed") >= asked).then_some(())
        });
        let snapshot = Request::Snapshot {
            source_id: Some(SourceId(0)),
            most_bytes: 1 << 20,
        };
        let answer = request(&socket, &snapshot, SOON);
        assert!(matches!(answer, Ok(Answer::Ok(_))), "{answer:?}");
        assert_eq!(changes("the decoder is open again"), asked);
    }
    // The camera is not connected anew for that.
    assert_eq!(changes("decoder opens"), sessions);
}
