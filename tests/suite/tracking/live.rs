//! Tracking in a running processor: by the confidence of each camera, also after a change, and at rates that are too
//! low.

use std::path::PathBuf;
use std::time::Duration;

use nvr::base::{BBox, Size};
use nvr::detect::{ImportRequest, OutputFormat, import};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::broker::{Broker, Kind};
use crate::support::onnx::{TinyNetwork, TinyObject};
use crate::support::process::{Running, nvr};
use crate::support::stage::documents;
use crate::support::wait::{SOON, until};

/// A processor with a configuration file and a model that finds one person of score 0.4 at the same place in every
/// frame.
struct Site {
    dir: TempDir,
    broker: Broker,
    reader: Running,
    processor: Running,
}

impl Site {
    fn start(settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let person = TinyObject {
            bbox: BBox {
                x: 48.0,
                y: 32.0,
                width: 16.0,
                height: 24.0,
            },
            class: 0,
            score: [0.4, 0.4],
        };
        let network = TinyNetwork::finding(OutputFormat::Yolov8, Size::new(96, 64), 1, &[person]);
        let file = dir.path().join("weak.onnx");
        std::fs::write(&file, network.onnx()).expect("written");
        let request = ImportRequest {
            file,
            id: "weak".to_owned(),
            labels: Some(vec!["person".to_owned()]),
            ..ImportRequest::default()
        };
        import(&request, &[dir.path().join("models")]).expect("it is installed");
        let broker = Broker::start(Kind::Mosquitto);
        let reader = broker.observe("nvr/#");
        let file = Self::write(&dir, &broker, settings);
        let mut command = nvr();
        command
            .args(["processor", "--config"])
            .arg(file)
            .arg("--models-dir")
            .arg(dir.path().join("models"))
            .env("XDG_RUNTIME_DIR", dir.path());
        Self {
            processor: Running::start(command),
            dir,
            broker,
            reader,
        }
    }

    fn write(dir: &TempDir, broker: &Broker, settings: &str) -> PathBuf {
        let file = dir.path().join("nvr.toml");
        let text = format!(
            "instance_id = \"box-{0}\"\n[mqtt]\nport = {0}\n[[camera]]\nid = 0\n\
             uri = \"test-pattern:?width=320&height=240&fps=10\"\n[processor]\n{settings}\n",
            broker.port()
        );
        std::fs::write(&file, text).expect("written");
        file
    }

    fn reload(&self, settings: &str) {
        Self::write(&self.dir, &self.broker, settings);
        self.processor.signal("HUP");
    }

    fn events(&self) -> Vec<Value> {
        documents(&self.reader, "nvr/detections/0")
    }

    /// The tracks of the next `count` events.
    fn tracks(&self, count: usize, limit: Duration) -> Vec<Vec<Option<u64>>> {
        let before = self.events().len();
        let events = until(&format!("{count} events"), limit, || {
            let events = self.events();
            (events.len() >= before + count).then(|| events[before..before + count].to_vec())
        });
        let tracks = |event: &Value| {
            let found = event["detections"].as_array().expect("a list");
            found.iter().map(|one| one["tracker_id"].as_u64()).collect()
        };
        events.iter().map(tracks).collect()
    }

    fn warnings(&self, words: &str) -> usize {
        let lines = self.processor.err().all();
        lines.iter().filter(|line| line.contains(words)).count()
    }
}

const WEAK: &str = "backend = \"rten\"\nmodel = \"weak\"\n";

#[test]
fn the_tracker_follows_the_confidence_of_the_camera_also_when_that_changes() {
    let site = Site::start(&format!("{WEAK}confidence = 0.25"));
    let tracks = site.tracks(6, SOON * 2);
    assert_eq!(tracks[1..], [[Some(1)]; 5], "{tracks:?}");
    for confidence in [0.38, 0.05] {
        site.reload(&format!("{WEAK}confidence = {confidence}"));
        site.processor.err().find("the change", SOON, |line| {
            line.contains("configuration applied")
        });
        assert_eq!(site.tracks(6, SOON), [[Some(1)]; 6], "{confidence}");
    }
    // A person that is no longer published is still tracked by weak detections.
    site.reload(&format!("{WEAK}confidence = 0.9"));
    until("an event without detections", SOON, || {
        site.tracks(1, SOON)[0].is_empty().then_some(())
    });
    site.reload(&format!("{WEAK}confidence = 0.25"));
    let tracks = until("an event with a detection", SOON, || {
        let tracks = site.tracks(1, SOON);
        (!tracks[0].is_empty()).then_some(tracks)
    });
    assert_eq!(tracks, [[Some(1)]]);
}

const TOO_FAR: &str = "analysed frames are too far apart for tracking";

#[test]
fn a_rate_too_low_for_tracking_is_said_once_and_what_stays_in_place_keeps_its_id() {
    let site = Site::start(&format!("{WEAK}confidence = 0.25\nmax_fps = 0.45"));
    assert_eq!(site.tracks(4, SOON * 2)[1..], [[Some(1)]; 3]);
    assert_eq!(site.warnings(TOO_FAR), 1);
    site.reload(&format!("{WEAK}confidence = 0.25\nmax_fps = 0.4"));
    until("the other rate is said", SOON, || {
        (site.warnings(TOO_FAR) == 2).then_some(())
    });
    site.reload(&format!("{WEAK}confidence = 0.25"));
    assert_eq!(site.tracks(20, SOON)[19], [Some(1)]);
    assert_eq!(site.warnings(TOO_FAR), 2);
}

#[test]
fn a_detector_too_slow_for_tracking_is_said_once() {
    let site = Site::start("backend = \"scripted\"\nscripted_delay = \"2200ms\"");
    until("it is said", SOON * 3, || {
        (site.warnings(TOO_FAR) == 1).then_some(())
    });
    site.tracks(2, SOON);
    assert_eq!(site.warnings(TOO_FAR), 1);
}

#[test]
fn a_class_that_no_model_has_is_said_at_start_and_at_reload() {
    let words = "the model has no class of this name";
    let site = Site::start(&format!("{WEAK}classes = [\"person\", \"Person\"]"));
    site.tracks(1, SOON * 2);
    let line = site
        .processor
        .err()
        .find("the warning", SOON, |line| line.contains(words));
    for part in [
        "class=\"Person\"",
        "nearest=\"person\"",
        "model=\"weak\"",
        "labels=\"person\"",
    ] {
        assert!(line.contains(part), "{line}");
    }
    site.reload(&format!("{WEAK}classes = [\"forklift\"]"));
    let line = site.processor.err().find("the warning", SOON, |line| {
        line.contains(words) && line.contains("forklift")
    });
    assert!(!line.contains("nearest"), "{line}");
    site.reload(&format!("{WEAK}classes = [\"person\"]"));
    site.tracks(1, SOON);
    assert_eq!(site.warnings(words), 2);
}
